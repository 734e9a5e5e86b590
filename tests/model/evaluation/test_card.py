"""The tables of the model card: what was aimed at, and subjects that are measured alike side by side."""

from __future__ import annotations

import pytest

from model.evaluation.publish.aims import held_against
from model.evaluation.publish.card import BEGIN, END, aims_table, tables, with_figures
from model.evaluation.record import Row, SavedRows
from model.evaluation.statistics import Estimate

REAL = "any sentence, Indiana reports without their images"
PAINTED = "questions: adults, findings painted in"
F1 = "F1 of findings called or denied"


def row(images: str, subject: str, measure: str, value: float, low: float = 0.0, high: float = 1.0) -> Row:
    return Row(images, subject, measure, Estimate(value, low, high, 100))


def reached(rows: list[Row]) -> dict[str, tuple[bool, Row | None]]:
    return {met.what: (met.reached, met.row) for met in held_against(rows)}


def test_the_finding_that_is_farthest_off_decides() -> None:
    rows = [row(PAINTED, "effusion", "AUROC", 0.99), row(PAINTED, "nodule", "AUROC", 0.8)]
    assert reached(rows)["simulated findings: AUROC"] == (False, rows[1])
    assert reached(rows[:1])["simulated findings: AUROC"] == (True, rows[0])
    assert reached([])["simulated findings: AUROC"] == (False, None)


def test_an_aim_of_at_most_is_reached_from_above() -> None:
    what = "infilled sentence contradicts locked text, real reports"
    assert reached([row(REAL, "diffusion", "contradicts locked text", 0.02)])[what][0]
    assert not reached([row(REAL, "diffusion", "contradicts locked text", 0.021)])[what][0]


@pytest.mark.parametrize(("high", "wins"), [(0.59, True), (0.6, False)])
def test_the_model_must_be_clear_of_every_baseline(high: float, wins: bool) -> None:
    own = row(REAL, "diffusion", F1, 0.7, 0.6, 0.8)
    rows = [
        own,
        row(REAL, "most frequent sentence", F1, 0.1, 0.0, 0.2),
        row(REAL, "autoregressive, text before the gap", F1, 0.5, 0.4, high),
        # The reader's own ceiling is no baseline.
        row(REAL, "the sentence taken out", F1, 1.0, 1.0, 1.0),
    ]
    assert reached(rows)["finding-level F1 of the infilled sentence, real reports"] == (wins, own)
    assert not reached([own])["finding-level F1 of the infilled sentence, real reports"][0]


def test_a_blank_image_may_be_off_by_chance_but_seldom() -> None:
    images = f"{PAINTED}, blank image"
    fine = [row(images, f"finding {number}", "AUROC", 0.52, 0.45, 0.6) for number in range(9)]
    off = [row(images, f"another {number}", "AUROC", 0.7, 0.6, 0.8) for number in range(2)]
    what = "the same with a blank image: AUROC"
    assert reached(fine)[what][0]
    assert reached([*fine, off[0]])[what] == (True, off[0])
    assert not reached([*fine, *off])[what][0]


def test_shares_are_percentages_and_areas_are_not() -> None:
    table = aims_table(
        [row(PAINTED, "nodule", "AUROC", 0.961, 0.9, 0.99), row(REAL, "diffusion", "contradicts locked text", 0.0123)]
    )
    assert "| simulated findings: AUROC | at least 0.95 | 0.96 (0.90 to 0.99), n = 100 (nodule) | yes |" in table
    assert "| 1.2 % (0 to 100), n = 100 | yes |" in table
    assert "| - | not measured |" in table


def test_subjects_measured_alike_stand_in_one_table_and_others_apart() -> None:
    rows = [
        row("pictures", "effusion", "AUROC", 0.9),
        row("pictures", "nodule", "AUROC", 0.8),
        row("pictures", "side of effusion", "side right", 0.5),
        row("pictures", "side of nodule", "side right", 0.5),
        row("pictures", "wording", "a broken word", 0.5),
    ]
    made = tables(rows)
    assert made.count("| | AUROC |") == 1
    assert made.count("| | side right |") == 1
    assert made.count("| what | measure | value |") == 1
    assert "| effusion | 0.90 (0.00 to 1.00), n = 100 |" in made


def test_the_card_begins_with_the_aims() -> None:
    card = with_figures(f"before{BEGIN}old{END}after", [SavedRows("infill", (row(REAL, "diffusion", F1, 0.5),), {})])
    assert card.index("### aims") < card.index("### infill")
    assert card.endswith("after")
    assert "old" not in card
