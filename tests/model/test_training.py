"""Training of the default model: examples laid out as drafts are, runs that go on where they were left, checkpoints."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from drafting.engine import Draft, DraftSettings
from drafting.imaging import Study, StudyFacts
from drafting.report import merge_draft, parse_markup
from model.data.cases import sample_case
from model.data.grammar import write_report
from model.data.radiographs import load_radiographs, pack
from model.loading import DEFAULT_MODEL, load
from model.local_engine import LocalEngine
from model.training.default import LOG_FILE, STATE_FILE, Examples, HostBatch, Recipe, TrainingState, train_default
from model.training.fresh import BLANK, END_TURN, PAD
from model.training.tasks import example, prefix_ids, with_gaps
from tests.model.conftest import TINY

SHAPE = replace(TINY, vocabulary=600, canvas_length=160, steps=3)
RECIPE = Recipe(steps=2, batch=2, warm_up=2, average=0.5, tokenizer_reports=300)


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of grey noise, some of every source."""
    folder = tmp_path_factory.mktemp("radiographs")
    noise = np.random.default_rng(0)
    for place in ("adult", "kermany/train/NORMAL", "kermany/train/PNEUMONIA"):
        (folder / place).mkdir(parents=True)
        for number in range(6):
            pixels = noise.integers(0, 256, (48, 64), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / place / f"person{number}_{len(place)}.jpeg")
    pack(folder / "adult", folder / "kermany", folder / "pack.npz", side=48, quality=80, children_per_label=6)
    return folder / "pack.npz"


@dataclass(frozen=True)
class Left:
    """What a call of `train_default` leaves behind."""

    tokenizer: str
    state: TrainingState
    log: list[dict[str, object]]


def train(radiographs: Path, out: Path, recipe: Recipe) -> Left:
    device = torch.device("cpu")
    train_default(radiographs, out, SHAPE, recipe, device, workers=0, minutes=None)
    return Left(
        tokenizer=(out / "checkpoint" / "tokenizer.json").read_text(encoding="utf-8"),
        state=TrainingState.load(out / STATE_FILE, device),
        log=[json.loads(line) for line in (out / LOG_FILE).read_text(encoding="utf-8").splitlines()],
    )


@dataclass(frozen=True)
class Run:
    """A run of two steps that went on to four."""

    out: Path
    begun: Left
    resumed: Left


@pytest.fixture(scope="module")
def run(radiographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("run")
    begun = train(radiographs, out, RECIPE)
    return Run(out, begun, train(radiographs, out, replace(RECIPE, steps=4)))


def test_a_run_goes_on_from_the_step_where_it_was_left(run: Run) -> None:
    assert (run.begun.state.steps, run.resumed.state.steps) == (2, 4)
    assert run.resumed.log[: len(run.begun.log)] == run.begun.log
    assert [row["first"] for row in run.resumed.log if "first" in row] == [0, 2]
    assert [row["step"] for row in run.resumed.log if "step" in row] == [1, 3]
    assert {float(group["step"]) for group in run.resumed.state.optimizer["state"].values()} == {4.0}


def test_every_logged_step_has_finite_losses(run: Run) -> None:
    rows = [row for row in run.resumed.log if "step" in row]
    for name in ("loss", "label_loss", "right", "gradient"):
        assert np.isfinite([float(str(row[name])) for row in rows]).all()


def test_a_resumed_run_trains_at_the_rate_of_its_step(run: Run) -> None:
    rates = [group["lr"] for group in run.resumed.state.optimizer["param_groups"]]
    assert rates == [replace(RECIPE, steps=4).learning_rate_at(3)] * 2
    assert rates[0] != run.begun.state.optimizer["param_groups"][0]["lr"]


def test_a_resumed_run_keeps_its_tokenizer(run: Run) -> None:
    assert run.resumed.tokenizer == run.begun.tokenizer


def test_a_resumed_run_that_is_done_changes_nothing(run: Run, radiographs: Path) -> None:
    again = train(radiographs, run.out, replace(RECIPE, steps=4))
    assert again.state.steps == 4
    assert all(map(torch.equal, again.state.parameters, run.resumed.state.parameters))
    assert all(map(torch.equal, again.state.averages, run.resumed.state.averages))


def test_the_same_seed_gives_the_same_first_step_and_another_does_not(
    run: Run, radiographs: Path, tmp_path: Path
) -> None:
    one_step = replace(RECIPE, steps=1)
    same = train(radiographs, tmp_path / "same", one_step).log[1]
    other = train(radiographs, tmp_path / "other", replace(one_step, seed=1)).log[1]
    for name in ("loss", "label_loss", "right"):
        assert same[name] == run.begun.log[1][name]
    assert other["loss"] != same["loss"]


def test_the_checkpoint_holds_the_averaged_weights(run: Run) -> None:
    exported = list(load(run.out / "checkpoint", device="cpu").network.parameters())
    # The label head's come after the network's.
    averages = run.resumed.state.averages[: len(exported)]
    for parameter, average in zip(exported, averages, strict=True):
        assert torch.equal(parameter, average.to(torch.bfloat16).float())


def test_the_checkpoint_drafts(run: Run) -> None:
    engine = LocalEngine.load(run.out / "checkpoint")
    picture = np.full((60, 50), 128, dtype=np.uint8)
    study = Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60, sex="F", view="PA"))
    report = parse_markup("FINDINGS:\n[[]]\nThe heart is [[normal]]. 😀")
    steps = engine.draft(study, report, DraftSettings(seed=1))
    frames = []
    while True:
        try:
            frames.append(next(steps))
        except StopIteration as end:
            draft: Draft = end.value
            break
    assert 1 <= draft.steps == len(frames) <= SHAPE.steps
    assert set(draft.texts) == {span.id for span in report.open_spans}
    assert merge_draft(report, draft.texts).locked_text == report.locked_text


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(DEFAULT_MODEL)


