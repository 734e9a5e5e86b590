"""The reader of reports against sentences labelled by hand, and how labels and reports are read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from model.evaluation.reading.agreement import Sentence, agreement, labelled_sentences, labels_of, main
from model.evaluation.reading.labeler import BOTH, Reading
from model.evaluation.record import EvaluationError

LABELLED = Path(__file__).parent / "labelled"
INDIANA = "INDIANA_REPORTS"


def reports_folder() -> Path:
    folder = os.environ.get(INDIANA)
    if not folder:
        pytest.skip(f"{INDIANA} names no folder of the Indiana collection's reports, whose text is not kept here")
    return Path(folder)


@pytest.mark.parametrize(("aside", "least"), [(False, 0.98), (True, 0.95)])
def test_the_reader_agrees_with_labels_of_the_grammars_sentences(aside: bool, least: float) -> None:
    sentences = [one for one in labelled_sentences(LABELLED / "grammar.json") if one.aside == aside]
    assert len(sentences) == (30 if aside else 70)
    told = agreement(sentences)
    assert told.precision.value >= least
    assert told.recall.value >= least
    assert told.sides.value >= 0.9


@pytest.mark.parametrize(
    ("name", "aside", "count", "precise", "complete"),
    [
        ("indiana.json", False, 70, 0.98, 0.98),
        ("indiana.json", True, 30, 0.95, 0.85),
        ("indiana-abnormal.json", True, 60, 0.93, 0.93),
    ],
)
def test_the_reader_agrees_with_labels_of_real_sentences(
    name: str, aside: bool, count: int, precise: float, complete: float
) -> None:
    sentences = [one for one in labelled_sentences(LABELLED / name, reports_folder()) if one.aside == aside]
    assert len(sentences) == count
    told = agreement(sentences)
    assert told.precision.value >= precise
    assert told.recall.value >= complete


@pytest.mark.parametrize(("name", "count"), [("indiana.json", 100), ("indiana-abnormal.json", 60)])
def test_of_real_sentences_only_place_hash_and_labels_are_kept(name: str, count: int) -> None:
    entries = json.loads((LABELLED / name).read_text(encoding="utf-8"))
    assert len(entries) == count
    assert {key for entry in entries for key in entry} == {"number", "sentence", "sha256", "labels", "aside"}
    assert all(entry["number"] % 2 == 0 for entry in entries)


def test_labels_are_read_as_they_are_written() -> None:
    assert labels_of("+effusion/B -low volumes ?opacity/R") == {
        "effusion": Reading("present", BOTH),
        "low volumes": Reading("absent"),
        "opacity": Reading("uncertain", frozenset({"right"})),
    }
    assert labels_of("") == {}
    for wrong in ("+efusion", "effusion", "+effusion/X"):
        with pytest.raises(EvaluationError):
            labels_of(wrong)


def test_agreement_counts_mentions_and_sides() -> None:
    told = agreement(
        [
            # Two right, of which one names the other side; one not read; one read that is not labelled.
            Sentence("Small left pleural effusion. No pneumothorax.", labels_of("+effusion/R -pneumothorax"), False),
            Sentence("The trachea is midline.", labels_of("+scoliosis"), False),
            Sentence("Mild cardiomegaly.", labels_of(""), False),
        ]
    )
    assert (told.precision.value, told.precision.count) == (pytest.approx(2 / 3, abs=1e-4), 3)
    assert (told.recall.value, told.recall.count) == (pytest.approx(2 / 3, abs=1e-4), 3)
    assert (told.sides.value, told.sides.count) == (0.0, 1)


def test_a_hedge_is_not_a_claim() -> None:
    told = agreement([Sentence("Possible pneumonia.", labels_of("+opacity"), False)])
    assert told.precision.value == 0.0


def test_a_sentence_that_was_changed_since_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = tmp_path / "real.json"
    entry = {"number": 2, "sentence": 0, "sha256": "0" * 64, "labels": "", "aside": False}
    labelled.write_text(json.dumps([entry]), encoding="utf-8")
    (tmp_path / "2.xml").write_text(
        "<r><AbstractText Label='FINDINGS'>Clear lungs.</AbstractText>"
        "<AbstractText Label='IMPRESSION'>Normal chest.</AbstractText></r>",
        encoding="utf-8",
    )
    with pytest.raises(EvaluationError, match="differs from the labelled one"):
        labelled_sentences(labelled, tmp_path)
    with pytest.raises(EvaluationError, match="Name the reports' folder"):
        labelled_sentences(labelled)


def test_the_command_tells_both_parts_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["agreement", str(LABELLED / "grammar.json")])
    assert main() == 0
    told = capsys.readouterr().out
    assert "grammar, used for mending: 70 sentences" in told
    assert "grammar, kept aside: 30 sentences" in told
    monkeypatch.setattr("sys.argv", ["agreement", str(LABELLED / "indiana.json")])
    assert main() == 2
