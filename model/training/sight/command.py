"""`python -m model train sight`: the vision tower, and readings of the real pictures by teachers that never saw them.

`out` then holds `tower.safetensors`, the tower and the head that reads labels off it, with which `train default
--sight` begins; `readings.npz`, which completes the labels that reports are written from; and `log.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import DiffusionGemmaForBlockDiffusion

from model.commands import Command
from model.synthetic.cases import LABELS, SOURCES, case_to_array, labels_of, sample_case
from model.synthetic.radiographs import SPLITS, Radiographs, load_radiographs
from model.training.sight.heart import heart_shares, learn_masks
from model.training.sight.readings import READINGS_FILE, TOWER_FILE, WHOLE
from model.training.sight.teachers import (
    Pool,
    Repeated,
    Teacher,
    readings,
    shown_how_often,
    targets_of,
    teaching_step,
)
from model.training.sight.tower import ReadingTower, seeing_step
from model.training.small.fresh import Shape, fresh_model
from model.training.small.step import fast_layers

LOG_FILE = "log.jsonl"
# Of which the masks of heart and lungs are told, and which teachers learn from: chests taken from the front.
_CHESTS = ("adult_normal", "child_normal", "child_pneumonia", "nih_labelled", "covid", "wingspan")
# Of the time of a run that is given minutes.
_TEACHERS_SHARE = 0.5
# Steps before the step is timed, which compile and allocate, and steps that are timed.
_BEFORE_MEASURING, _MEASURED = 10, 40


@dataclass(frozen=True, slots=True)
class SightRecipe:
    """What a run depends on beside its data.

    `teachers`: how many, each kept from that part of the patients. `batch`: pictures a step of a teacher;
    `tower_batch`: of the tower. `painted`: the share of them with painted findings. `cases`: how many are made to
    paint.
    """

    mask_steps: int = 500
    mask_batch: int = 32
    mask_width: int = 24
    teachers: int = 3
    teacher_steps: int = 3_000
    tower_steps: int = 4_000
    batch: int = 128
    tower_batch: int = 192
    teacher_rate: float = 1e-3
    tower_rate: float = 1e-3
    painted: float = 0.4
    cases: int = 60_000
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Sighted:
    """What a run made: a tower with its head, and of every real picture of the pack the strangers' logits (count,
    labels) and the heart's share of the chest's width (count,), NaN where unknown."""

    reader: ReadingTower
    logits: NDArray[np.float32]
    shares: NDArray[np.float32]


def train_sight(
    data: Path,
    out: Path,
    shape: Shape,
    recipe: SightRecipe,
    device: torch.device,
    teacher_widths: tuple[int, ...] = (64, 128, 256, 512),
    measure: Callable[[str, nn.Module], None] | None = None,
    minutes: float | None = None,
) -> Sighted:
    """Train teachers and tower on the pictures for training; write what `out` is to hold.

    With `minutes` the recipe's numbers of steps give way to as many as that time allows; the log says how many.

    `measure` is called with a name and a network whenever one is done.
    """
    out.mkdir(parents=True, exist_ok=True)
    # Convolutions of one shape over and over: the fastest way is looked for once.
    torch.backends.cudnn.benchmark = True
    started = time.monotonic()
    with (out / LOG_FILE).open("w", encoding="utf-8") as log:

        def told(**row: object) -> None:
            row = {"seconds": round(time.monotonic() - started, 1), **row}
            log.write(json.dumps(row) + "\n")
            log.flush()
            print(row, flush=True)

        told(recipe=asdict(recipe), shape=asdict(shape))
        torch.manual_seed(recipe.seed)
        everything = load_radiographs(data)
        held_out = np.asarray(load_splits(data) != SPLITS.index("train"))
        pictures = everything.images.to(device)
        told(pictures=len(pictures))
        shares = _shares(everything, pictures, recipe)
        told(hearts_found=int((~np.isnan(shares)).sum()))
        pool = _pool(everything, pictures, shares, held_out, recipe)
        folds = torch.from_numpy(everything.folds % recipe.teachers).to(device)
        logits = torch.zeros(len(pictures), len(LABELS), device=device)
        teachers = []
        for part in range(recipe.teachers):
            teacher = Teacher(len(LABELS), teacher_widths).to(device)
            if device.type == "cuda":
                cast(Any, teacher).to(memory_format=torch.channels_last)
            teacher.train()
            step = teaching_step(teacher, pool.without(folds == part), recipe.batch, recipe.painted)
            taught = Repeated(teacher, step, recipe.teacher_rate, 0.05)
            until = None
            if minutes is not None:
                # The teachers have half of the time, each an equal part of what is left of it.
                left = started + 60 * minutes * _TEACHERS_SHARE - time.monotonic()
                until = time.monotonic() + left / (recipe.teachers - part)
            _repeat(taught, recipe.teacher_steps, f"teacher {part}", told, until)
            grown = taught.averaged
            assert isinstance(grown, Teacher)
            teachers.append(grown)
            strangers = folds == part
            logits[strangers] = readings(grown, pictures[strangers])
            if measure:
                measure(f"teacher {part}", grown)
        _save_readings(out / READINGS_FILE, everything, logits, shares)
        reader = _reader(shape, device, recipe.seed)
        taught = Repeated(
            reader,
            seeing_step(reader, teachers, pool, recipe.tower_batch, recipe.painted),
            recipe.tower_rate,
            0.05,
        )
        if device.type == "cuda":
            # After the averages' copy was made, which is not to be compiled.
            fast_layers(cast(Any, reader.tower).encoder.layers)
        _repeat(taught, recipe.tower_steps, "tower", told, None if minutes is None else started + 60 * minutes)
        seeing = taught.averaged
        assert isinstance(seeing, ReadingTower)
        weights = {name: value.to("cpu", torch.bfloat16).contiguous() for name, value in seeing.state_dict().items()}
        save_file(weights, out / TOWER_FILE)
        if measure:
            measure("tower", seeing)
        told(done=True)
    return Sighted(seeing, logits.cpu().numpy(), shares)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, help="packed radiographs, see python -m model.synthetic.radiographs"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the tower, the readings and the log")
    parser.add_argument("--minutes", type=float, help="as many steps as this time allows, instead of the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")


def _run(options: argparse.Namespace) -> int:
    recipe = SightRecipe(seed=options.seed)
    train_sight(options.data, options.out, Shape(), recipe, torch.device(options.device), minutes=options.minutes)
    return 0


SIGHT = Command(_declare, _run, (FileNotFoundError,))


def load_splits(data: Path) -> NDArray[np.int8]:
    """The split of every picture of a pack, as a position in `SPLITS`: (count,)."""
    with np.load(data) as packed:
        splits: NDArray[np.int8] = packed["split"]
    return splits


def _repeat(taught: Repeated, steps: int, name: str, told: Callable[..., None], until: float | None = None) -> None:
    """Take so many steps, or, with `until`, as many as fit before that moment of the monotonic clock."""
    started, number, measured = time.monotonic(), 0, 0.0
    while number < steps:
        taught.run(number, steps)
        number += 1
        if number in (_BEFORE_MEASURING, _BEFORE_MEASURING + _MEASURED) and until is not None:
            # Reading the loss waits for the device.
            float(taught.loss)
            if number > _BEFORE_MEASURING:
                each = (time.monotonic() - measured) / _MEASURED
                steps = number + max(int((until - time.monotonic()) / each), 1)
            measured = time.monotonic()
        if number == steps or number % 500 == 0:
            took = round(time.monotonic() - started, 1)
            told(trained=name, step=number, of=steps, loss=round(float(taught.loss), 4), took=took)


def _shares(radiographs: Radiographs, pictures: Tensor, recipe: SightRecipe) -> NDArray[np.float32]:
    """The heart's share of the chest's width of every chest taken from the front; NaN for the rest."""
    shares = np.full(len(pictures), np.nan, dtype=np.float32)
    if not len(radiographs.masked):
        return shares
    rows = torch.from_numpy(radiographs.masked).to(pictures.device)
    masks = torch.from_numpy(radiographs.masks).to(pictures.device)
    network = learn_masks(pictures[rows], masks, recipe.mask_steps, recipe.mask_batch, recipe.mask_width, recipe.seed)
    # Of children the share means something else.
    grown = [SOURCES.index(source) for source in ("adult_normal", "nih_labelled", "covid", "wingspan")]
    wanted = np.flatnonzero(np.isin(radiographs.sources, grown))
    shares[wanted] = heart_shares(network, pictures[torch.from_numpy(wanted).to(pictures.device)]).cpu().numpy()
    return shares


def _pool(
    radiographs: Radiographs,
    pictures: Tensor,
    shares: NDArray[np.float32],
    held_out: NDArray[np.bool_],
    recipe: SightRecipe,
) -> Pool:
    device = pictures.device
    labels = radiographs.labels.copy()
    # What a collection's name says of all its pictures.
    normal = np.isin(radiographs.sources, [SOURCES.index("adult_normal"), SOURCES.index("child_normal")])
    labels[normal] = 0
    devices = [LABELS.index(name) for name in LABELS if name.endswith(("tube", "line", "wires", "pacemaker"))]
    # Nobody looked for devices.
    labels[np.ix_(np.flatnonzero(normal), np.array(devices))] = -1
    ill = radiographs.sources == SOURCES.index("child_pneumonia")
    labels[ill, LABELS.index("opacity")] = 1
    read = radiographs.read | normal
    views = [facts.view for facts in radiographs.facts]
    targets, known = targets_of(labels, read, shares, views)
    chests = np.isin(radiographs.sources, [SOURCES.index(source) for source in _CHESTS])
    weights = shown_how_often(labels, [LABELS.index(name) for name in WHOLE])
    weights[~chests | held_out] = 0
    random = Random(recipe.seed)
    cases = [sample_case(random) for _ in range(recipe.cases)]
    plain = np.flatnonzero((radiographs.sources == SOURCES.index("adult_normal")) & ~held_out)

    def moved(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(device)

    return Pool(
        pictures,
        moved(targets),
        moved(known),
        moved(weights),
        moved(plain),
        moved(case_to_array(cases)),
        moved(labels_of(cases)),
    )


def _reader(shape: Shape, device: torch.device, seed: int) -> ReadingTower:
    # A vocabulary as small as it can be: only the tower is kept.
    network: DiffusionGemmaForBlockDiffusion = fresh_model(shape, 16, seed)
    tower = network.model.encoder.vision_tower
    return ReadingTower(tower, shape.vision_hidden, len(LABELS)).to(device).train()


def _save_readings(path: Path, radiographs: Radiographs, logits: Tensor, shares: NDArray[np.float32]) -> None:
    real = np.isin(radiographs.sources, [SOURCES.index(source) for source in ("nih_labelled", "covid", "wingspan")])
    np.savez_compressed(
        path,
        name=radiographs.names[real],
        label_names=np.array(LABELS),
        logits=logits.cpu().numpy()[real].astype(np.float16),
        share=shares[real].astype(np.float16),
    )
