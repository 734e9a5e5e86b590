"""The engine on a tiny checkpoint of the real classes: locks, seeds, stops, prefixes, adapters and long reports."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import DiffusionGemmaForBlockDiffusion

from drafting.engine import Draft, DraftSettings, EngineBusyError, EngineError, Frame
from drafting.report import Report, Span, focused, merge_draft, parse_markup, word_apart
from drafting.study import Study, StudyFacts
from model.engine import prefixes, windows
from model.engine.batching import MOST_RUNS
from model.engine.local import LocalEngine
from model.engine.scoring import Scoring
from model.engine.windows import WIDENINGS, WIDTH_FACTORS
from model.network.decoder import DecoderSlot, barred_tokens
from model.network.loading import CHECKSUMS, DraftingModel, ModelError, load
from model.network.prefix import Prefix, VisionFeatures, encode_prefix, instruction
from model.network.reading import State


@pytest.fixture(scope="module")
def engine(tiny_model: DraftingModel) -> LocalEngine:
    return LocalEngine(tiny_model)


@pytest.fixture(scope="module")
def default_engine() -> LocalEngine:
    return LocalEngine(load(device="cpu"))


@pytest.fixture(scope="module", params=["tiny", "default"])
def any_engine(request: pytest.FixtureRequest, engine: LocalEngine, default_engine: LocalEngine) -> LocalEngine:
    return engine if request.param == "tiny" else default_engine


@pytest.fixture(scope="module")
def study() -> Study:
    picture = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    return Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60, sex="F", view="PA"))


def finish(steps: Generator[Frame, None, Draft]) -> tuple[list[Frame], Draft]:
    frames = []
    while True:
        try:
            frames.append(next(steps))
        except StopIteration as end:
            return frames, end.value


def run(
    engine: LocalEngine, study: Study | None, report: Report, start: Frame | None = None, **kwargs: float
) -> tuple[list[Frame], Draft]:
    return finish(engine.draft(study, report, DraftSettings(**kwargs), start=start))  # type: ignore[arg-type]


TEXT = st.text(alphabet=st.sampled_from("Heart size. \n\r\t<blank>é😀אב\u0301[]"), max_size=16)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    spans = draw(st.lists(st.tuples(TEXT, st.sampled_from(["locked", "open"])), max_size=8))
    return Report.from_spans(Span(f"s{i}", text, state, "radiologist") for i, (text, state) in enumerate(spans))


# Other work on the machine makes drawing slow, which is no fault of the engine.
QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@given(
    report=reports(), seed=st.integers(0, 2**63 - 1), stop=st.integers(0, 9), strength=st.sampled_from([0, 0.3, 0.7, 1])
)
@settings(QUIET, max_examples=60)
def test_no_draft_stopped_anywhere_changes_a_locked_byte(
    any_engine: LocalEngine, study: Study, report: Report, seed: int, stop: int, strength: float
) -> None:
    steps = any_engine.draft(study, report, DraftSettings(seed=seed, steps=6, strength=strength))
    merged = report
    for count, frame in enumerate(steps):
        assert frame.step == count + 1 <= frame.steps
        assert frame.texts.keys() <= {span.id for span in report.open_spans}
        merged = merge_draft(report, frame.texts)
        if count == stop:
            steps.close()
            break
    assert [s.text for s in merged.spans if s.locked] == [s.text for s in report.spans if s.locked]
    assert [s.id for s in merged.spans] == [s.id for s in report.spans]


@given(report=reports(), seed=st.integers(0, 1000), at=st.integers(0, 30), data=st.data())
@settings(QUIET, max_examples=30)
def test_a_draft_goes_on_from_any_frame_to_where_it_went(
    any_engine: LocalEngine, study: Study, report: Report, seed: int, at: int, data: st.DataObject
) -> None:
    frames, draft = run(any_engine, study, report, seed=seed, steps=5)
    if not frames:
        return
    start = data.draw(st.sampled_from(frames))
    rest, again = run(any_engine, study, report, start=start, seed=seed, steps=5)
    assert again.texts == draft.texts
    assert again.mean_log_probability == pytest.approx(draft.mean_log_probability, abs=1e-4)
    assert [frame.texts for frame in rest] == [frame.texts for frame in frames[frames.index(start) + 1 :]]


def gap_of(text: str) -> Report:
    return Report.from_spans([Span("s0", text, "open", "radiologist")])


@given(drafts=st.lists(st.tuples(reports(), st.integers(0, 1000), st.integers(1, 6)), min_size=2, max_size=5))
@example(drafts=[(gap_of(""), 0, 2), (gap_of("<["), 0, 2)])
@example(drafts=[(gap_of(""), 0, 2), (gap_of(""), 0, 1)])
@settings(QUIET, max_examples=10)
def test_drafts_written_at_the_same_time_are_those_written_alone(
    any_engine: LocalEngine, study: Study, drafts: list[tuple[Report, int, int]]
) -> None:
    alone = [run(any_engine, study, report, seed=seed, steps=steps)[1] for report, seed, steps in drafts]
    with ThreadPoolExecutor(len(drafts)) as pool:
        together = list(pool.map(lambda one: run(any_engine, study, one[0], seed=one[1], steps=one[2])[1], drafts))
    for one, other in zip(alone, together, strict=True):
        assert other.texts == one.texts
        assert other.mean_log_probability == pytest.approx(one.mean_log_probability, abs=1e-4)


def test_the_same_seed_gives_the_same_draft(engine: LocalEngine, study: Study) -> None:
    report = parse_markup("The heart [[]]. No [[effusion]].")
    first, again = run(engine, study, report, seed=5)[1], run(engine, study, report, seed=5)[1]
    other = run(engine, study, report, seed=6)[1]
    assert first.texts == again.texts
    assert first.mean_log_probability == again.mean_log_probability
    assert first.texts != other.texts


def test_the_last_frame_shows_the_draft(any_engine: LocalEngine, study: Study) -> None:
    frames, draft = run(any_engine, study, parse_markup("The heart [[]]. [[]]"))
    assert frames[-1].texts == draft.texts
    assert [frame.step for frame in frames] == list(range(1, draft.steps + 1))
    assert all(frame.step <= frame.steps for frame in frames)


def test_a_frame_of_another_report_is_no_place_to_go_on_from(engine: LocalEngine, study: Study) -> None:
    frames, _ = run(engine, study, parse_markup("The heart [[]]."), steps=2)
    with pytest.raises(EngineError, match="changed"):
        run(engine, study, parse_markup("The lungs [[]]."), start=frames[0])


def test_a_stopped_draft_goes_on_with_more_steps(engine: LocalEngine, study: Study) -> None:
    report = parse_markup("The heart [[]].")
    frames, _ = run(engine, study, report, steps=1)
    longer, draft = run(engine, study, report, start=frames[0], steps=4)
    assert longer[0].step == 2
    assert draft.steps >= 4


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
    assert frames[0].steps == 6 * 5


def test_three_hundred_gaps_are_drafted(engine: LocalEngine) -> None:
    report = parse_markup("a [[]] " * 300)
    draft = run(engine, None, report, steps=1)[1]
    assert len(draft.texts) == 300


def test_too_many_open_spans_are_refused_in_a_sentence(engine: LocalEngine) -> None:
    with pytest.raises(EngineError, match="1001 open spans"):
        run(engine, None, parse_markup("[[]]" * 1001))


def test_a_slot_that_comes_back_full_is_widened_up_to_a_limit(
    tiny_model: DraftingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    barred = barred_tokens(tiny_model)
    barred[tiny_model.blank_id] = True
    monkeypatch.setattr("model.network.decoder.barred_tokens", lambda _: barred)
    engine = LocalEngine(tiny_model)
    frames, draft = run(engine, None, parse_markup("The heart [[]]."), steps=3)
    (span,) = draft.texts
    assert draft.widenings == WIDENINGS
    assert draft.full == {span}
    lengths = [len(frame.pieces[span]) for frame in frames]
    assert lengths[-1] > 2 * lengths[0]
    assert draft.steps == 3 * (1 + WIDENINGS)


def test_a_gap_that_needs_more_room_than_it_was_given_gets_it(
    default_engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default model knows blanks: given room for three tokens, a sentence ends whole all the same."""
    monkeypatch.setattr("model.engine.layout.GAP_IN_LINE", 3)
    report = parse_markup("FINDINGS: The heart is normal in size. [[]] No pneumothorax.\n\nIMPRESSION: Normal.")
    draft = run(default_engine, None, report)[1]
    (text,) = draft.texts.values()
    assert draft.widenings >= 1
    assert not draft.full
    assert text.endswith(".")
    assert len(text.split()) >= 2


