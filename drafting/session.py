"""The desk: studies being reported, one session each, with the report as it stands and the run under way.

A session is known by its token alone, lives in memory and is forgotten when it closes. This module knows nothing of
HTTP, Gradio or torch; it has no state of its own beside the objects that a program makes from it.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drafting.engine import Draft, DraftSettings, Engine, EngineBusyError, EngineError, Frame
from drafting.imaging import Study
from drafting.report import Report, Span, merge_draft

logger = logging.getLogger(__name__)


class DeskError(RuntimeError):
    """The desk refuses; the message is one sentence for the radiologist."""


class UnknownSessionError(DeskError):
    """No session has this token, or it has been closed."""


class VersionConflictError(DeskError):
    """The desk holds a newer version of the report."""


class TooLargeError(DeskError):
    """More than a session may hold."""


class BusyError(DeskError):
    """The desk cannot take this on at the moment."""


class RunFailedError(DeskError):
    """A run ended without a draft; the report is as it was."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may hold (`*_characters`: Unicode code points), and the desk as a whole.

    `idle_seconds`: a session silent for longer is closed; `return_seconds`: so is one whose page was left for longer.
    """

    report_characters: int = 100_000
    indication_characters: int = 2_000
    spans: int = 2_000
    sessions: int = 32
    idle_seconds: float = 300.0
    return_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `texts`: the open spans' text by span id; empty where Stop came before the first frame."""

    texts: Mapping[str, str]
    steps: int
    seconds: float
    seed: int
    stopped: bool


