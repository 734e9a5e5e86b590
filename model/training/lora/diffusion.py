"""Block diffusion on the library's own forward, for any DiffusionGemma checkpoint.

A share t of an exercise's free positions, t uniform, holds random tokens, and all free positions are predicted from
both sides. Some examples are seen twice: first without a belief, then conditioned on what came of it, detached
(two-pass self-conditioning). Pinned positions stay clean and stand one-hot in the belief, as in drafting. The encoder
may learn the next token of the wanted text besides, out of the decoder's sight, as NVIDIA's NeMo AutoModel does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from transformers import DiffusionGemmaForBlockDiffusion, DynamicCache

from model.engine.layout import lay_out
from model.network.loading import image_tokens, text_config
from model.training.lora.lessons import Exercise, laid
from model.training.lora.objective import Batch, Prompts, capped, flags, padded, pictures
from model.training.lora.recipe import LoraRecipe
from model.training.lora.student import Student
from model.training.small.step import pin_logits
from model.training.small.tasks import answer_width, training_width


class DiffusionObjective:
    """Block diffusion of a student. `weights`: of the canvas's loss, and of the encoder's where it has one."""

    def __init__(self, student: Student, recipe: LoraRecipe) -> None:
        self._student = student
        self._recipe = recipe
        self._prompts = Prompts(student)
        self.module: nn.Module = _Loss(cast(DiffusionGemmaForBlockDiffusion, student.network))
        self.weights = (1.0, recipe.encoder_loss) if recipe.encoder_loss else (1.0,)

    def batch(self, exercises: Sequence[Exercise], seed: int) -> Batch:
        student, recipe = self._student, self._recipe
        asked = [self._prompts.ask(exercise.lesson) for exercise in exercises]
        prefixes, told = [one.ids for one in asked], [[False] * len(one.ids) for one in asked]
        if recipe.encoder_loss:
            for at, exercise in enumerate(exercises):
                own = [*student.encode(exercise.lesson.text), *student.after[:1]]
                prefixes[at] = [*prefixes[at], *student.before, *own]
                told[at] = [*told[at], *[False] * len(student.before), *[True] * len(own)]
        made = [canvas_of(each, student, recipe.canvas, Random(f"{seed} {each.place} canvas")) for each in exercises]
        canvas = padded([ids for ids, _ in made], student.pad_id)
        pinned = flags([pinned for _, pinned in made], filler=True, length=canvas.shape[1])
        drawn = [self._draw(each, canvas.shape[1], seed) for each in exercises]
        noised = torch.stack([noised for noised, _, _ in drawn]) & ~pinned
        wanted = flags(told, filler=False)
        counts = [int((~pinned).sum())]
        return {
            "prefix": padded(prefixes, student.pad_id),
            "prefix_length": torch.tensor([len(one.ids) for one in asked]),
            "told": wanted,
            "canvas": canvas,
            "canvas_length": torch.tensor([len(ids) for ids, _ in made]),
            "pinned": pinned,
            "noised": torch.where(noised, torch.stack([tokens for _, tokens, _ in drawn]), canvas),
            "believes": torch.tensor([believes for _, _, believes in drawn]),
            "counts": torch.tensor([*counts, int(wanted.sum())] if recipe.encoder_loss else counts),
            **pictures(asked),
        }

    def _draw(self, exercise: Exercise, length: int, seed: int) -> tuple[Tensor, Tensor, bool]:
        """Where a canvas is noised, (length,) bool; the random tokens, (length,); and whether it has a belief."""
        random = torch.Generator().manual_seed(Random(f"{seed} {exercise.place} noise").getrandbits(63))
        level, coin = torch.rand(2, generator=random).tolist()
        # For the longest canvas and then cut: how long this one is padded depends on the rest of the batch.
        longest = self._recipe.canvas
        noised = torch.rand(longest, generator=random) < self._recipe.noise + (1 - self._recipe.noise) * level
        size = text_config(cast(DiffusionGemmaForBlockDiffusion, self._student.network)).vocab_size
        tokens = torch.randint(size, (longest,), generator=random)
        return noised[:length], tokens[:length], coin < self._recipe.believing


def canvas_of(exercise: Exercise, student: Student, canvas: int, random: Random) -> tuple[list[int], list[bool]]:
    """An exercise's wanted ids and which of them are pinned, as drafting lays out a report.

    With blanks each slot is wider than its text. A checkpoint without blanks ends a whole text itself, as its own
    `generate` has it: the turn's end and the padding are free too. Its gaps are as wide as their text.
    """
    report, before, after = exercise.report, student.before, student.after
    whole = not any(span.locked for span in report.spans)
    plain = laid(report, student.encode)
    if student.blank_id is None:
        ids, pinned = list(plain.ids), list(plain.pinned)
    else:
        room = canvas - len(before) - len(after)
        spare = (room - len(plain.ids)) // len(report.open_spans)
        width = (answer_width if exercise.lesson.question and whole else training_width)(random, spare)
        layout = lay_out(report, student.encode, student.blank_id, room, width)
        ids, pinned = list(layout.ids), list(layout.pinned)
    free_end = whole and student.blank_id is None
    tail = 0 if student.traits.fitted_canvas else canvas - len(before) - len(ids) - len(after)
    ids = [*before, *ids, *after, *[student.pad_id] * tail]
    pinned = [*[True] * len(before), *pinned, *[not free_end] * (len(after) + tail)]
    return ids, pinned


class _Loss(nn.Module):
    def __init__(self, network: DiffusionGemmaForBlockDiffusion) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        network, canvas, pinned = self.network, batch["canvas"], batch["pinned"]
        cache, hidden = read(network, batch)
        belief: dict[str, Tensor] = {}
        if bool(batch["believes"].any()):
            with torch.no_grad():
                first = pin_logits(decode(network, batch, cache, {}), canvas, pinned)
            belief = {"self_conditioning_logits": first, "self_conditioning_mask": batch["believes"]}
        logits = decode(network, batch, cache, belief)[~pinned]
        free = canvas[~pinned]
        sums = [functional.cross_entropy(logits, free, reduction="sum")]
        if len(batch["counts"]) > 1:
            following = batch["told"][:, 1:]
            predicted = capped(network, hidden[:, :-1][following])
            sums.append(functional.cross_entropy(predicted, batch["prefix"][:, 1:][following], reduction="sum"))
        return torch.stack(sums), (logits.detach().argmax(dim=-1) == free).sum()


def read(network: DiffusionGemmaForBlockDiffusion, batch: Batch) -> tuple[DynamicCache, Tensor]:
    """The encoder's cache and last hidden states (batch, length, hidden).

    Padding stands at the end, where nothing that counts looks: the encoder is causal, and the decoder has a mask.
    """
    ids = batch["prefix"]
    encoder = network.model.encoder
    cache = DynamicCache(config=network.config.get_text_config(decoder=True))
    is_image = (ids == image_tokens(network).piece).long()
    masks = encoder.create_masks_for_generate(
        config=network.config,
        inputs_embeds=torch.empty(*ids.shape, 0, device=ids.device, dtype=network.dtype),
        attention_mask=None,
        past_key_values=cache,
        position_ids=torch.arange(ids.shape[1], device=ids.device)[None],
        mm_token_type_ids=is_image,
    )
    seen: dict[str, Any] = {}
    if "pixels" in batch:
        seen = {"pixel_values": batch["pixels"], "image_position_ids": batch["positions"]}
    outcome = encoder(input_ids=ids, past_key_values=cache, attention_mask=masks, mm_token_type_ids=is_image, **seen)
    return cache, outcome.last_hidden_state


def decode(
    network: DiffusionGemmaForBlockDiffusion, batch: Batch, cache: DynamicCache, belief: dict[str, Tensor]
) -> Tensor:
    """The decoder's logits (batch, canvas, vocabulary); padding of prefix and canvas is out of its sight."""
    noised, length = batch["noised"], batch["prefix_length"]
    prefix = torch.arange(batch["prefix"].shape[1], device=noised.device)
    places = torch.arange(noised.shape[1], device=noised.device)
    mask = torch.cat([prefix < length[:, None], places < batch["canvas_length"][:, None]], dim=1)
    outcome = network(
        decoder_input_ids=noised,
        past_key_values=cache,
        decoder_attention_mask=mask,
        decoder_position_ids=length[:, None] + places,
        **belief,
    )
    return cast(Tensor, outcome.logits)