def test_without_strength_nothing_changes(any_engine: LocalEngine, study: Study) -> None:
    frames, draft = run(any_engine, study, parse_markup("The heart [[is normal in size]]."), strength=0)
    assert frames == []
    assert draft.texts == {}


@pytest.mark.parametrize("strength", [0.2, 0.5])
def test_a_revision_keeps_the_likelier_part_of_the_text(default_engine: LocalEngine, strength: float) -> None:
    text = "The lungs are clear. No effusion or pneumothorax is seen."
    report = parse_markup(f"FINDINGS: The heart is normal in size. [[{text}]]\n\nIMPRESSION: No acute disease.")
    draft = run(default_engine, None, report, strength=strength)[1]
    (revised,) = draft.texts.values()
    words = text.split()
    kept = sum(word in revised.split() for word in words)
    assert kept >= len(words) * (1 - strength) - 1


def test_a_revision_makes_a_wrong_word_agree_with_what_is_locked(default_engine: LocalEngine) -> None:
    right = []
    sides = (("left", "right"), ("right", "left"))
    for size, (side, wrong), finding in product(
        ("small", "moderate", "large"), sides, ("pleural effusion", "pneumothorax")
    ):
        report = parse_markup(
            f"FINDINGS: The heart is normal in size. [[There is a {size} {wrong} {finding}.]] No acute bony "
            f"abnormality.\n\nIMPRESSION: {size.capitalize()} {side} {finding}."
        )
        (revised,) = run(default_engine, None, report, strength=0.15)[1].texts.values()
        right.append(side in revised and wrong not in revised and finding in revised)
    assert sum(right) >= 9, right


