"""The trainer: from packed radiographs to a finished checkpoint folder, for any objective.

Reports are written and radiographs painted while training goes on: worker processes make texts and arrays, the device
paints. On a GPU the layers are compiled. Reproducible from its seed on one machine; goes on where it was left. Started
by torchrun, several processes share a run, a GPU each.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any, Protocol, cast

import torch
import torch.distributed as distributed
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from model.network.experts import ALL_EXPERTS
from model.synthetic.cases import LABELS
from model.synthetic.painting import empty_pictures, paint
from model.synthetic.radiographs import Radiographs, load_radiographs
from model.training.sight.readings import READINGS_FILE, load_readings
from model.training.small.batches import Arrays, Examples, HostBatch, Mixture, Pictures, learn_tokenizer
from model.training.small.fresh import Shape
from model.training.small.start import start_from, start_seeing
from model.training.small.step import LabelHead, fast_layers, label_loss, see
from model.training.small.tasks import Task, Words

STATE_FILE = "state.pt"
LOG_FILE = "log.jsonl"
CURVE_FILE = "curve.svg"
CHECKPOINT = "checkpoint"
LOGGED_EVERY = 100
# A run that is cut off loses no more than this.
SAVED_EVERY_SECONDS = 150.0
# A run that is fitted to its time measures its steps between these, and keeps so many seconds for saving.
FIT_FROM, FIT_TO = 100, 300
LEFT_TO_SAVE = 12.0
# Processes agree this often on whether time is up, for which the device is waited for.
AGREED_EVERY = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run depends on beside its data.

    `batch`: pictures a step, of each process; `cuts`: in how many ways the report of each is cut. `question_loss`,
    `label_loss`: how much a mean loss counts beside that of the reports. `average`: the decay of the exported weights'
    moving average. `tokenizer_reports`: from how many written reports the tokenizer is learned.
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


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes that share a run: this one works on `device` and is number `rank` of `count`."""

    device: torch.device
    count: int = 1
    rank: int = 0

    @classmethod
    def join(cls, device: torch.device) -> Processes:
        """Those that torchrun started, each on a GPU of its own unless `device` is the CPU; else this one alone."""
        if not distributed.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
            return cls(device)
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            # Before anything is put on a GPU: it would be the first one, by all of them.
            torch.cuda.set_device(device)
            distributed.init_process_group("nccl", device_id=device)
        else:
            distributed.init_process_group("gloo")
        return cls(device, distributed.get_world_size(), distributed.get_rank())

    def leave(self) -> None:
        """Wait for the others, of which one may be saving, and part."""
        if self.count > 1:
            distributed.barrier()
            distributed.destroy_process_group()

    def agree(self, decision: bool) -> bool:
        """What the first process decided; all must ask."""
        if self.count == 1:
            return decision
        told = torch.tensor(int(decision), device=self.device)
        distributed.broadcast(told, 0)
        return bool(told.item())


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

    Several processes begin with the first one's weights, and every step learns from the mean of their gradients, so
    that their weights stay the same. A step is then in two parts, with one exchange between them that is in no graph:
    processes whose step was captured and others whose was not can work together.
    """

    def __init__(
        self, objective: Objective, radiographs: Tensor, shape: Shape, recipe: Recipe, processes: Processes
    ) -> None:
        device = processes.device
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
        self._processes = processes
        # All gradients in one piece, which is exchanged, and each parameter's place in it.
        self._exchanged: Tensor | None = None
        self._places: list[Tensor] = []
        if processes.count > 1:
            sizes = [p.numel() for p in self._parameters]
            self._exchanged = torch.zeros(sum(sizes), device=device)
            places = self._exchanged.split(sizes)
            self._places = [place.view_as(p) for place, p in zip(places, self._parameters, strict=True)]
            self._begin_alike(self._exchanged)
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
        self._parts = [self._work] if self._exchanged is None else [self._grade, self._learn]
        self._graphs: list[torch.cuda.CUDAGraph] = []

    def see_as(self, sight: Path) -> None:
        """Begin with the vision tower, and the head that reads labels off it, of a folder that `train sight` left."""
        start_seeing(self.objective.tower, self.head, sight)
        for average, parameter in zip(self.averages, self._parameters, strict=True):
            average.copy_(parameter.detach())

    def step(self, number: int, host: HostBatch[NDArray[Any]]) -> None:
        """Step `number` of the run, on a batch."""
        self._hold(host)
        self._set(self.recipe.learning_rate_at(number), 1 - self.recipe.average_at(number))
        parts = [graph.replay for graph in self._graphs] or self._parts
        parts[0]()
        if self._exchanged is not None:
            distributed.all_reduce(self._exchanged)
            parts[1]()

    def capture(self, host: HostBatch[NDArray[Any]]) -> None:
        """Capture the step as a CUDA graph; steps from now on replay it, on batches of this one's shapes.

        What a graph needs compiled, tabulated and allocated is, by steps of rate 0 whose traces are wiped out; they
        exchange nothing. Raises RuntimeError where the step cannot be captured; steps then go on without.
        """
        mode = "global"
        if self._exchanged is not None:
            # What the first exchange sets up is set up before; and a thread that watches over exchanges may ask the
            # device about them at any time, which must not spoil the capture.
            distributed.all_reduce(self._exchanged)
            torch.cuda.synchronize()
            mode = "thread_local"
        kept = [t.detach().clone() for t in self._changing()]
        self._hold(host)
        self._set(0.0, 0.0)
        # One stream for all of them: layers compiled on one are compiled anew on another, which a capture cannot.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(stream):
                for _ in range(2):
                    for part in self._parts:
                        part()
                graphs = [torch.cuda.CUDAGraph() for _ in self._parts]
                with torch.compiler.set_stance("fail_on_recompile"):
                    for graph, part in zip(graphs, self._parts, strict=True):
                        with torch.cuda.graph(graph, stream=stream, capture_error_mode=mode):
                            part()
                self._graphs = graphs
        finally:
            torch.cuda.synchronize()
            with torch.no_grad():
                now = self._changing()
                # A new run's optimiser had nothing yet, and begins with zeros.
                for tensor in now[len(kept) :]:
                    tensor.zero_()
                for tensor, before in zip(now, kept, strict=False):
                    tensor.copy_(before)

    @torch.no_grad()
    def _begin_alike(self, exchanged: Tensor) -> None:
        """Take the first process's weights."""
        torch._foreach_copy_(self._places, self._parameters)
        distributed.broadcast(exchanged, 0)
        torch._foreach_copy_(self._parameters, self._places)
        exchanged.zero_()

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
        self._grade()
        self._learn()

    def _grade(self) -> None:
        """The losses of the batch that is held and their gradients, which are put where they are exchanged."""
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
        self._measured[:4].copy_(torch.stack([loss, question_loss, of_labels, right]).detach())
        if self._exchanged is not None:
            # A parameter that the losses do not depend on has no gradient, and nothing is exchanged for it.
            self._exchanged.zero_()
            graded = [(p, place) for p, place in zip(self._parameters, self._places, strict=True) if p.grad is not None]
            torch._foreach_copy_([place for _, place in graded], [cast(Tensor, p.grad) for p, _ in graded])
            for parameter, place in graded:
                parameter.grad = place

    def _learn(self) -> None:
        """Move the weights and their averages by the gradients, of which several processes have exchanged the sum."""
        if self._exchanged is not None:
            self._exchanged.div_(self._processes.count)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, 1.0, foreach=True)
        self._optimizer.step()
        with torch.no_grad():
            moves = torch._foreach_sub(self._parameters, self.averages)
            torch._foreach_mul_(moves, self._share)
            torch._foreach_add_(self.averages, moves)
        self._measured[4].copy_(norm)

    def measured(self) -> dict[str, float]:
        """The last step's losses, share of the reports' free positions predicted right, and gradient norm.

        Of several processes' batches, the losses and the share are this one's own.
        """
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