def log_failure(log: logging.Logger, what: str, error: BaseException) -> None:
    """Log that `what` failed: the error's type and where it was raised, never its message, which may quote a report."""
    frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
    log.error("%s failed: %s\n%s", what, type(error).__qualname__, frames)


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run began with."""

    study: Study | None
    report: Report
    indication: str
    stop: threading.Event


class Session:
    """One study being reported: the report at its newest version, and at most one run. Many threads may use it."""

    def __init__(self, engine: Engine, limits: Limits, clock: Callable[[], float]) -> None:
        self.token = secrets.token_urlsafe(32)
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._lock = threading.RLock()
        self._last_seen = clock()
        self._study: Study | None = None
        self._prior: Study | None = None
        self._report = Report()
        self._indication = ""
        self._version = 0
        self._writer = ""
        self._left_at: float | None = None
        self._cut_off = False
        self._run: _Run | None = None
        self._folder: Path | None = None
        self._on_close: list[Callable[[], None]] = []
        self._closed = False

    @property
    def study(self) -> Study | None:
        return self._study

    @property
    def prior(self) -> Study | None:
        """An earlier study that is looked at beside the one being reported; the engine never sees it."""
        return self._prior

    @property
    def report(self) -> Report:
        return self._report

    @property
    def version(self) -> int:
        return self._version

    @property
    def indication(self) -> str:
        return self._indication

    @property
    def is_drafting(self) -> bool:
        return self._run is not None

    @property
    def holds_nothing(self) -> bool:
        """Whether closing it would lose nothing."""
        return self._study is None and self._folder is None and not self._report.spans and self._run is None

    @property
    def writer(self) -> str:
        """By which name the page is known that wrote the newest version; empty where it gave none."""
        return self._writer

    @property
    def is_over(self) -> bool:
        """Whether nobody will come back to it: silent for too long, or its page was left a while ago."""
        now, left = self._clock(), self._left_at
        return now - self._last_seen > self._limits.idle_seconds or (
            left is not None and now - left > self._limits.return_seconds
        )

    def touch(self) -> None:
        """The browser has been heard of."""
        self._last_seen = self._clock()
        self._left_at = None

    def leave(self) -> None:
        """The page was left: for good, or to be loaded again. A run under way ends without effect."""
        with self._lock:
            self._left_at = self._clock()

    def take_cut_off(self) -> bool:
        """Whether the last run has lost its reader, told once."""
        with self._lock:
            cut_off, self._cut_off = self._cut_off, False
            return cut_off

    @contextmanager
    def arriving_file(self) -> Iterator[Path]:
        """Where to put a file that is to be opened as the study: private to this user, gone when the block ends.

        Raises BusyError while another is arriving, UnknownSessionError where the session is closed.
        """
        with self._lock:
            self._refuse_if_closed()
            if self._folder is not None:
                raise BusyError("Another study is being opened already.")
            folder = self._folder = Path(tempfile.mkdtemp(prefix="drafting-"))  # mkdtemp makes it with mode 700
        try:
            yield folder / "study"
        finally:
            # Nothing is left to remove where the session was closed meanwhile.
            shutil.rmtree(folder, ignore_errors=True)
            with self._lock:
                self._folder = None

    def open_study(self, study: Study) -> None:
        """Report on `study` from now on. Its prefix is encoded in the background; a run on the former study stops."""
        with self._lock:
            self._refuse_if_closed()
            former, self._study = self._study, study
            # It was the former patient's.
            self._prior = None
            indication = self._indication
            if self._run:
                self._run.stop.set()
        if former:
            self._engine.release(former)
        threading.Thread(target=self._prepare, args=(study, indication), name="prepare", daemon=True).start()

    def open_prior(self, prior: Study) -> None:
        """Look at `prior` beside the study. Raises DeskError where there is no study to lay it beside."""
        with self._lock:
            self._refuse_if_closed()
            if self._study is None:
                raise DeskError("Open the study first; a prior is laid beside it.")
            self._prior = prior

    def close_prior(self) -> None:
        """Forget the prior; nothing happens where there is none."""
        with self._lock:
            self._prior = None

    def receive(self, report: Report, version: int, indication: str, writer: str = "") -> int:
        """Keep the report as the editor has it; gives the version that is kept.

        `writer`: the page's name for itself, by which two tabs with the same report are told apart. Each numbers its
        versions on from the last that it knows, so a number that the other has taken means a text that it never saw.

        Raises VersionConflictError where a newer version is kept already, TooLargeError beyond the limits.
        """
        if len(report.spans) > self._limits.spans:
            raise TooLargeError(f"The report has more than {self._limits.spans:,} spans.")
        if sum(len(span.text) for span in report.spans) > self._limits.report_characters:
            raise TooLargeError(f"The report is longer than {self._limits.report_characters:,} characters.")
        if len(indication) > self._limits.indication_characters:
            raise TooLargeError(f"The indication is longer than {self._limits.indication_characters:,} characters.")
        with self._lock:
            self._refuse_if_closed()
            if version < self._version or (version == self._version and writer != self._writer):
                raise VersionConflictError("A newer version of this report has been saved already.")
            self._report, self._version, self._indication, self._writer = report, version, indication, writer
            return version

    def run(self, settings: DraftSettings) -> Generator[Frame, None, Outcome]:
        """Draft the open spans of the report as it stands; yields every frame and puts the outcome into the report.

        The text goes by span identity into whatever the report is by then. Stop ends the run at the next frame, with
        that frame's text; closing the generator ends it without any.

        Raises BusyError where a run is under way already or the engine has too many, and RunFailedError with a sentence
        for the radiologist; the report is then as it was.
        """
        run = self._begin()
        try:
            outcome = yield from self._denoise(run, settings)
            self._keep(run, outcome)
            return outcome
        except DeskError:
            raise
        except EngineBusyError as error:
            raise BusyError(str(error)) from None
        except EngineError as error:
            raise RunFailedError(str(error)) from None
        except Exception as error:  # noqa: BLE001 - whatever an engine raises must end as one sentence
            log_failure(logger, "A draft", error)
            raise RunFailedError("The draft failed; the report is as it was.") from None
        finally:
            self._end(run)

    def stop(self) -> None:
        """The run under way, if any, keeps its next frame and ends."""
        with self._lock:
            if self._run:
                self._run.stop.set()

    def on_close(self, forget: Callable[[], None]) -> None:
        """Call `forget` when the session closes; at once where it is closed already."""
        with self._lock:
            if not self._closed:
                self._on_close.append(forget)
                return
        forget()

    def close(self) -> None:
        """Forget everything of this session; a run under way ends at its next frame, without effect."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            study, self._study, self._prior = self._study, None, None
            self._report, self._indication = Report(), ""
            folder = self._folder
            forgetting, self._on_close = self._on_close, []
            if self._run:
                self._run.stop.set()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        for forget in forgetting:
            forget()
        if study:
            self._engine.release(study)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise UnknownSessionError("This session has ended; reload the page to begin a new one.")

    def _prepare(self, study: Study, indication: str) -> None:
        try:
            self._engine.prepare(study, indication)
        except Exception as error:  # noqa: BLE001 - a thread's last stop
            # The first draft meets the same error and tells the radiologist.
            log_failure(logger, "Preparing a study", error)
        finally:
            self._release_if_gone(study)

    def _release_if_gone(self, study: Study) -> None:
        """Release what the engine has kept for a study that was put away while the engine was at work on it."""
        with self._lock:
            gone = self._study is not study
        if gone:
            self._engine.release(study)

    def _begin(self) -> _Run:
        with self._lock:
            self._refuse_if_closed()
            if self._run:
                raise BusyError("A draft of this report is being written already.")
            self._run = _Run(self._study, self._report, self._indication, threading.Event())
            return self._run

    def _end(self, run: _Run) -> None:
        # Whoever closes a run's generator has stopped listening; every other end is told.
        cut_off = isinstance(sys.exception(), GeneratorExit)
        with self._lock:
            self._run, self._cut_off = None, cut_off
        if run.study:
            self._release_if_gone(run.study)

    def _denoise(self, run: _Run, settings: DraftSettings) -> Generator[Frame, None, Outcome]:
        frames = self._engine.draft(run.study, run.report, settings, run.indication)
        shown: Frame | None = None
        try:
            while True:
                try:
                    frame = next(frames)
                except StopIteration as end:
                    draft: Draft = end.value
                    return Outcome(draft.texts, draft.steps, draft.seconds, draft.seed, stopped=False)
                if run.stop.is_set():
                    if shown is None:
                        return _stopped(None, settings)
                    yield frame
                    return _stopped(frame, settings)
                shown = frame
                yield frame
        finally:
            frames.close()

    def _keep(self, run: _Run, outcome: Outcome) -> None:
        """Put the outcome into the report, after checking what must never happen: a draft that touches locked text."""
        if not outcome.texts.keys() <= {span.id for span in run.report.open_spans}:
            raise RunFailedError("The draft named text that was not open, so it was refused; the report is as it was.")
        with self._lock:
            self._refuse_if_closed()
            if self._study is not run.study:
                raise RunFailedError("Another study was opened while the draft was written, so the draft was put away.")
            for report in (run.report, self._report):
                if _locked(merge_draft(report, outcome.texts)) != _locked(report):
                    raise RunFailedError("The draft changed locked text, so it was refused; the report is as it was.")
            self._report = merge_draft(self._report, outcome.texts)


