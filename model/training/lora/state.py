"""The files of a LoRA run: the state to resume from, the log, the adapter. Nothing is ever half written."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from model.network.loading import BLANK_FILE
from model.training.lora.recipe import TrainingError
from model.training.lora.student import Student, blank_row

STATE_FILE = "state.pt"
LOG_FILE = "log.jsonl"
CURVE_FILE = "curve.svg"
ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class RunState:
    """A run after `steps` steps. `run`: what it depends on, in JSON's types; no other run goes on from it.

    `weights`: by name, on the CPU; `row`: the blank's, where one is taught; `optimizer`: its own state.
    """

    run: dict[str, Any]
    steps: int
    weights: dict[str, Tensor]
    row: Tensor | None
    optimizer: dict[str, Any]

    def save(self, folder: Path) -> None:
        held = io.BytesIO()
        told = {name: getattr(self, name) for name in ("run", "steps", "weights", "row", "optimizer")}
        torch.save(told, held)
        write(folder / STATE_FILE, held.getvalue())


def load_state(folder: Path, run: dict[str, Any]) -> RunState | None:
    """The state that a run left in `folder`, None where there is none.

    Raises TrainingError where it cannot be read, or is another run's.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return None
    try:
        state = RunState(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, TypeError, EOFError, UnpicklingError) as error:
        raise TrainingError(f"{path} is damaged or not the state of a run.") from error
    other = sorted(key for key in {*state.run, *run} if state.run.get(key) != run.get(key))
    if other:
        raise TrainingError(f"{folder} contains a run with another {' and '.join(other)}. Choose another folder.")
    return state


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system has against writing `path` becomes a TrainingError."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TrainingError(f"{path} cannot be written: {reason}. Earlier files are intact.") from error


def write(path: Path, content: bytes) -> None:
    """Written beside and moved into place, so that a run that is cut off, or a full disk, leaves the old file."""
    beside = path.with_name(f"{path.name}.new")
    with writing(path):
        try:
            beside.write_bytes(content)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def save_adapter(folder: Path, tuned: Any, weights: dict[str, Tensor], student: Student, readme: str) -> None:
    """Save the adapter as PEFT does, with what the app wants to know of it, and put it in the old one's place.

    `weights`: by the network's own names, whole and on the CPU.
    """
    path, beside, old = folder / ADAPTER, folder / f"{ADAPTER}.new", folder / f"{ADAPTER}.old"
    with writing(path):
        for left in (beside, old):
            shutil.rmtree(left, ignore_errors=True)
        try:
            named = {f"base_model.model.{name}": weight for name, weight in weights.items()}
            # Without looking on the hub whether the embedding was resized: it never is.
            tuned.save_pretrained(beside, state_dict=named, save_embedding_layers=False)
            student.traits.save(beside)
            (beside / "README.md").write_text(readme, encoding="utf-8")
            if student.taught:
                save_file({"blank": blank_row(student).float().cpu().clone()}, beside / BLANK_FILE)
                student.tokenizer.save_pretrained(beside)
            if path.exists():
                path.replace(old)
            beside.replace(path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


class Log:
    """A line of JSON for each step that is told of. Lines past the step that a run goes on from are dropped."""

    def __init__(self, folder: Path, going_on_from: int) -> None:
        self._path = folder / LOG_FILE
        kept = [row for row in read_log(self._path) if row.get("step", 0) <= going_on_from] if going_on_from else []
        write(self._path, "".join(json.dumps(row) + "\n" for row in kept).encode())

    def add(self, row: dict[str, Any]) -> None:
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """A log's rows; a last one that was cut off is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def plot(folder: Path) -> None:
    """Plot the log's loss over steps. Needs matplotlib, a requirement of development alone."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The same log gives the same file.
    mpl.rcParams["svg.hashsalt"] = "drafting"
    rows = [row for row in read_log(folder / LOG_FILE) if "loss" in row]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, label in (("loss", "wanted text"), ("encoder_loss", "encoder's next token")):
        points = [(row["step"], row[name]) for row in rows if name in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=label)
    axes.set_xlabel("training steps")
    axes.set_ylabel("mean loss (nats a token)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    write(folder / CURVE_FILE, drawn.getvalue())
