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
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from model.data.cases import LABELS
from model.data.painting import empty_pictures, paint
from model.data.radiographs import Radiographs, load_radiographs
from model.experts import ALL_EXPERTS
from model.training.batches import Arrays, Examples, HostBatch, Mixture, Pictures, learn_tokenizer
from model.training.fresh import Shape
from model.training.start import start_from
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

    Nothing in a step waits for the device: the next batch is on its way while the device works. On a GPU the step is
    captured as a graph (`capture`): launching its ten thousand small operations took twice as long as computing them.
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
        self._on_gpu = device.type == "cuda"
        if self._on_gpu:
            fast_layers(objective.layers())
        self.recipe = recipe
        self._device = device
        self._radiographs = radiographs.to(device)
        self._parameters = [*network.parameters(), *self.head.parameters()]
        decayed = [p for p in self._parameters if p.ndim >= 2]
        plain = [p for p in self._parameters if p.ndim < 2]
        # A graph reads what changes from step to step, as the rate does, from the device's memory.
        self._rate: Tensor | float = torch.zeros((), device=device) if self._on_gpu else 0.0
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=self._rate,
            betas=(0.9, 0.98),
            fused=self._on_gpu,
            capturable=self._on_gpu,
        )
        self.averages = [p.detach().clone() for p in self._parameters]
        # How far the averages move towards the weights.
        self._share = torch.zeros((), device=device)
        self._measured = torch.zeros(5, device=device)
        self._held: HostBatch[Tensor] | None = None
        self._graph: torch.cuda.CUDAGraph | None = None

    def step(self, number: int, host: HostBatch[NDArray[Any]]) -> None:
        """Step `number` of the run, on a batch."""
        self._hold(host)
        self._set(self.recipe.learning_rate_at(number), 1 - self.recipe.average_at(number))
        if self._graph is not None:
            self._graph.replay()
        else:
            self._work()

    def capture(self, host: HostBatch[NDArray[Any]]) -> None:
        """Capture the step as a CUDA graph; steps from now on replay it, on batches of this one's shapes.

        What a graph needs compiled, tabulated and allocated is, by steps of rate 0 whose traces are wiped out. Raises
        RuntimeError where the step cannot be captured; steps then go on without.
        """
        kept = [t.detach().clone() for t in self._changing()]
        self._hold(host)
        self._set(0.0, 0.0)
        # One stream for all of them: layers compiled on one are compiled anew on another, which a capture cannot.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(stream):
                for _ in range(2):
                    self._work()
                graph = torch.cuda.CUDAGraph()
                with torch.compiler.set_stance("fail_on_recompile"), torch.cuda.graph(graph, stream=stream):
                    self._work()
                self._graph = graph
        finally:
            torch.cuda.synchronize()
            with torch.no_grad():
                now = self._changing()
                # A new run's optimiser had nothing yet, and begins with zeros.
                for tensor in now[len(kept) :]:
                    tensor.zero_()
                for tensor, before in zip(now, kept, strict=False):
                    tensor.copy_(before)

    def _changing(self) -> list[Tensor]:
        """All tensors that steps change."""
        moments = [
            value
            for parameter in self._parameters
            for value in self._optimizer.state.get(parameter, {}).values()
            if torch.is_tensor(value)
        ]
        return [*self._parameters, *self.averages, *moments]

    def _hold(self, host: HostBatch[NDArray[Any]]) -> None:
        """Bring a batch to where steps find it."""
        if self._held is None:
            # A copy on the CPU too: what comes next is written into it.
            self._held = host.each(lambda array: torch.from_numpy(array).to(self._device, copy=True))
        else:
            for held, array in zip(self._held.arrays(), host.arrays(), strict=True):
                held.copy_(torch.from_numpy(array), non_blocking=True)

    def _set(self, rate: float, share: float) -> None:
        """Set the learning rate, and how far the averages move."""
        if torch.is_tensor(self._rate):
            self._rate.fill_(rate)
        else:
            self._rate = rate
        # Set anew every step, because restoring the optimiser's state brings the rate that was saved with it.
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate
        self._share.fill_(share)

    def _work(self) -> None:
        """One step on the batch that is held."""
        assert self._held is not None
        batch = self._held
        images = paint(self._radiographs[batch.index].float() / 255, batch.cases)
        nothing = empty_pictures(len(batch.index), images.shape[-1], device=self._device)
        images = torch.where(batch.empty[:, None, None, None], nothing, images)
        with torch.autocast(self._device.type, torch.bfloat16, cache_enabled=False):
            features = see(self.objective.tower, images)
            loss, question_loss, right = self.objective.losses(features, batch.reports, batch.questions)
            of_labels = label_loss(self.head, features, batch.labels)
        self._optimizer.zero_grad(set_to_none=True)
        (loss + self.recipe.question_loss * question_loss + self.recipe.label_loss * of_labels).backward()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, 1.0, foreach=True)
        self._optimizer.step()
        with torch.no_grad():
            moves = torch._foreach_sub(self._parameters, self.averages)
            torch._foreach_mul_(moves, self._share)
            torch._foreach_add_(self.averages, moves)
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
        for group in self._optimizer.param_groups:
            # As this device has it, not the one on which the state was saved.
            group["fused"] = group["capturable"] = self._on_gpu


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
    start: Path | None = None,
) -> None:
    """Train, or go on where `out` was left, until the recipe's last step or until `minutes` have passed.

    `make` gives the objective for a vocabulary of so many tokens. `tokenizer_of`: a folder whose tokenizer is
    used; without one it is learned. `start`: a checkpoint of the same shape whose weights a new run begins with;
    without one they are random. `out` then holds the checkpoint folder, the log, a plot of it, and the state to go on
    from.
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
    if start is not None and not going_on:
        start_from(objective.network, tokenizer, start)
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
    if device.type == "cuda":
        # Before there are workers, which would take the processors from the compiler.
        try:
            trainer.capture(next(iter(examples)))
        except RuntimeError as error:
            print(f"The step cannot be captured and is launched piece by piece, which is slower: {error}", flush=True)
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
