"""LoRA runs on tiny checkpoints of the real classes: what is learned, saved, gone on from, and loaded again."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import DiffusionGemmaForBlockDiffusion, Gemma4ForConditionalGeneration

from drafting.engine import DraftSettings
from drafting.imaging import Study
from drafting.report import Report, merge_draft, parse_markup
from model.__main__ import main
from model.data.sets.questions import load_questions
from model.loading import BLANK_TOKEN, DraftingModel, load
from model.local_engine import LocalEngine
from model.sibling import load_sibling
from model.training.fresh import BLANK, fresh_model, fresh_sibling, fresh_tokenizer, save_checkpoint
from model.training.lora.autoregressive import sequence_of
from model.training.lora.diffusion import DiffusionObjective, canvas_of
from model.training.lora.lessons import Course, Exercise, Lesson, question_lessons
from model.training.lora.objective import Prompts
from model.training.lora.published import measure_steps, sibling_of
from model.training.lora.recipe import LoraRecipe, TrainingError
from model.training.lora.run import Trainer, new_accelerator, train_lora
from model.training.lora.state import read_log
from model.training.lora.student import Student, load_student, with_blank_token
from tests.model.conftest import TEXTS, TINY
from tests.model.lora import tiny_recipe, write_questions

FAMILIES = ("diffusion", "autoregressive")
MARKUP = "FINDINGS:\nThe heart is [[]] in size. The lungs are clear.\n\nIMPRESSION:\nNo [[acute]] disease."


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both families' tiny checkpoints, with room for a token more than their tokenizer has."""
    folder = tmp_path_factory.mktemp("lora")
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    for family, fresh in zip(FAMILIES, (fresh_model, fresh_sibling), strict=True):
        network = fresh(TINY, len(tokenizer) + 1)
        # A frozen embedding as small as at the start of training lets no token become likely.
        with torch.no_grad():
            network.get_input_embeddings().weight.mul_(8)
        save_checkpoint(network, tokenizer, folder / family)
    return {family: folder / family for family in FAMILIES}


@pytest.fixture(scope="module")
def set_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_questions(tmp_path_factory.mktemp("questions") / "set", images=3)


@pytest.fixture(scope="module")
def lessons(set_folder: Path) -> list[Lesson]:
    return question_lessons(load_questions(set_folder), tiny_recipe())


def quietly(line: str) -> None:
    assert "\n" not in line


def run(source: Path, recipe: LoraRecipe, lessons: list[Lesson], out: Path, **more: Any) -> dict[str, torch.Tensor]:
    train_lora(str(source), recipe, lessons, out, 0, new_accelerator(cpu=True), quietly, **more)
    return load_file(out / "adapter" / "adapter_model.safetensors")


def student_of(source: Path, recipe: LoraRecipe) -> Student:
    return load_student(str(source), recipe, torch.device("cpu"))


def without_blank(student: Student) -> Student:
    """The same checkpoint as one that never heard of blanks, whose canvas is padded."""
    return replace(student, blank_id=None, traits=replace(student.traits, fitted_canvas=False))


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_falls_and_the_run_is_told_of(
    family: str, checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    recipe = tiny_recipe(steps=25, believing=0.5, infill=0.2, adapts=["encoder", "decoder", "vision"])
    weights = run(checkpoints[family], recipe, lessons[:2], tmp_path)
    rows = read_log(tmp_path / "log.jsonl")
    assert rows[0]["family"] == family
    assert rows[0]["lessons"] == 2
    assert set(rows[0]["versions"]) == {"torch", "transformers", "peft", "accelerate"}
    assert [row["step"] for row in rows[1:]] == list(range(1, 26))
    losses = [row["loss"] for row in rows[1:]]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:3])
    assert all(row["examples_a_second"] > 0 and row["peak_mb"] > 0 for row in rows[1:])
    assert (tmp_path / "curve.svg").read_text(encoding="utf-8").startswith("<?xml")
    named = " ".join(weights)
    assert "vision_tower" in named
    assert "experts" not in named
    assert "router" not in named
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "curve.svg", "log.jsonl", "state.pt"]


