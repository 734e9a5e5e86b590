"""`python -m drafting draft` with the default model on the committed examples: locks, seeds, frames, refusals."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drafting.__main__ import main
from drafting.engine import Draft, DraftSettings
from drafting.exports import EXPORTS
from drafting.imaging.open import open_study
from drafting.report import parse_markup
from model.engine.local import LocalEngine
from model.network.loading import DEFAULT_MODEL
from tests.drafting.imaging.forked_decoding import forked_decoding

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "assets" / "examples"
DICOM = EXAMPLES / "effusion.dcm"
PNG = EXAMPLES / "cardiomegaly.png"
JPEG = EXAMPLES / "child-pneumonia.jpg"

SENTENCE = "The {} of the chest was compared with the examination of the week before, and it is written out in full. "
REPORTS = {
    "nothing at all": "",
    "no gap": "FINDINGS:\nAll of this is locked.\n",
    "one gap": "FINDINGS:\n[[]]\n",
    "two gaps": "FINDINGS:\n[[]]\n\nIMPRESSION:\n[[]]\n",
    "three gaps": "The heart is [[]]. The lungs are [[]]. [[]]\n",
    "four gaps, two of them with text": "[[Heart]] is [[]]. No [[effusion]]. There is [[]].",
    "five gaps": "a [[]] b [[]] c [[]] d [[]] e [[]] f",
    "six gaps": "Heart: [[]]\nLungs: [[]]\nPleura: [[]]\nBones: [[]]\nDevices: [[]]\nImpression: [[]]\n",
    "seven gaps": "[[]] one [[]] two [[]] three [[]] four [[]] five [[]] six [[]]",
    "eight gaps": "".join(f"{number}. [[]]\n" for number in range(1, 9)),
    "gaps at start and end": "[[]] The heart is normal in size. [[]]",
    "adjacent gaps": "The heart is normal. [[]][[]] No effusion. [[Clear lungs.]][[]][[No pneumothorax.]]",
    "emoji and combining marks": (
        "Herz \U0001f469\u200d\u2695\ufe0f: e\u0301a\u0308\u0323 [[]] \U0001f600\u00a0[[]]\u2028n\u0303"
    ),
    "right-to-left": (
        "\u05d4\u05dc\u05d1 \u05ea\u05e7\u05d9\u05df \u200f[[]]\u200e "
        "\u0627\u0644\u0642\u0644\u0628 [[]] \u202eabc\u202c"
    ),
    "CRLF line ends": "FINDINGS:\r\n[[]]\r\n\r\nIMPRESSION:\r\n[[No acute\r\ndisease.]]\r\nlone\rreturn\ttab \r\n",
    "brackets that close nothing": "a ]] b [[]] c ]]] [x] d [[]]] ] e",
    "spelled special tokens": "<blank><bos><|image|> [[]] <turn|>",
    "longer than the canvas": "\n".join(
        SENTENCE.format(word) * 4 + f"The {word} is [[]]." for word in ("heart", "lung", "pleura", "skeleton", "rest")
    )
    + "\n[[]]",
}


@dataclass(frozen=True)
class Said:
    """What a call wrote and how it ended."""

    code: int
    out: bytes
    err: bytes


@pytest.fixture
def call(capsysbinary: pytest.CaptureFixture[bytes]) -> Any:
    """`python -m drafting` in this process."""

    def called(*arguments: str | Path) -> Said:
        capsysbinary.readouterr()
        try:
            with forked_decoding():
                code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        written = capsysbinary.readouterr()
        return Said(code, written.out, written.err)

    return called


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    return LocalEngine.load()


def call_in_process_of_its_own(*arguments: str | Path) -> Said:
    command = [sys.executable, "-m", "drafting", *map(str, arguments)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    return Said(ended.returncode, ended.stdout, ended.stderr)


def written(folder: Path, markup: str) -> Path:
    path = folder / "report.txt"
    path.write_bytes(markup.encode("utf-8"))
    return path


def runs_of(markup: str) -> list[tuple[str, bool]]:
    """The markup cut by hand: each run's text and whether it is locked."""
    parts = re.split(r"\[\[(.*?)\]\]", markup, flags=re.DOTALL)
    return [(part, index % 2 == 0) for index, part in enumerate(parts) if part or index % 2]


def object_in(said: Said) -> dict[str, Any]:
    assert said.code == 0, said.err.decode()
    assert said.err == b""
    assert said.out.count(b"\n") == 1
    return json.loads(said.out.decode("utf-8"))


def assert_locked_bytes_in_place(found: dict[str, Any], markup: str) -> None:
    runs, spans = runs_of(markup), found["spans"]
    assert [span["locked"] for span in spans] == [locked for _, locked in runs]
    assert [span["text"] for span in spans if span["locked"]] == [text for text, locked in runs if locked]
    assert found["report"] == "".join(span["text"] for span in spans)
    assert {span["author"] for span in spans if span["locked"]} <= {"radiologist"}