def test_alternatives_are_the_drafts_of_their_seeds_ranked_and_without_doubles(
    default_engine: LocalEngine, study: Study
) -> None:
    report = parse_markup("FINDINGS: The heart is normal in size. [[]]\n\nIMPRESSION: Small left pleural effusion.")
    rounds, drafts = finish(default_engine.alternatives(study, report, 6, DraftSettings(seed=3)))  # type: ignore[arg-type]
    alone = {seed: run(default_engine, study, report, seed=seed)[1] for seed in range(3, 9)}
    assert all(len(frames) == 6 for frames in rounds)
    assert all(draft.texts == alone[draft.seed].texts for draft in drafts)
    texts = [tuple(draft.texts.values()) for draft in drafts]
    assert len(set(texts)) == len(texts)
    assert set(texts) == {tuple(draft.texts.values()) for draft in alone.values()}
    ranks = [draft.mean_log_probability for draft in drafts]
    assert ranks == sorted(ranks, reverse=True)


def test_more_alternatives_than_fit_at_once_are_drafted_all_the_same(
    engine: LocalEngine, without_blanks: LocalEngine
) -> None:
    report = parse_markup("The heart [[]].")
    for one in (engine, without_blanks):
        _, drafts = finish(one.alternatives(None, report, MOST_RUNS + 3, DraftSettings(steps=2)))  # type: ignore[arg-type]
        assert {draft.seed for draft in drafts} == set(range(MOST_RUNS + 3))