def test_both_families_get_the_same_exercises(checkpoints: dict[str, Path], lessons: list[Lesson]) -> None:
    recipe = tiny_recipe(infill=0.5)
    students = [student_of(checkpoints[family], recipe) for family in FAMILIES]
    courses = [Course(lessons, recipe, 7, student.encode, 90) for student in students]
    told = [[course.exercise(place) for place in range(100)] for course in courses]
    assert told[0] == told[1]
    assert any(len(exercise.report.spans) > 1 for exercise in told[0])


def gap_exercise(lessons: list[Lesson]) -> Exercise:
    return Exercise(lessons[2], 0, parse_markup("The heart is [[normal]] in size."))


def test_given_words_are_pinned_and_gaps_have_blanks(checkpoints: dict[str, Path], lessons: list[Lesson]) -> None:
    student = student_of(checkpoints["diffusion"], tiny_recipe())
    ids, pinned = canvas_of(gap_exercise(lessons), student, 96, Random(0))
    decode = student.tokenizer.decode
    assert decode([id for id, is_pinned in zip(ids, pinned, strict=True) if is_pinned]) == (
        "The heart is in size.<turn|>"
    )
    assert (
        decode([id for id, is_pinned in zip(ids, pinned, strict=True) if not is_pinned]).replace(BLANK_TOKEN, "")
        == " normal"
    )
    widths = {len(canvas_of(gap_exercise(lessons), student, 96, Random(seed))[0]) for seed in range(20)}
    assert len(widths) > 2


def test_without_blanks_a_whole_text_ends_itself_and_a_gap_keeps_its_width(
    checkpoints: dict[str, Path], lessons: list[Lesson]
) -> None:
    student = without_blank(student_of(checkpoints["diffusion"], tiny_recipe()))
    whole = Exercise(lessons[0], 0, parse_markup("[[Yes.]]"))
    ids, pinned = canvas_of(whole, student, 96, Random(0))
    own = student.encode("Yes.")
    assert ids == [*own, *student.after, *[student.pad_id] * (96 - len(own) - 1)]
    assert not any(pinned)
    ids, pinned = canvas_of(gap_exercise(lessons), student, 96, Random(0))
    assert len(ids) == 96
    assert pinned.count(False) == len(student.encode(" normal"))


def test_the_sibling_writes_the_same_gaps_from_the_left_or_from_both_sides(
    checkpoints: dict[str, Path], lessons: list[Lesson]
) -> None:
    student = student_of(checkpoints["autoregressive"], tiny_recipe())
    decode = student.tokenizer.decode
    prompts = Prompts(student)
    for show in (False, True):
        ids, wanted, asked = sequence_of(gap_exercise(lessons), student, prompts, show)
        assert decode([id for id, counted in zip(ids, wanted, strict=True) if counted]) == " normal<blank>"
        text = decode(ids)
        assert ("Fill in what is missing:\nThe heart is<blank> in size.<turn|>" in text) == show
        assert text.endswith("model\n normal<blank>" if show else "The heart is normal<blank>")
        assert len(ids) > len(asked.ids) + 2
    bare = without_blank(student)
    ids, wanted, _ = sequence_of(gap_exercise(lessons), bare, prompts, True)
    assert decode([id for id, counted in zip(ids, wanted, strict=True) if counted]) == " normal<turn|>"
    assert "The heart is[[]] in size." in decode(ids)


