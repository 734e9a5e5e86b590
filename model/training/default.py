"""`python -m model train default`: from packed radiographs to a finished checkpoint folder.

Reports are written and radiographs painted while training goes on: worker processes make texts and arrays, the device
paints. On a GPU the layers are compiled. Reproducible from its seed on one machine; resumes where it was.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from transformers import DiffusionGemmaForBlockDiffusion, PreTrainedTokenizerFast

from model.data.cases import FIELDS, LABELS, Case, case_to_array, labels_of, sample_case
from model.data.grammar import write_report
from model.data.painting import paint
from model.data.radiographs import Radiographs, load_radiographs, source_case
from model.experts import ALL_EXPERTS
from model.prefix import instruction
from model.training.fresh import Shape, fresh_model, fresh_tokenizer, save_checkpoint
from model.training.step import Batch, LabelHead, fast_layers, losses, one_place
from model.training.tasks import PREFIX_LENGTH, Example, example, facts_of, prefix_ids, with_gaps

STATE_FILE = "state.pt"
LOG_FILE = "log.jsonl"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run depends on beside its data.

    `average` is the decay of the exported weights' moving average; `tokenizer_reports` says from how many written
    reports the tokenizer is learned.
    """

    steps: int = 6_000
    batch: int = 128
    learning_rate: float = 1.2e-3
    last_learning_rate: float = 5e-5
    warm_up: int = 300
    weight_decay: float = 0.05
    label_loss: float = 0.2
    average: float = 0.999
    without_image: float = 0.08
    tokenizer_reports: int = 30_000
    seed: int = 0

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine to the last rate."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = min((step - self.warm_up) / max(self.steps - self.warm_up, 1), 1.0)
        return (
            self.last_learning_rate
            + (self.learning_rate - self.last_learning_rate) * (1 + math.cos(math.pi * done)) / 2
        )


@dataclass(frozen=True, slots=True)
class HostBatch:
    """A batch as the workers hand it over, all arrays with the batch first: see `step.Batch`; `index` (batch,) chooses
    radiographs and `cases` (batch, fields) says what to paint on them."""

    index: NDArray[np.int64]
    cases: NDArray[np.float32]
    labels: NDArray[np.float32]
    prefix: NDArray[np.int16]
    prefix_length: NDArray[np.int64]
    canvas: NDArray[np.int16]
    canvas_length: NDArray[np.int64]
    pinned: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What a run goes on from after `steps` steps: weights, their moving averages, and the optimiser's own state."""

    parameters: list[Tensor]
    averages: list[Tensor]
    optimizer: dict[str, Any]
    steps: int

    def save(self, path: Path) -> None:
        trainer = {"parameters": self.parameters, "averages": self.averages, "optimizer": self.optimizer}
        torch.save({"trainer": trainer, "steps": self.steps}, path)

    @classmethod
    def load(cls, path: Path, device: torch.device) -> TrainingState:
        kept = torch.load(path, map_location=device, weights_only=True)
        return cls(**kept["trainer"], steps=kept["steps"])


