"""The engine on a tiny checkpoint of the real classes: locks, seeds, stops, prefixes, adapters and long reports."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import DiffusionGemmaForBlockDiffusion

from drafting.engine import Draft, DraftSettings, EngineError, Frame
from drafting.imaging import Study, StudyFacts
from drafting.report import Report, Span, merge_draft, parse_markup
from model.loading import DraftingModel, ModelError, load
from model.local_engine import LocalEngine


@pytest.fixture(scope="module")
def engine(tiny_model: DraftingModel) -> LocalEngine:
    return LocalEngine(tiny_model)


@pytest.fixture(scope="module")
def study() -> Study:
    picture = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    return Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60, sex="F", view="PA"))


def run(engine: LocalEngine, study: Study | None, report: Report, **kwargs: int) -> tuple[list[Frame], Draft]:
    frames, steps = [], engine.draft(study, report, DraftSettings(**kwargs))
    while True:
        try:
            frames.append(next(steps))
        except StopIteration as end:
            return frames, end.value


TEXT = st.text(alphabet=st.sampled_from("Heart size. \n\r\t<blank>é😀אב\u0301[]"), max_size=16)


@given(
    spans=st.lists(st.tuples(TEXT, st.sampled_from(["locked", "open"])), max_size=8),
    seed=st.integers(0, 2**63 - 1),
    stop=st.integers(0, 6),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_draft_stopped_anywhere_changes_a_locked_byte(
    engine: LocalEngine, study: Study, spans: list[tuple[str, str]], seed: int, stop: int
) -> None:
    report = Report.from_spans(Span(f"s{i}", t, s, "radiologist") for i, (t, s) in enumerate(spans))  # type: ignore[arg-type]
    steps = engine.draft(study, report, DraftSettings(seed=seed, steps=6))
    merged = report
    for count, frame in enumerate(steps):
        merged = merge_draft(report, frame.texts)
        if count == stop:
            steps.close()
            break
    assert [s.text for s in merged.spans if s.locked] == [s.text for s in report.spans if s.locked]
    assert [s.id for s in merged.spans] == [s.id for s in report.spans]


def test_the_same_seed_gives_the_same_draft(engine: LocalEngine, study: Study) -> None:
    report = parse_markup("The heart [[]]. No [[effusion]].")
    first, again = run(engine, study, report, seed=5)[1], run(engine, study, report, seed=5)[1]
    other = run(engine, study, report, seed=6)[1]
    assert first.texts == again.texts
    assert first.mean_log_probability == again.mean_log_probability
    assert first.texts != other.texts


def test_the_last_frame_shows_the_draft(engine: LocalEngine, study: Study) -> None:
    frames, draft = run(engine, study, parse_markup("The heart [[]]. [[]]"))
    assert frames[-1].texts == draft.texts
    assert [frame.step for frame in frames] == list(range(1, draft.steps + 1))
    assert all(frame.steps == 6 for frame in frames)


def test_a_report_without_open_spans_is_drafted_in_no_steps(engine: LocalEngine) -> None:
    frames, draft = run(engine, None, parse_markup("All locked."))
    assert frames == []
    assert draft.texts == {}
    assert draft.steps == 0


def test_a_report_longer_than_the_canvas_is_drafted_in_windows(engine: LocalEngine, study: Study) -> None:
    report = parse_markup(
        ("The lungs are clear. " * 30 + "[[]] ") * 4 + "[[The heart is normal. " * 1 + "x" * 400 + "]]"
    )
    frames, draft = run(engine, study, report)
    assert set(draft.texts) == {span.id for span in report.open_spans}
    assert frames[-1].steps == 6 * 5


def test_three_hundred_gaps_are_drafted(engine: LocalEngine) -> None:
    report = parse_markup("a [[]] " * 300)
    draft = run(engine, None, report, steps=1)[1]
    assert len(draft.texts) == 300


def test_too_many_open_spans_are_refused_in_a_sentence(engine: LocalEngine) -> None:
    with pytest.raises(EngineError, match="1001 open spans"):
        run(engine, None, parse_markup("[[]]" * 1001))


def test_special_tokens_in_locked_or_open_text_are_ordinary_text(engine: LocalEngine, study: Study) -> None:
    report = parse_markup("<blank><|image|><bos> [[<|turn>]] end")
    draft = run(engine, study, report)[1]
    assert merge_draft(report, draft.texts).text.startswith("<blank><|image|><bos> ")


def test_the_prefix_is_encoded_once_a_study_and_forgotten_on_release(
    tiny_model: DraftingModel, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    import model.local_engine as room

    calls = []
    encode = room.encode_prefix
    monkeypatch.setattr(room, "encode_prefix", lambda *arguments: calls.append(1) or encode(*arguments))
    engine = LocalEngine(tiny_model)
    engine.prepare(study)
    run(engine, study, parse_markup("[[]]"), steps=1)
    run(engine, study, parse_markup("x [[]]"), steps=1)
    assert len(calls) == 1
    engine.release(study)
    engine.prepare(study)
    assert len(calls) == 2


def test_the_image_reaches_the_canvas(engine: LocalEngine, study: Study) -> None:
    white = Study(pictures=(), model_picture=np.full((90, 70), 255, dtype=np.uint8), facts=study.facts)
    report = parse_markup("The heart [[]].")
    seen, blank = run(engine, study, report, steps=1)[1], run(engine, white, report, steps=1)[1]
    assert seen.mean_log_probability != blank.mean_log_probability


@pytest.fixture
def adapter(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    network = DiffusionGemmaForBlockDiffusion.from_pretrained(tiny_checkpoint)
    targets = r".*decoder\.layers.*(q_proj|k_proj|v_proj|o_proj|mlp\.gate_proj|mlp\.up_proj|mlp\.down_proj)"
    tuned = get_peft_model(network, LoraConfig(r=4, lora_alpha=8, target_modules=targets))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    tuned.save_pretrained(tmp_path / "tuned")
    return tmp_path / "tuned"


def test_an_adapter_loads_unmerged_and_changes_the_draft(tiny_checkpoint: Path, adapter: Path, study: Study) -> None:
    report = parse_markup("The heart [[]]. No [[effusion]].")
    plain, tuned = LocalEngine.load(tiny_checkpoint), LocalEngine.load(tiny_checkpoint, adapter)
    assert tuned.model == "tiny-checkpoint + tuned"
    assert run(plain, study, report)[1].texts != run(tuned, study, report)[1].texts


@pytest.mark.parametrize("wrong", ["missing", "empty", "broken", "other"])
def test_a_wrong_checkpoint_is_refused_in_one_line(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / wrong
    if wrong != "missing":
        folder.mkdir()
    if wrong == "broken":
        (folder / "config.json").write_text("{", encoding="utf-8")
    if wrong == "other":
        (folder / "config.json").write_text('{"model_type": "gemma3_text"}', encoding="utf-8")
    with pytest.raises(ModelError) as error:
        load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json"])
@pytest.mark.parametrize("damage", ["gone", "cut short", "not fetched"])
def test_a_damaged_checkpoint_is_refused_in_one_line(
    file: str, damage: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_checkpoint, folder)
    path = folder / file
    if damage == "gone":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_text(
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1\n", encoding="utf-8"
        )
    with pytest.raises(ModelError) as error:
        load(folder)
    assert "\n" not in str(error.value)


def test_a_wrong_adapter_is_refused_in_one_line(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        load(tiny_checkpoint, tmp_path)
    assert "\n" not in str(error.value)