@pytest.mark.parametrize("name", REPORTS)
def test_the_same_seed_gives_the_same_object_with_every_locked_byte_in_place(
    name: str, call: Any, engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Loaded once for all. That another engine gives the same draft is seen below, where it is another process's.
    monkeypatch.setattr(LocalEngine, "load", lambda *_: engine)
    markup = REPORTS[name]
    image = (DICOM, PNG, JPEG)[list(REPORTS).index(name) % 3]
    arguments = ("draft", image, written(tmp_path, markup), "--seed", "1", "--steps", "6", "--json")
    first, again = object_in(call(*arguments)), object_in(call(*arguments))
    assert first.keys() >= {"report", "spans", "steps", "seconds", "seed", "model"}
    assert first.pop("seconds") >= 0
    assert again.pop("seconds") >= 0
    assert first == again
    assert first["seed"] == 1
    assert first["model"] == "default-model"
    assert (first["steps"] > 0) == any(not locked for _, locked in runs_of(markup))
    assert_locked_bytes_in_place(first, markup)
    gaps = [
        span for span, (text, locked) in zip(first["spans"], runs_of(markup), strict=True) if not locked and not text
    ]
    assert all(span["author"] == "model" for span in gaps if span["text"])
    if "\r\n" in markup:
        assert not any(re.search(r"(?<!\r)\n", span["text"]) for span in first["spans"])


def test_the_long_report_is_longer_than_the_canvas() -> None:
    canvas = json.loads((DEFAULT_MODEL / "config.json").read_text(encoding="utf-8"))["canvas_length"]
    assert len(REPORTS["longer than the canvas"].split()) > max(canvas, 400)


def test_two_processes_give_the_same_draft_and_nothing_on_standard_error(call: Any, tmp_path: Path) -> None:
    markup = "FINDINGS:\r\n[[]]\r\n\U0001f600 The heart is [[]].\r\n"
    arguments = ("draft", DICOM, written(tmp_path, markup), "--seed", "1", "--json")
    # One of the two is this process.
    first, again = object_in(call_in_process_of_its_own(*arguments)), object_in(call(*arguments))
    assert_locked_bytes_in_place(first, markup)
    assert first | {"seconds": 0} == again | {"seconds": 0}


def test_another_seed_gives_another_draft(call: Any, tmp_path: Path) -> None:
    report = written(tmp_path, REPORTS["two gaps"])
    first, other = (call("draft", PNG, report, "--seed", seed, "--steps", "6", "--json") for seed in ("1", "2"))
    assert object_in(first)["report"] != object_in(other)["report"]


def test_without_json_the_report_itself_is_printed(call: Any, tmp_path: Path) -> None:
    markup = REPORTS["CRLF line ends"]
    report = written(tmp_path, markup)
    said = call("draft", PNG, report, "--seed", "1", "--steps", "4")
    assert (said.code, said.err) == (0, b"")
    found = object_in(call("draft", PNG, report, "--seed", "1", "--steps", "4", "--json"))
    marked = "".join(f"[[{s['text']}]]" if s["author"] == "model" else s["text"] for s in found["spans"])
    assert said.out.startswith(marked.encode("utf-8"))
    assert found["notice"].encode("utf-8") in said.out


def test_an_export_of_the_registry_writes_the_report(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXPORTS, "loud", lambda report: report.text.upper())
    said = call("draft", PNG, written(tmp_path, REPORTS["no gap"]), "--export", "loud")
    assert (said.code, said.out) == (0, b"FINDINGS:\nALL OF THIS IS LOCKED.\n")


def test_frames_are_written_one_object_a_line(call: Any, tmp_path: Path) -> None:
    markup, frames = REPORTS["four gaps, two of them with text"], tmp_path / "frames.jsonl"
    found = object_in(
        call("draft", PNG, written(tmp_path, markup), "--seed", "1", "--steps", "6", "--json", "--frames", frames)
    )
    lines = frames.read_bytes().decode("utf-8").split("\n")
    assert lines.pop() == ""
    rows = [json.loads(line) for line in lines]
    assert all(row.keys() == {"step", "steps", "seconds", "spans"} for row in rows)
    assert [row["step"] for row in rows] == list(range(1, found["steps"] + 1))
    # A gap that comes back full is drafted again, with as many steps.
    assert {row["steps"] for row in rows} <= {6, 12, 18}
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)
    identities = [span.id for span in parse_markup(markup).open_spans]
    for row in rows:
        assert set(row["spans"]) == set(identities)
        for piece in (piece for pieces in row["spans"].values() for piece in pieces):
            assert piece.keys() == {"text", "entropy", "accepted"}
            assert piece["entropy"] >= 0
    last = ["".join(piece["text"] for piece in rows[-1]["spans"][identity]) for identity in identities]
    assert last == [span["text"] for span in found["spans"] if not span["locked"]]


def test_the_frames_of_a_report_without_gaps_are_none(call: Any, tmp_path: Path) -> None:
    frames = tmp_path / "frames.jsonl"
    assert call("draft", PNG, written(tmp_path, "All locked."), "--frames", frames).code == 0
    assert frames.read_bytes() == b""


