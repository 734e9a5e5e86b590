"""What the evaluations measure with: AUROC, F1, answers compared, words looked up, and the methods set side by side."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from drafting.engine import DraftSettings
from drafting.report import Report
from drafting.study import Study, StudyFacts
from model.evaluation.reading.indiana import LaidReport, Part
from model.evaluation.reading.statements import statements
from model.evaluation.reading.wording import broken_words, known_words, most_frequent_sentences
from model.evaluation.reading.wordwise import is_same, token_f1
from model.evaluation.record import EvaluationError, Row, done_together
from model.evaluation.reports import infill
from model.evaluation.reports.gaps import Gaps, Hole, written_gaps
from model.evaluation.reports.infill import InfillSettings, decided_rows, sentences_again
from model.evaluation.reports.methods import ORIGINAL, SIBLINGS, Filled
from model.evaluation.reports.studies import UNPICTURED, HeldOut, labelled, truth_of
from model.evaluation.sibling import Filling
from model.evaluation.statistics import auroc, f1, pooled
from model.evaluation.task import Context, DraftedSettings
from model.evaluation.vqa import yes_or_no
from model.evaluation.vqa.answers import Contender, answer_all
from model.evaluation.vqa.questions import OTHER, VqaSettings, packed_groups
from model.evaluation.vqa.scores import group_rows
from model.evaluation.vqa.yes_or_no import ask_labels
from model.network.loading import DraftingModel
from model.synthetic.cases import LABELS, SOURCES, Case, Lung, Other, sample_case
from model.synthetic.grammar import Sentence, WrittenReport
from model.synthetic.questions import canonical_question
from model.synthetic.radiographs import MASK_SIDE, Question, Radiographs, answers_of

EXAMPLES = Path(__file__).parents[3] / "assets" / "examples"


# Statistics


@pytest.mark.parametrize(
    ("scores", "there", "area"),
    [
        ([1, 2, 3, 4], [False, False, True, True], 1.0),
        ([4, 3, 2, 1], [False, False, True, True], 0.0),
        # Of four pairs three are in order.
        ([1, 3, 2, 4], [False, False, True, True], 0.75),
        # One pair in order, one tied.
        ([2, 2, 1], [True, False, False], 0.75),
        ([5, 5, 5, 5], [True, False, True, False], 0.5),
    ],
)
def test_auroc_is_the_share_of_pairs_in_order(scores: list[float], there: list[bool], area: float) -> None:
    assert auroc(scores, there).value == area


def test_auroc_holds_its_interval_and_needs_both_answers() -> None:
    random = Random(0)
    there = [number % 2 == 0 for number in range(200)]
    estimate = auroc([random.gauss(1.0 if yes else 0.0, 1) for yes in there], there)
    # Two normal distributions one standard deviation apart: 0.76.
    assert estimate.low < 0.76 < estimate.high
    assert 0.08 < estimate.high - estimate.low < 0.2
    assert estimate.count == 200
    assert auroc([1, 2], [True, True]).value is None


def test_f1_is_micro_averaged_over_reports() -> None:
    # Three right of four said and of five wanted.
    estimate = f1([1, 2, 0], [1, 2, 1], [2, 2, 1])
    assert estimate.value == pytest.approx(2 * 3 / (4 + 5), abs=1e-4)
    assert estimate.count == 3
    assert f1([0], [0], [0]).value is None


def test_things_of_which_an_image_has_several_are_pooled_over_images() -> None:
    estimate = pooled([3, 0, 1], [3, 0, 1])
    assert (estimate.value, estimate.count) == (1.0, 4)
    assert pooled([1, 0], [1, 3]).value == 0.25
    assert pooled([0], [0]).value is None


# Words


def test_a_word_of_no_reference_is_broken() -> None:
    known = known_words(["No pleural effusion.", "Bandlike left-sided atelectasis, the heart's size is normal."])
    assert broken_words("No left effusion; atelectasis. HEART'S size", known) == set()
    assert broken_words("No pleural effus ionatelectasis.", known) == {"effus", "ionatelectasis"}


def test_the_most_frequent_sentence_is_of_its_section_without_its_number() -> None:
    text = "Clear. Normal. 1. Normal. 2. Clear. 1. Clear."
    bounds = ((0, 6, "findings"), (7, 14, "findings"), (15, 25, "impression"), (26, 35, "impression"))
    report = WrittenReport(
        text, tuple(Sentence(start, end, (), section) for start, end, section in (*bounds, (36, 45, "impression")))
    )
    again = WrittenReport("Normal.", (Sentence(0, 7, (), "findings"),))
    assert most_frequent_sentences([report, again]) == {"findings": "Normal.", "impression": "Clear."}


@pytest.mark.parametrize(
    ("wanted", "said", "same", "overlap"),
    [
        ("Yes.", "yes", True, 1.0),
        ("the right lung", "Right lung.", True, 1.0),
        ("Right lower zone.", "Left lower zone.", False, 2 / 3),
        ("Two.", "None.", False, 0.0),
        ("About 25 mm.", "About 30 mm.", False, 2 / 3),
        ("yes", "", False, 0.0),
    ],
)
def test_answers_are_compared_by_their_words(wanted: str, said: str, same: bool, overlap: float) -> None:
    assert is_same(wanted, said) == same
    assert token_f1(wanted, said) == pytest.approx(overlap)


# Truth


def test_what_no_picture_shows_is_true_of_its_case() -> None:
    case = Case(others=(Other("granuloma", "left", "mid"), Other("chest_tube", "right")))
    assert truth_of(case, "granuloma").sides == {"left"}
    assert truth_of(case, "device").there is True
    assert truth_of(case, "hernia").there is False
    assert all(truth_of(Case(paediatric=True), finding).there is None for finding in UNPICTURED)


# Questions


def pictures(sources: Sequence[str], shades: Sequence[int], findings: Sequence[dict[str, bool]]) -> Radiographs:
    """Uniform pictures with these labels, and a question about each."""
    count = len(sources)
    return Radiographs(
        torch.tensor(shades, dtype=torch.uint8)[:, None, None, None].expand(count, 1, 32, 32).clone(),
        np.array([SOURCES.index(source) for source in sources]),
        np.array([f"p{number}.png" for number in range(count)]),
        np.array([answers_of(each) for each in findings], dtype=np.int8).reshape(count, len(LABELS)),
        read=np.zeros(count, dtype=bool),
        folds=np.zeros(count, dtype=np.int8),
        facts=(StudyFacts(age=40),) * count,
        chest=np.array([True] * count),
        questions=tuple(
            Question(row, "How bright is it?", f"{shade} of 255", False) for row, shade in enumerate(shades)
        ),
        masks=np.zeros((0, MASK_SIDE, MASK_SIDE), dtype=np.uint8),
        masked=np.zeros(0, dtype=np.int64),
    )


class BrightnessEngine:
    """Stands in for a model that can be asked: the brighter the picture, the likelier 'Yes.'."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.kept: set[str] = set()

    def likelihoods(self, study: Study, question: str, answers: Sequence[str]) -> list[float]:
        assert tuple(answers) == ("No.", "Yes.")
        self.asked.append(question)
        self.kept.add(study.id)
        bright = float(study.model_picture.mean()) / 255
        return [-bright, bright - 1.0]

    def release(self, study: Study) -> None:
        self.kept.discard(study.id)


