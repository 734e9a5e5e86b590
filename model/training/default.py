"""`python -m model train default`: the small DiffusionGemma that the repository ships."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import DiffusionGemmaForBlockDiffusion, PreTrainedModel, PreTrainedTokenizerFast

from model.training.batches import Arrays
from model.training.fresh import Shape, fresh_model, save_checkpoint
from model.training.step import Canvases, denoising_loss, encode, layers_of, one_place
from model.training.tasks import Example, Task, Words, example
from model.training.trainer import Recipe, train

# An answer's slot and what ends its turn, with room for answers that are longer.
ANSWER_CANVAS = 32


class Denoising:
    """Block diffusion on reports with gaps, and on answers."""

    def __init__(self, network: DiffusionGemmaForBlockDiffusion, canvas_length: int) -> None:
        self._network = network
        self._canvas_length = canvas_length
        one_place(network)

    @property
    def network(self) -> PreTrainedModel:
        return cast(PreTrainedModel, self._network)

    @property
    def tower(self) -> nn.Module:
        return cast(nn.Module, self._network.model.encoder.vision_tower)

    def layers(self) -> Iterator[nn.Module]:
        return layers_of(self._network)

    def lay_report(self, task: Task, words: Words, random: Random) -> Arrays | None:
        return _arrays(example(task, words, self._canvas_length, random))

    def lay_question(self, task: Task, words: Words, random: Random) -> Arrays | None:
        return _arrays(example(task, words, ANSWER_CANVAS, random))

    def losses(
        self, features: Tensor, reports: Mapping[str, Tensor], questions: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        of_reports, of_questions = _canvases(reports), _canvases(questions)
        count = len(of_reports.canvas)
        # All prefixes are encoded together: they are of one length.
        caches = encode(
            self._network,
            torch.cat([features[:count], features]),
            torch.cat([of_reports.prefix, of_questions.prefix]),
        )
        loss, seen = denoising_loss(self._network, of_reports, [cache.of(slice(count)) for cache in caches])
        question_loss, asked = denoising_loss(
            self._network, of_questions, [cache.of(slice(count, None)) for cache in caches]
        )
        free, right = seen
        return loss / free, question_loss / asked[0], right / free

    def save(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
        save_checkpoint(cast(DiffusionGemmaForBlockDiffusion, network), tokenizer, folder)


def _arrays(made: Example | None) -> Arrays | None:
    if made is None:
        return None
    return {
        "prefix": made.prefix,
        "prefix_length": np.array(made.prefix_length),
        "canvas": made.canvas,
        "canvas_length": np.array(made.canvas_length),
        "pinned": made.pinned,
    }


def _canvases(arrays: Mapping[str, Tensor]) -> Canvases:
    return Canvases(
        arrays["prefix"].long(),
        arrays["prefix_length"],
        arrays["canvas"].long(),
        arrays["canvas_length"],
        arrays["pinned"],
    )


def train_default(
    data: Path, out: Path, shape: Shape, recipe: Recipe, device: torch.device, workers: int, minutes: float | None
) -> None:
    """Train the default model, or go on where `out` was left; see `trainer.train`."""

    def make(vocabulary: int) -> Denoising:
        return Denoising(fresh_model(shape, vocabulary, recipe.seed), shape.canvas_length)

    train(make, data, out, shape, recipe, device, workers, minutes)