def test_alternatives_come_to_their_end_in_what_their_frames_show(default_engine: LocalEngine, study: Study) -> None:
    report = parse_markup("FINDINGS: The heart is normal in size. [[]]\n\nIMPRESSION: Small left pleural effusion.")
    rounds, _ = finish(default_engine.alternatives(study, report, 6, DraftSettings(seed=3)))  # type: ignore[arg-type]
    progress = [min(frame.step / frame.steps for frame in frames) for frames in rounds]
    # Fewer steps than the limit were needed, and what is shown follows the drafts that are still written.
    assert max(frame.step for frame in rounds[-1]) < 48
    under_way = [[frame for frame in frames if frame.step < frame.steps] for frames in rounds]
    assert len(under_way[-1]) < 6
    assert all(
        share == 1 or any(frame.step / frame.steps == share for frame in left)
        for share, left in zip(progress, under_way, strict=True)
    )


def test_a_draft_beyond_the_places_waits_in_line_and_is_the_draft_that_it_is_alone(tiny_model: DraftingModel) -> None:
    engine = LocalEngine(tiny_model)
    report = parse_markup("The heart [[]].")
    alone = run(engine, None, report, seed=9)[1]
    under_way = [engine.draft(None, report, DraftSettings(seed=seed)) for seed in range(MOST_RUNS)]
    for steps in under_way:
        assert next(steps).place == 0
    waiting = engine.draft(None, report, DraftSettings(seed=9))
    first = next(waiting)
    assert (first.step, first.place, first.texts) == (0, 1, {})
    under_way.pop().close()
    frames, draft = finish(waiting)
    assert [frame.step for frame in frames if frame.place == 0] == list(range(1, draft.steps + 1))
    assert draft.texts == alone.texts
    for steps in under_way:
        steps.close()


