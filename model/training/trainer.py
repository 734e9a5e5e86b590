"""The trainer: from packed radiographs to a finished checkpoint folder, for any objective.

Reports are written and radiographs painted while training goes on: worker processes make texts and arrays, the device
paints. On a GPU the layers are compiled. Reproducible from its seed on one machine; goes on where it was left.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from model.data.cases import LABELS
from model.data.painting import empty_pictures, paint
from model.data.radiographs import Radiographs, load_radiographs
from model.experts import ALL_EXPERTS
from model.training.batches import Arrays, Examples, HostBatch, Mixture, Pictures, learn_tokenizer
from model.training.fresh import Shape
from model.training.step import LabelHead, fast_layers, label_loss, see
from model.training.tasks import Task, Words

STATE_FILE = "state.pt"
LOG_FILE = "log.jsonl"
CURVE_FILE = "curve.svg"
CHECKPOINT = "checkpoint"
LOGGED_EVERY = 100
# A run that is cut off loses no more than this.
SAVED_EVERY_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run depends on beside its data.

    `batch`: pictures a step; `cuts`: in how many ways the report of each is cut. `question_loss`, `label_loss`: how
    much a mean loss counts beside that of the reports. `average`: the decay of the exported weights' moving average.
    `tokenizer_reports`: from how many written reports the tokenizer is learned.
    """

    steps: int = 6_000
    batch: int = 104
    cuts: int = 2
    learning_rate: float = 1.2e-3
    last_learning_rate: float = 5e-5
    warm_up: int = 300
    weight_decay: float = 0.05
    question_loss: float = 0.5
    label_loss: float = 0.2
    average: float = 0.999
    tokenizer_reports: int = 15_000
    mixture: Mixture = field(default_factory=Mixture)
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

    def average_at(self, step: int) -> float:
        """The moving average's decay: shorter in the beginning, so that the random first weights are soon forgotten."""
        return min(self.average, (1 + step) / (10 + step))


class Objective(Protocol):
    """What is trained: a network, how a task becomes its arrays, and its loss on them."""

    @property
    def network(self) -> PreTrainedModel: ...

    @property
    def tower(self) -> nn.Module:
        """The network's vision tower."""
        ...

    def layers(self) -> Iterable[nn.Module]:
        """The layers that training runs through."""
        ...

    def lay_report(self, tasks: Sequence[Task], words: Words, random: Random) -> Arrays | None:
        """A report, cut in several ways, as arrays of one shape; None where it does not fit."""
        ...

    def lay_question(self, tasks: Sequence[Task], words: Words, random: Random) -> Arrays | None:
        """A question as arrays of one shape; None where it does not fit."""
        ...

    def losses(
        self, features: Tensor, reports: Mapping[str, Tensor], questions: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean loss of the reports' tokens, of the answers' tokens (nats), and the share of the first predicted right.

        `features`: (pictures, 64, vision hidden); the reports are of the first pictures, the questions of all.
        """
        ...

    def save(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
        """Save a network of this kind as a checkpoint folder."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What a run goes on from after `steps` steps: weights, their moving averages, and the optimiser's own state."""

    parameters: list[Tensor]
    averages: list[Tensor]
    optimizer: dict[str, Any]
    steps: int

    def save(self, path: Path) -> None:
        """Written beside and moved into place, so that a run that is cut off while it saves leaves a whole one."""
        trainer = {"parameters": self.parameters, "averages": self.averages, "optimizer": self.optimizer}
        beside = path.with_suffix(".new")
        torch.save({"trainer": trainer, "steps": self.steps}, beside)
        beside.replace(path)

    @classmethod
    def load(cls, path: Path, device: torch.device) -> TrainingState:
        kept = torch.load(path, map_location=device, weights_only=True)
        return cls(**kept["trainer"], steps=kept["steps"])


class Trainer:
    """The network, its optimiser and the one step that is repeated.

    Nothing in a step waits for the device: the next batch is on its way while the device works.
    """

    def __init__(
        self, objective: Objective, radiographs: Tensor, shape: Shape, recipe: Recipe, device: torch.device
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.objective = objective
        network = objective.network.train()
        network.set_experts_implementation(ALL_EXPERTS)
        self.head = LabelHead(shape.vision_hidden, len(LABELS))
        nn.ModuleList([network, self.head]).to(device)
        if device.type == "cuda":
            fast_layers(objective.layers())
        self.recipe = recipe
        self._device = device
        self._radiographs = radiographs.to(device)
        self._parameters = [*network.parameters(), *self.head.parameters()]
        decayed = [p for p in self._parameters if p.ndim >= 2]
        plain = [p for p in self._parameters if p.ndim < 2]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=0.0,
            betas=(0.9, 0.98),
            fused=device.type == "cuda",
        )
        self.averages = [p.detach().clone() for p in self._parameters]
        self._measured = torch.zeros(5, device=device)

    def step(self, number: int, host: HostBatch) -> None:
        """Step `number` of the run, on a batch."""
        # Set anew every step, because restoring the optimiser's state brings the rate that was saved with it.
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(number)
        index, cases, empty, labels = (
            self._on_device(array) for array in (host.index, host.cases, host.empty, host.labels)
        )
        reports, questions = (
            {name: self._on_device(array) for name, array in group.items()} for group in (host.reports, host.questions)
        )
        images = paint(self._radiographs[index].float() / 255, cases)
        nothing = empty_pictures(len(index), images.shape[-1], device=self._device)
        images = torch.where(empty[:, None, None, None], nothing, images)
        with torch.autocast(self._device.type, torch.bfloat16, cache_enabled=False):
            features = see(self.objective.tower, images)
            loss, question_loss, right = self.objective.losses(features, reports, questions)
            of_labels = label_loss(self.head, features, labels)
        self._optimizer.zero_grad(set_to_none=True)
        (loss + self.recipe.question_loss * question_loss + self.recipe.label_loss * of_labels).backward()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, 1.0, foreach=True)
        self._optimizer.step()
        torch._foreach_lerp_(self.averages, self._parameters, 1 - self.recipe.average_at(number))
        self._measured.copy_(torch.stack([loss, question_loss, of_labels, right, norm]).detach())

    def measured(self) -> dict[str, float]:
        """The last step's losses, share of the reports' free positions predicted right, and gradient norm."""
        names = ("loss", "question_loss", "label_loss", "right", "gradient")
        return dict(zip(names, self._measured.tolist(), strict=True))

    def averaged(self) -> PreTrainedModel:
        """The network with the moving average of its weights, in bfloat16 on the CPU."""
        network = self.objective.network
        copy: PreTrainedModel = type(network)(network.config)
        copy.generation_config = network.generation_config
        with torch.no_grad():
            for parameter, average in zip(copy.parameters(), self.averages, strict=False):
                parameter.copy_(average)
        cast(nn.Module, copy).to(torch.bfloat16)
        return copy

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

    def _on_device(self, array: Any) -> Tensor:
        return torch.from_numpy(array).to(self._device, non_blocking=True)