def test_of_three_samples_the_likeliest_is_kept_and_the_others_are_listed(
    call: Any, engine: LocalEngine, tmp_path: Path
) -> None:
    markup = REPORTS["two gaps"]
    arguments = ("draft", JPEG, written(tmp_path, markup), "--seed", "5", "--steps", "12", "--samples", "3", "--json")
    found = object_in(call(*arguments))
    study, report = open_study(JPEG), parse_markup(markup)
    drafts: dict[int, Draft] = {}
    for seed in (5, 6, 7):
        steps = engine.draft(study, report, DraftSettings(seed, 12))
        while seed not in drafts:
            try:
                next(steps)
            except StopIteration as end:
                drafts[seed] = end.value
    likeliest_first = sorted(drafts, key=lambda seed: -drafts[seed].mean_log_probability)
    listed = [found, *found["alternatives"]]
    assert [each["seed"] for each in listed] == likeliest_first
    for each in listed:
        assert_locked_bytes_in_place(each, markup)
        assert [span["text"] for span in each["spans"] if not span["locked"]] == list(
            drafts[each["seed"]].texts.values()
        )


def test_one_sample_lists_no_alternatives(call: Any, tmp_path: Path) -> None:
    found = object_in(call("draft", JPEG, written(tmp_path, "The heart is [[]]."), "--steps", "2", "--json"))
    assert "alternatives" not in found


def assert_refused_in_one_line(said: Said) -> None:
    assert said.code == 2
    assert said.out == b""
    assert said.err.count(b"\n") == 1, said.err.decode()
    assert said.err.endswith(b"\n")
    assert len(said.err.split()) > 5
    assert b"Traceback" not in said.err


@pytest.mark.parametrize("content", [None, b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"\x00" * 128 + b"DICM"])
def test_a_wrong_image_is_refused_in_one_line(content: bytes | None, call: Any, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    if content is not None:
        image.write_bytes(content)
    assert_refused_in_one_line(call("draft", image, written(tmp_path, "[[]]"), "--json"))


@pytest.mark.parametrize("image", [DICOM, PNG, JPEG], ids=lambda path: path.suffix)
def test_an_image_that_is_cut_short_is_refused_in_one_line(image: Path, call: Any, tmp_path: Path) -> None:
    short = tmp_path / image.name
    short.write_bytes(image.read_bytes()[: image.stat().st_size // 3])
    assert_refused_in_one_line(call("draft", short, written(tmp_path, "[[]]"), "--json"))


def test_a_folder_in_the_place_of_a_file_is_refused_in_one_line(call: Any, tmp_path: Path) -> None:
    assert_refused_in_one_line(call("draft", tmp_path, written(tmp_path, "[[]]"), "--json"))
    assert_refused_in_one_line(call("draft", PNG, tmp_path, "--json"))
    assert_refused_in_one_line(call("draft", PNG, written(tmp_path, "[[]]"), "--frames", tmp_path, "--json"))


@pytest.mark.parametrize(
    "content",
    [None, b"The heart \xff is [[]].", "The heart [[]].".encode("utf-16"), b"[[", b"a [[b [[c]] d]]", b"a\n[[b]] [[c"],
)
def test_a_wrong_report_is_refused_in_one_line(content: bytes | None, call: Any, tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    if content is not None:
        report.write_bytes(content)
    assert_refused_in_one_line(call("draft", PNG, report, "--json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--seed", "-1"),
        ("--seed", str(2**63)),
        ("--seed", "one"),
        ("--steps", "0"),
        ("--steps", "1001"),
        ("--steps", "many"),
        ("--samples", "0"),
        ("--samples", "65"),
        ("--seed", str(2**63 - 1), "--samples", "2"),
        ("--export", "text"),
    ],
    ids=" ".join,
)
def test_a_wrong_setting_is_refused_in_one_line(arguments: tuple[str, ...], call: Any, tmp_path: Path) -> None:
    assert_refused_in_one_line(call("draft", PNG, written(tmp_path, "[[]]"), "--json", *arguments))


def test_a_wrong_model_or_adapter_is_refused_in_one_line(call: Any, tmp_path: Path) -> None:
    report = written(tmp_path, "[[]]")
    damaged = tmp_path / "damaged"
    shutil.copytree(DEFAULT_MODEL, damaged)
    for path in damaged.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:1000])
    for folder in (tmp_path / "missing", tmp_path, damaged):
        assert_refused_in_one_line(call("draft", PNG, report, "--model", folder, "--json"))
    for folder in (tmp_path / "missing", tmp_path):
        assert_refused_in_one_line(call("draft", PNG, report, "--adapter", folder, "--json"))


def test_a_refusal_is_one_line_from_a_process_of_its_own_too(tmp_path: Path) -> None:
    assert_refused_in_one_line(call_in_process_of_its_own("draft", tmp_path / "missing.dcm", written(tmp_path, "[[]]")))
    assert_refused_in_one_line(
        call_in_process_of_its_own("draft", PNG, written(tmp_path, "[[]]"), "--model", tmp_path, "--json")
    )
