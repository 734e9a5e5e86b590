"""An evaluation as a task: it declares its settings and what it needs, and yields rows; all else is done here, once.

Arguments, loading, files, the loop over drafts, saving. This module knows nothing of how anything is measured.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TextIO, TypeVar

import torch
import transformers

from drafting.engine import Draft, DraftSettings
from drafting.study import Study
from model.commands import Command, argument, declare_settings, not_written, settings_of
from model.engine.local import suited_settings
from model.engine.windows import drafts_that_fit
from model.evaluation.engine import EvaluationEngine
from model.evaluation.kept import KeptEngine, KeptSibling, code_sha256
from model.evaluation.ledger import Ledger
from model.evaluation.reading.indiana import LaidReport, even_files, read_reports
from model.evaluation.record import (
    Evaluation,
    EvaluationError,
    Row,
    Versions,
    done_together,
    files_hash,
    weights_hash,
)
from model.evaluation.reports.studies import finished, held_out_radiographs
from model.evaluation.sibling import Sibling, load_sibling
from model.network.loading import DEFAULT_MODEL, DraftingModel, ModelError, load
from model.synthetic.radiographs import Radiographs

Item = TypeVar("Item")
Result = TypeVar("Result")
Chosen = TypeVar("Chosen", bound="Settings", covariant=True)

_OUTPUTS = ("json", "drafts", "kept", "judged")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is recorded of an evaluation. A field made with `argument` is an argument of its command."""


@dataclass(frozen=True, slots=True)
class SeededSettings(Settings):
    seed: int = argument(0, "of everything that is drawn")


@dataclass(frozen=True, slots=True)
class DraftedSettings(SeededSettings):
    """Of evaluations that have the engine draft or answer."""

    steps: int | None = argument(None, "maximum denoising steps of a draft")
    together: int = argument(1, "drafts running at the same time")


@dataclass(frozen=True)
class Input:
    """An argument that names a file or a model; the record holds its checksum in place of it."""

    flag: str
    options: Mapping[str, Any]

    def optional(self) -> Input:
        return Input(self.flag, {name: value for name, value in self.options.items() if name != "required"})


def _input(flag: str, described: str, **options: Any) -> Input:
    return Input(flag, {"help": described, **options})


MODEL = (
    _input("--model", "folder or hub id (default: the model in this repository)"),
    _input("--adapter", "folder or hub id of a PEFT adapter"),
)
PACK = _input("--data", "packed radiographs, see python -m model.synthetic.radiographs", type=Path, required=True)
REAL = _input(
    "--reports",
    "folder of the Indiana collection's XML reports, of which those with an even number are read",
    type=Path,
)
OF_SIBLING = _input("--sibling", "folder of the autoregressive sibling, as a baseline", type=Path)
DRAFTS = (
    _input("--drafts", "file for every draft, one line of JSON each", type=Path),
    _input(
        "--kept",
        "file that saves finished work, one line of JSON each; the same command resumes there (vqa with --questions "
        "resumes at --drafts)",
        type=Path,
    ),
)


