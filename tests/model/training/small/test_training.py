"""Training of the default model: examples laid out as drafts are, runs that go on where they were left, checkpoints."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast

from drafting.engine import Draft, DraftSettings
from drafting.report import merge_draft, parse_markup
from drafting.study import Study, StudyFacts
from model.__main__ import main
from model.engine import layout
from model.engine.local import LocalEngine
from model.evaluation.reading.labeler import read, reading
from model.evaluation.sibling import load_sibling
from model.network.loading import load, user_turn
from model.network.prefix import instruction
from model.network.tokens import BLANK, END_TURN, IMAGE, PAD
from model.synthetic.cases import REPORTED, SOURCES, Case, Other, sample_case, visible
from model.synthetic.grammar import Sentence, WrittenReport, write_report
from model.synthetic.radiographs import labelled_case, load_radiographs, pack
from model.training.small import tasks as tasks_room
from model.training.small import trainer as trainer_room
from model.training.small.batches import Examples, HostBatch, Mixture, Pictures, learn_tokenizer
from model.training.small.default import ANSWER_CANVAS, Denoising, train_default
from model.training.small.fresh import fresh_model, fresh_sibling
from model.training.small.sibling import NextToken, train_sibling
from model.training.small.step import fast_layers
from model.training.small.tasks import (
    PREFIX_LENGTH,
    Task,
    Words,
    _first_said,
    _said_elsewhere,
    _templated,
    example,
    question_task,
    report_task,
    told_task,
)
from model.training.small.trainer import CURVE_FILE, LOG_FILE, STATE_FILE, Processes, Recipe, Trainer, TrainingState
from tests.model.conftest import TINY

SHAPE = replace(TINY, vocabulary=900, canvas_length=160, steps=3)
MIXTURE = Mixture()
# Few pictures, for a processor that does not know bfloat16 takes ten times as long; of all kinds nevertheless.
RECIPE = Recipe(
    steps=2, batch=4, warm_up=2, average=0.5, tokenizer_reports=400, mixture=replace(MIXTURE, real=0.25, labelled=0.25)
)


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of grey noise, some of every source."""
    folder = tmp_path_factory.mktemp("radiographs")
    noise = np.random.default_rng(0)

    def picture(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (48, 64), dtype=np.uint8)).save(path)

    for place in ("adult", "kermany/train/NORMAL", "kermany/train/PNEUMONIA"):
        for number in range(6):
            picture(folder / place / f"person{number}_{len(place)}.jpeg")
    rows = ["file,labels,age,sex,view,patient"]
    for number in range(12):
        picture(folder / "nih" / f"{number}.png")
        rows.append(f"{number}.png,{'Effusion|Nodule' if number % 2 else 'No Finding'},{40 + number},M,PA,{number}")
    (folder / "nih" / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    asked = []
    for number in range(12):
        name = f"synpic{number}.jpg"
        picture(folder / "vqa" / "images" / name)
        for text, answer in (
            ("Is it a heart?", "yes"),
            ("What is seen " + "x9" * 90 + "?", "far too much to be asked"),
        ):
            asked.append({"image_name": name, "question": text, "answer": answer, "answer_type": "CLOSED "})
    (folder / "vqa" / "trainset.json").write_text(json.dumps(asked), encoding="utf-8")
    (folder / "vqa" / "xray_images.txt").write_text("synpic0.jpg", encoding="utf-8")
    pack(
        folder / "adult",
        folder / "kermany",
        folder / "pack.npz",
        side=48,
        quality=80,
        children_per_label=6,
        nih=[folder / "nih"],
        vqa_rad=folder / "vqa",
    )
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
    assert [(row["first"], row["processes"]) for row in run.resumed.log if "first" in row] == [(0, 1), (2, 1)]
    assert [row["step"] for row in run.resumed.log if "step" in row] == [1, 3]
    assert {float(group["step"]) for group in run.resumed.state.optimizer["state"].values()} == {4.0}


def test_every_logged_step_has_finite_losses(run: Run) -> None:
    rows = [row for row in run.resumed.log if "step" in row]
    for name in ("loss", "question_loss", "label_loss", "right", "gradient"):
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
    for name in ("loss", "question_loss", "label_loss", "right"):
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


def test_a_run_that_is_cut_in_two_is_the_run_that_is_not(
    radiographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, steps=3)
    whole = train(radiographs, tmp_path / "whole", recipe)
    taken, take = [], Trainer.step

    def step(trainer: Trainer, number: int, host: HostBatch) -> None:
        take(trainer, number, host)
        taken.append(number)

    with monkeypatch.context() as patched:
        # A clock on which every step takes a minute.
        patched.setattr(Trainer, "step", step)
        patched.setattr(trainer_room, "time", SimpleNamespace(monotonic=lambda: 60.0 * len(taken)))
        train_default(radiographs, tmp_path / "cut", SHAPE, recipe, torch.device("cpu"), workers=0, minutes=1.5)
    assert taken == [0, 1]
    assert TrainingState.load(tmp_path / "cut" / STATE_FILE, torch.device("cpu")).steps == 2
    cut = train(radiographs, tmp_path / "cut", recipe)
    assert cut.state.steps == whole.state.steps == 3
    assert all(map(torch.equal, cut.state.averages, whole.state.averages))


def test_a_run_that_is_fitted_to_its_time_says_how_many_steps_it_has(
    radiographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_room, "FIT_FROM", 1)
    monkeypatch.setattr(trainer_room, "FIT_TO", 2)
    # Nothing is left of the minutes, so one more step is all that fits.
    monkeypatch.setattr(trainer_room, "LEFT_TO_SAVE", 1e6)
    recipe = replace(RECIPE, steps=1_000)
    train_default(radiographs, tmp_path, SHAPE, recipe, torch.device("cpu"), 0, 60.0, fit=True)
    rows = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text(encoding="utf-8").splitlines()]
    assert [row["fitted"]["steps"] for row in rows if "fitted" in row] == [3]
    assert TrainingState.load(tmp_path / STATE_FILE, torch.device("cpu")).steps == 3


