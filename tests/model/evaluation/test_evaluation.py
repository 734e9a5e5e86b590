"""The reader of reports on sentences as radiologists write them, and the evaluations on a tiny checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from PIL import Image
from transformers import DiffusionGemmaForBlockDiffusion

from drafting.engine import DraftSettings
from drafting.report import parse_markup
from model.__main__ import main
from model.evaluation.engine import EvaluationEngine
from model.evaluation.publish.card import BEGIN, END, with_figures
from model.evaluation.reading.indiana import LaidReport, Part
from model.evaluation.reading.labeler import (
    BOTH,
    FINDINGS,
    SIDED,
    Finding,
    Mention,
    Presence,
    contradictions,
    read,
    reading,
    sentences,
)
from model.evaluation.reading.wording import is_broken, is_empty, known_pairs, repeats, written_reports
from model.evaluation.record import EvaluationError, load_rows
from model.evaluation.reports import infill, labels
from model.evaluation.reports.gaps import Gaps, Hole
from model.evaluation.reports.methods import DIFFUSION, FREQUENT, ORIGINAL, SIBLINGS
from model.evaluation.reports.studies import UNPICTURED, truth_of
from model.evaluation.sibling import Sibling
from model.evaluation.speed import compare
from model.evaluation.speed import steps as speed
from model.evaluation.statistics import balanced, median, share
from model.evaluation.vqa.questions import QUESTIONS_A_PICTURE
from model.network.published import published_config, random_model
from model.synthetic.cases import Case, Lung, sample_case
from model.synthetic.grammar import Sentence, WrittenReport, write_report
from model.synthetic.radiographs import SPLITS, pack, split_of
from model.training.small.fresh import fresh_config, fresh_sibling, fresh_tokenizer, save_checkpoint
from tests.model.conftest import TEXTS, TINY

EXAMPLES = Path(__file__).parents[3] / "assets" / "examples"

RIGHT, LEFT, NONE = frozenset({"right"}), frozenset({"left"}), frozenset()

SENTENCES: list[tuple[str, Finding, Presence, frozenset[str]]] = [
    ("No effusion. Small left pneumothorax.", "effusion", "absent", NONE),
    ("No effusion. Small left pneumothorax.", "pneumothorax", "present", LEFT),
    ("No pleural effusion or pneumothorax.", "effusion", "absent", NONE),
    ("No pleural effusion or pneumothorax.", "pneumothorax", "absent", NONE),
    ("Lungs are well inflated without focal consolidation.", "opacity", "absent", NONE),
    ("Cannot exclude a small right pleural effusion.", "effusion", "uncertain", RIGHT),
    ("Underlying pneumonia cannot be excluded.", "opacity", "uncertain", NONE),
    ("Superimposed infection is not excluded.", "opacity", "uncertain", NONE),
    ("No focal consolidation, but there is a trace left effusion.", "opacity", "absent", NONE),
    ("No focal consolidation, but there is a trace left effusion.", "effusion", "present", LEFT),
    ("No effusion, left pneumothorax, or consolidation.", "pneumothorax", "absent", LEFT),
    ("No effusion, small left apical pneumothorax.", "pneumothorax", "present", LEFT),
    ("No pneumothorax is seen and there is a moderate right effusion.", "effusion", "present", RIGHT),
    ("Pneumothorax is not identified.", "pneumothorax", "absent", NONE),
    ("Neither effusion nor pneumothorax.", "pneumothorax", "absent", NONE),
    ("The previously seen right pleural effusion has resolved.", "effusion", "absent", RIGHT),
    ("No significant change in moderate left pleural effusion.", "effusion", "present", LEFT),
    ("Right pleural effusion, not significantly changed.", "effusion", "present", RIGHT),
    ("Small right and moderate left pleural effusions.", "effusion", "present", BOTH),
    ("Bilateral pleural effusions, larger on the right.", "effusion", "present", BOTH),
    ("Pleural effusions, right greater than left.", "effusion", "present", BOTH),
    ("Blunting of the left costophrenic angle.", "effusion", "uncertain", LEFT),
    ("Both costophrenic angles are sharp.", "effusion", "absent", BOTH),
    ("Trace pericardial effusion was seen on the prior CT.", "effusion", "not mentioned", NONE),
    ("Large right hydropneumothorax.", "effusion", "present", RIGHT),
    ("Large right hydropneumothorax.", "pneumothorax", "present", RIGHT),
    ("Effusion on the right and consolidation on the left.", "effusion", "present", RIGHT),
    ("Effusion on the right and consolidation on the left.", "opacity", "present", LEFT),
    ("Right effusion with left lower lobe consolidation.", "opacity", "present", LEFT),
    ("RLL pneumonia.", "opacity", "present", RIGHT),
    ("Patchy opacity in the left base, atelectasis versus pneumonia.", "opacity", "present", LEFT),
    ("Bibasilar opacities likely represent atelectasis.", "opacity", "not mentioned", NONE),
    ("Bibasilar opacities likely represent atelectasis.", "atelectasis", "uncertain", BOTH),
    ("Perihilar opacities consistent with pulmonary edema.", "opacity", "not mentioned", NONE),
    ("Perihilar opacities consistent with pulmonary edema.", "edema", "present", NONE),
    ("Findings are concerning for early pneumonia.", "opacity", "uncertain", NONE),
    ("Lungs are clear.", "opacity", "absent", NONE),
    ("The left lung is clear.", "opacity", "absent", LEFT),
    ("The lungs are otherwise clear.", "opacity", "not mentioned", NONE),
    ("No other focal opacity.", "opacity", "not mentioned", NONE),
    ("Heart size is normal.", "cardiomegaly", "absent", NONE),
    ("The heart is not enlarged.", "cardiomegaly", "absent", NONE),
    ("Normal cardiomediastinal silhouette.", "cardiomegaly", "absent", NONE),
    ("The cardiac silhouette is moderately enlarged.", "cardiomegaly", "present", NONE),
    ("Stable cardiomegaly without edema.", "cardiomegaly", "present", NONE),
    ("Stable cardiomegaly without edema.", "edema", "absent", NONE),
    ("Heart size is at the upper limit of normal.", "cardiomegaly", "uncertain", NONE),
    ("Borderline cardiomegaly.", "cardiomegaly", "uncertain", NONE),
    ("Heart size, mediastinal contours and hila are unremarkable.", "cardiomegaly", "absent", NONE),
    ("Pulmonary vasculature is engorged.", "edema", "present", NONE),
    ("Pulmonary vascularity is within normal limits.", "edema", "absent", NONE),
    ("No overt failure, no vascular congestion.", "edema", "absent", NONE),
    ("Findings suggest mild interstitial edema.", "edema", "uncertain", NONE),
    ("Soft tissue edema over the left chest wall.", "edema", "not mentioned", NONE),
    ("8 mm nodule in the right upper lobe.", "nodule", "present", RIGHT),
    ("1.2 cm nodular opacity projects over the left midlung.", "nodule", "present", LEFT),
    ("1.2 cm nodular opacity projects over the left midlung.", "opacity", "not mentioned", NONE),
    ("No suspicious pulmonary nodule or mass.", "nodule", "absent", NONE),
    ("Shift due to mass effect.", "nodule", "not mentioned", NONE),
    ("Endotracheal tube ends 4 cm above the carina.", "device", "present", NONE),
    ("Right IJ catheter tip in the SVC.", "device", "present", NONE),
    ("The nasogastric tube has been removed.", "device", "absent", NONE),
    ("Median sternotomy wires are intact.", "device", "present", NONE),
    ("No acute cardiopulmonary abnormality.", "acute disease", "absent", NONE),
    ("No acute osseous abnormality.", "acute disease", "not mentioned", NONE),
    ("INDICATION: Rule out pneumonia.\nFINDINGS: Lungs are clear.", "opacity", "absent", NONE),
    ("1. Small left effusion\n2. No pneumothorax", "pneumothorax", "absent", NONE),
    ("Possible small right apical pneumothorax.", "pneumothorax", "uncertain", RIGHT),
    ("A pneumothorax is unlikely.", "pneumothorax", "absent", NONE),
    ("Persistent left basilar opacity although no effusion.", "effusion", "absent", NONE),
]


@pytest.mark.parametrize(("text", "finding", "presence", "sides"), SENTENCES)
def test_a_sentence_is_read_as_it_is_meant(
    text: str, finding: Finding, presence: Presence, sides: frozenset[str]
) -> None:
    said = reading(read(text), finding)
    assert (said.presence, said.sides) == (presence, sides)


def test_the_reader_finds_what_written_reports_say_and_nothing_else() -> None:
    random = Random(7)
    torn = 0
    for _ in range(300):
        case = sample_case(random)
        said = read(write_report(case, random).text)
        for finding in FINDINGS:
            truth = truth_of(case, finding)
            if truth.there is None:
                continue
            if finding in UNPICTURED or (finding == "device" and case.others):
                # A report need not speak of what no picture shows.
                assert truth.there or not reading(said, finding).called
                continue
            assert reading(said, finding).called == truth.there
            if truth.there and finding in SIDED:
                assert reading(said, finding).sides == truth.sides
        torn += bool(contradictions(said, said))
    # Some normal statements are worded so widely that they deny more than was meant.
    assert torn <= 3


def test_sizes_and_abbreviations_end_no_sentence() -> None:
    assert len(sentences("FINDINGS: A 1.2 cm nodule. No effusion.\n\nIMPRESSION:\n1. Nodule.\n2. No effusion.")) == 4


@pytest.mark.parametrize(
    ("said", "standing", "found"),
    [
        ("Small right pleural effusion.", "No pleural effusion.", ("effusion",)),
        ("No pleural effusion.", "Small right pleural effusion.", ("effusion",)),
        ("No left effusion.", "Small right pleural effusion.", ()),
        ("No right effusion.", "Small right pleural effusion.", ("effusion",)),
        ("Large left pneumothorax.", "No acute cardiopulmonary disease.", ("pneumothorax",)),
        ("Lungs are clear.", "8 mm nodule in the left upper lobe.", ("nodule",)),
        ("Possible pneumonia.", "No consolidation.", ()),
        ("Mild cardiomegaly.", "No acute cardiopulmonary disease.", ()),
    ],
)
def test_a_contradiction_is_one_side_denied_and_claimed(said: str, standing: str, found: tuple[Finding, ...]) -> None:
    assert contradictions(read(said), read(standing)) == found


def test_presence_is_stronger_than_denial_in_one_text() -> None:
    mentions = [Mention("effusion", "absent"), Mention("effusion", "present", RIGHT)]
    assert reading(mentions, "effusion").sides == RIGHT


def test_truth_is_unknown_where_it_is_a_matter_of_words() -> None:
    assert truth_of(Case(edema=3), "opacity").there is None
    assert truth_of(Case(right=Lung(effusion=2)), "atelectasis").there is None
    assert truth_of(Case(left=Lung(effusion=1)), "effusion").sides == LEFT


def test_intervals_hold_the_value_and_count_what_they_stand_on() -> None:
    estimate = share([True] * 30 + [False] * 10, of=[True] * 36 + [False] * 4)
    assert estimate.count == 36
    assert estimate.value == pytest.approx(30 / 36, abs=1e-3)
    assert estimate.low < estimate.value < estimate.high
    assert share([True], of=[False]).value is None
    assert balanced([True, True, False, True], [True, True, False, False]).value == 0.75
    assert balanced([True], [True]).value is None
    assert median([1, 2, 9]).value == 2


def test_broken_wording_is_told_from_wording_that_was_met_before() -> None:
    known = known_pairs(report.text for report in written_reports(2000, Random(1)))
    assert not is_broken("No pleural effusion or pneumothorax.", known)
    assert is_broken("No pleural effusion or or pneumothorax.", known)
    assert is_broken("Lungs are clear. without airspace., pleural effusion.", known)
    assert repeats("No effusion. The heart is normal. No effusion.")
    assert not repeats("No effusion. The heart is normal.")
    assert is_empty(" .\n")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack whose pictures are all held out: the examples, as if they were of the two collections."""
    folder = tmp_path_factory.mktemp("collections")
    picture = Image.open(EXAMPLES / "hydropneumothorax.jpg").convert("L")
    for room, name in (
        ("adult", "a{}.jpg"),
        ("kermany/train/NORMAL", "n{}.jpg"),
        ("kermany/train/PNEUMONIA", "p{}.jpg"),
    ):
        (folder / room).mkdir(parents=True)
        names = (Path(name.format(number)) for number in range(1000))
        held_out = (each for each in names if SPLITS[split_of(each)] == "test")
        for _ in range(2):
            picture.save(folder / room / next(held_out))
    pack(folder / "adult", folder / "kermany", folder / "pack.npz", side=96, quality=60, children_per_label=2)
    return folder / "pack.npz"


