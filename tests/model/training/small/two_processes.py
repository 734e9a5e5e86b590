"""What each of two processes that torchrun starts does for `test_training`: steps and runs that they share.

Called with the pack of radiographs, a folder with a tokenizer, and the folder where each leaves what it came to.
"""

from __future__ import annotations

import faulthandler
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.distributed import barrier
from transformers import PreTrainedTokenizerFast

import model.training.small.trainer as room
from model.__main__ import main
from model.synthetic.radiographs import load_radiographs
from model.training.small import command
from model.training.small.batches import Examples, HostBatch, Pictures
from model.training.small.default import Denoising
from model.training.small.fresh import fresh_model
from model.training.small.trainer import Processes, Recipe, Trainer
from tests.model.training.small.test_training import RECIPE, SHAPE

CPU = torch.device("cpu")


class Clock:
    """A clock that goes forward with every step and not by itself."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def steps(both: Processes, radiographs: Path, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Two steps on batches of each process's own, two on the same ones, and those once more alone."""
    data = load_radiographs(radiographs, "train")

    def trained(processes: Processes, seed: int, batches_of: int) -> list[torch.Tensor]:
        objective = Denoising(fresh_model(SHAPE, len(tokenizer), seed), SHAPE.canvas_length)
        trainer = Trainer(objective, data.images, SHAPE, RECIPE, processes)
        lay = objective.lay_report, objective.lay_question
        examples = Examples(tokenizer, Pictures.of(data), RECIPE.mixture, 4, 1, *lay, 0, 0, batches_of, 2)
        for number, host in enumerate(islice(examples, 2)):
            torch.manual_seed(2 * number + batches_of)
            trainer.step(number, host)
        # The optimiser makes the same of gradients however long they are.
        length = torch.tensor(trainer.measured()["gradient"])
        return [*trainer.state(2).parameters, *trainer.averages, length]

    # Begun with other weights than the first process has, to end with the same.
    own = trained(both, seed=both.rank, batches_of=both.rank)
    same = trained(both, seed=0, batches_of=0)
    alone = trained(Processes(CPU), seed=0, batches_of=0)
    torch.save({"own": own, "same": same, "alone": alone}, out / f"steps{both.rank}.pt")


def runs(rank: int, radiographs: Path, tokenizer: Path, out: Path) -> None:
    """A run of three steps; and one that is cut off by the first process's clock and goes on."""
    clock, taken = Clock(), list[tuple[int, list[int]]]()
    take = Trainer.step

    def step(trainer: Trainer, number: int, host: HostBatch[Any]) -> None:
        take(trainer, number, host)
        taken.append((number, host.index.tolist()))
        # To the second process no time passes.
        clock.now += 60 * (rank == 0)

    Trainer.step = step  # type: ignore[method-assign]
    room.time = clock  # type: ignore[assignment]
    room.AGREED_EVERY = 2
    command.Shape = lambda: SHAPE  # type: ignore[assignment, misc]
    command.Recipe = partial(Recipe, warm_up=2, average=0.5)  # type: ignore[assignment, misc]

    def run(name: str, *told: str) -> list[tuple[int, list[int]]]:
        taken.clear()
        given = ["--data", str(radiographs), "--tokenizer", str(tokenizer), "--out", str(out / name)]
        sizes = ["--steps", "3", "--batch", "4", "--cuts", "1", "--workers", "0", "--device", "cpu"]
        assert main(["train", "default", *given, *sizes, *told]) == 0
        return list(taken)

    ran = {"whole": run("whole"), "cut": run("cut", "--minutes", "0.5"), "resumed": run("cut")}
    (out / f"runs{rank}.json").write_text(json.dumps(ran), encoding="utf-8")


def work(arguments: Sequence[str]) -> None:
    radiographs, tokenizer, out = map(Path, arguments)
    # Processes that no longer agree wait for each other.
    faulthandler.dump_traceback_later(300, exit=True)
    both, leave = Processes.join(CPU), Processes.leave
    # What processes share is the same in any precision, and bfloat16 is slow on processors that do not know it.
    room.torch.autocast = lambda *_, **__: nullcontext()  # type: ignore[assignment, misc]
    # Processes that torchrun started can meet only once; in between they wait for each other.
    with patch.object(Processes, "join", lambda _: both), patch.object(Processes, "leave", lambda _: barrier()):
        steps(both, radiographs, PreTrainedTokenizerFast.from_pretrained(tokenizer), out)
        runs(both.rank, radiographs, tokenizer, out)
    leave(both)


if __name__ == "__main__":
    work(sys.argv[1:])