def train(
    make: Callable[[int], Objective],
    data: Path,
    out: Path,
    shape: Shape,
    recipe: Recipe,
    device: torch.device,
    workers: int,
    minutes: float | None,
    tokenizer_of: Path | None = None,
) -> None:
    """Train, or go on where `out` was left, until the recipe's last step or until `minutes` have passed.

    `make` gives the objective for a vocabulary of so many tokens. `tokenizer_of`: a folder whose tokenizer is
    used; without one it is learned. `out` then holds the checkpoint folder, the log, a plot of it, and the state to go
    on from.
    """
    started = time.monotonic()
    # Workers are forked; each encodes a text at a time anyhow.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    out.mkdir(parents=True, exist_ok=True)
    radiographs: Radiographs = load_radiographs(data, "train")
    checkpoint = out / CHECKPOINT
    going_on = (out / STATE_FILE).exists()
    # A tokenizer learned anew would number the tokens anew wherever the grammar has changed since.
    known = checkpoint if going_on else tokenizer_of
    if known is not None:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(known)
    else:
        tokenizer = learn_tokenizer(shape.vocabulary, recipe.tokenizer_reports, recipe.seed, radiographs.questions)
    objective = make(len(tokenizer))
    trainer = Trainer(objective, radiographs.images, shape, recipe, device)
    first = 0
    if going_on:
        state = TrainingState.load(out / STATE_FILE, device)
        trainer.restore(state)
        first = state.steps

    def save(steps: int) -> None:
        # The state last: a run goes on from it and needs the checkpoint's tokenizer.
        objective.save(trainer.averaged(), tokenizer, checkpoint)
        trainer.state(steps).save(out / STATE_FILE)

    examples = Examples(
        tokenizer,
        Pictures.of(radiographs),
        recipe.mixture,
        recipe.batch,
        recipe.cuts,
        objective.lay_report,
        objective.lay_question,
        recipe.seed,
        first,
    )
    loader = DataLoader(examples, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None)
    number, saved = first, time.monotonic()
    with (out / LOG_FILE).open("a", encoding="utf-8") as log:
        log.write(json.dumps({"recipe": asdict(recipe), "shape": asdict(shape), "first": first}) + "\n")
        for host in loader:
            if number >= recipe.steps or (minutes is not None and time.monotonic() - started > 60 * minutes):
                break
            # Not seeded by the step before: a run that is resumed draws what one that was never stopped does.
            torch.manual_seed(recipe.seed * 1_000_003 + number)
            trainer.step(number, host)
            number += 1
            if number % LOGGED_EVERY == 0 or number == first + 1:
                row = {"step": number, "seconds": round(time.monotonic() - started, 1), **trainer.measured()}
                log.write(json.dumps(row) + "\n")
                log.flush()
                print(" ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
                if not all(math.isfinite(value) for value in row.values()):
                    raise FloatingPointError(f"Step {number} is not finite; the last state saved is in {out}.")
                if time.monotonic() - saved > SAVED_EVERY_SECONDS:
                    save(number)
                    saved = time.monotonic()
    save(number)
    if find_spec("matplotlib"):
        plot_curve(out / LOG_FILE, out / CURVE_FILE)


def plot_curve(log: Path, image: Path) -> None:
    """Plot a log's losses over steps. Needs matplotlib, a requirement of development alone."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    steps = [row for row in rows if "step" in row]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, label in (("loss", "reports"), ("question_loss", "answers"), ("label_loss", "labels")):
        axes.plot([row["step"] for row in steps], [row[name] for row in steps], label=label)
    axes.set_xlabel("training steps")
    axes.set_ylabel("mean loss (nats)")
    axes.set_yscale("log")
    axes.legend()
    figure.savefig(image)
