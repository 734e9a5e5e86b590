"""`python -m model train sibling`: the default model's autoregressive sibling, for comparison.

The same pictures, reports, gaps and questions as the default model's training, and a loss on the same tokens: the text
of open spans, and a blank that ends each. Half of the cut reports stand in their natural order, so that a gap is
written from what is left of it; half are shown in the user's turn with their gaps marked, and the gaps' text is the
answer. Reports that are open as a whole have nothing to show and stand in natural order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import cast

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from transformers import Gemma4ForConditionalGeneration, PreTrainedModel, PreTrainedTokenizerFast

from model.engine.layout import lay_out
from model.network.prefix import instruction
from model.network.sibling import FILL_IN, marked
from model.network.tokens import BLANK, END_TURN, IMAGE, PAD
from model.training.small.batches import Arrays
from model.training.small.fresh import Shape, fresh_sibling, save_checkpoint
from model.training.small.step import causal_sight, image_sight, with_image
from model.training.small.tasks import Task, Words
from model.training.small.trainer import Recipe, train

# Image, instruction, a report with its gaps marked, and the gaps' text; or a question and its answer.
REPORT_LENGTH = 272
QUESTION_LENGTH = 144


class NextToken:
    """Next-token prediction on the text of open spans."""

    def __init__(self, network: Gemma4ForConditionalGeneration) -> None:
        self._network = network
        for layer in network.model.language_model.layers:
            # Some versions of the library let each kind's last layer leave its keys and values for later layers, of
            # which there are none here: it would be compiled apart, for nothing.
            layer.self_attn.store_full_length_kv = False

    @property
    def network(self) -> PreTrainedModel:
        return cast(PreTrainedModel, self._network)

    @property
    def tower(self) -> nn.Module:
        return cast(nn.Module, self._network.model.vision_tower)

    def layers(self) -> Iterator[nn.Module]:
        model = self._network.model
        yield from cast(nn.ModuleList, cast(nn.Module, model.vision_tower).encoder.layers)  # type: ignore[union-attr]
        yield from cast(nn.ModuleList, cast(nn.Module, model.language_model).layers)

    def lay_report(self, tasks: Sequence[Task], words: Words, random: Random) -> Arrays | None:
        return _arrays([sequence(task, words, REPORT_LENGTH, random.random() < 0.5) for task in tasks], REPORT_LENGTH)

    def lay_question(self, tasks: Sequence[Task], words: Words, random: Random) -> Arrays | None:
        return _arrays([sequence(task, words, QUESTION_LENGTH, False) for task in tasks], QUESTION_LENGTH)

    def losses(
        self, features: Tensor, reports: Mapping[str, Tensor], questions: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        count, cuts, _ = reports["tokens"].shape
        loss, right = self._loss(features[:count].repeat_interleave(cuts, dim=0), reports)
        question_loss, _ = self._loss(features, questions)
        return loss, question_loss, right

    def save(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
        save_checkpoint(network, tokenizer, folder)

    def _loss(self, features: Tensor, arrays: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The mean loss of the wanted tokens (nats) and the share of them predicted right."""
        tokens, wanted = arrays["tokens"].flatten(0, 1).long(), arrays["wanted"].flatten(0, 1)
        logits = read(self._network, features, tokens)[:, :-1]
        following, counted = tokens[:, 1:], wanted[:, 1:].float()
        token_loss = functional.cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="none")
        right = (logits.argmax(dim=-1) == following).float()
        total = counted.sum()
        return (token_loss.view_as(counted) * counted).sum() / total, (right * counted).sum() / total


def read(network: Gemma4ForConditionalGeneration, features: Tensor, tokens: Tensor) -> Tensor:
    """Logits (batch, length, vocabulary) for `tokens` (batch, length), their image tokens replaced by `features`.

    The same computation as the library's forward, in static shapes, which that one has not for images.
    """
    text = network.model.language_model
    soft = network.model.embed_vision(inputs_embeds=features)
    hidden = with_image(text.embed_tokens(tokens), soft, tokens == IMAGE)
    # Unlike DiffusionGemma's encoder, whose every layer lets an image's tokens see each other.
    masks = {
        "sliding_attention": image_sight(tokens == IMAGE),
        "full_attention": causal_sight(tokens.shape[1], tokens.device),
    }
    positions = torch.arange(tokens.shape[1], device=tokens.device)[None]
    kinds = text.config.layer_types
    rotary = {kind: text.rotary_emb(hidden, positions, kind) for kind in sorted(set(kinds))}
    for layer, kind in zip(text.layers, kinds, strict=True):
        hidden = layer(
            hidden,
            position_embeddings=rotary[kind],
            attention_mask=masks[kind],
            position_ids=positions,
        )
    logits = network.lm_head(text.norm(hidden)).float()
    cap = text.config.final_logit_softcapping
    return (logits / cap).tanh() * cap


def sequence(task: Task, words: Words, length: int, show: bool) -> tuple[list[int], list[bool]] | None:
    """A task's token ids, and which of them are wanted of the network; None where they are more than `length`.

    `show`: the report stands in the user's turn with its gaps marked. The ids of text are those of the canvas.
    """
    told = instruction(task.facts, task.indication, task.question)
    layout = lay_out(task.report, words.encode, BLANK, length, lambda place: place.tokens)
    show = show and any(span.locked for span in task.report.spans)
    ids: list[int] = []
    wanted: list[bool] = []
    shown: list[int] = []
    at = 0
    for slot in layout.slots:
        locked, own = layout.ids[at : slot.start], layout.ids[slot.start : slot.stop]
        shown += [*locked, BLANK]
        before = [] if show else locked
        ids += [*before, *own, BLANK]
        wanted += [False] * len(before) + [True] * (len(own) + 1)
        at = slot.stop
    turn = words.turn(f"{told} {FILL_IN}" if show else told, task.sees)
    if show:
        turn = marked(turn, words.encode("\n"), [*shown, *layout.ids[at:]], END_TURN)
    # What follows the last gap in natural order is nobody's to write, and nothing would be learned from it.
    ids, wanted = [*turn, *ids], [False] * len(turn) + wanted
    return (ids, wanted) if len(ids) <= length else None


def _arrays(made: Sequence[tuple[list[int], list[bool]] | None], length: int) -> Arrays | None:
    fitting = [one for one in made if one is not None]
    if len(fitting) < len(made):
        return None
    tokens = np.full((len(fitting), length), PAD, dtype=np.int16)
    wanted = np.zeros((len(fitting), length), dtype=np.bool_)
    for row, (ids, counted) in enumerate(fitting):
        tokens[row, : len(ids)] = ids
        wanted[row, : len(ids)] = counted
    return {"tokens": tokens, "wanted": wanted}


def train_sibling(
    data: Path,
    out: Path,
    shape: Shape,
    recipe: Recipe,
    device: torch.device,
    workers: int,
    minutes: float | None,
    tokenizer_of: Path | None = None,
    start: Path | None = None,
    sight: Path | None = None,
    fit: bool = False,
) -> None:
    """Train the sibling, or go on where `out` was left; see `trainer.train`."""

    def make(vocabulary: int) -> NextToken:
        return NextToken(fresh_sibling(shape, vocabulary, recipe.seed))

    train(make, data, out, shape, recipe, device, workers, minutes, tokenizer_of, start, sight, fit)