def by_name(rows: Sequence[Row]) -> dict[tuple[str, str, str], Row]:
    return {(row.images, row.subject, row.measure): row for row in rows}


def with_engine(engine: object) -> Context[DraftedSettings]:
    context = Context(DraftedSettings())
    context.engine = engine
    return context


def flat(batches: Iterable[Sequence[Row]]) -> list[Row]:
    return [row for rows in batches for row in rows]


def test_real_labels_are_asked_about_and_a_blank_image_tells_nothing() -> None:
    shades = [200, 210, 220, 230, 240, 10, 20, 30, 40, 215]
    there = [{"effusion": shade > 100 and number < 9} for number, shade in enumerate(shades)]
    engine = BrightnessEngine()
    rows = by_name(flat(ask_labels(with_engine(engine), pictures(["nih_labelled"] * 10, shades, there), 10, 10)))
    images = "questions: adults of ChestX-ray14, real pictures of 64 px"
    # Of the 25 pairs those three are out of order in which the last picture outshines one with an effusion; see above.
    wanted = 1 - 2 / 25
    assert rows[images, "effusion", "AUROC"].estimate.value == pytest.approx(wanted, abs=1e-4)
    assert rows[images, "effusion", "AUROC"].estimate.count == 10
    assert rows[f"{images}, blank image", "effusion", "AUROC"].estimate.value == 0.5
    assert set(engine.asked) == {canonical_question("effusion")}
    assert engine.kept == set()


def test_a_finding_with_too_few_pictures_is_not_asked_about() -> None:
    engine = BrightnessEngine()
    few = [{"effusion": number == 0} for number in range(8)]
    assert flat(ask_labels(with_engine(engine), pictures(["covid"] * 8, [9] * 8, few), 8, 8)) == []
    assert engine.asked == []