def _stopped(frame: Frame | None, settings: DraftSettings) -> Outcome:
    if frame is None:
        return Outcome({}, 0, 0.0, settings.seed, stopped=True)
    return Outcome(frame.texts, frame.step, frame.seconds, settings.seed, stopped=True)


def _locked(report: Report) -> list[Span]:
    return [span for span in report.spans if span.locked]


class Sessions:
    """The sessions that are open, by token. Safe to use from many threads."""

    def __init__(self, engine: Engine, limits: Limits = Limits(), clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self) -> Session:
        """A new session. Where all places are taken, the oldest that holds nothing yet makes room.

        Raises BusyError where there is none such.
        """
        self.close_idle()
        session = Session(self._engine, self.limits, self._clock)
        spare: Session | None = None
        with self._lock:
            if len(self._sessions) >= self.limits.sessions:
                spare = next((other for other in self._sessions.values() if other.holds_nothing), None)
                if spare is None:
                    raise BusyError("All places at the workstation are taken; try again in a few minutes.")
                del self._sessions[spare.token]
            self._sessions[session.token] = session
        if spare:
            spare.close()
        return session

    def find(self, token: str) -> Session:
        """The session with this token, which has now been heard of. Raises UnknownSessionError."""
        with self._lock:
            session = self._sessions.get(token)
            if session is None or session.is_over:
                raise UnknownSessionError("This session has ended; reload the page to begin a new one.")
            session.touch()
            return session

    def leave(self, token: str) -> None:
        """The page of the session with this token was left; nothing happens where there is none."""
        with self._lock:
            session = self._sessions.get(token)
        if session:
            session.leave()

    def close(self, token: str) -> None:
        """Close the session with this token; nothing happens where there is none."""
        with self._lock:
            session = self._sessions.pop(token, None)
        if session:
            session.close()

    def close_idle(self) -> None:
        """Close the sessions that nobody will come back to."""
        with self._lock:
            idle = [one for one in self._sessions.values() if one.is_over]
            for session in idle:
                del self._sessions[session.token]
        for session in idle:
            session.close()

    def close_all(self) -> None:
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.close()