def test_a_run_leaves_a_plot_of_its_losses(run: Run) -> None:
    assert "<svg" in (run.out / CURVE_FILE).read_text(encoding="utf-8")


def test_a_run_that_is_cut_off_while_it_saves_leaves_the_state_before(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.begun.state.save(tmp_path / STATE_FILE)

    def cut_off(kept: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", cut_off)
    with pytest.raises(KeyboardInterrupt):
        run.resumed.state.save(tmp_path / STATE_FILE)
    assert TrainingState.load(tmp_path / STATE_FILE, torch.device("cpu")).steps == 2


def test_a_loss_that_is_not_finite_ends_the_run(radiographs: Path, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="not finite"):
        train(radiographs, tmp_path, replace(RECIPE, label_loss=math.nan))
    assert not (tmp_path / STATE_FILE).exists()


@pytest.fixture(scope="module")
def shared(run: Run, radiographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes came to, see `two_processes`."""
    out = tmp_path_factory.mktemp("shared")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    ended = subprocess.run(
        [*launch, "tests.model.training.small.two_processes", str(radiographs), str(run.out / "checkpoint"), str(out)],
        cwd=Path(__file__).parents[4],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return out


def test_processes_learn_the_same_from_batches_of_their_own(shared: Path) -> None:
    one, other = (torch.load(shared / f"steps{rank}.pt") for rank in range(2))
    assert all(map(torch.equal, one["own"], other["own"]))
    assert not all(map(torch.equal, one["own"], one["alone"]))


def test_processes_learn_from_the_mean_of_their_gradients(shared: Path) -> None:
    for rank in range(2):
        left = torch.load(shared / f"steps{rank}.pt")
        assert all(map(torch.equal, left["same"], left["alone"]))


def test_processes_stop_together_when_the_first_ones_time_is_up_and_go_on(shared: Path) -> None:
    one, other = (json.loads((shared / f"runs{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    for ran in (one, other):
        assert [number for number, _ in ran["whole"]] == [0, 1, 2]
        # They ask every two steps.
        assert [number for number, _ in ran["cut"]] == [0, 1]
        assert ran["cut"] + ran["resumed"] == ran["whole"]
    pictures = [picture for ran in (one, other) for _, picture in ran["whole"]]
    assert not any(a == b for at, a in enumerate(pictures) for b in pictures[:at])
    whole, cut = (TrainingState.load(shared / name / STATE_FILE, torch.device("cpu")) for name in ("whole", "cut"))
    assert (whole.steps, cut.steps) == (3, 3)
    assert all(map(torch.equal, whole.averages, cut.averages))


def test_of_several_processes_one_writes(shared: Path) -> None:
    rows = [json.loads(line) for line in (shared / "cut" / LOG_FILE).read_text(encoding="utf-8").splitlines()]
    assert [(row["first"], row["processes"]) for row in rows if "first" in row] == [(0, 2), (2, 2)]
    assert [row["step"] for row in rows if "step" in row] == [1, 3]
    left = {path.name for path in (shared / "cut").iterdir()}
    assert left == {"checkpoint", LOG_FILE, STATE_FILE, CURVE_FILE}


@pytest.fixture(scope="module")
def pictures(radiographs: Path) -> Pictures:
    return Pictures.of(load_radiographs(radiographs, "train"))


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return learn_tokenizer(2048, 1500, 0, ())


@pytest.fixture(scope="module")
def words(tokenizer: PreTrainedTokenizerFast) -> Words:
    return Words(tokenizer)


@pytest.fixture(scope="module")
def objective(tokenizer: PreTrainedTokenizerFast) -> Denoising:
    return Denoising(fresh_model(SHAPE, len(tokenizer)), SHAPE.canvas_length)


Make = Callable[..., Examples]


@pytest.fixture(scope="module")
def made(tokenizer: PreTrainedTokenizerFast, pictures: Pictures, objective: Denoising) -> Make:
    def examples(
        size: int = 12, seed: int = 0, first: int = 0, mixture: Mixture = MIXTURE, of: tuple[int, int] = (0, 1)
    ) -> Examples:
        lay = objective.lay_report, objective.lay_question
        return Examples(tokenizer, pictures, mixture, size, 2, *lay, seed, first, *of)

    return examples


def equal(one: HostBatch, other: HostBatch) -> bool:
    return all(
        np.array_equal(a, b) if isinstance(a, np.ndarray) else all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in zip(astuple(one), astuple(other), strict=True)
    )


def test_the_same_seed_gives_the_same_batches_and_another_does_not(made: Make) -> None:
    first, again = list(islice(made(), 3)), list(islice(made(), 3))
    assert all(map(equal, first, again))
    assert not equal(first[0], first[1])
    assert not equal(first[0], next(iter(made(seed=1))))


def test_a_resumed_run_goes_on_with_the_next_batch(made: Make) -> None:
    assert equal(list(islice(made(), 3))[2], next(iter(made(first=2))))


def test_workers_change_no_batch(made: Make) -> None:
    alone = list(islice(made(), 4))
    together = list(islice(DataLoader(made(), batch_size=None, num_workers=2), 4))
    assert all(map(equal, alone, together))


def test_processes_deal_the_batches_out_among_them(made: Make) -> None:
    alone = list(islice(made(), 6))
    for process in range(2):
        own = list(islice(made(of=(process, 2)), 3))
        assert all(map(equal, own, alone[process::2]))
        resumed = DataLoader(made(of=(process, 2), first=1), batch_size=None, num_workers=2)
        assert all(map(equal, own[1:], islice(resumed, 2)))


def test_a_batch_is_of_the_sources_and_shapes_that_it_should_be(made: Make, pictures: Pictures) -> None:
    size, counts = 100, Counter[str]()
    for batch in islice(made(size=size), 6):
        sources = [SOURCES[source] for source in pictures.sources[batch.index]]
        painted, reported = len(batch.cases), size - 6
        assert painted == 48
        assert batch.reports["canvas"].shape == batch.reports["pinned"].shape == (reported, 2, SHAPE.canvas_length)
        assert batch.questions["canvas"].shape == (size, 1, ANSWER_CANVAS)
        assert batch.reports["prefix"].shape == (reported, PREFIX_LENGTH)
        # Only normal radiographs of adults are painted on.
        assert set(sources[:painted]) == {"adult_normal"}
        real, children = slice(painted, painted + 34), slice(painted + 34, painted + 41)
        assert set(sources[real]) == {"nih_labelled"}
        assert all(labelled_case(pictures.labels[row]) for row in batch.index[real])
        assert np.array_equal(batch.labels[real], pictures.soft[batch.index[real]])
        assert set(sources[children]) <= {"child_normal", "child_pneumonia"}
        assert not any(source in REPORTED for source in sources[reported:])
        assert np.array_equal(batch.labels[reported:], pictures.soft[batch.index[reported:]])
        strange = slice(painted + 41, reported)
        assert (batch.labels[strange] == -1).all()
        assert not batch.empty[: painted + 41].any()
        counts.update(bool(empty) for empty in batch.empty[strange])
    assert min(counts[True], counts[False]) > 5


def test_a_strange_pictures_report_commits_to_nothing_and_the_question_is_answered_no(
    made: Make, tokenizer: PreTrainedTokenizerFast
) -> None:
    batch = next(iter(made(size=40, mixture=replace(MIXTURE, strange=0.5))))
    strange = len(batch.reports["canvas"]) - 20
    for row in range(strange, len(batch.reports["canvas"])):
        text = tokenizer.decode(batch.reports["canvas"][row, 0])
        assert "not a frontal" in text, text
    answers = [tokenizer.decode(row[0]) for row in batch.questions["canvas"][strange : strange + 20]]
    assert sum("No." in answer for answer in answers) > 8


def test_what_a_picture_does_not_show_is_told_by_a_locked_sentence() -> None:
    left_open = 0
    for seed in range(300):
        random = Random(seed)
        case = sample_case(random)
        if not case.has_finding:
            continue
        shown = Case(others=case.others, change=case.change)
        task = told_task(case, shown, random)
        for span in task.report.open_spans:
            for mention in read(span.text):
                if mention.finding not in _SHOWN or mention.presence != "present":
                    continue
                # A heading of its own: what stands under 'Technique' is not read.
                locked = [f"FINDINGS:\n{each.text.strip()}" for each in task.report.spans if each.locked]
                assert any(reading(read(text), mention.finding).called for text in locked), (mention, task.report.spans)
                left_open += 1
    assert left_open > 50


_SHOWN = ("effusion", "pneumothorax", "cardiomegaly", "edema")


def test_what_was_typed_first_stands_first_and_nothing_of_the_report_is_lost() -> None:
    for seed in range(200):
        random = Random(seed)
        written = write_report(sample_case(random), random)
        moved = _first_said(written, random)
        assert sorted(moved.text[s.start : s.end] for s in moved.sentences) == sorted(
            written.text[s.start : s.end] for s in written.sentences
        )
        assert len(moved.text) == len(written.text)


def test_a_templates_lines_hold_what_belongs_to_their_organ() -> None:
    made = 0
    for seed in range(200):
        random = Random(seed)
        templated = _templated(write_report(visible(sample_case(random)), random), random)
        if templated is None:
            continue
        made += 1
        written, ranges = templated
        lines = [line for line in written.text.splitlines() if line.startswith(("Pleura", "PLEURA"))]
        own = re.compile("effusion|pneumothora|pleura|fluid|costophrenic|diaphragm|tension|shift", re.IGNORECASE)
        assert all(own.search(line) for line in lines)
        assert all(written.text[start:stop].strip() for start, stop in ranges)
    assert made > 100


def test_the_header_beside_a_real_picture_is_of_any_of_its_collection(made: Make, pictures: Pictures) -> None:
    examples, source = made(), SOURCES.index("nih_labelled")
    picture = int(np.flatnonzero(pictures.sources == source)[0])
    headers = {examples._header(picture, Random(seed)) for seed in range(200)}
    of_collection = {pictures.facts[row] for row in np.flatnonzero(pictures.sources == source)}
    assert len(of_collection) > 1
    assert headers == of_collection


def test_sentences_that_are_opened_because_another_decides_them_leave_that_one() -> None:
    opened = 0
    for seed in range(200):
        random = Random(seed)
        written = write_report(sample_case(random), random)
        ranges = _said_elsewhere(written, random)
        open_keys = {key for s in written.sentences if (s.start, s.end) in ranges for key in s.keys}
        locked_keys = {key for s in written.sentences if (s.start, s.end) not in ranges for key in s.keys}
        opened += bool(open_keys & locked_keys)
    # The rest are reports in which no two sentences speak of one matter.
    assert opened > 120


def test_a_share_of_the_tasks_has_no_image(made: Make) -> None:
    batch = next(iter(made(size=400, mixture=replace(MIXTURE, told=0.0, strange=0.0, without_image=0.2))))
    for tasks in (batch.reports, batch.questions):
        counted = np.arange(PREFIX_LENGTH) < tasks["prefix_length"][:, :1]
        sees = ((tasks["prefix"] == IMAGE) & counted).sum(axis=1)
        assert set(sees) == {0, 64}
        assert 0.1 < (sees == 0).mean() < 0.3


def test_without_adults_there_is_nothing_to_paint_on(
    tokenizer: PreTrainedTokenizerFast, pictures: Pictures, objective: Denoising
) -> None:
    children = replace(pictures, sources=np.ones_like(pictures.sources))
    with pytest.raises(ValueError, match="adults"):
        Examples(tokenizer, children, Mixture(), 4, 2, objective.lay_report, objective.lay_question, 0, 0)


def test_the_users_turn_is_the_chat_templates(words: Words, tokenizer: PreTrainedTokenizerFast) -> None:
    told = instruction(StudyFacts(age=60), "Cough", "Is there a pleural effusion?")
    ids = tokenizer(user_turn(tokenizer, told, with_image=False), add_special_tokens=False)["input_ids"]
    assert words.turn(told, sees=False) == ids
    seen = words.turn(told, sees=True)
    assert seen.count(IMAGE) == 64
    alone = tokenizer(user_turn(tokenizer, told, with_image=True), add_special_tokens=False)["input_ids"]
    assert [id for id in seen if id > 8] == [id for id in alone if id > 8]


def tasks(count: int, sees: bool) -> Iterator[tuple[Case, Task]]:
    for seed in range(count):
        random = Random(seed)
        case = sample_case(random)
        yield case, report_task(case, sees, random)


def test_gaps_are_of_all_kinds_from_a_word_to_the_whole_report() -> None:
    gaps, share = Counter[int](), []
    for _, task in tasks(1600, sees=False):
        spans = task.report.spans
        assert task.report.open_spans
        assert all(span.text for span in spans)
        assert not any(a.locked == b.locked for a, b in pairwise(spans))
        gaps[len(task.report.open_spans)] += 1
        share.append(sum(len(span.text) for span in task.report.open_spans) / len(task.report.text))
    assert set(range(1, 8)) <= set(gaps)
    assert max(gaps) == 8
    assert min(share) < 0.05
    assert max(share) == 1
    assert np.quantile(share, [0.1, 0.9]).tolist() == pytest.approx([0.06, 0.95], abs=0.06)


def test_some_reports_are_in_progress_and_end_in_a_gap() -> None:
    ends, lone = 0, 0
    for _, task in tasks(600, sees=True):
        spans = task.report.spans
        ends += spans[0].locked and not spans[-1].locked and "mpression" not in task.report.text.lower()
        lone += len(spans) == 2 and spans[0].locked and spans[0].text.count(". ") == 0 and len(spans[0].text) < 80
    assert ends > 50
    assert lone > 5


def by_hand(*stated: tuple[str, str, tuple[str, ...]]) -> WrittenReport:
    """A report of sentences, each with its section and keys."""
    text, sentences, section = "", [], ""
    for name, sentence, keys in stated:
        text += f"{name.upper()}: " if name != section else ""
        only_text = any(key == "change" or key.startswith("other_") for key in keys)
        sentences.append(Sentence(len(text), len(text) + len(sentence), keys, name, only_text))
        text, section = f"{text}{sentence} ", name
    return WrittenReport(text.strip(), tuple(sentences))


SEEN = (
    ("findings", "The heart is normal in size.", ("cardiomegaly",)),
    ("findings", "No pleural effusion is seen.", ("effusion_right", "effusion_left")),
)
WITH_UNSEEN = by_hand(
    *SEEN,
    ("findings", "The thoracic aorta is tortuous.", ("other_tortuous_aorta", "mediastinum")),
    ("findings", "There is no interval change.", ("change",)),
    ("impression", "Normal heart.", ("cardiomegaly",)),
    ("impression", "Tortuous aorta.", ("other_tortuous_aorta",)),
)
WITHOUT_UNSEEN = by_hand(*SEEN, ("impression", "Normal heart.", ("cardiomegaly",)))


def test_what_no_picture_shows_is_opened_only_where_a_locked_sentence_says_it_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks_room, "write_report", lambda case, random: WITH_UNSEEN if case.others else WITHOUT_UNSEEN)
    case = Case(others=(Other("tortuous_aorta"),), change="unchanged")
    opened = {sees: Counter[str]() for sees in (True, False)}
    for seed in range(1500):
        sees = seed % 2 == 0
        report = report_task(case, sees, Random(seed)).report
        written = WITH_UNSEEN if report.text == WITH_UNSEEN.text else WITHOUT_UNSEEN
        locked, at = [], 0
        for span in report.spans:
            locked += [(at, at + len(span.text))] if span.locked else []
            at += len(span.text)
        opened[sees].update(
            written.text[s.start : s.end]
            for s in written.sentences
            if not any(begin <= s.start and s.end <= end for begin, end in locked)
        )
        aorta = [s for s in written.sentences if "other_tortuous_aorta" in s.keys]
        if sees and aorta:
            assert any(begin <= s.start and s.end <= end for s in aorta for begin, end in locked)
    assert opened[True]["The thoracic aorta is tortuous."] > 20
    assert opened[True]["Tortuous aorta."] > 20
    assert opened[True]["There is no interval change."] == 0
    assert opened[False]["There is no interval change."] > 100


def test_what_a_canvas_wants_at_its_free_positions_is_the_text_that_was_removed(
    words: Words, tokenizer: PreTrainedTokenizerFast
) -> None:
    fitting = 0
    for _, task in tasks(200, sees=True):
        made = example(task, words, SHAPE.canvas_length, Random(0))
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
        assert tokenizer.decode(wanted[wanted != BLANK]) == task.report.text
        removed = "".join(span.text for span in task.report.open_spans)
        free = tokenizer.decode(wanted[~pinned & (wanted != BLANK)])
        assert without_white_space(free) == without_white_space(removed)
        kept = "".join(span.text for span in task.report.spans if span.locked)
        assert without_white_space(tokenizer.decode(wanted[pinned])) == without_white_space(kept)
    assert fitting > 180


def without_white_space(text: str) -> str:
    return "".join(text.split())


def test_an_answer_stands_alone_in_a_slot_as_wide_as_the_engines(
    words: Words, tokenizer: PreTrainedTokenizerFast
) -> None:
    assert tasks_room.ANSWER_WIDTH == layout.ANSWER_WIDTH
    widths = Counter[int]()
    for seed in range(60):
        task = question_task(StudyFacts(age=50), "Cough", ("Is there a pneumothorax?", "No."), sees=True)
        made = example(task, words, ANSWER_CANVAS, Random(seed))
        assert made is not None
        widths[int((~made.pinned).sum())] += 1
        assert tokenizer.decode(made.canvas[~made.pinned & (made.canvas != BLANK)]) == "No."
        assert "Question: Is there a pneumothorax?" in tokenizer.decode(made.prefix[: made.prefix_length])
    assert widths.most_common(1)[0][0] == layout.ANSWER_WIDTH
    assert len(widths) > 5


def test_what_does_not_fit_gives_no_example(words: Words) -> None:
    _, task = next(tasks(1, sees=True))
    assert example(task, words, 12, Random(0)) is None
    long = question_task(StudyFacts(), "", ("What is it? " * 60, "No."), sees=True)
    assert example(long, words, ANSWER_CANVAS, Random(0)) is None


def test_the_learning_rate_warms_up_in_a_line_and_falls_in_a_cosine() -> None:
    recipe = Recipe(steps=1100, warm_up=100, learning_rate=1e-3, last_learning_rate=1e-4)
    assert recipe.learning_rate_at(0) == pytest.approx(1e-5)
    assert recipe.learning_rate_at(49) == pytest.approx(5e-4)
    assert recipe.learning_rate_at(99) == recipe.learning_rate_at(100) == pytest.approx(1e-3)
    assert recipe.learning_rate_at(350) == pytest.approx(1e-4 + 9e-4 * (1 + 0.5**0.5) / 2)
    assert recipe.learning_rate_at(600) == pytest.approx(5.5e-4)
    assert recipe.average_at(0) == pytest.approx(0.1)
    assert recipe.average_at(100_000) == recipe.average
    assert recipe.learning_rate_at(1100) == recipe.learning_rate_at(5000) == pytest.approx(1e-4)


def test_the_sibling_is_trained_on_the_same_pictures_with_the_default_models_tokenizer(
    run: Run, radiographs: Path, tmp_path: Path
) -> None:
    device = torch.device("cpu")
    checkpoint = run.out / "checkpoint"
    train_sibling(radiographs, tmp_path, SHAPE, RECIPE, device, workers=0, minutes=None, tokenizer_of=checkpoint)
    assert TrainingState.load(tmp_path / STATE_FILE, device).steps == 2
    assert (tmp_path / "checkpoint" / "tokenizer.json").read_text(encoding="utf-8") == run.begun.tokenizer
    sibling = load_sibling(tmp_path / "checkpoint")
    report = parse_markup("FINDINGS:\nThe heart is [[]].")
    text = sibling.fill(None, report, "both", DraftSettings())
    assert merge_draft(report, {report.open_spans[0].id: text}).locked_text == report.locked_text


@pytest.mark.parametrize("kind", ["default", "sibling"])
def test_layers_are_compiled_once_in_one_piece(
    kind: str, tokenizer: PreTrainedTokenizerFast, radiographs: Path
) -> None:
    """What a GPU runs: no layer falls back to uncompiled code, and nothing is compiled after the first step."""
    shape = replace(SHAPE, vision_layers=2)
    objective = (
        Denoising(fresh_model(shape, len(tokenizer)), shape.canvas_length)
        if kind == "default"
        else NextToken(fresh_sibling(shape, len(tokenizer)))
    )
    data = load_radiographs(radiographs, "train")
    trainer = Trainer(objective, data.images, shape, RECIPE, Processes(torch.device("cpu")))
    dynamo = torch._dynamo
    dynamo.reset()
    dynamo.utils.counters.clear()
    try:
        fast_layers(objective.layers(), backend="eager")
        lay = objective.lay_report, objective.lay_question
        compiled = []
        examples = Examples(tokenizer, Pictures.of(data), RECIPE.mixture, RECIPE.batch, 2, *lay, 0, 0)
        for number, host in enumerate(islice(examples, 2)):
            trainer.step(number, host)
            compiled.append(dynamo.utils.counters["stats"]["unique_graphs"])
        assert compiled == ([11, 11] if kind == "default" else [5, 5])
        assert dynamo.utils.counters["frames"]["total"] == dynamo.utils.counters["frames"]["ok"]
        assert not dynamo.utils.counters["graph_break"]
    finally:
        dynamo.reset()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="graphs are captured on GPUs alone")
def test_a_captured_step_is_the_step(tokenizer: PreTrainedTokenizerFast, radiographs: Path) -> None:
    """Capturing leaves no trace, and what is replayed draws, learns and measures what is launched piece by piece."""
    data = load_radiographs(radiographs, "train")
    plain, captured = (
        Trainer(
            Denoising(fresh_model(SHAPE, len(tokenizer)), SHAPE.canvas_length),
            data.images,
            SHAPE,
            RECIPE,
            Processes(torch.device("cuda")),
        )
        for _ in range(2)
    )
    lay = plain.objective.lay_report, plain.objective.lay_question
    hosts = list(islice(Examples(tokenizer, Pictures.of(data), Mixture(), 12, 2, *lay, 0, 0), 3))
    captured.capture(hosts[2])
    for one, other in zip(plain.objective.network.parameters(), captured.objective.network.parameters(), strict=True):
        assert torch.equal(one, other)
    for number, host in enumerate(hosts):
        measured = []
        for trainer in (plain, captured):
            torch.manual_seed(number)
            trainer.step(number, host)
            measured.append(trainer.measured())
        # Sums of many threads, and products in 16 bits, differ in their last places.
        assert measured[0] == pytest.approx(measured[1], rel=0.02)


def test_the_commands_train_a_tokenizer_and_with_it_both_models(
    radiographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("model.training.small.command.Shape", lambda: SHAPE)
    monkeypatch.setattr("model.training.small.command.Recipe", partial(Recipe, tokenizer_reports=300, warm_up=1))
    given = ["--data", str(radiographs)]
    assert main(["train", "tokenizer", *given, "--out", str(tmp_path / "learned")]) == 0
    learned = (tmp_path / "learned" / "tokenizer.json").read_text(encoding="utf-8")
    sizes = ["--steps", "1", "--batch", "4", "--cuts", "1", "--workers", "0", "--device", "cpu"]
    for kind in ("default", "sibling"):
        out = tmp_path / kind
        called = ["train", kind, *given, *sizes, "--out", str(out), "--tokenizer", str(tmp_path / "learned")]
        assert main(called) == 0
        assert (out / "checkpoint" / "tokenizer.json").read_text(encoding="utf-8") == learned
        assert main([*called[:-1], str(tmp_path)]) == 2
        assert "contains no tokenizer" in capsys.readouterr().err
    assert main(["train", "default", "--data", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    assert "not a file of packed radiographs" in capsys.readouterr().err