def test_a_side_is_asked_of_pictures_that_have_the_finding_on_one_side() -> None:
    class RightEngine(BrightnessEngine):
        def likelihoods(self, study: Study, question: str, answers: Sequence[str]) -> list[float]:
            super().likelihoods(study, question, answers)
            return [-1.0, 0.0 if "right" in question else -0.5]

    engine = RightEngine()
    grey = np.zeros((32, 32), dtype=np.uint8)
    cases = [
        Case(right=Lung(effusion=1)),
        Case(left=Lung(effusion=1)),
        Case(right=Lung(effusion=2)),
        Case(Lung(effusion=1), Lung(effusion=1)),
    ]
    studies = [HeldOut(f"{number}", case, grey).labelled for number, case in enumerate(cases)]
    scores = [yes_or_no._scored(engine, [], study, DraftSettings()) for study in studies]  # type: ignore[arg-type]
    rows = by_name(yes_or_no._rows("pictures", [], studies, scores))
    side = rows["pictures", "side of effusion", "side right where one side has it"].estimate
    assert (side.value, side.count) == (pytest.approx(2 / 3, abs=1e-4), 3)
    assert scores[3] == {}


def test_labels_that_are_unknown_are_left_out() -> None:
    (one,) = labelled(pictures(["covid"], [9], [{"opacity": True}]), "covid", 5, 0)
    assert one.labels == {"opacity": True}
    assert one.facts.age == 40


def brightness(study: Study, question: str, settings: DraftSettings) -> str:
    """Stands in for a model that answers: it tells how bright the picture is."""
    return f"{study.model_picture.mean():.0f} of 255."


def test_questions_have_a_blank_image_and_anothers_as_controls() -> None:
    radiographs = pictures(["vqa_rad"] * 3, [10, 20, 30], [{}] * 3)
    settings = VqaSettings(limit=0)
    (group,) = packed_groups(radiographs, settings)
    said = answer_all([group], [Contender("", {}, lambda together: (brightness, together))], settings, None)
    rows = by_name(group_rows(group, [""], said, None))
    images = "VQA-RAD, held-out chest radiographs"
    exact = {subject: row.estimate for (_, subject, measure), row in rows.items() if measure == "open, exact match"}
    assert exact["its own image"].value == 1.0
    assert exact["blank image"].value == 0.0
    assert exact["another's image"].value == 0.0
    assert exact["its own image"].count == 3
    # The picture is another's, what the header tells is not.
    assert group.asked[0].study(OTHER).facts == group.asked[0].picture.facts
    # 'of' and '255' stay right.
    assert rows[images, "another's image", "open, token F1"].estimate.value == pytest.approx(2 / 3, abs=1e-4)
    assert (images, "its own image", "closed, exact match") not in rows


# Methods side by side


