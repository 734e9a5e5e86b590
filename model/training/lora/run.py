"""A LoRA run: steps over a course, with a log, checkpoints and resuming, on one device or several.

`accelerate` gives the devices: alone, data-parallel, or sharded (FSDP), as its launcher is configured. Everything that
is drawn follows from the recipe's seed and a place in the course, so that a run that is cut off and goes on is the run
that was never cut off, and a step is the same however many devices share it.

Sharding is written for the autoregressive sibling alone: DiffusionGemma's encoder and decoder share their weights,
which FSDP would shard twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import DistributedType
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from model.network.loading import teach_blank
from model.training.lora.autoregressive import NextTokenObjective
from model.training.lora.diffusion import DiffusionObjective
from model.training.lora.lessons import Course, Lesson
from model.training.lora.objective import Batch, Objective
from model.training.lora.recipe import LoraRecipe, TrainingError
from model.training.lora.state import Log, RunState, load_state, plot, save_adapter, writing
from model.training.lora.student import Student, adapted, blank_row, load_student

Report = Callable[[str], None]
MEGABYTE = 2**20


class Trainer:
    """The adapted network, its optimiser, and the one step that is repeated."""

    def __init__(self, student: Student, recipe: LoraRecipe, seed: int, accelerator: Accelerator) -> None:
        self.student = student
        self._recipe = recipe
        self._seed = seed
        self._accelerator = accelerator
        self.tuned = adapted(student, recipe, seed)
        self.objective: Objective = (
            DiffusionObjective(student, recipe) if student.family == "diffusion" else NextTokenObjective(student)
        )
        self._row = self._teach() if student.taught else None
        trained = [p for p in student.network.parameters() if p.requires_grad and p is not student.embedding]
        groups: list[dict[str, Any]] = [{"params": trained, "weight_decay": recipe.weight_decay}]
        if self._row is not None:
            groups.append({"params": [self._row], "weight_decay": 0.0})
        betas = cast(tuple[float, float], recipe.betas)
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=betas)
        self._module, self._optimizer = accelerator.prepare(self.objective.module, optimizer)

    def _teach(self) -> nn.Parameter:
        """The blank's row as a parameter of its own, in 32 bits; of the embedding's gradient it takes its row."""
        student, embedding = self.student, self.student.embedding
        row = nn.Parameter(blank_row(student).float().clone())
        embedding.requires_grad_(True)

        def take(_: Tensor) -> None:
            assert embedding.grad is not None
            own = embedding.grad[student.blank_id].float()
            row.grad = own.clone() if row.grad is None else row.grad + own
            embedding.grad = None

        embedding.register_post_accumulate_grad_hook(take)
        module = self.objective.module
        ignored = [name for name, parameter in module.named_parameters() if parameter is embedding]
        # Of several devices' gradients the row's alone are brought together, in `step`.
        module._ddp_params_and_buffers_to_ignore = ignored  # type: ignore[assignment]
        return row

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The adapter's weights by the network's own names."""
        network = self._accelerator.unwrap_model(self._module).network
        return {
            name: p for name, p in network.named_parameters() if p.requires_grad and p is not self.student.embedding
        }

    def batches(self, course: Course, number: int) -> list[Batch]:
        """This process's share of a step."""
        size, world, rank = self._recipe.batch, self._accelerator.num_processes, self._accelerator.process_index
        exercises = course.step(number)
        parts = [exercises[at : at + size] for at in range(0, len(exercises), size)]
        return [self.objective.batch(part, self._seed) for part in parts[rank::world]]

    def step(self, number: int, batches: Sequence[Batch], rate: float) -> dict[str, float]:
        """One step of the optimiser: the mean losses (nats a token), the share predicted right, the gradient norm."""
        accelerator, device = self._accelerator, self._accelerator.device
        # Of what a step draws beyond its batches, the dropout.
        torch.manual_seed(self._seed * 1_000_003 + number * accelerator.num_processes + accelerator.process_index)
        counts = self._everyones(torch.stack([batch["counts"] for batch in batches]).sum(dim=0).to(device))
        weights = torch.tensor(self.objective.weights, device=device) / counts
        total, right = torch.zeros(len(weights), device=device), torch.zeros((), device=device)
        for at, batch in enumerate(batches):
            last = at == len(batches) - 1
            with nullcontext() if last else accelerator.no_sync(self._module):
                with torch.autocast(
                    device.type, torch.bfloat16, enabled=self._recipe.precision == "mixed", cache_enabled=False
                ):
                    sums, hits = self._module(self._moved(batch))
                # Several devices' gradients are averaged, and the loss is a sum over all of them.
                accelerator.backward((sums * weights).sum() * accelerator.num_processes)
            total, right = total + sums.detach(), right + hits
        if self._row is not None and self._row.grad is not None:
            self._row.grad = cast(Tensor, accelerator.reduce(self._row.grad, "mean"))
        parameters = [*self.trained.values(), *([self._row] if self._row is not None else [])]
        norm = accelerator.clip_grad_norm_(parameters, self._recipe.clip)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self._row is not None:
            teach_blank(self.student.network, cast(int, self.student.blank_id), self._row.detach())
        means = (self._everyones(total) / counts).tolist()
        hit = (self._everyones(right) / counts[0]).item()
        measured = {"loss": means[0], "right": hit, "gradient": float(cast(Tensor, norm))}
        return measured | ({"encoder_loss": means[1]} if len(means) > 1 else {})

    def _everyones(self, tensor: Tensor) -> Tensor:
        return cast(Tensor, self._accelerator.reduce(tensor, "sum"))

    def _moved(self, batch: Batch) -> Batch:
        """A batch on the device, pictures in the network's precision."""
        moved = {name: tensor.to(self._accelerator.device) for name, tensor in batch.items()}
        if "pixels" in moved:
            moved["pixels"] = moved["pixels"].to(self.student.network.dtype)
        return moved

    def state(self, run: dict[str, Any], steps: int) -> RunState:
        """What to go on from. Sharded weights are brought together, so every process must ask."""
        held = self._optimizer.state_dict()
        moments = {key: {name: _whole(kept) for name, kept in own.items()} for key, own in held["state"].items()}
        weights = {name: _whole(parameter) for name, parameter in self.trained.items()}
        row = None if self._row is None else _whole(self._row)
        return RunState(run, steps, weights, row, {"state": moments, "param_groups": held["param_groups"]})

    @torch.no_grad()
    def restore(self, state: RunState) -> None:
        """Go on from a state."""
        parameters = self.trained
        for name, parameter in parameters.items():
            parameter.copy_(_as(state.weights[name], parameter))
        order = list(parameters.values())
        if self._row is not None and state.row is not None:
            self._row.copy_(state.row)
            teach_blank(self.student.network, cast(int, self.student.blank_id), self._row)
            order.append(self._row)
        moments = {
            key: {
                name: _as(kept, order[key]) if torch.is_tensor(kept) and kept.ndim else kept
                for name, kept in own.items()
            }
            for key, own in state.optimizer["state"].items()
        }
        self._optimizer.load_state_dict({"state": moments, "param_groups": state.optimizer["param_groups"]})