def test_where_the_model_looked_is_measured_on_every_picture_with_a_finding_on_one_side(
    packed: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows.json"
    command = ["evaluate", "looked", "--data", str(packed), "--model", str(tiny_checkpoint), "--json", str(out)]
    # Of the two pictures, with this seed, at least one has such a finding.
    assert main([*command, "--limit", "2", "--seed", "3"]) == 0
    saved = json.loads(out.read_text(encoding="utf-8"))
    assert (saved["name"], saved["settings"]) == ("looked", {"limit": 2, "seed": 3})
    whole = [row for row in saved["rows"] if row["subject"] == "all of these"]
    assert len(whole) == 3
    assert all(row["count"] >= 1 and 0 <= row["value"] <= 1 for row in whole)


@pytest.mark.parametrize("what", ["labels", "infill", "vqa"])
def test_an_evaluation_leaves_rows_and_what_they_depend_on(
    what: str, packed: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (labels, infill):
        monkeypatch.setattr(module, "REFERENCE_REPORTS", 50)
    monkeypatch.setattr(labels, "CONTROL_REPORTS", 10)
    out, drafts = tmp_path / "rows.json", tmp_path / "drafts.jsonl"
    command = ["evaluate", what, "--data", str(packed), "--model", str(tiny_checkpoint), "--limit", "2", "--blank", "1"]
    assert main([*command, "--steps", "2", "--json", str(out), "--drafts", str(drafts)]) == 0
    saved = json.loads(out.read_text(encoding="utf-8"))
    assert saved["name"] == what
    assert saved["command"].startswith(f"python -m model evaluate {what} --data ")
    assert saved["settings"]["limit"] == 2
    assert len(saved["weights_sha256"]) == 64
    assert saved["versions"]["torch"]
    measures = {row["measure"]: row for row in saved["rows"]}
    if what == "infill":
        assert measures["locked text unchanged"]["value"] == 1.0
        assert measures["locked text unchanged"]["count"] == 5
        # Two gaps of either kind, filled by the model and a baseline; one blank; two as they were; two with a hint and
        # without.
        lines = 2 + 2 + 1 + 2 + 2 + 2 + 2 + 2
    elif what == "labels":
        assert measures["broken wording"]["count"] > 0
        assert measures["side right where one side has it"]["count"] > 0
        # Two adults and four children drafted, one of either blank; the same again asked about.
        lines = 8 + 8
    else:
        questions = [row["count"] for row in saved["rows"] if row["subject"] == "its own image"]
        assert 2 < sum(questions[:2]) <= 2 * QUESTIONS_A_PICTURE
        asked = [row for row in saved["rows"] if row["measure"] == "all, exact match" and "less" not in row["subject"]]
        # The settings before them.
        lines = 1 + sum(row["count"] for row in asked)
    assert len(drafts.read_text(encoding="utf-8").splitlines()) == lines
    card = with_figures(f"before{BEGIN}old figures{END}after", [load_rows(out)])
    assert card.startswith("before")
    assert card.endswith("after")
    assert f"### {what}" in card
    assert "old figures" not in card


@pytest.fixture(scope="module")
def tiny_sibling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sibling") / "sibling"
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    save_checkpoint(fresh_sibling(TINY, len(tokenizer)), tokenizer, folder)
    return folder


def test_the_sibling_and_real_reports_stand_beside_the_model(
    packed: Path, tiny_checkpoint: Path, tiny_sibling: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infill, "REFERENCE_REPORTS", 50)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "8.xml").write_text(
        "<report><AbstractText Label='FINDINGS'>Clear lungs.</AbstractText>"
        "<AbstractText Label='IMPRESSION'>No acute disease.</AbstractText></report>",
        encoding="utf-8",
    )
    out = tmp_path / "rows.json"
    command = ["evaluate", "infill", "--data", str(packed), "--model", str(tiny_checkpoint), "--limit", "1"]
    beside = ["--sibling", str(tiny_sibling), "--reports", str(tmp_path / "reports"), "--blank", "0"]
    assert main([*command, *beside, "--steps", "2", "--json", str(out)]) == 0
    saved = json.loads(out.read_text(encoding="utf-8"))
    assert len(saved["sibling_sha256"]) == len(saved["reports_sha256"]) == 64
    methods = {row["images"]: set() for row in saved["rows"]}
    for row in saved["rows"]:
        methods[row["images"]].add(row["subject"])
    baselines = {name for _, name in SIBLINGS} | {FREQUENT}
    assert methods["any sentence, Indiana reports without their images"] == baselines | {
        DIFFUSION,
        ORIGINAL,
    }
    assert methods["gap decided by locked text, generated reports"] == baselines | {DIFFUSION}


def test_an_evaluation_that_was_stopped_goes_on_and_makes_nothing_twice(
    packed: Path,
    tiny_checkpoint: Path,
    tiny_sibling: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(infill, "REFERENCE_REPORTS", 50)
    made: list[str] = []
    limit = 1000

    def counted(owner: type, name: str) -> None:
        own = getattr(owner, name)

        def once_more(*given: Any, **named: Any) -> Any:
            if len(made) == limit:
                raise EvaluationError("The power is gone.")
            made.append(name)
            return own(*given, **named)

        monkeypatch.setattr(owner, name, once_more)

    counted(EvaluationEngine, "draft")
    counted(Sibling, "fill_all")

    def rows(*more: str) -> list[dict[str, Any]] | None:
        out = tmp_path / "rows.json"
        command = ["evaluate", "infill", "--data", str(packed), "--model", str(tiny_checkpoint), "--limit", "1"]
        beside = ["--sibling", str(tiny_sibling), "--steps", "2", "--json", str(out), *more]
        return json.loads(out.read_text(encoding="utf-8"))["rows"] if main([*command, *beside]) == 0 else None

    expected = rows()
    made = []
    assert rows("--kept", str(tmp_path / "whole.jsonl")) == expected
    # A gap that is asked for twice, with and without its hint, is drafted once.
    whole = len(made)
    kept = ["--kept", str(tmp_path / "kept.jsonl")]
    made, limit = [], whole // 2
    assert rows(*kept) is None
    assert "The power is gone." in capsys.readouterr().err
    done = len(made)
    with (tmp_path / "kept.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"asked": "cut o')
    made, limit = [], 1000
    assert rows(*kept) == expected
    assert len(made) == whole - done
    made = []
    assert rows(*kept) == expected
    assert not made
    assert rows(*kept, "--adapter", str(tmp_path)) is None


def test_what_other_weights_made_is_not_taken_for_these(
    packed: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.jsonl"
    begun = {"weights": "0", "adapter": None, "sibling": None, "sampler": None, "code": "0", "device": "cpu"}
    kept.write_text(json.dumps({"settings": begun}) + "\n", encoding="utf-8")
    command = ["evaluate", "vqa", "--data", str(packed), "--model", str(tiny_checkpoint), "--limit", "1"]
    assert main([*command, "--kept", str(kept)]) == 2
    (told,) = [line for line in capsys.readouterr().err.splitlines() if str(kept) in line]
    assert "was started with other settings (code" in told
    assert main(["evaluate", "vqa", "--questions", str(tmp_path), "--kept", str(kept)]) == 2
    assert "--drafts" in capsys.readouterr().err


def test_a_hint_is_in_the_report_only_where_it_is_told() -> None:
    report = LaidReport("one", "", "Clear lungs. Normal heart.", {}, (Part(0, 12, "findings"),))
    gap = Gaps(report, (Hole(0, 12, "findings", "a sentence"),), hint="lungs?")
    assert [span.hint for span in gap.drafted_on.spans] == ["", ""]
    told = replace(gap, told=True).drafted_on
    assert [span.hint for span in told.spans] == ["lungs?", ""]
    assert told.locked_text == gap.drafted_on.locked_text


@pytest.mark.parametrize("arguments", [["--data", "nowhere.npz"], ["--data", __file__]])
def test_a_wrong_path_ends_with_one_clear_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "labels", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_wrong_model_or_output_folder_ends_with_one_clear_line(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "3.xml").write_text("<report/>", encoding="utf-8")
    for wrong in (
        ["--model", str(tmp_path)],
        ["--json", str(tmp_path / "none" / "rows.json")],
        ["--together", "0"],
        ["--sibling", str(tmp_path)],
        # A folder with an odd report alone.
        ["--reports", str(tmp_path)],
    ):
        assert main(["evaluate", "infill", "--data", str(packed), *wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_speed_leaves_a_table_and_a_plot_of_each_curve(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, few in (("REPEATS", 2), ("STEPS_A_REPEAT", 2), ("WHOLE_DRAFTS", 2), ("REDRAFT_STEPS", 2)):
        monkeypatch.setattr(speed, name, few)
    # The tiny checkpoint's canvas is short, and its tokens are not the default model's.
    monkeypatch.setattr(speed, "SHORTEST", 1)
    monkeypatch.setattr(speed, "LONGEST", 1000)
    monkeypatch.setattr(speed, "write_report", lambda case, random: short_report())
    out = tmp_path / "speed.json"
    arguments = ["evaluate", "speed", "--model", str(tiny_checkpoint), "--limit", "2", "--steps", "2"]
    assert main([*arguments, "--json", str(out), "--plots", str(tmp_path)]) == 0
    saved = json.loads(out.read_text(encoding="utf-8"))
    assert saved["weights_sha256"]
    rows = {(row["subject"], row["measure"]): row for row in saved["rows"]}
    kept = rows["one sentence drafted again in 120 tokens: engine", "locked text kept"]
    assert (kept["value"], kept["count"]) == (1.0, 2)
    steps = rows["one sentence drafted again in 120 tokens: transformers' generate()", "steps"]
    assert steps["value"] == 2
    # A step of `generate()` is what eight more take less what eight fewer do, which a busy machine can turn round.
    differs = "transformers' generate()"
    timed = [row for row in saved["rows"] if row["measure"] in ("seconds", "milliseconds")]
    assert all(row["value"] > 0 for row in timed if row["measure"] == "seconds" or differs not in row["subject"])
    assert any(row["measure"] == "milliseconds" and differs in row["subject"] for row in timed)
    plots = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert plots == [f"speed-{name}.svg" for name in ("canvas", "prefix", "sessions", "spans")]
    assert "transformers' generate()" in capsys.readouterr().out


def test_both_siblings_are_timed_at_the_same_work(
    tiny_checkpoint: Path, tiny_sibling: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "SHORTEST", 1)
    monkeypatch.setattr(speed, "LONGEST", 1000)
    monkeypatch.setattr(speed, "write_report", lambda case, random: short_report())
    monkeypatch.setattr("model.evaluation.sibling.MOST_NEW_TOKENS", 8)
    out = tmp_path / "speed.json"
    arguments = ["evaluate", "speed", "--model", str(tiny_checkpoint), "--limit", "5", "--steps", "2"]
    assert main([*arguments, "--compare", str(tiny_sibling), "--json", str(out)]) == 0
    saved = json.loads(out.read_text(encoding="utf-8"))
    assert len(saved["sibling_sha256"]) == 64
    found = {(row["subject"], row["measure"]): row for row in saved["rows"]}
    for task, count in (
        ("an answer to a question", 5),
        ("a sentence in a report of 120 tokens", 5),
        ("a whole report", 2),
    ):
        for who in (compare.DIFFUSION, compare.CACHED, compare.SIBLING):
            row = found[f"{task}: {who}", "tokens a second"]
            assert row["count"] == count
            assert 0 < row["low"] <= row["value"] <= row["high"]
        ratio = found[f"{task}: {compare.RATIO}", "times the seconds"]
        assert ratio["value"] > 0
    # Both begin with the picture unknown; whoever knows it already writes the same.
    same = [found[f"a whole report: {who}", "tokens (median)"]["value"] for who in (compare.DIFFUSION, compare.CACHED)]
    assert same[0] == same[1]


def test_a_part_of_speed_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "speed", "--parts", "steps,nonsense"]) == 2
    assert "Unknown part nonsense" in capsys.readouterr().err


def short_report() -> WrittenReport:
    text = "The heart is normal in size. The lungs are clear."
    return WrittenReport(text, (Sentence(0, 28, ("heart",), "findings"), Sentence(29, 49, ("lungs",), "findings")))


def test_the_published_shape_is_refused_without_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main(["evaluate", "speed", "--published"]) == 2
    assert "needs a GPU" in capsys.readouterr().err


def test_random_weights_of_a_configuration_are_tied_as_a_checkpoint_s_are() -> None:
    model = random_model(fresh_config(TINY, 2048), torch.device("cpu"), torch.float32, "random")
    network = model.network
    decoder, encoder = network.model.decoder, network.model.encoder.language_model
    assert not [name for name, parameter in network.named_parameters() if parameter.device.type != "cpu"]
    assert network.lm_head.weight is decoder.embed_tokens.weight is encoder.embed_tokens.weight
    assert decoder.layers[0].experts.gate_up_proj is encoder.layers[0].experts.gate_up_proj
    steps = EvaluationEngine(model).draft(None, parse_markup("The heart [[]]."), DraftSettings(steps=2))
    assert len(list(steps)) >= 2


def test_the_published_shape_is_that_of_the_published_checkpoint() -> None:
    with init_empty_weights(include_buffers=False):
        network = DiffusionGemmaForBlockDiffusion(published_config())
    network.tie_weights()
    assert sum(parameter.numel() for parameter in network.parameters()) == 25_823_778_864
