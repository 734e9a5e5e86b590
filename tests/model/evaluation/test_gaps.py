"""Gaps of every size: what is taken out, how each method fills it, what is measured, other people's scores."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from drafting.engine import DraftSettings
from drafting.report import Report, merge_draft, parse_markup
from model.__main__ import main
from model.engine import windows
from model.evaluation.engine import EvaluationEngine
from model.evaluation.reading.indiana import LaidReport, laid_out
from model.evaluation.record import EvaluationError
from model.evaluation.reports import foreign, infill, sizes
from model.evaluation.reports.foreign import load_scores, scored
from model.evaluation.reports.gaps import KINDS, Gaps, Hole, drawn_gaps, words_of
from model.evaluation.reports.methods import (
    DIFFUSION,
    FIXED,
    FREQUENT,
    ORIGINAL,
    REWRITTEN,
    SIBLINGS,
    Filled,
    kept_around,
)
from model.evaluation.reports.sizes import CONTRADICTS, EXACT, UNCHANGED, part_of, read_set, rouge_l
from model.evaluation.reports.studies import finished
from model.evaluation.sibling import Sibling, load_sibling
from model.evaluation.statistics import Estimate
from model.evaluation.task import Context, Settings
from model.network.loading import DraftingModel
from model.network.sibling import REWRITE, SiblingCheckpoint
from model.sets.reports import SetReport, load_reports
from model.training.small.fresh import fresh_sibling, fresh_tokenizer, save_checkpoint
from model.training.small.sibling import sequence
from model.training.small.tasks import Task, Words
from tests.model.conftest import TEXTS, TINY

FINDINGS = (
    "The heart is normal in size. The lungs are clear without focal consolidation. There is no pleural effusion or"
    " pneumothorax. Mediastinal contours are within normal limits. No displaced rib fracture is seen."
)
IMPRESSION = "No acute cardiopulmonary abnormality. Stable exam."


def a_report(name: str = "r", findings: str = FINDINGS, impression: str = IMPRESSION) -> LaidReport:
    report = laid_out(SetReport(name, (), "", findings, impression, "Cough", "all"))
    assert report is not None
    return report


@pytest.fixture(scope="module")
def sibling_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sibling") / "tiny-sibling"
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    save_checkpoint(fresh_sibling(TINY, len(tokenizer)), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def sibling(sibling_folder: Path) -> Sibling:
    return load_sibling(sibling_folder)


# What is taken out


@pytest.mark.parametrize("kind", KINDS)
def test_gaps_are_of_their_kind_and_the_same_each_time(kind: str) -> None:
    seen = set()
    for seed in range(30):
        drawn = drawn_gaps(a_report(), kind, seed)
        assert drawn is not None
        assert drawn == drawn_gaps(a_report(), kind, seed)
        assert len(drawn.holes) == KINDS[kind]
        assert drawn.as_it_was.text == drawn.report.text
        assert [span.id for span in drawn.drafted_on.open_spans] == [f"g{n}" for n in range(KINDS[kind])]
        # Between two gaps at least a word stays.
        assert all(words_of(piece) for piece in drawn.locked[1:-1])
        for hole, text in zip(drawn.holes, drawn.originals, strict=True):
            count = len(words_of(text))
            if hole.size == "a word":
                assert count == 1
            elif hole.size == "a phrase":
                assert 2 <= count <= 5
            elif hole.size == "a sentence":
                assert text.endswith(".")
            else:
                assert text in (FINDINGS, IMPRESSION)
        seen.add(drawn.holes)
    assert len(seen) > (1 if kind == "a section" else 5)
    if kind in ("2 gaps", "4 gaps", "8 gaps"):
        assert all(len({hole.size for hole in holes}) > 1 for holes in seen)


def test_where_there_is_no_room_for_gaps_or_something_was_removed_there_are_none() -> None:
    short = a_report(findings="Clear.", impression="Normal XXXX.")
    assert drawn_gaps(short, "a word", 0) is None
    assert drawn_gaps(short, "8 gaps", 0) is None
    drawn = drawn_gaps(short, "a sentence", 0)
    assert drawn is not None
    assert drawn.originals == ("Clear.",)
    assert {drawn_gaps(short, "a section", seed).originals for seed in range(9)} == {("Clear.",)}  # type: ignore[union-attr]
    assert drawn_gaps(a_report(findings=""), "a section", 0) is None
    assert laid_out(SetReport("x", (), "", "", "", "", "all")) is None
    repeated = a_report(findings="Clear.", impression="Clear.")
    assert [repeated.text[start:end] for start, end in repeated.sections.values()] == ["Clear.", "Clear."]


def test_a_gap_is_read_in_its_sentence() -> None:
    report = a_report(findings="Small left pleural effusion. Clear lungs.", impression="Left effusion.")
    start = report.text.index("left pleural")
    own = Gaps(report, (Hole(start, start + 4, "findings", "a word"),))
    (run,) = own.touched
    assert own.read_in(run, ("right",)) == "Small right pleural effusion."
    assert own.standing == (("findings", "Clear lungs."), ("impression", "Left effusion."))
    wrong, right = (sizes._measured([Filled(own, (text,), (), "")]) for text in ("right", "Left"))
    assert wrong.contradicting == [True]
    assert right.contradicting == [False]
    assert (wrong.exact, right.exact) == ([0], [1])
    assert right.hits == right.wanted


# What is measured


@pytest.mark.parametrize(
    ("said", "wanted", "value"),
    [
        ("police killed the gunman", "police killed the gunman", 1.0),
        # Lin's own examples: three of four words in order, and two.
        ("police kill the gunman", "police killed the gunman", 0.75),
        ("the gunman kill police", "police killed the gunman", 0.5),
        ("the heart", "the heart is normal in size", 0.5),
        ("", "the heart", 0.0),
        ("lungs", "heart", 0.0),
    ],
)
def test_rouge_l_is_lins(said: str, wanted: str, value: float) -> None:
    assert rouge_l(said.split(), wanted.split()) == value


@pytest.mark.parametrize(
    ("locked", "written", "texts"),
    [
        (("a ", " b"), "a x b", ("x",)),
        (("a ", " m ", " b"), "a x m y m b", ("x", "y m")),
        (("", ""), "anything", ("anything",)),
        (("a ", " b"), "A x b", None),
        (("a ", " b"), "a x  b.", None),
        (("a ", " m ", " b"), "a x n y b", None),
        # The end may not be taken for the beginning again.
        (("aba", "aba"), "aba", None),
        (("é", "\r\n"), "éü\r\n", ("ü",)),
        (("é", "\r\n"), "éü\n", None),
    ],
)
def test_locked_text_must_be_there_byte_for_byte(
    locked: tuple[str, ...], written: str, texts: tuple[str, ...] | None
) -> None:
    assert kept_around(locked, written) == texts


# How the methods fill


MARKUP = "FINDINGS:\nThe heart [[is normal in size]]. [[The lungs are clear.]]\n\nIMPRESSION:\n[[No acute]] disease."
EMPTIED = "FINDINGS:\nThe heart [[]]. [[]]\n\nIMPRESSION:\n[[]] disease."


@pytest.mark.parametrize(("sides", "show"), [("left", False), ("both", True)])
def test_several_gaps_are_asked_as_they_were_trained(
    sibling: Sibling, sides: Any, show: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Words(sibling.tokenizer)  # type: ignore[arg-type]
    texts = [" is normal in size", " The lungs are clear.", "No acute"]
    prompts: list[list[int]] = []

    def written(self: Sibling, prompt: list[int], *_: Any) -> tuple[list[int], bool]:
        prompts.append(prompt)
        return own.encode(texts[len(prompts) - 1]), True

    monkeypatch.setattr(SiblingCheckpoint, "write", written)
    fillings = sibling.fill_all(None, parse_markup(EMPTIED), sides, DraftSettings())
    task = Task(SetReport("", (), "", "", "", "", "").facts, "", "", False, parse_markup(MARKUP))
    made = sequence(task, own, 2000, show)
    assert made is not None
    ids, wanted = made
    ends = [at for at in range(1, len(ids)) if wanted[at] and ids[at] == sibling.blank_id]
    starts = [at for at in range(1, len(ids)) if wanted[at] and (not wanted[at - 1] or at - 1 in ends)]
    assert prompts == [ids[:start] for start in starts]
    assert [filling.text.strip() for filling in fillings.values()] == [text.strip() for text in texts]


def test_what_runs_to_the_limit_is_told_as_cut_off(sibling: Sibling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "model.network.sibling.SiblingCheckpoint.write", lambda self, prompt, *_: ([], len(prompt) % 2 == 0)
    )
    report = parse_markup(EMPTIED)
    for sides in ("left", "both"):
        told = [filling.cut_off for filling in sibling.fill_all(None, report, sides, DraftSettings()).values()]  # type: ignore[arg-type]
        assert len(told) == 3
    prompts: list[list[int]] = []
    monkeypatch.setattr(
        "model.network.sibling.SiblingCheckpoint.write", lambda self, prompt, *_: (prompts.append(prompt) or [], False)
    )
    assert sibling.rewrite(None, report, DraftSettings()) == ("", True)
    assert REWRITE in sibling.tokenizer.decode(prompts[0])


def test_slots_of_exact_width_are_filled_to_the_end(tiny_model: DraftingModel, monkeypatch: pytest.MonkeyPatch) -> None:
    decided: list[Any] = []
    likeliest = windows._likeliest
    monkeypatch.setattr(windows, "_likeliest", lambda states: decided.append(states) or likeliest(states))
    engine = EvaluationEngine(tiny_model)
    report, emptied = parse_markup(MARKUP), parse_markup(EMPTIED)
    widths = engine.widths_of(report)
    assert set(widths) == {span.id for span in emptied.open_spans}
    own = [len(engine.bench.encode(text)) for text in (" is normal in size", " The lungs are clear.", "No acute")]
    assert list(widths.values()) == own
    for seed in range(4):
        draft = finished(engine.draft_exactly(None, emptied, widths, DraftSettings(seed=seed, steps=3)))
        assert (draft.widenings, draft.full) == (0, frozenset())
        assert merge_draft(emptied, draft.texts).locked_text == emptied.locked_text
        # No position is left blank.
        frames = engine.draft_exactly(None, emptied, widths, DraftSettings(seed=seed, steps=3))
        assert list(frames)
        (state,) = decided[-1]
        assert len(state.canvas) == sum(own)
        assert tiny_model.blank_id not in state.reading.best.tolist()


# The sets


def open_i(folder: Path, number: int, findings: str = FINDINGS, impression: str = IMPRESSION) -> None:
    (folder / f"{number}.xml").write_text(
        f"<report><AbstractText Label='FINDINGS'>{findings}</AbstractText>"
        f"<AbstractText Label='IMPRESSION'>{impression}</AbstractText></report>",
        encoding="utf-8",
    )


@pytest.mark.parametrize("format", [None, "open_i"])
def test_reports_of_open_i_with_an_odd_number_are_not_opened(tmp_path: Path, format: str | None) -> None:
    open_i(tmp_path, 2)
    (tmp_path / "3.xml").write_text("broken", encoding="utf-8")
    assert [report.id for report in read_set(tmp_path, format).reports] == ["2"]
    (tmp_path / "2.xml").unlink()
    with pytest.raises(EvaluationError, match="even number"):
        read_set(tmp_path, format)


def test_a_set_is_measured_on_what_it_keeps_for_that(tmp_path: Path) -> None:
    def write(*splits: str) -> None:
        lines = [{"id": s, "images": [], "findings": FINDINGS, "impression": IMPRESSION, "split": s} for s in splits]
        (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    for splits, part in ((("train", "val", "test"), "test"), (("train", "val"), "validation")):
        write(*splits)
        assert part_of(load_reports(tmp_path)) == part
    write("train")
    with pytest.raises(EvaluationError, match="training only"):
        part_of(load_reports(tmp_path))


def test_every_method_fills_the_same_gaps_and_leaves_rows_and_lines(
    tiny_checkpoint: Path, sibling_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infill, "REFERENCE_REPORTS", 50)
    monkeypatch.setattr("model.evaluation.sibling.MOST_NEW_TOKENS", 4)
    monkeypatch.setattr(sizes, "KINDS", {kind: KINDS[kind] for kind in ("a word", "a sentence", "2 gaps")})
    # The tiny checkpoint's tokens are short, and its canvas too.
    (tmp_path / "set").mkdir()
    for number in (2, 4):
        open_i(tmp_path / "set", number, "Clear lungs. The heart is normal.", "No acute disease. Normal heart.")
    out, drafts = tmp_path / "rows.json", tmp_path / "drafts.jsonl"
    told = ["--model", str(tiny_checkpoint), "--sibling", str(sibling_folder), "--steps", "2", "--together", "2"]
    saved_to = ["--json", str(out), "--drafts", str(drafts)]
    assert main(["evaluate", "infill", "--set", str(tmp_path / "set"), *told, *saved_to]) == 0
    saved = json.loads(out.read_text(encoding="utf-8"))
    assert saved["name"] == "gaps"
    assert len(saved["reports_sha256"]) == len(saved["sibling_sha256"]) == 64
    assert (saved["settings"]["format"], saved["settings"]["part"]) == ("open_i", "all")
    rows = {(row["images"].partition(",")[0], row["subject"], row["measure"]): row for row in saved["rows"]}
    methods = {DIFFUSION, FIXED, REWRITTEN, FREQUENT, ORIGINAL} | {name for _, name in SIBLINGS}
    lines = [json.loads(line) for line in drafts.read_text(encoding="utf-8").splitlines()]
    for kind in ("a word", "a sentence", "2 gaps"):
        own = [line for line in lines if line["kind"] == kind]
        assert {line["method"] for line in own} == methods - (set() if kind == "a sentence" else {FREQUENT})
        taken = {line["name"]: [gap["original"] for gap in line["gaps"]] for line in own}
        assert all([gap["original"] for gap in line["gaps"]] == taken[line["name"]] for line in own)
        assert rows[kind, DIFFUSION, EXACT]["count"] == sum(map(len, taken.values()))
        assert rows[kind, DIFFUSION, UNCHANGED]["value"] == rows[kind, FIXED, UNCHANGED]["value"] == 1.0
        assert (kind, ORIGINAL, CONTRADICTS) in rows
        for _, name in SIBLINGS:
            difference = rows[kind, f"{DIFFUSION} less {name}", EXACT]["value"]
            assert difference == pytest.approx(rows[kind, DIFFUSION, EXACT]["value"] - rows[kind, name, EXACT]["value"])
        # Random weights do not copy a report.
        assert rows[kind, REWRITTEN, UNCHANGED]["value"] == 0.0


# What cannot be asked for


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--data, or --set"),
        (["--set", "{set}", "--data", "x.npz"], "not both"),
        (["--set", "{set}", "--reports", "{set}"], "--reports goes with --data"),
        (["--data", "x.npz", "--scores", "green"], "go with --set"),
        (["--set", "{set}/none"], "none"),
        (["--set", "{empty}"], "no set of reports"),
        (["--set", "{set}", "--format", "csv"], "Unknown format of reports: 'csv'"),
        (["--set", "{set}", "--scores", "bleu"], "Unknown score 'bleu'"),
        (["--set", "{set}", "--scores", "radgraph,green"], "pip install radgraph green-score"),
        (["--set", "{set}", "--together", "0"], "at a time"),
        (["--set", "{set}", "--drafts", "{set}/none/drafts.jsonl"], "not an existing folder"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("set", "empty"):
        (tmp_path / name).mkdir()
    open_i(tmp_path / "set", 2)
    asked = [each.format(set=tmp_path / "set", empty=tmp_path / "empty") for each in arguments]
    assert main(["evaluate", "infill", *asked]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_full_disk_is_one_line_and_not_a_traceback() -> None:
    class Full:
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    context = Context(Settings(), Namespace(drafts=Path("drafts.jsonl")))
    context.__dict__["_drafts"] = Full()
    with pytest.raises(EvaluationError, match="No space left"):
        context.write_down({"kind": "a word"})


# Other people's scores


def stand_in(name: str, **held: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    for key, value in held.items():
        setattr(module, key, value)
    return module


class FakeRadGraph:
    def __init__(self, reward_level: str) -> None:
        assert reward_level in ("simple", "partial", "complete", "all")

    def __call__(self, refs: list[str], hyps: list[str]) -> tuple[float, list[float], list[Any], list[Any]]:
        rewards = [float(hyp == ref) for hyp, ref in zip(hyps, refs, strict=True)]
        return sum(rewards) / len(rewards), rewards, [{}] * len(hyps), [{}] * len(refs)


class FakeCheXbert:
    def __init__(self, refs_filename: str | None = None, hyps_filename: str | None = None, device: Any = None) -> None:
        assert device in ("cpu", "cuda")

    def get_label(self, report: str, mode: str = "rrg") -> list[int]:
        return [int("effusion" in report), int("nodule" in report), *[0] * 12]


class FakeRaTEScore:
    def compute_score(self, candidate_list: list[str], reference_list: list[str]) -> list[float]:
        return [len(own) / len(its) for own, its in zip(candidate_list, reference_list, strict=True)]


class FakeGreen:
    def __init__(self, model_name: str, output_dir: str = ".") -> None:
        assert model_name.startswith("StanfordAIMI/GREEN")
        assert Path(output_dir).is_dir()

    def __call__(self, refs: list[str], hyps: list[str]) -> tuple[float, float, list[float], str, Any]:
        scores = [0.25 if hyp != ref else 1.0 for hyp, ref in zip(hyps, refs, strict=True)]
        return sum(scores) / len(scores), 0.0, scores, "summary", None


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "radgraph", stand_in("radgraph", F1RadGraph=FakeRadGraph))
    monkeypatch.setitem(sys.modules, "f1chexbert", stand_in("f1chexbert", F1CheXbert=FakeCheXbert))
    monkeypatch.setitem(sys.modules, "RaTEScore", stand_in("RaTEScore", RaTEScore=FakeRaTEScore))
    monkeypatch.setitem(sys.modules, "green_score", stand_in("green_score", GREEN=FakeGreen))


@pytest.mark.usefixtures("packages")
def test_scores_of_other_packages_are_asked_as_they_are_published() -> None:
    scores = load_scores(list(foreign.SCORES))
    candidates, references = ["effusion", "nodule"], ["effusion", "effusion and nodule"]
    got = {called: scored(score, candidates, references) for called, score in scores.items()}
    assert all(isinstance(each, Estimate) for each in got.values())
    values = {called: each.value for called, each in got.items()}  # type: ignore[union-attr]
    # Two labels said and both right, three wanted.
    assert values == {
        "RadGraph-F1": 0.5,
        "CheXbert F1 of 14 labels": 0.8,
        "RaTEScore": round((1 + 6 / 19) / 2, 4),
        "GREEN": 0.625,
    }


@pytest.mark.usefixtures("packages")
def test_a_package_that_fails_says_so_and_the_rest_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FakeRaTEScore, "compute_score", lambda self, own, its: [0.5])
    (called, score) = next(iter(load_scores(["ratescore"]).items()))
    drawn = [drawn_gaps(a_report(str(n)), "a word", 0) for n in range(2)]
    done = [Filled(each, each.originals, (), each.report.text) for each in drawn if each]
    rows = {row.measure: row.estimate for row in sizes._rows("x", DIFFUSION, done, {called: score})}
    assert rows[called].value is None
    assert rows[EXACT].value == 1.0
    assert capsys.readouterr().err == "RaTEScore cannot be computed: ValueError: 1 scores for 2 texts\n"

    def no_weights(self: Any) -> None:
        raise OSError("no weights\nhere")

    monkeypatch.setattr(FakeRaTEScore, "__init__", no_weights)
    with pytest.raises(EvaluationError, match=r"^RaTEScore does not load: OSError: no weights$"):
        load_scores(["ratescore"])


def test_the_report_that_is_drafted_on_has_no_word_of_what_was_taken_out() -> None:
    drawn = drawn_gaps(a_report(), "a section", 3)
    assert drawn is not None
    assert isinstance(drawn.drafted_on, Report)
    assert drawn.originals[0] not in drawn.drafted_on.text
    assert drawn.drafted_on.text == "".join(drawn.locked)