class Context(Generic[Chosen]):
    """What a task works with. Models and files are loaded when they are first asked for.

    `options`: the command line's, for inputs. A test may put its own `engine` or `sibling` in place.
    """

    def __init__(self, settings: Chosen, options: argparse.Namespace | None = None) -> None:
        self.settings = settings
        self.options = options or argparse.Namespace()
        self.files = ExitStack()
        self.record = Evaluation(
            name="",
            command=self.given("typed") or "",
            model="",
            weights_sha256=None,
            adapter_sha256=None,
            sibling_sha256=None,
            data_sha256=None,
            reports_sha256=None,
            device=f"CPU, {torch.get_num_threads()} threads",
            settings=_written(asdict(settings)),
            sampler=None,
            versions=Versions(torch.__version__, transformers.__version__, platform.python_version()),
            seconds=0.0,
            rows=(),
        )
        self._drafts: TextIO | None = None
        self._started = time.monotonic()

    def given(self, name: str) -> Any:
        """An input, None where the command line has none."""
        return getattr(self.options, name, None)

    @cached_property
    def model(self) -> DraftingModel:
        model = load(self.given("model"), self.given("adapter"))
        self.describe(model, True)
        return model

    @cached_property
    def engine(self) -> EvaluationEngine:
        engine = EvaluationEngine(self.model)
        return engine if self._keeping is None else KeptEngine.of(engine, self._keeping)

    @cached_property
    def sibling(self) -> Sibling | None:
        folder = self.given("sibling")
        if folder is None:
            return None
        sibling = load_sibling(folder, device=self.model.device)
        self.note(sibling_sha256=weights_hash(str(folder)))
        return self.keeping_sibling(sibling)

    def keeping_sibling(self, sibling: Sibling) -> Sibling:
        """A sibling whose work is kept where a file was named for it."""
        return sibling if self._keeping is None else KeptSibling.of(sibling, self._keeping)

    @cached_property
    def _keeping(self) -> Ledger | None:
        if self.given("kept") is None:
            return None
        sibling = self.given("sibling")
        made_by = {
            "weights": self.record.weights_sha256,
            "adapter": self.record.adapter_sha256,
            "sibling": weights_hash(str(sibling)) if sibling else None,
            "sampler": asdict(suited_settings(self.model)),
            "code": code_sha256(),
            "device": self.model.device.type,
        }
        return self.files.enter_context(Ledger(self.options.kept, made_by))

    @cached_property
    def radiographs(self) -> Radiographs:
        """The pack's test pictures."""
        radiographs = held_out_radiographs(self.options.data)
        self.note(data_sha256=files_hash([self.options.data]))
        return radiographs

    @cached_property
    def real(self) -> list[LaidReport]:
        """The reports of the Indiana collection, none where no folder was named."""
        folder = self.given("reports")
        if folder is None:
            return []
        self.note(reports_sha256=files_hash(even_files(folder)))
        return read_reports(folder)

    @cached_property
    def together(self) -> int:
        """How many drafts are under way at a time."""
        wanted = self.settings.together if isinstance(self.settings, DraftedSettings) else 1
        together = drafts_that_fit(wanted, self.model) if wanted > 1 else 1
        self.note_settings(together=together)
        return together

    def _open_drafts(self) -> TextIO | None:
        path = self.given("drafts")
        try:
            if self._drafts is None and path is not None:
                self._drafts = self.files.enter_context(path.open("w", encoding="utf-8"))
        except OSError as error:
            raise EvaluationError(not_written(path, error)) from error
        return self._drafts

    def write_down(self, line: Mapping[str, Any]) -> None:
        """A line of JSON into the file of drafts, where one was named."""
        drafts = self._open_drafts()
        if drafts is None:
            return
        try:
            drafts.write(json.dumps(line, ensure_ascii=False) + "\n")
            drafts.flush()
        except OSError as error:
            raise EvaluationError(not_written(self.options.drafts, error)) from error

    def draft_settings(self, number: int) -> DraftSettings:
        """Of the draft with this number: its seed is its own."""
        assert isinstance(self.settings, DraftedSettings)
        return DraftSettings(self.settings.seed + number, self.settings.steps)

    def each(
        self, work: Callable[[Item, DraftSettings], Result], items: Sequence[Item], what: str, by_engine: bool = True
    ) -> Iterator[Result]:
        """What `work` makes of each item, in the items' order, told on standard error.

        The engine batches what is asked at a time; what computes in the thread that asks would only fight for the
        cores: `by_engine` is False of that. A file of drafts that cannot be written is refused before the first.
        """
        self._open_drafts()
        return done_together(
            lambda number, item: work(item, self.draft_settings(number)), items, self.together if by_engine else 1, what
        )

    def drafted(self, study: Study | None, begin: Callable[[], Any]) -> Draft:
        """The end of an engine's steps on a study, which the engine then forgets."""
        try:
            return finished(begin())
        finally:
            if study is not None:
                self.engine.release(study)

    def note(self, **told: Any) -> None:
        """Put into the record what the task itself knows, by the names of `Evaluation`."""
        self.record = replace(self.record, **told)

    def note_settings(self, **told: str | int | None) -> None:
        """Put into the record's settings what the command line does not tell."""
        self.note(settings=self.record.settings | told)

    def describe(self, model: DraftingModel, has_weights: bool) -> None:
        """Put into the record what the first model is; `has_weights`: those that the options name."""
        name, adapter, device = self.given("model"), self.given("adapter"), model.device
        cuda = device.type == "cuda"
        self.note(
            model=model.name,
            weights_sha256=weights_hash(name if name is not None else str(DEFAULT_MODEL)) if has_weights else None,
            adapter_sha256=weights_hash(adapter) if adapter is not None else None,
            device=torch.cuda.get_device_name(device) if cuda else f"CPU, {torch.get_num_threads()} threads",
            sampler=suited_settings(model),
        )

    def let_go(self) -> DraftingModel:
        """The model, which this no longer holds: the next one finds its memory free."""
        model = self.model
        self.__dict__.pop("engine", None)
        del self.model
        return model

    def measured(self, rows: Sequence[Row]) -> Evaluation:
        """The record with the rows that are there so far."""
        return replace(self.record, seconds=round(time.monotonic() - self._started, 1), rows=tuple(rows))


def _written(settings: Mapping[str, Any]) -> dict[str, int | str | None]:
    return {name: each if isinstance(each, int | str | None) else str(each) for name, each in settings.items()}


@dataclass(frozen=True)
class Task(Generic[Chosen]):
    """An evaluation. `settings`: its class; `inputs`: what it needs beside; `declare`: more arguments, if any.

    `measure` yields rows as they are there: what is measured is saved and not lost with what follows. It raises
    EvaluationError or ModelError for what cannot be measured.
    """

    name: str
    settings: type[Chosen]
    measure: Callable[[Context[Chosen]], Iterable[Sequence[Row]]]
    inputs: Sequence[Input] = ()
    declare: Callable[[argparse.ArgumentParser], None] = field(default=lambda parser: None)

    @property
    def command(self) -> Command:
        return Command(self._declare, self._run, (EvaluationError, ModelError))

    def _declare(self, parser: argparse.ArgumentParser) -> None:
        declare_settings(parser, self.settings)
        for each in self.inputs:
            parser.add_argument(each.flag, **each.options)
        self.declare(parser)
        parser.add_argument("--json", type=Path, help="file for the rows with intervals, settings and versions")

    def _run(self, options: argparse.Namespace) -> int:
        for path in (getattr(options, name, None) for name in _OUTPUTS):
            # Looked at before the work, so that a wrong path is told at once.
            if path and not path.parent.is_dir():
                raise EvaluationError(f"{path.parent} is not an existing folder.")
        settings = settings_of(self.settings, options)
        if isinstance(settings, DraftedSettings) and settings.together < 1:
            raise EvaluationError("At least one draft must run at a time.")
        context = Context(settings, options)
        context.note(name=self.name)
        rows: list[Row] = []
        with context.files:
            for more in self.measure(context):
                rows += more
                _save(context.measured(rows), options.json)
        print(context.measured(rows).table())
        return 0


def _save(done: Evaluation, path: Path | None) -> None:
    if path is None:
        return
    try:
        done.save(path)
    except OSError as error:
        # What was measured is not lost with the file.
        print(done.table())
        raise EvaluationError(not_written(path, error)) from error
