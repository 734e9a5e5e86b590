"""The record of an evaluation: rows with intervals, and everything needed to reproduce or question it.

This module knows nothing of radiographs and reports.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import snapshot_download

from model.engine.sampler import SamplerSettings
from model.evaluation.statistics import Estimate

Item = TypeVar("Item")
Result = TypeVar("Result")
_EVERY = 10


class EvaluationError(RuntimeError):
    """What was asked for cannot be evaluated; the message is one line for the person who asked."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number. `images`: which pictures it stands on. `subject`: a finding, or what else is measured."""

    images: str
    subject: str
    measure: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Versions:
    torch: str
    transformers: str
    python: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation. `settings`: what was asked for; `command`: the same, as it was typed.

    `seconds`: the whole time.
    """

    name: str
    command: str
    model: str
    weights_sha256: str | None
    adapter_sha256: str | None
    sibling_sha256: str | None
    data_sha256: str | None
    reports_sha256: str | None
    device: str
    settings: dict[str, int | str | None]
    sampler: SamplerSettings | None
    versions: Versions
    seconds: float
    rows: tuple[Row, ...]

    def save(self, path: Path) -> None:
        flat = [
            {"images": row.images, "subject": row.subject, "measure": row.measure, **asdict(row.estimate)}
            for row in self.rows
        ]
        text = json.dumps(asdict(self) | {"rows": flat}, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")

    def table(self) -> str:
        """The rows for a terminal: a block for each kind of pictures, a line for each subject."""
        lines = [f"{self.name}: {self.model}, {self.device}, {self.seconds:.0f} s"]
        for images in dict.fromkeys(row.images for row in self.rows):
            lines += ["", images]
            within = [row for row in self.rows if row.images == images]
            width = max(len(row.measure) for row in within) + 2
            for subject in dict.fromkeys(row.subject for row in within):
                lines.append(f"  {subject}")
                lines += [
                    f"    {row.measure:<{width}}{_shown(row.estimate)}" for row in within if row.subject == subject
                ]
        return "\n".join(lines)


def _shown(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"{'-':>7}"
    between = "" if estimate.low is None else f"  [{estimate.low:.3f}, {estimate.high:.3f}]"
    # A p that is shown as 0 would claim more than it is.
    value = f"{estimate.value:7.3f}" if not 0 < estimate.value < 0.0005 else f"{estimate.value:7.1e}"
    return f"{value}{between}  n = {estimate.count}"


@dataclass(frozen=True, slots=True)
class SavedRows:
    """A saved evaluation. `about`: all of its file but the name and the rows, as it stands there."""

    name: str
    rows: tuple[Row, ...]
    about: Mapping[str, Any]


def load_rows(path: Path) -> SavedRows:
    """The rows of a saved evaluation. Raises EvaluationError where the file is none."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return SavedRows(
            saved["name"],
            tuple(
                Row(
                    row["images"],
                    row["subject"],
                    row["measure"],
                    Estimate(row["value"], row["low"], row["high"], row["count"]),
                )
                for row in saved["rows"]
            ),
            {key: value for key, value in saved.items() if key not in ("name", "rows")},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{path} is not a saved evaluation.") from error


def weights_hash(source: str) -> str:
    """SHA-256 of a checkpoint's or adapter's safetensors files, one after another in the order of their names."""
    folder = Path(source)
    if not folder.exists():
        # Loaded before, so that everything is in the cache.
        folder = Path(snapshot_download(source, allow_patterns="*.safetensors", local_files_only=True))
    return files_hash(sorted(folder.glob("*.safetensors")))


def files_hash(files: Iterable[Path]) -> str:
    """SHA-256 of files, one after another."""
    digest = sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def with_progress(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The items one by one, told on standard error."""
    started = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if number % _EVERY == 0 or number == len(items):
            each = (time.monotonic() - started) / number
            print(f"{what}: {number} of {len(items)}, {each:.1f} s each", file=sys.stderr, flush=True)


def done_together(
    work: Callable[[int, Item], Result], items: Sequence[Item], together: int, what: str
) -> Iterator[Result]:
    """What `work` makes of each item and its number, in the items' order; told on standard error.

    `together`: so many are worked on at a time, each in a thread of its own, so that an engine takes their steps
    together.
    """
    with ThreadPoolExecutor(max_workers=together, thread_name_prefix="evaluation") as pool:
        results = pool.map(work, range(len(items)), items)
        for _ in with_progress(items, what):
            yield next(results)