def test_a_full_line_says_so(tiny_model: DraftingModel, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(tiny_model)
    monkeypatch.setattr(engine.batcher, "_most_waiting", 0)
    with pytest.raises(EngineBusyError, match="busy"):
        run(engine, None, parse_markup("The heart [[]]."))


def test_pages_that_ask_for_many_alternatives_leave_room_for_others(tiny_model: DraftingModel) -> None:
    engine, report = LocalEngine(tiny_model), parse_markup("The heart [[]].")
    pages = [engine.alternatives(None, report, 8, DraftSettings(seed=seed)) for seed in range(4)]
    rounds = [next(page) for page in pages]
    assert all(frame.place == 0 for frames in rounds for frame in frames)
    assert [len(frames) for frames in rounds] == [8, 8, 1, 1]
    later = engine.draft(None, report, DraftSettings())
    assert next(later).place == 0
    later.close()
    assert all(len(finish(page)[1]) >= 1 for page in pages)  # type: ignore[arg-type]


def test_a_draft_of_several_windows_needs_no_second_place(tiny_model: DraftingModel) -> None:
    """Between two windows others take what is free; a draft under way is not turned away for it."""
    engine = LocalEngine(tiny_model)
    report = parse_markup(("The lungs are clear. " * 30 + "[[]] ") * 2)
    long = engine.draft(None, report, DraftSettings(steps=2))
    first = next(long)
    assert first.steps == 4
    others = [engine.draft(None, report, DraftSettings(steps=2)) for _ in range(MOST_RUNS - 1)]
    for other in others:
        assert next(other).place == 0
    waiting = engine.draft(None, report, DraftSettings())
    assert next(waiting).place == 1
    frames, draft = finish(long)
    assert [frame.step for frame in (first, *frames)] == list(range(1, draft.steps + 1))
    assert draft.steps >= 4
    for other in (*others, waiting):
        other.close()


@given(report=reports(), lengths=st.lists(st.integers(0, 40), max_size=6), strength=st.sampled_from([0.5, 1]))
@example(report=gap_of(""), lengths=[24, 0], strength=1)
@example(report=parse_markup("[[]] [[" + " clear" * 40 + "]] [[]]"), lengths=[], strength=0.5)
@settings(QUIET, max_examples=25)
def test_no_canvas_is_longer_than_the_model_takes(
    crowded: LocalEngine, without_blanks: LocalEngine, report: Report, lengths: list[int], strength: float
) -> None:
    """Slots that are widened, and those tried at several widths, leave room for what stands between them."""
    gaps = parse_markup("".join("[[]]" + " clear" * length for length in lengths))
    for engine in (crowded, without_blanks):
        for one in (report, gaps):
            for frame in engine.draft(None, one, DraftSettings(steps=1, strength=strength)):
                resumption = frame.resumption
                assert isinstance(resumption, windows._Resumption)
                assert all(len(canvas.ids) <= engine.bench.model.canvas_length for canvas in resumption.canvases)


def test_frames_hold_no_tensors(engine: LocalEngine, study: Study) -> None:
    """A hundred frames of each page are kept to go back to: they may not hold a device's memory."""
    frames, _ = run(engine, study, parse_markup("The heart [[]]. [[is large]]"))

    def held(value: object) -> list[object]:
        if isinstance(value, torch.Tensor):
            return [value]
        if is_dataclass(value) and not isinstance(value, type):
            return [found for field in fields(value) for found in held(getattr(value, field.name))]
        if isinstance(value, Mapping):
            return [found for each in value.values() for found in held(each)]
        if isinstance(value, tuple | list | frozenset):
            return [found for each in value for found in held(each)]
        return []

    assert held(frames) == []


@pytest.fixture(scope="module")
def crowded(tiny_model: DraftingModel) -> LocalEngine:
    """An engine whose slots always come back full, so that every one is widened."""
    barred = barred_tokens(tiny_model)
    barred[tiny_model.blank_id] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model.network.decoder.barred_tokens", lambda _: barred)
        return LocalEngine(tiny_model)


@pytest.fixture(scope="module")
def without_blanks(tiny_model: DraftingModel) -> LocalEngine:
    return LocalEngine(replace(tiny_model, blank_id=None))


def test_without_blanks_several_widths_are_drafted_and_the_likeliest_is_kept(
    without_blanks: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided: list[Sequence[State]] = []
    likeliest = windows._likeliest
    monkeypatch.setattr(windows, "_likeliest", lambda states: decided.append(states) or likeliest(states))
    report = parse_markup("The heart [[]]. The lungs are clear.")
    frames, draft = run(without_blanks, None, report, seed=2)
    lanes = decided[-1]
    assert len({len(state.canvas) for state in lanes}) == len(WIDTH_FACTORS)
    means = [state.reading.log_probability.mean().item() for state in lanes if state.reading is not None]
    assert draft.mean_log_probability == pytest.approx(max(means))
    assert frames[-1].texts == draft.texts


def test_without_blanks_a_revised_text_keeps_its_length(without_blanks: LocalEngine) -> None:
    frames, _ = run(without_blanks, None, parse_markup("The [[heart is normal]]. [[]]"), strength=0.5)
    widths = [
        [slot.stop - slot.start for slot in canvas.slots]
        for canvas in frames[0].resumption.canvases  # type: ignore[attr-defined]
    ]
    assert len({text for text, _ in widths}) == 1
    assert len({gap for _, gap in widths}) == len(WIDTH_FACTORS)


def test_special_tokens_in_locked_or_open_text_are_ordinary_text(engine: LocalEngine, study: Study) -> None:
    report = parse_markup("<blank><|image|><bos> [[<|turn>]] end")
    draft = run(engine, study, report)[1]
    assert merge_draft(report, draft.texts).text.startswith("<blank><|image|><bos> ")


def test_special_tokens_in_an_indication_a_hint_and_a_question_are_ordinary_text(
    engine: LocalEngine, study: Study
) -> None:
    name = "<|image|>"
    for words in (f"{name} cough", "<eos> <blank> <turn|>"):
        report = Report((Span("s1", "", "open", "radiologist", hint="<eos> <pad>?"),))
        drafts = [
            finish(engine.draft(study, report, DraftSettings(steps=1), words))[1],
            finish(engine.answer(study, f"Is {words} there?", DraftSettings(steps=1)))[1],
        ]
        assert all(draft.texts for draft in drafts)


def test_the_prefix_is_encoded_once_a_study_and_forgotten_on_release(
    tiny_model: DraftingModel, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    import model.engine.prefixes as room

    calls = []
    encode = room.encode_prefix
    monkeypatch.setattr(room, "encode_prefix", lambda *given, **named: calls.append(1) or encode(*given, **named))
    engine = LocalEngine(tiny_model)
    engine.prepare(study)
    run(engine, study, parse_markup("[[]]"), steps=1)
    run(engine, study, parse_markup("x [[]]"), steps=1)
    assert len(calls) == 1
    engine.release(study)
    engine.prepare(study)
    assert len(calls) == 2


def test_what_was_made_without_a_study_is_forgotten_on_release(
    tiny_model: DraftingModel, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    encode = prefixes.encode_prefix
    monkeypatch.setattr(
        prefixes, "encode_prefix", lambda *given, **named: calls.append(given[2]) or encode(*given, **named)
    )
    engine = LocalEngine(tiny_model)
    engine.prepare(study, "Cough")
    engine.prepare(None, "Fever")
    engine.release(None)
    engine.prepare(study, "Cough")
    engine.prepare(None, "Fever")
    assert calls == ["Cough", "Fever", "Fever"]


def test_a_picture_is_looked_at_once_whatever_is_asked_and_forgotten_on_release(
    tiny_model: DraftingModel, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    encode = prefixes.encode_picture
    monkeypatch.setattr(prefixes, "encode_picture", lambda *given: looks.append(1) or encode(*given))
    engine = LocalEngine(tiny_model)
    for indication in ("", "Cough", "Fever"):
        engine.prepare(study, indication)
    for question in ("Is there an effusion?", "Is the heart enlarged?"):
        finish(engine.answer(study, question, DraftSettings(steps=1)))
    assert len(looks) == 1
    engine.release(study)
    engine.prepare(study)
    assert len(looks) == 2


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
@pytest.mark.parametrize("checksums", [True, False])
def test_a_damaged_checkpoint_is_refused_in_one_line(
    file: str, damage: str, checksums: bool, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_checkpoint, folder)
    if not checksums:
        (folder / CHECKSUMS).unlink()
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


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "drafting.json", "tokenizer.json"])
def test_a_file_that_differs_from_its_checksum_is_refused(file: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(tiny_checkpoint, folder)
    # White space at the end leaves a JSON file as good as it was: nothing but its checksum can tell.
    (folder / file).write_bytes((folder / file).read_bytes() + b"\n")
    with pytest.raises(ModelError, match=rf"{re.escape(file)}.*SHA256SUMS"):
        load(folder)


def test_a_checkpoint_is_taken_without_checksums_but_not_with_broken_ones(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(tiny_checkpoint, folder)
    (folder / CHECKSUMS).write_text("no sums\n", encoding="ascii")
    with pytest.raises(ModelError):
        load(folder)
    (folder / CHECKSUMS).unlink()
    load(folder)


def test_a_wrong_adapter_is_refused_in_one_line(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        load(tiny_checkpoint, tmp_path)
    assert "\n" not in str(error.value)


def test_an_answer_is_the_drafts_only_text(any_engine: LocalEngine, study: Study) -> None:
    frames, draft = finish(any_engine.answer(study, "Is there a pleural effusion?", DraftSettings(seed=4)))
    assert list(draft.texts) == ["answer"]
    assert frames[-1].texts == draft.texts
    assert len(frames) == draft.steps
    _, again = finish(any_engine.answer(study, " Is there a\npleural effusion? ", DraftSettings(seed=4)))
    assert again.texts == draft.texts
    assert finish(any_engine.answer(None, "Is this normal?", DraftSettings(steps=1)))[1].steps >= 1


def test_without_blanks_an_answer_is_given(without_blanks: LocalEngine, study: Study) -> None:
    _, draft = finish(without_blanks.answer(study, "Is there air?", DraftSettings(steps=2)))
    assert list(draft.texts) == ["answer"]


def test_no_question_is_not_answered(engine: LocalEngine, study: Study) -> None:
    with pytest.raises(EngineError, match="The question is empty"):
        finish(engine.answer(study, " \n", DraftSettings()))


# ---- hints


def test_hints_are_part_of_what_the_model_is_told_in_the_order_of_the_gaps() -> None:
    facts = StudyFacts(age=60)
    plain = "Write the report of this radiograph. Age 60. Indication: cough"
    assert instruction(facts, "cough", hints=()) == plain
    hinted = f"{plain} Gap 1: size of effusion? Gap 3: side?"
    assert instruction(facts, "cough", hints=("size of effusion?", "", "side?")) == hinted


def test_a_draft_heeds_its_hints_and_other_drafts_keep_their_prefix(
    tiny_model: DraftingModel, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, ...]] = []

    def encode(
        model: DraftingModel,
        study: Study | None,
        indication: str,
        question: str,
        hints: tuple[str, ...],
        vision: VisionFeatures | None,
    ) -> Prefix:
        told.append(hints)
        return encode_prefix(model, study, indication, question, hints, vision)

    monkeypatch.setattr(prefixes, "encode_prefix", encode)
    engine = LocalEngine(tiny_model)
    plain, hinted = parse_markup("Pleura: [[]] Heart: [[]]"), parse_markup("Pleura: [[]] Heart: [[?size?]]")
    for report in (plain, hinted, plain, hinted, focused(hinted, {"s2"})):
        run(engine, study, report, seed=1, steps=2)
    assert told == [(), ("", "size?")]
    engine.words(study, word_apart(parse_markup("[[?size?|large]]"), "s1", 0, 5, "large"), 3)
    assert len(told) == 2
    engine.looked(study, parse_markup("[[?size?|Large.]] [[?side?]] More."), "s1")
    assert len(told) == 2
    engine.release(study)
    run(engine, study, hinted, seed=1, steps=2)
    assert len(told) == 3


def test_a_model_that_never_met_hints_is_not_told_them(default_engine: LocalEngine, study: Study) -> None:
    known = load(device="cpu")
    engine = LocalEngine(replace(known, traits=replace(known.traits, heeds_hints=False)))
    assert default_engine.heeds_hints
    assert not engine.heeds_hints
    plain = run(engine, study, parse_markup("FINDINGS: The lungs are clear. [[]]"), seed=1)[1]
    hinted = run(engine, study, parse_markup("FINDINGS: The lungs are clear. [[?heart size?]]"), seed=1)[1]
    assert list(hinted.texts.values()) == list(plain.texts.values())


# ---- texts set against each other


def test_of_several_texts_the_one_that_fits_has_the_largest_share(default_engine: LocalEngine) -> None:
    report = parse_markup("FINDINGS:\nThe heart is normal in size. [[]]\n\nIMPRESSION: Small left pleural effusion.")
    texts = [
        "There is a small right pleural effusion.",
        "There is a small left pleural effusion.",
        "Effusion small a left pleural is there.",
        "",
    ]
    shares = default_engine.shares(None, report, texts)
    assert sum(shares) == pytest.approx(1)
    assert shares[1] > 0.8
    assert shares[2] < 1e-3
    assert shares[3] == 0
    assert default_engine.shares(None, report, texts) == shares
    assert default_engine.shares(None, report, [texts[1]]) == [1.0]


def test_texts_of_any_length_can_be_set_against_each_other(
    any_engine: LocalEngine, without_blanks: LocalEngine, study: Study
) -> None:
    report = parse_markup("The heart [[was|is]] large.")
    for engine in (any_engine, without_blanks):
        shares = engine.shares(study, report, ["is", "is not so very", "is " * 300])
        assert sum(shares) == pytest.approx(1)
        assert engine.shares(study, report, [""]) == [0.0]
    assert any_engine.shares(study, report, []) == []
    with pytest.raises(EngineError, match="one open span"):
        any_engine.shares(None, parse_markup("[[]] [[]]"), ["a"])


# ---- words


def open_word(text: str, word: str) -> Report:
    start = text.index(word)
    return word_apart(Report((Span("s1", text, "open", "model"),)), "s1", start, start + len(word), word)


def test_a_word_that_the_rest_of_the_report_decides_is_the_likeliest(default_engine: LocalEngine) -> None:
    text = "FINDINGS:\nThere is a small left pleural effusion.\n\nIMPRESSION:\nSmall right pleural effusion."
    words = default_engine.words(None, open_word(text, "right"), 5)
    shares = {word.text: word.probability for word in words}
    assert words[0].text == "left"
    assert shares["left"] > 3 * shares["right"]
    assert sum(shares.values()) <= 1 + 1e-9
    assert default_engine.words(None, open_word(text, "right"), 5) == words


def test_words_list_what_stands_there_and_are_words(any_engine: LocalEngine, study: Study) -> None:
    words = any_engine.words(study, open_word("The heart is zyxolyntic in size.", "zyxolyntic"), 3)
    assert "zyxolyntic" in [word.text for word in words]
    assert 1 <= len(words) <= 4
    assert [word.probability for word in words] == sorted((word.probability for word in words), reverse=True)
    assert all(0 <= word.probability <= 1 and word.text == word.text.strip() for word in words)


def test_words_are_those_of_one_open_word(engine: LocalEngine) -> None:
    for markup in ("Nothing open.", "[[]]", "[[one]] and [[two]]"):
        with pytest.raises(EngineError, match="one open word"):
            engine.words(None, parse_markup(markup), 3)


def test_without_blanks_words_have_as_many_tokens(without_blanks: LocalEngine) -> None:
    words = without_blanks.words(None, open_word("The heart is normal in size.", "normal"), 4)
    assert "normal" in [word.text for word in words]


def test_pinned_positions_read_once_serve_every_text_of_a_slot(default_engine: LocalEngine) -> None:
    # The reused keys and values are those of another text in the slot; what that does to the shares is little.
    report = open_word("The heart is mildly enlarged. The lungs are clear.", "enlarged")
    once = {word.text: word.probability for word in default_engine.words(None, report, 5)}
    decoder = default_engine.decoder

    class Anew:
        def __getattr__(self, name: str) -> object:
            return getattr(decoder, name)

        def beliefs(self, slots: list[DecoderSlot], canvases: list[torch.Tensor]) -> list[torch.Tensor]:
            fresh = [DecoderSlot(slot.prefix, slot.tokens, slot.free, slot.opening) for slot in slots]
            return decoder.beliefs(fresh, canvases)

    exact = Scoring(default_engine.bench, Anew(), default_engine.batcher)  # type: ignore[arg-type]
    for word in exact.words(default_engine.prefix(None), report, 5):
        if word.text in once:
            assert once[word.text] == pytest.approx(word.probability, abs=0.1)


def test_text_is_spelled_while_prompts_are_encoded(engine: LocalEngine) -> None:
    """Typed text is spelled as text, in its caller's thread; prompts have special tokens, in the engine's thread."""
    report = parse_markup("A typed <|image|> is text. [[]] " * 3)
    fresh = [Study(pictures=(), model_picture=np.zeros((8, 8), dtype=np.uint8), facts=StudyFacts()) for _ in range(24)]
    with ThreadPoolExecutor(8) as pool:
        drafts = list(pool.map(lambda one: finish(engine.draft(one, report, DraftSettings(1, 1)))[1], fresh))
    assert len({tuple(draft.texts.values()) for draft in drafts}) == 1