def _whole(value: Any) -> Any:
    """A tensor, sharded or not, as a copy on the CPU; anything else as it is."""
    if not torch.is_tensor(value):
        return value
    value = value.detach()
    return (value.full_tensor() if isinstance(value, DTensor) else value).cpu().clone()


def _as(kept: Tensor, like: Tensor) -> Tensor:
    """A whole tensor on another's device, sharded as that one is."""
    moved = kept.to(like.device)
    return distribute_tensor(moved, like.device_mesh, like.placements) if isinstance(like, DTensor) else moved


def new_accelerator(cpu: bool = False) -> Accelerator:
    """The devices that the launcher gives; `cpu` takes none but that."""
    # The encoder's last layer is read for its keys and values alone: what comes after them gets no gradient.
    # Precision is the recipe's, so that a run is the same however it is launched.
    return Accelerator(
        cpu=cpu, mixed_precision="no", kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)]
    )


def demand_shareable(student: Student, recipe: LoraRecipe, accelerator: Accelerator) -> None:
    """Raise TrainingError where the launcher's devices cannot share this run."""
    world = accelerator.num_processes
    if recipe.accumulation % world:
        raise TrainingError(f"{world} devices cannot share an 'accumulation' of {recipe.accumulation} evenly.")
    if accelerator.distributed_type == DistributedType.FSDP:
        if student.family == "diffusion":
            raise TrainingError(
                "FSDP cannot shard DiffusionGemma, whose encoder and decoder share their weights; launch it"
                " data-parallel."
            )
        if student.taught:
            raise TrainingError("FSDP cannot train a blank; launch the run data-parallel.")
    elif accelerator.distributed_type not in (
        DistributedType.NO,
        DistributedType.MULTI_GPU,
        DistributedType.MULTI_CPU,
    ):
        raise TrainingError(f"A LoRA run does not support {accelerator.distributed_type.value}.")


