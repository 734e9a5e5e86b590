"""Next-token prediction on the wanted text, for any Gemma 4 checkpoint, on the library's own forward.

The same exercises as the diffusion sibling's. A text whose parts are given stands in its natural order half of the
time, so that a gap is written from what is left of it; else it is shown in the user's turn with its gaps marked, and
what is missing is the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from transformers import Gemma4ForConditionalGeneration

from model.network.sibling import FILL_IN, marked
from model.training.lora.lessons import Exercise, laid
from model.training.lora.objective import Asked, Batch, Prompts, capped, flags, padded, pictures
from model.training.lora.student import Student

# How a gap is marked for a checkpoint that has no blank to mark it with: as in the app's own markup.
GAP = "[[]]"


class NextTokenObjective:
    """Next-token prediction of a student."""

    weights = (1.0,)

    def __init__(self, student: Student) -> None:
        self._student = student
        self._prompts = Prompts(student)
        self.module: nn.Module = _Loss(cast(Gemma4ForConditionalGeneration, student.network))

    def batch(self, exercises: Sequence[Exercise], seed: int) -> Batch:
        made = [
            sequence_of(each, self._student, self._prompts, Random(f"{seed} {each.place} sides").random() < 0.5)
            for each in exercises
        ]
        wanted = flags([wanted for _, wanted, _ in made], filler=False)
        return {
            "tokens": padded([ids for ids, _, _ in made], self._student.pad_id),
            "length": torch.tensor([len(ids) for ids, _, _ in made]),
            "wanted": wanted,
            "counts": torch.tensor([int(wanted.sum())]),
            **pictures([asked for _, _, asked in made]),
        }


def sequence_of(
    exercise: Exercise, student: Student, prompts: Prompts, show: bool
) -> tuple[list[int], list[bool], Asked]:
    """An exercise's token ids, which of them are wanted, and its prompt. `show`: gaps are marked in the prompt.

    A gap's text ends with a blank; without blanks, a text that nothing given follows ends with its turn.
    """
    layout = laid(exercise.report, student.encode)
    blank, turn_end = student.blank_id, list(student.after[:1])
    show = show and any(span.locked for span in exercise.report.spans)
    gap = student.encode(GAP) if blank is None else [blank]
    shown: list[int] = []
    ids: list[int] = []
    wanted: list[bool] = []
    at = 0
    for slot in layout.slots:
        given, own = layout.ids[at : slot.start], layout.ids[slot.start : slot.stop]
        last = slot is layout.slots[-1]
        end = [blank] if blank is not None else gap if show and not last else []
        if blank is None and last and (show or slot.stop == len(layout.ids)):
            end = turn_end
        before = [] if show else given
        shown += [*given, *gap]
        ids += [*before, *own, *end]
        wanted += [False] * len(before) + [True] * (len(own) + len(end))
        at = slot.stop
    # What follows the last gap in natural order is nobody's to write, and nothing would be learned from it.
    asked = prompts.ask(exercise.lesson, FILL_IN if show else "")
    turn = asked.ids
    if show:
        turn = marked(turn, student.encode("\n"), [*shown, *layout.ids[at:]], student.after[0])
    turn = [*turn, *student.before]
    return [*turn, *ids], [False] * len(turn) + wanted, asked


class _Loss(nn.Module):
    def __init__(self, network: Gemma4ForConditionalGeneration) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        network, tokens, wanted = self.network, batch["tokens"], batch["wanted"]
        seen = {}
        if "pixels" in batch:
            seen = {"pixel_values": batch["pixels"], "image_position_ids": batch["positions"]}
        piece = cast(int, network.config.image_token_id)
        outcome = network.model(
            input_ids=tokens,
            attention_mask=(torch.arange(tokens.shape[1], device=tokens.device) < batch["length"][:, None]).long(),
            mm_token_type_ids=(tokens == piece).long(),
            use_cache=False,
            **seen,
        )
        # Logits for the wanted tokens alone: of a whole sequence they would be the largest tensor by far.
        following = wanted[:, 1:]
        logits = capped(network, outcome.last_hidden_state[:, :-1][following])
        own = tokens[:, 1:][following]
        loss = functional.cross_entropy(logits, own, reduction="sum")
        return loss[None], (logits.detach().argmax(dim=-1) == own).sum()