class Examples(IterableDataset[HostBatch]):
    """Endless batches; the same seed, number of workers and first batch give the same ones."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, sources: NDArray[np.int64], shape: Shape, recipe: Recipe, first: int
    ) -> None:
        self._tokenizer = tokenizer
        self._sources = sources
        self._shape = shape
        self._recipe = recipe
        self._first = first

    def __iter__(self) -> Iterator[HostBatch]:
        worker = torch.utils.data.get_worker_info()
        number = (worker.id if worker else 0) + self._first
        stride = worker.num_workers if worker else 1
        while True:
            yield self._batch(Random(self._recipe.seed * 1_000_003 + number))
            number += stride

    def _batch(self, random: Random) -> HostBatch:
        encode = lambda text: self._tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
        cases: list[Case] = []
        index: list[int] = []
        examples: list[Example] = []
        while len(examples) < self._recipe.batch:
            radiograph = random.randrange(len(self._sources))
            case = source_case(int(self._sources[radiograph]), random)
            prefix, prefix_length = prefix_ids(self._tokenizer, case, random.random() >= self._recipe.without_image)
            report = with_gaps(write_report(case, random), random)
            made = example(report, prefix, prefix_length, encode, self._shape.canvas_length, random)
            if made is not None:
                cases.append(case)
                index.append(radiograph)
                examples.append(made)
        return HostBatch(
            index=np.array(index),
            cases=case_to_array(cases),
            labels=labels_of(cases),
            prefix=np.stack([e.prefix for e in examples]),
            prefix_length=np.array([e.prefix_length for e in examples]),
            canvas=np.stack([e.canvas for e in examples]),
            canvas_length=np.array([e.canvas_length for e in examples]),
            pinned=np.stack([e.pinned for e in examples]),
        )


class Trainer:
    """The network, its optimiser and the one step that is repeated.

    Nothing in a step waits for the device: the next batch is on its way while the device works.
    """

    def __init__(
        self,
        network: DiffusionGemmaForBlockDiffusion,
        radiographs: Tensor,
        shape: Shape,
        recipe: Recipe,
        device: torch.device,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.network = network.train()
        self.network.set_experts_implementation(ALL_EXPERTS)
        one_place(self.network)
        if device.type == "cuda":
            fast_layers(self.network)
        self.head = LabelHead(shape.vision_hidden, len(LABELS))
        nn.ModuleList([self.network, self.head]).to(device)
        self.recipe = recipe
        self._device = device
        self._radiographs = radiographs.to(device)
        self._parameters = [*self.network.parameters(), *self.head.parameters()]
        decayed = [p for p in self._parameters if p.ndim >= 2]
        plain = [p for p in self._parameters if p.ndim < 2]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=0.0,
            betas=(0.9, 0.98),
            fused=device.type == "cuda",
        )
        self.averages = [p.detach().clone() for p in self._parameters]
        b, c = recipe.batch, shape.canvas_length
        self._index = torch.zeros(b, device=device, dtype=torch.long)
        self._cases = torch.zeros(b, len(FIELDS), device=device)
        self._labels = torch.zeros(b, len(LABELS), device=device)
        self._prefix = torch.zeros(b, PREFIX_LENGTH, device=device, dtype=torch.long)
        self._prefix_length = torch.ones(b, device=device, dtype=torch.long)
        self._canvas = torch.zeros(b, c, device=device, dtype=torch.long)
        self._canvas_length = torch.ones(b, device=device, dtype=torch.long)
        self._pinned = torch.zeros(b, c, device=device, dtype=torch.bool)
        self._measured = torch.zeros(4, device=device)

    def take(self, host: HostBatch) -> None:
        """Copy a batch into the buffers."""
        for buffer, array in (
            (self._index, host.index),
            (self._cases, host.cases),
            (self._labels, host.labels),
            (self._prefix, host.prefix),
            (self._prefix_length, host.prefix_length),
            (self._canvas, host.canvas),
            (self._canvas_length, host.canvas_length),
            (self._pinned, host.pinned),
        ):
            buffer.copy_(torch.from_numpy(array), non_blocking=True)

    def step(self, number: int) -> None:
        """One step on what the buffers hold."""
        # Set anew every step, because restoring the optimiser's state brings the rate that was saved with it.
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(number)
        images = paint(self._radiographs[self._index].float() / 255, self._cases)
        batch = Batch(
            images, self._prefix, self._prefix_length, self._canvas, self._canvas_length, self._pinned, self._labels
        )
        with torch.autocast(self._device.type, torch.bfloat16, cache_enabled=False):
            loss, label_loss, right = losses(self.network, self.head, batch)
        for parameter in self._parameters:
            if parameter.grad is not None:
                parameter.grad.zero_()
        (loss + self.recipe.label_loss * label_loss).backward()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, 1.0, foreach=True)
        self._optimizer.step()
        torch._foreach_lerp_(self.averages, self._parameters, 1 - self.recipe.average)
        self._measured.copy_(torch.stack([loss.detach(), label_loss.detach(), right, norm.detach()]))

    def measured(self) -> dict[str, float]:
        """The last step's losses, share of free positions predicted right, and gradient norm."""
        return dict(zip(("loss", "label_loss", "right", "gradient"), self._measured.tolist(), strict=True))

    def averaged(self) -> DiffusionGemmaForBlockDiffusion:
        """The network with the moving average of its weights, in bfloat16 on the CPU."""
        config = self.network.config
        copy = type(self.network)(config)
        copy.generation_config = self.network.generation_config
        with torch.no_grad():
            for parameter, average in zip(copy.parameters(), self.averages, strict=False):
                parameter.copy_(average)
        return copy.to(torch.bfloat16)

    def state(self, steps: int) -> TrainingState:
        """What to go on from after `steps` steps."""
        weights = [parameter.detach() for parameter in self._parameters]
        return TrainingState(weights, self.averages, self._optimizer.state_dict(), steps)

    def restore(self, state: TrainingState) -> None:
        with torch.no_grad():
            for parameter, kept in zip(self._parameters, state.parameters, strict=True):
                parameter.copy_(kept)
            for average, kept in zip(self.averages, state.averages, strict=True):
                average.copy_(kept)
        self._optimizer.load_state_dict(state.optimizer)