def batches(tokenizer: PreTrainedTokenizerFast, radiographs: Path, recipe: Recipe, first: int = 0) -> list[HostBatch]:
    sources = load_radiographs(radiographs, "train").sources
    return list(islice(Examples(tokenizer, sources, SHAPE, recipe, first), 3))


def equal(one: HostBatch, other: HostBatch) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(astuple(one), astuple(other), strict=True))


def test_the_same_seed_gives_the_same_batches_and_another_does_not(
    tokenizer: PreTrainedTokenizerFast, radiographs: Path
) -> None:
    recipe = replace(RECIPE, batch=8)
    made, again = batches(tokenizer, radiographs, recipe), batches(tokenizer, radiographs, recipe)
    assert all(map(equal, made, again))
    assert not equal(made[0], made[1])
    assert not equal(made[0], batches(tokenizer, radiographs, replace(recipe, seed=1))[0])


def test_a_resumed_run_goes_on_with_the_next_batch(tokenizer: PreTrainedTokenizerFast, radiographs: Path) -> None:
    assert equal(batches(tokenizer, radiographs, RECIPE)[2], batches(tokenizer, radiographs, RECIPE, first=2)[0])


def without_white_space(text: str) -> str:
    return "".join(text.split())


def test_gaps_cut_into_a_report_take_nothing_from_it() -> None:
    for seed in range(200):
        random = Random(seed)
        written = write_report(sample_case(random), random)
        report = with_gaps(written, random)
        assert report.text == written.text
        assert report.open_spans
        assert all(span.text for span in report.spans)


def test_what_a_canvas_wants_at_its_free_positions_is_the_text_that_was_removed(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    encode = lambda text: tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
    fitting = 0
    for seed in range(200):
        random = Random(seed)
        case = sample_case(random)
        report = with_gaps(write_report(case, random), random)
        prefix, prefix_length = prefix_ids(tokenizer, case, with_image=True)
        made = example(report, prefix, prefix_length, encode, SHAPE.canvas_length, random)
        if made is None:
            continue
        fitting += 1
        assert made.canvas.shape == made.pinned.shape == (SHAPE.canvas_length,)
        assert made.canvas_length <= SHAPE.canvas_length
        assert made.canvas[made.canvas_length - 1] == END_TURN
        assert (made.canvas[made.canvas_length :] == PAD).all()
        assert made.pinned[made.canvas_length - 1 :].all()
        wanted, pinned = made.canvas[: made.canvas_length - 1], made.pinned[: made.canvas_length - 1]
        assert not (pinned & (wanted == BLANK)).any()
        assert tokenizer.decode(wanted[wanted != BLANK]) == report.text
        removed = "".join(span.text for span in report.open_spans)
        free = tokenizer.decode(wanted[~pinned & (wanted != BLANK)])
        assert without_white_space(free) == without_white_space(removed)
        kept = "".join(span.text for span in report.spans if span.locked)
        assert without_white_space(tokenizer.decode(wanted[pinned])) == without_white_space(kept)
    assert fitting > 150


def test_a_report_that_does_not_fit_the_canvas_gives_no_example(tokenizer: PreTrainedTokenizerFast) -> None:
    encode = lambda text: tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
    random = Random(0)
    report = with_gaps(write_report(sample_case(random), random), random)
    assert example(report, np.zeros(1, dtype=np.int16), 1, encode, 12, random) is None


def test_the_learning_rate_warms_up_in_a_line_and_falls_in_a_cosine() -> None:
    recipe = Recipe(steps=1100, warm_up=100, learning_rate=1e-3, last_learning_rate=1e-4)
    assert recipe.learning_rate_at(0) == pytest.approx(1e-5)
    assert recipe.learning_rate_at(49) == pytest.approx(5e-4)
    assert recipe.learning_rate_at(99) == recipe.learning_rate_at(100) == pytest.approx(1e-3)
    assert recipe.learning_rate_at(350) == pytest.approx(1e-4 + 9e-4 * (1 + 0.5**0.5) / 2)
    assert recipe.learning_rate_at(600) == pytest.approx(5.5e-4)
    assert recipe.learning_rate_at(1100) == recipe.learning_rate_at(5000) == pytest.approx(1e-4)
