"""`python -m model train default`: the small DiffusionGemma that the repository ships."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import DiffusionGemmaForBlockDiffusion, PreTrainedModel, PreTrainedTokenizerFast

from model.training.small.batches import Arrays
from model.training.small.fresh import Shape, fresh_model, save_checkpoint
from model.training.small.step import Canvases, denoising_loss, encode, layers_of, one_place
from model.training.small.tasks import Example, Task, Words, example
from model.training.small.trainer import Recipe, train

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

    def lay_report(self, tasks: Sequence[Task], words: Words, random: Random) -> Arrays | None:
        return _arrays([example(task, words, self._canvas_length, random) for task in tasks])

    def lay_question(self, tasks: Sequence[Task], words: Words, random: Random) -> Arrays | None:
        return _arrays([example(task, words, ANSWER_CANVAS, random) for task in tasks])

    def losses(
        self, features: Tensor, reports: Mapping[str, Tensor], questions: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        count, cuts, _ = reports["canvas"].shape
        # All prefixes are encoded together: they are of one length.
        caches = encode(
            self._network,
            torch.cat([features[:count], features]),
            torch.cat([reports["prefix"], questions["prefix"]]).long(),
        )
        loss, (free, right) = denoising_loss(
            self._network, _canvases(reports), [cache.of(slice(count), cuts) for cache in caches]
        )
        question_loss, (asked, _) = denoising_loss(
            self._network, _canvases(questions), [cache.of(slice(count, None)) for cache in caches]
        )
        return loss / free, question_loss / asked, right / free

    def save(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
        save_checkpoint(cast(DiffusionGemmaForBlockDiffusion, network), tokenizer, folder)


def _arrays(made: Sequence[Example | None]) -> Arrays | None:
    """Examples that share their prefix: that, and the rest with the examples first."""
    fitting = [one for one in made if one is not None]
    if len(fitting) < len(made):
        return None
    return {
        "prefix": fitting[0].prefix,
        "prefix_length": np.array([one.prefix_length for one in fitting]),
        "canvas": np.stack([one.canvas for one in fitting]),
        "canvas_length": np.array([one.canvas_length for one in fitting]),
        "pinned": np.stack([one.pinned for one in fitting]),
    }


def _canvases(arrays: Mapping[str, Tensor]) -> Canvases:
    return Canvases(
        arrays["prefix_length"].flatten(),
        arrays["canvas"].flatten(0, 1).long(),
        arrays["canvas_length"].flatten(),
        arrays["pinned"].flatten(0, 1),
    )


def train_default(
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
    """Train the default model, or go on where `out` was left; see `trainer.train`."""

    def make(vocabulary: int) -> Denoising:
        return Denoising(fresh_model(shape, vocabulary, recipe.seed), shape.canvas_length)

    train(make, data, out, shape, recipe, device, workers, minutes, tokenizer_of, start, sight, fit)