def learn_tokenizer(shape: Shape, recipe: Recipe) -> PreTrainedTokenizerFast:
    """The tokenizer of the default model, learned from written reports and the instructions that go with them."""
    random = Random(recipe.seed)
    texts: list[str] = []
    for _ in range(recipe.tokenizer_reports):
        case = sample_case(random)
        texts += [write_report(case, random).text, instruction(facts_of(case), case.indication or "")]
    return fresh_tokenizer(texts, shape.vocabulary)


def train_default(
    data: Path, out: Path, shape: Shape, recipe: Recipe, device: torch.device, workers: int, minutes: float | None
) -> None:
    """Train, or go on where `out` was left, until the recipe's last step or until `minutes` have passed.

    `out` then holds the checkpoint folder, the log and the state to go on from.
    """
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    radiographs: Radiographs = load_radiographs(data, "train")
    checkpoint = out / "checkpoint"
    going_on = (out / STATE_FILE).exists()
    # A tokenizer learned anew would number the tokens anew wherever the grammar has changed since.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint) if going_on else learn_tokenizer(shape, recipe)
    trainer = Trainer(fresh_model(shape, len(tokenizer), recipe.seed), radiographs.images, shape, recipe, device)
    first = 0
    if going_on:
        state = TrainingState.load(out / STATE_FILE, device)
        trainer.restore(state)
        first = state.steps
    examples = Examples(tokenizer, radiographs.sources, shape, recipe, first)
    loader = DataLoader(examples, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None)
    number = first
    with (out / LOG_FILE).open("a", encoding="utf-8") as log:
        log.write(json.dumps({"recipe": asdict(recipe), "shape": asdict(shape), "first": first}) + "\n")
        for host in loader:
            if number >= recipe.steps or (minutes is not None and time.monotonic() - started > 60 * minutes):
                break
            trainer.take(host)
            trainer.step(number)
            number += 1
            if number % 100 == 0 or number == first + 1:
                row = {"step": number, "seconds": round(time.monotonic() - started, 1), **trainer.measured()}
                log.write(json.dumps(row) + "\n")
                log.flush()
                print(" ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
    # The state last: a run goes on from it and needs the checkpoint's tokenizer.
    save_checkpoint(trainer.averaged(), tokenizer, checkpoint)
    trainer.state(number).save(out / STATE_FILE)
