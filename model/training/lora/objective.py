"""The shared parts of both families' objectives: the prompt of an exercise and the input of a loss.

A batch is a dictionary of tensors on the CPU. Its `counts` say over how many tokens each of its losses is a sum, so
that a step's mean does not depend on how its examples are batched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from model.network.loading import encode_user_turn
from model.network.prefix import instruction, patches, with_image_tokens
from model.sets.files import read_picture
from model.training.lora.lessons import Exercise, Lesson
from model.training.lora.student import Student

Batch = dict[str, Tensor]
KEPT_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Measured:
    """What a batch gave. `sums`: (losses,) nats, for each of the batch's `counts`; `right`: tokens predicted right."""

    sums: Tensor
    right: Tensor


class Objective(Protocol):
    """A family's loss; as a module it holds the network."""

    @property
    def module(self) -> nn.Module:
        """Called with a batch on the device it gives `(sums, right)`, as in `Measured`."""
        ...

    @property
    def weights(self) -> tuple[float, ...]:
        """How much the mean of each sum counts."""
        ...

    def batch(self, exercises: Sequence[Exercise], seed: int) -> Batch:
        """Exercises as tensors, with all that is drawn for them; the same for the same places and seed."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt's token ids, and its picture: pixels (patches, 768) and positions (patches, 2), None without one."""

    ids: list[int]
    pixels: Tensor | None
    positions: Tensor | None


class Prompts:
    """Lessons as prompts, in the app's own wording."""

    def __init__(self, student: Student) -> None:
        self._student = student
        # A picture has several questions, each of which comes once an epoch in another order: it is kept ready while
        # there is room, and dropping the one that was used longest ago would keep none of a larger set.
        self._kept: dict[Path, tuple[Tensor, Tensor, int]] = {}
        self._room = KEPT_BYTES

    def ask(self, lesson: Lesson, more: str = "") -> Asked:
        """The user's turn for a lesson, up to where the model's begins; `more` ends its instruction."""
        told = " ".join(part for part in (instruction(lesson.facts, lesson.indication, lesson.question), more) if part)
        student = self._student
        ids = encode_user_turn(student.tokenizer, told, lesson.picture is not None)
        if lesson.picture is None:
            return Asked(ids, None, None)
        pixels, positions, pieces = self._look(lesson.picture)
        return Asked(with_image_tokens(ids, pieces, student.image), pixels, positions)

    def _look(self, file: Path) -> tuple[Tensor, Tensor, int]:
        if file in self._kept:
            return self._kept[file]
        pixels, positions, pieces = patches(self._student, read_picture(file))
        seen = pixels[0].cpu(), positions[0].cpu(), pieces
        self._room -= seen[0].nbytes + seen[1].nbytes
        if self._room >= 0:
            self._kept[file] = seen
        return seen


def padded(rows: Sequence[Sequence[int]], filler: int, length: int | None = None) -> Tensor:
    """Rows of ids as (rows, length), `filler` after each; as long as the longest where no length is given."""
    length = length or max(len(row) for row in rows)
    return torch.tensor([[*row, *[filler] * (length - len(row))] for row in rows])


def flags(rows: Sequence[Sequence[bool]], filler: bool, length: int | None = None) -> Tensor:
    """`padded` for what is true or not."""
    return padded([[int(flag) for flag in row] for row in rows], int(filler), length).bool()


def pictures(asked: Sequence[Asked]) -> Batch:
    """The pictures of those that have one: `pixels` (pictures, patches, 768), `positions` with -1 where there is
    none; empty where nobody has a picture."""
    seen = [(one.pixels, one.positions) for one in asked if one.pixels is not None and one.positions is not None]
    if not seen:
        return {}
    most = max(len(pixels) for pixels, _ in seen)
    return {
        "pixels": torch.stack([_lengthened(pixels, most, 0) for pixels, _ in seen]),
        "positions": torch.stack([_lengthened(positions, most, -1) for _, positions in seen]),
    }


def _lengthened(rows: Tensor, length: int, filler: float) -> Tensor:
    return torch.cat([rows, rows.new_full((length - len(rows), rows.shape[1]), filler)])


def capped(network: Any, hidden: Tensor) -> Tensor:
    """The output layer's logits for hidden states, in 32 bits, with the family's soft cap."""
    logits: Tensor = network.lm_head(hidden).float()
    cap = network.config.get_text_config().final_logit_softcapping
    return logits if cap is None else (logits / cap).tanh() * cap