@dataclass(frozen=True)
class LoraRun:
    """What a run is made of. `source`: the checkpoint's folder or hub id; `out`: the run's own folder."""

    source: str
    recipe: LoraRecipe
    lessons: Sequence[Lesson]
    out: Path
    seed: int = 0

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a state must have been made of to go on from it."""
        return {
            "model": Path(self.source).name,
            "recipe": json.loads(json.dumps(asdict(self.recipe))),
            "seed": self.seed,
            "data": digest(self.lessons),
        }


def train_lora(run: LoraRun, accelerator: Accelerator, report: Report, stop_after: int | None = None) -> None:
    """Train an adapter, or go on where `out` was left, up to the recipe's last step or, of this call, `stop_after`.

    `out` then holds `adapter/`, the log, a plot of it, and the state to go on from. Raises TrainingError or ModelError,
    a sentence each, where that cannot be.
    """
    recipe = run.recipe
    with writing(run.out):
        run.out.mkdir(parents=True, exist_ok=True)
    state = load_state(run.out, run.identity)
    sharded = accelerator.distributed_type == DistributedType.FSDP
    student = load_student(run.source, recipe, torch.device("cpu") if sharded else accelerator.device)
    demand_shareable(student, recipe, accelerator)
    room = recipe.canvas - len(student.before) - len(student.after)
    course = Course(run.lessons, recipe, run.seed, student.encode, room)
    steps = recipe.steps_for(len(course))
    trainer = Trainer(student, recipe, run.seed, accelerator)
    if state is not None:
        trainer.restore(state)
    first = state.steps if state is not None else 0
    weights = sum(parameter.numel() for parameter in trainer.trained.values())
    main = accelerator.is_main_process
    say = report if main else lambda line: None
    say(
        f"{student.source}: {student.family}, {weights:,} weights in adapters; {len(course):,} of {len(run.lessons):,}"
        f" lessons, {steps} steps of {recipe.examples_a_step}, seed {run.seed}"
        + (f"; resumes after step {first}" if first else "")
    )
    log = Log(run.out, first) if main else None
    if log is not None and not first:
        told = {"lessons": len(course), "left_out": len(run.lessons) - len(course), "weights": weights, "steps": steps}
        log.add(
            {
                "run": run.identity,
                "family": student.family,
                **told,
                "versions": _versions(),
                "devices": _devices(accelerator),
            }
        )

    def save(number: int) -> None:
        kept = trainer.state(run.identity, number)
        if main:
            kept.save(run.out)
            save_adapter(run.out, trainer.tuned, kept.weights, student, _readme(student, recipe, run.seed))
        accelerator.wait_for_everyone()

    end = steps if stop_after is None else min(steps, first + stop_after)
    saved = first
    with ThreadPoolExecutor(1) as beside:
        # The next step's batches are made while the device works.
        coming: Future[list[Batch]] | None = beside.submit(trainer.batches, course, first) if first < end else None
        began, of_interval = time.monotonic(), first
        for number in range(first, end):
            assert coming is not None
            batches = coming.result()
            coming = beside.submit(trainer.batches, course, number + 1) if number + 1 < end else None
            rate = recipe.learning_rate_at(number, steps)
            measured = trainer.step(number, batches, rate)
            if not all(math.isfinite(value) for value in measured.values()):
                raise TrainingError(f"Step {number + 1} is not finite; the last state saved is of step {saved}.")
            done = number + 1
            if done % recipe.logged_every == 0 or done in (first + 1, end):
                pace = (done - of_interval) * recipe.examples_a_step / max(time.monotonic() - began, 1e-9)
                began, of_interval = time.monotonic(), done
                row = {"step": done, "rate": rate, **measured, "examples_a_second": pace, "peak_mb": peak_memory()}
                if log is not None:
                    log.add(row)
                say(" ".join(f"{key} {value:.4g}" for key, value in row.items()))
            if done % recipe.saved_every == 0 and done < end:
                save(done)
                saved = done
    save(end)
    if main and find_spec("matplotlib"):
        plot(run.out)


def digest(lessons: Sequence[Lesson]) -> str:
    """SHA-256 of what lessons ask and want, with their pictures' names."""
    told = [
        [lesson.id, lesson.picture.name if lesson.picture else "", lesson.question, lesson.indication, lesson.text]
        for lesson in lessons
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def peak_memory() -> float:
    """The most memory held so far (MiB): of tensors on the GPU where there is one, else of the process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / MEGABYTE
    # In bytes on macOS, in KiB on Linux.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE


def _versions() -> dict[str, str]:
    import accelerate
    import peft
    import transformers

    return {library.__name__: library.__version__ for library in (torch, transformers, peft, accelerate)}


def _devices(accelerator: Accelerator) -> str:
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{accelerator.num_processes} x {name}"


def _readme(student: Student, recipe: LoraRecipe, seed: int) -> str:
    lines = [
        f"A LoRA adapter of `{Path(student.source).name}` ({student.family}), rank {recipe.rank}, seed {seed}.",
        "Research use only, not a medical device.",
        "",
        "`peft.PeftModel.from_pretrained(network, folder)` loads it. Keep it unmerged: DiffusionGemma's encoder and",
        "decoder share their weights.",
    ]
    if student.taught:
        lines += [
            "",
            f"It was taught a blank, `<blank>`, token {student.blank_id}. Load the tokenizer from this folder, and put",
            "the blank's embedding into its row, which the app does by itself:",
            "",
            "```python",
            'row = safetensors.torch.load_file(f"{folder}/blank.safetensors")["blank"]',
            f"network.get_input_embeddings().weight.data[{student.blank_id}] = row",
            "```",
        ]
    return "\n".join(lines) + "\n"