@dataclass(slots=True)
class _Pace:
    """How fast steps are: looked at after `FIT_FROM` and after `FIT_TO` steps."""

    since: float = 0.0

    def steps_for(self, number: int, seconds: float, device: torch.device) -> int | None:
        """After `number` steps: how many there are in all with so many seconds left; None at the first look."""
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        now = time.monotonic()
        if number == FIT_FROM:
            self.since = now
            return None
        each = (now - self.since) / (FIT_TO - FIT_FROM)
        return number + max(int((seconds - LEFT_TO_SAVE) / each), 1)


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
    sight: Path | None = None,
    fit: bool = False,
) -> None:
    """Train, or go on where `out` was left, until the recipe's last step or until `minutes` have passed.

    `make` gives the objective for a vocabulary of so many tokens. `tokenizer_of`: a folder whose tokenizer is
    used; without one it is learned. `start`: a checkpoint of the same shape whose weights a new run begins with;
    without one they are random. `sight`: the folder that `train sight` left, whose vision tower a new run begins with
    and whose readings complete the labels. `out` then holds the checkpoint folder, the log, a plot of it, and the state
    to go on from.

    With `fit` a new run has as many steps, instead of the recipe's, as `minutes` allow; the log says how many.

    Started by torchrun, each process takes batches of its own, and only the first one writes. The log says how many
    there were; a run that goes on with as many is the run that was never cut off.
    """
    started = time.monotonic()
    processes = Processes.join(device)
    device = processes.device
    if fit and processes.count > 1:
        raise ValueError("Several processes measure different speeds; give their number of steps instead.")
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
        start_from(objective.network, tokenizer, start, but_sight=sight is not None)
    trainer = Trainer(objective, radiographs.images, shape, recipe, processes)
    readings = None
    if sight is not None:
        readings = load_readings(sight / READINGS_FILE)
        if not going_on:
            trainer.see_as(sight)
    first = 0
    if going_on:
        state = TrainingState.load(out / STATE_FILE, device)
        trainer.restore(state)
        first = state.steps

    def save(steps: int) -> None:
        # Other processes wait at their next exchange.
        # The state last: a run goes on from it and needs the checkpoint's tokenizer.
        objective.save(trainer.averaged(), tokenizer, checkpoint)
        trainer.state(steps).save(out / STATE_FILE)

    examples = Examples(
        tokenizer,
        Pictures.of(radiographs, readings),
        recipe.mixture,
        recipe.batch,
        recipe.cuts,
        objective.lay_report,
        objective.lay_question,
        recipe.seed,
        first,
        processes.rank,
        processes.count,
    )
    if device.type == "cuda":
        # Before there are workers, which would take the processors from the compiler.
        try:
            trainer.capture(next(iter(examples)))
        except RuntimeError as error:
            print(f"The step cannot be captured and is launched piece by piece, which is slower: {error}", flush=True)
    loader = DataLoader(examples, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None)
    number, saved = first, time.monotonic()
    measuring = _Pace()
    writes = processes.rank == 0
    with (out / LOG_FILE).open("a", encoding="utf-8") if writes else nullcontext() as log:
        if log is not None:
            told = {"recipe": asdict(recipe), "shape": asdict(shape), "first": first, "processes": processes.count}
            log.write(json.dumps(told) + "\n")
        for host in loader:
            if number >= recipe.steps:
                break
            asks = processes.count == 1 or (number - first) % AGREED_EVERY == 0
            if minutes is not None and asks and processes.agree(time.monotonic() - started > 60 * minutes):
                break
            # Not seeded by the step before: a run that is resumed draws what one that was never stopped does.
            torch.manual_seed(recipe.seed * 1_000_003 + number * processes.count + processes.rank)
            trainer.step(number, host)
            number += 1
            if fit and minutes is not None and first == 0 and number in (FIT_FROM, FIT_TO):
                steps = measuring.steps_for(number, 60 * minutes - (time.monotonic() - started), device)
                if steps is not None:
                    recipe = trainer.recipe = replace(recipe, steps=steps)
                    if log is not None:
                        log.write(json.dumps({"fitted": asdict(recipe)}) + "\n")
            if log is not None and (number % LOGGED_EVERY == 0 or number == first + 1):
                row = {"step": number, "seconds": round(time.monotonic() - started, 1), **trainer.measured()}
                log.write(json.dumps(row) + "\n")
                log.flush()
                print(" ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
                if not all(math.isfinite(value) for value in row.values()):
                    raise FloatingPointError(f"Step {number} is not finite; the last state saved is in {out}.")
                if time.monotonic() - saved > SAVED_EVERY_SECONDS:
                    save(number)
                    saved = time.monotonic()
    if writes:
        save(number)
        if find_spec("matplotlib"):
            plot_curve(out / LOG_FILE, out / CURVE_FILE)
    processes.leave()


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