class Parrot:
    """Stands in for the autoregressive sibling: it says what it was asked to see."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    def fill_all(
        self, study: Study | None, report: Report, sides: str, settings: DraftSettings, indication: str = ""
    ) -> dict[str, Filling]:
        self.asked.append((sides, study is not None))
        text = "The heart is normal in size." if sides == "both" else "Cardiomegaly."
        return {span.id: Filling(text, False) for span in report.open_spans}


def real_reports() -> list[LaidReport]:
    text = "FINDINGS:\nThe heart is normal in size.\n\nIMPRESSION:\nXXXX normal heart."
    return [LaidReport(number, "", text, {}, (Part(10, 38, "findings"), Part(52, 70, "impression"))) for number in "24"]


def small_settings(together: int = 1) -> InfillSettings:
    return InfillSettings(limit=2, blank=1, steps=2, together=together)


def painted(tmp_path: Path) -> Radiographs:
    picture = Image.open(EXAMPLES / "hydropneumothorax.jpg").convert("L").resize((96, 96))
    radiographs = pictures(["adult_normal"] * 3, [0] * 3, [{}] * 3)
    radiographs.images[:] = torch.from_numpy(np.asarray(picture).copy())[None, None].repeat(3, 1, 3, 3)[..., :32, :32]
    return radiographs


def infilled(
    model: DraftingModel,
    radiographs: Radiographs,
    settings: InfillSettings,
    drafts: Path | None = None,
    sibling: Parrot | None = None,
) -> list[Row]:
    context = Context(settings, Namespace(drafts=drafts))
    context.__dict__ |= {"model": model, "radiographs": radiographs, "sibling": sibling, "real": real_reports()}
    with context.files:
        return flat(sentences_again(context))


def test_every_method_fills_the_same_gaps(
    tiny_model: DraftingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infill, "REFERENCE_REPORTS", 50)
    parrot, written = Parrot(), tmp_path / "drafts.jsonl"
    rows = by_name(infilled(tiny_model, painted(tmp_path), small_settings(), written, parrot))
    lines = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    for images in {line["images"] for line in lines}:
        filled: dict[str, set[tuple[str, str]]] = {}
        for line in lines:
            if line["images"] == images:
                filled.setdefault(line["method"], set()).add((line["name"], line["original"]))
        assert all(filled.values())
        assert len({frozenset(each) for each in filled.values()}) == 1, images
    images = "any sentence, Indiana reports without their images"
    f1_of = {subject: row.estimate.value for (seen, subject, measure), row in rows.items() if seen == images and
             measure == "F1 of findings called or denied"}  # fmt: skip
    assert f1_of[ORIGINAL] == 1.0
    assert f1_of[dict(SIBLINGS)["both"]] == 1.0
    assert f1_of[dict(SIBLINGS)["left"]] == 0.0
    wrong = rows[images, dict(SIBLINGS)["left"], "contradicts locked text"].estimate
    assert (wrong.value, wrong.count) == (1.0, 2)
    assert rows[images, ORIGINAL, "contradicts locked text"].estimate.value == 0.0
    # Real reports come without their images.
    assert ("left", False) in parrot.asked
    assert ("both", True) in parrot.asked


def test_drafting_several_at_a_time_changes_no_row(
    tiny_model: DraftingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infill, "REFERENCE_REPORTS", 50)
    one, several = (infilled(tiny_model, painted(tmp_path), small_settings(together)) for together in (1, 4))
    assert one == several


def test_results_come_in_the_items_order_and_errors_are_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(done_together(lambda number, item: (number, item), ["a", "b", "c"], 3, "letters")) == [
        (0, "a"),
        (1, "b"),
        (2, "c"),
    ]
    assert "letters: 3 of 3" in capsys.readouterr().err

    def fail(number: int, item: str) -> str:
        raise EvaluationError(item)

    with pytest.raises(EvaluationError, match="a"):
        list(done_together(fail, ["a", "b"], 2, "letters"))


def test_a_gap_is_decided_where_the_other_section_alone_says_what_is_missing() -> None:
    random = Random(3)
    for number in range(40):
        study = HeldOut(str(number), sample_case(random), np.zeros((32, 32), dtype=np.uint8))
        decided, free = written_gaps(study, random)
        assert decided.decided
        assert not free.decided
        called = {finding for finding, is_called in statements(decided.original) if is_called}
        elsewhere = {section: set() for section in ("findings", "impression")}
        for section, sentence in decided.standing:
            elsewhere[section] |= {finding for finding, is_called in statements(sentence) if is_called}
        (other,) = set(elsewhere) - {decided.section}
        assert called <= elsewhere[other]
        assert not called & elsewhere[decided.section]
        # What was taken out agrees with itself and with the rest.
        filled = Filled.of(decided, {"g0": decided.original})
        rows = by_name(decided_rows("x", "y", [filled], frozenset()))
        assert rows["x", "y", "finding, negation and side agree"].estimate.value == 1.0
        silent = Filled.of(decided, {"g0": "Recommend follow-up."})
        rows = by_name(decided_rows("x", "y", [silent], frozenset()))
        assert rows["x", "y", "finding, negation and side agree"].estimate.value == 0.0


@pytest.mark.parametrize(
    ("text", "agrees"),
    [
        ("Small left effusion.", 1.0),
        ("Left pleural effusion and cardiomegaly.", 1.0),
        ("Small right effusion.", 0.0),
        ("No effusion.", 0.0),
        ("Small effusion.", 0.0),
        ("Possible left effusion.", 1.0),
    ],
)
def test_finding_negation_and_side_must_agree(text: str, agrees: float) -> None:
    whole = "FINDINGS:\nThere is a small left pleural effusion.\n\nIMPRESSION:\nLeft effusion."
    parts = (Part(10, 49, "findings"), Part(63, 77, "impression"))
    hole = Hole(10, 49, "findings", "a sentence")
    gap = Gaps(LaidReport("x", "", whole, {}, parts), (hole,), decided=True)
    assert gap.original == "There is a small left pleural effusion."
    assert gap.standing == (("impression", "Left effusion."),)
    rows = by_name(decided_rows("x", "y", [Filled.of(gap, {"g0": text})], frozenset()))
    assert rows["x", "y", "finding, negation and side agree"].estimate.value == agrees


def test_locked_text_is_told_from_text_that_changed() -> None:
    text = "FINDINGS:\nThe heart is large. The lungs are clear."
    gap = Gaps(LaidReport("x", "", text, {}, ()), (Hole(10, 29, "findings", "a sentence"),))
    assert gap.original == "The heart is large."
    assert Filled.of(gap, {"g0": "Cardiomegaly."}).unchanged
    assert not replace(Filled.of(gap, {"g0": ""}), written=text.replace("lungs", "lung")).unchanged