def test_a_batch_of_different_pictures_and_lengths_gives_what_each_gives_alone(
    checkpoints: dict[str, Path], lessons: list[Lesson]
) -> None:
    recipe = tiny_recipe(infill=0.3, encoder_loss=1.0, believing=1.0)
    student = student_of(checkpoints["diffusion"], recipe)
    objective = DiffusionObjective(student, recipe)
    course = Course([*lessons[:4], Lesson("blind", None, "Is it there?", "No.")], recipe, 0, student.encode, 90)
    exercises = [course.exercise(place) for place in range(5)]
    assert any(exercise.lesson.picture is None for exercise in exercises)
    with torch.no_grad():
        together, right = objective.module(objective.batch(exercises, 0))
        alone = [objective.module(objective.batch([exercise], 0)) for exercise in exercises]
    lengths = {len(objective.batch([exercise], 0)["canvas"][0]) for exercise in exercises}
    assert len(lengths) > 1
    assert together.tolist() == pytest.approx(torch.stack([sums for sums, _ in alone]).sum(dim=0).tolist(), rel=1e-4)
    assert int(right) == sum(int(hits) for _, hits in alone)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_does_not_depend_on_how_it_is_batched_or_on_checkpointing(
    family: str, checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    one = run(checkpoints[family], tiny_recipe(steps=2, infill=0.3), lessons, tmp_path / "one")
    more = tiny_recipe(steps=2, infill=0.3, batch=1, accumulation=4, checkpointing=True)
    other = run(checkpoints[family], more, lessons, tmp_path / "other")
    assert one.keys() == other.keys()
    for name, weight in one.items():
        assert torch.allclose(weight, other[name], atol=1e-4), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_that_is_stopped_and_goes_on_is_the_run_that_never_was(
    family: str, checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    recipe = tiny_recipe(steps=5, dropout=0.2, infill=0.3, saved_every=2, warm_up=2)
    source = checkpoints[family]
    whole = run(source, recipe, lessons, tmp_path / "whole")
    first = run(source, recipe, lessons, tmp_path / "cut", stop_after=2)
    assert not equal(whole, first)
    # As one that was killed after a step that was told of and not saved.
    with (tmp_path / "cut" / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps({"step": 3, "loss": 99.0}) + "\n" + '{"step": 4, "lo')
    again = run(source, recipe, lessons, tmp_path / "cut")
    assert equal(whole, again)
    logs = [read_log(tmp_path / name / "log.jsonl")[1:] for name in ("whole", "cut")]
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[1]]
    # A run at its end has nothing more to do and loses nothing.
    assert equal(whole, run(source, recipe, lessons, tmp_path / "cut"))


def test_another_run_does_not_go_on_in_the_same_folder(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    kept = run(checkpoints["diffusion"], tiny_recipe(steps=1), lessons, tmp_path)
    with pytest.raises(TrainingError, match="holds another run, with another recipe;"):
        run(checkpoints["diffusion"], tiny_recipe(steps=2), lessons, tmp_path)
    with pytest.raises(TrainingError, match="with another data;"):
        run(checkpoints["diffusion"], tiny_recipe(steps=1), lessons[1:], tmp_path)
    assert equal(kept, load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    (tmp_path / "state.pt").write_bytes(b"PK broken")
    with pytest.raises(TrainingError, match=r"state\.pt is not the state of a run, or broken"):
        run(checkpoints["diffusion"], tiny_recipe(steps=1), lessons, tmp_path)


@pytest.fixture
def files_of_at_most() -> Iterator[Any]:
    """A limit for the size of files that this process writes, which the system upholds as it does a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_one_sentence_and_keeps_the_last_checkpoint(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path, files_of_at_most: Any
) -> None:
    recipe = tiny_recipe(steps=3)
    run(checkpoints["diffusion"], recipe, lessons, tmp_path, stop_after=1)
    kept = (tmp_path / "state.pt").read_bytes()
    files_of_at_most(30_000)
    with pytest.raises(TrainingError, match=r"state\.pt cannot be written: .*What was saved before is whole\.$"):
        run(checkpoints["diffusion"], recipe, lessons, tmp_path)
    files_of_at_most(10**9)
    assert (tmp_path / "state.pt").read_bytes() == kept
    assert not (tmp_path / "state.pt.new").exists()
    whole = run(checkpoints["diffusion"], recipe, lessons, tmp_path / "whole")
    assert equal(whole, run(checkpoints["diffusion"], recipe, lessons, tmp_path))


def test_an_adapter_that_cannot_be_written_leaves_the_old_one(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path, files_of_at_most: Any
) -> None:
    recipe = tiny_recipe(steps=3)
    old = run(checkpoints["diffusion"], recipe, lessons, tmp_path, stop_after=1)
    # The state is small enough as long as no moments are in it: here the adapter is made to fail, not the state.
    from model.training.lora import state as states

    student = student_of(checkpoints["diffusion"], recipe)
    trainer = Trainer(student, recipe, 0, new_accelerator(cpu=True))
    weights = {name: parameter.detach() for name, parameter in trainer.trained.items()}
    files_of_at_most(30_000)
    with pytest.raises(TrainingError, match="adapter cannot be written"):
        states.save_adapter(tmp_path, trainer.tuned, weights, student, "")
    files_of_at_most(10**9)
    assert equal(old, load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    assert not list(tmp_path.glob("adapter.*"))


def draft(model: DraftingModel, lesson: Lesson, markup: str = MARKUP, seed: int = 0) -> tuple[Report, Report]:
    """A report and what a draft makes of it."""
    from model.training.lora.lessons import picture_of

    picture = picture_of(lesson)
    assert picture is not None
    report = parse_markup(markup)
    engine = LocalEngine(model)
    frames = engine.draft(Study(pictures=(), model_picture=picture), report, DraftSettings(seed=seed))
    while True:
        try:
            next(frames)
        except StopIteration as stop:
            return report, merge_draft(report, stop.value.texts)


def test_the_app_and_peft_load_the_same_adapter_and_the_draft_changes(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    source = checkpoints["diffusion"]
    run(source, tiny_recipe(steps=8, adapts=["encoder", "decoder", "vision"]), lessons, tmp_path)
    ours = load(source, tmp_path / "adapter", device="cpu")
    base = DiffusionGemmaForBlockDiffusion.from_pretrained(source, dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    asked = {"input_ids": torch.arange(20, 60)[None], "decoder_input_ids": torch.arange(50, 100)[None]}
    with torch.no_grad():
        tuned, plain = ours.network(**asked).logits, load(source, device="cpu").network(**asked).logits
        assert torch.allclose(tuned, theirs(**asked).logits, atol=1e-4)
    assert not torch.allclose(tuned, plain, atol=0.1)

    report, with_adapter = draft(ours, lessons[0])
    _, without = draft(load(source, device="cpu"), lessons[0])
    for drafted in (with_adapter, without):
        kept = [span.text for span in drafted.spans if span.locked]
        assert kept == [span.text for span in report.spans if span.locked]
    assert with_adapter.text != without.text


def test_what_was_learned_by_heart_is_drafted(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    """Train, save, reload in the app, draft: the loop from end to end."""
    source = checkpoints["diffusion"]
    lesson = replace(lessons[2], question="", text="The heart is normal in size.")
    recipe = tiny_recipe(rank=16, alpha=32, steps=60, logged_every=50, infill=0.7, learning_rate=2e-2, warm_up=5)
    run(source, recipe, [lesson], tmp_path)
    model = load(source, tmp_path / "adapter", device="cpu")
    _, drafted = draft(model, lesson, "The heart [[]] in size.")
    assert drafted.text == "The heart is normal in size."
    assert [span.text for span in drafted.spans if span.locked] == ["The heart ", " in size."]


def test_the_siblings_adapter_is_loaded_by_the_app_and_by_peft(
    checkpoints: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    source = checkpoints["autoregressive"]
    run(source, tiny_recipe(steps=8, adapts=["decoder", "vision"]), lessons, tmp_path)
    ours = load_sibling(source, adapter=tmp_path / "adapter")
    base = Gemma4ForConditionalGeneration.from_pretrained(source, dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    tokens = torch.arange(20, 60)[None]
    with torch.no_grad():
        tuned = ours.network(input_ids=tokens).logits
        assert torch.allclose(tuned, theirs(input_ids=tokens).logits, atol=1e-4)
        assert not torch.allclose(tuned, load_sibling(source).network(input_ids=tokens).logits, atol=0.1)
    assert ours.name == "autoregressive + adapter"


# Blanks that are taught


@pytest.fixture(scope="module")
def blankless(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both families' checkpoints whose tokenizer has an unused token in the blank's place, and no row to spare."""
    folder = tmp_path_factory.mktemp("blankless")
    tokenizer = fresh_tokenizer(TEXTS, TINY.vocabulary)
    for family, fresh in zip(FAMILIES, (fresh_model, fresh_sibling), strict=True):
        network = fresh(TINY, len(tokenizer))
        with torch.no_grad():
            network.get_input_embeddings().weight.mul_(8)
        save_checkpoint(network, tokenizer, folder / family)
        for path in (folder / family).glob("tokenizer*.json"):
            text = path.read_text(encoding="utf-8").replace('"<blank>"', '"<unused7>"')
            path.write_text(text, encoding="utf-8")
    return {family: folder / family for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_blank_is_taught_saved_and_loaded(
    family: str, blankless: dict[str, Path], lessons: list[Lesson], tmp_path: Path
) -> None:
    source = blankless[family]
    plain = student_of(source, tiny_recipe())
    assert plain.blank_id is None
    recipe = tiny_recipe(steps=6, teach_blanks=True, saved_every=2, image_tokens=140)
    run(source, recipe, lessons, tmp_path / "whole")
    row = load_file(tmp_path / "whole" / "adapter" / "blank.safetensors")["blank"]
    before = student_of(source, recipe).embedding.detach()
    assert torch.equal(before[BLANK], before[plain.after[0]])
    assert not torch.allclose(row, before[BLANK], atol=1e-3)
    # Of the embedding the blank's row alone has changed.
    if family == "diffusion":
        loaded = load(source, tmp_path / "whole" / "adapter", device="cpu")
        assert loaded.blank_id == BLANK
        network, tokenizer, processor = loaded.network, loaded.tokenizer, loaded.image_processor
        report, drafted = draft(loaded, lessons[0])
        assert [s.text for s in drafted.spans if s.locked] == [s.text for s in report.spans if s.locked]
    else:
        sibling = load_sibling(source, adapter=tmp_path / "whole" / "adapter")
        network, tokenizer, processor = sibling.network, sibling.tokenizer, sibling.image_processor
    embedding = network.get_input_embeddings().weight
    assert torch.equal(embedding[BLANK], row)
    others = torch.arange(len(embedding)) != BLANK
    assert torch.equal(embedding[others], plain.embedding[others])
    assert tokenizer.convert_tokens_to_ids(BLANK_TOKEN) == BLANK
    assert processor.max_soft_tokens == 140
    # And it is gone on from as everything else is.
    run(source, recipe, lessons, tmp_path / "cut", stop_after=3)
    run(source, recipe, lessons, tmp_path / "cut")
    again = load_file(tmp_path / "cut" / "adapter" / "blank.safetensors")["blank"]
    assert torch.equal(again, row)


def test_the_blank_takes_a_row_that_nothing_uses(checkpoints: dict[str, Path], blankless: dict[str, Path]) -> None:
    tokenizer = student_of(blankless["diffusion"], tiny_recipe()).tokenizer
    size = len(tokenizer)
    for rows, id in ((size, BLANK), (size + 3, size)):
        taught = with_blank_token(tokenizer, rows, "it")
        assert taught.convert_tokens_to_ids(BLANK_TOKEN) == id
        assert taught("a<blank>b", add_special_tokens=False)["input_ids"].count(id) == 1
        assert taught("The heart", add_special_tokens=False) == tokenizer("The heart", add_special_tokens=False)
        assert BLANK_TOKEN not in tokenizer.get_vocab()
    known = student_of(checkpoints["diffusion"], tiny_recipe()).tokenizer
    full = fresh_tokenizer(TEXTS, TINY.vocabulary)
    assert len(known) == len(full)
    with pytest.raises(TrainingError, match="No row of the embedding of it is free for a blank"):
        with_blank_token(full, len(full), "it")


# The command


def recipe_file(path: Path, **told: object) -> Path:
    least = {"rank": 2, "alpha": 4, "learning_rate": 1e-2, "batch": 2, "steps": 2, "canvas": 96}
    lines = [f"{key} = {json.dumps(value)}" for key, value in (least | told).items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_command_trains_and_goes_on(
    checkpoints: dict[str, Path], set_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_file(tmp_path / "recipe.toml", seeds=[4])
    told = ["--model", str(checkpoints["diffusion"]), "--recipe", str(recipe), "--data", str(set_folder)]
    out = ["--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["train", "lora", *told, *out, "--steps", "1"]) == 0
    assert main(["train", "lora", *told, *out]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "seed 4; goes on after step 1" in printed.err
    steps = [row["step"] for row in read_log(tmp_path / "out" / "log.jsonl")[1:]]
    assert steps == [1, 2]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"--model": "nowhere/at/all"}, "nowhere/at/all cannot be loaded as a checkpoint"),
        ({"--recipe": "nowhere.toml"}, "The recipe nowhere.toml cannot be read"),
        ({"--data": "nowhere"}, "nowhere"),
        ({"--out": "/dev/null/out"}, "/dev/null/out cannot be written"),
    ],
)
def test_a_wrong_path_is_one_line_and_exit_code_2(
    changed: dict[str, str],
    sentence: str,
    checkpoints: dict[str, Path],
    set_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = {
        "--model": str(checkpoints["diffusion"]),
        "--recipe": str(recipe_file(tmp_path / "recipe.toml")),
        "--data": str(set_folder),
        "--out": str(tmp_path / "out"),
        "--device": "cpu",
    } | changed
    assert main(["train", "lora", *(word for pair in told.items() for word in pair)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m model: ")]
    assert len(lines) == 1
    assert sentence in lines[0]


def test_a_canvas_longer_than_the_checkpoints_is_refused(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(TrainingError, match=r"'canvas' is 200, and .* has canvases of up to 96"):
        student_of(checkpoints["diffusion"], tiny_recipe(canvas=200))


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_of_a_published_shape_are_measured(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from model.training.fresh import fresh_config

    config = fresh_config(replace(TINY, canvas_length=128), 2560)
    recipe = tiny_recipe(steps=1, batch=1, canvas=128, precision="bf16", checkpointing=True, encoder_loss=1.0)
    said: list[str] = []
    code = measure_steps(family, 2, tmp_path / "m.json", recipe, said.append, config=config, cpu=True)  # type: ignore[arg-type]
    assert code == 0
    told = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    assert [row["step"] for row in told["steps"]] == [1, 2]
    assert told["seconds_a_step"] > 0
    assert told["peak_mb"] > 0
    assert 0 < told["trained_weights"] < told["weights"]
    assert "s a step" in said[-1]


def test_the_siblings_shape_is_the_diffusion_models() -> None:
    from model.training.fresh import fresh_config, sibling_config

    made = sibling_of(fresh_config(TINY, 500)).to_dict()
    wanted = sibling_config(TINY, 500).to_dict()
    assert made["text_config"] == wanted["text_config"]
    assert made["vision_config"] == wanted["vision_config"]


def test_without_a_gpu_the_published_shape_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main(["train", "lora", "--published", "diffusion"]) == 2
    assert "needs a GPU of 80 GB" in capsys.readouterr().err
