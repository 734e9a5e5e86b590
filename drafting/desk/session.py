"""A session: one study, its current report and the run in progress.

A session is known by its token alone, lives in memory and is forgotten when it closes. This module knows nothing of
HTTP, Gradio or torch, nor of other sessions.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Literal, cast

from drafting.desk.budget import Budget
from drafting.desk.errors import (
    BusyError,
    DeskError,
    NotLookedError,
    OlderVersionError,
    OutOfMemoryError,
    RunFailedError,
    TooLargeError,
    UnknownSessionError,
    VersionConflictError,
    log_failure,
)
from drafting.desk.runs import Alternative, Outcome, Run, Tape
from drafting.engine import AttentionMap, Draft, DraftSettings, Engine, EngineBusyError, EngineError, Frame, WordChoice
from drafting.report import Report, Span, focused, merge_draft, word_apart
from drafting.study import Study

logger = logging.getLogger(__name__)
MOST_ALTERNATIVES = 8
MOST_QUESTION_CHARACTERS = 500
WORDS_LISTED = 8
# A page that is loaded again is back after this.
RELOAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may hold (`*_characters`: Unicode code points), and the desk as a whole.

    `memory_bytes`: pixels of studies and priors and frames of drafts, of all sessions together. `idle_seconds`: a
    session silent for longer is closed, and half of it where memory is wanted; `return_seconds`: so is one whose page
    was left for longer. `silence_seconds`: a page takes a run that it has heard nothing of for so long as broken off.
    With less than the 15 seconds after which the queue gives a sign of life, a page gives up runs that only wait.
    """

    report_characters: int = 100_000
    indication_characters: int = 2_000
    hint_characters: int = 2_000
    spans: int = 2_000
    sessions: int = 32
    memory_bytes: int = 2 * 2**30
    idle_seconds: float = 300.0
    return_seconds: float = 60.0
    silence_seconds: float = 40.0


class Session:
    """One study being reported: the report at its newest version, and at most one run. Many threads may use it."""

    def __init__(self, engine: Engine, limits: Limits, clock: Callable[[], float], budget: Budget) -> None:
        self.token = secrets.token_urlsafe(32)
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._budget = budget
        # Held while memory is asked for, which may close other sessions: never asked for with `_lock` held.
        self._memory = threading.Lock()
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
        self._run: Run | None = None
        self._tape: Tape | None = None
        self._runs = 0
        self._arriving: IO[bytes] | None = None
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
        return self._study is None and self._arriving is None and not self._report.spans and self._run is None

    @property
    def writer(self) -> str:
        """By which name the page is known that wrote the newest version; empty where it gave none."""
        return self._writer

    @property
    def last_seen(self) -> float:
        """When the browser was last heard of, by the desk's clock."""
        return self._last_seen

    @property
    def is_idle(self) -> bool:
        """Whether its page is silent for longer than one that is still there would be, and nothing is under way."""
        quiet = self._clock() - self._last_seen > self._limits.idle_seconds / 2
        return quiet and self._run is None and self._arriving is None

    @property
    def is_over(self) -> bool:
        """Whether nobody will come back to it: silent for too long, or its page was left a while ago."""
        now, left = self._clock(), self._left_at
        return now - self._last_seen > self._limits.idle_seconds or (
            left is not None and now - left > self._limits.return_seconds
        )

    @property
    def was_left(self) -> bool:
        """Whether its page is gone, and was not loaded again at once."""
        left = self._left_at
        return left is not None and self._clock() - left > RELOAD_SECONDS

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
    def arriving_file(self) -> Iterator[IO[bytes]]:
        """A file to write what arrives into, which is then opened as a study.

        It has no name, so nothing is left of it when this process is killed. Closing the session empties it. Raises
        BusyError while another is arriving, UnknownSessionError where the session is closed, and OSError where the
        temporary folder takes no file.
        """
        with self._lock:
            self._refuse_if_closed()
            if self._arriving is not None:
                raise BusyError("Another study is still opening. Wait for it, then try again.")
            file = self._arriving = cast("IO[bytes]", TemporaryFile())  # noqa: SIM115 - closed below
        try:
            yield file
        finally:
            with self._lock:
                self._arriving = None
            # On a full disk it fails to write what it still holds, which is thrown away in any case.
            with suppress(OSError):
                file.close()

    def open_study(self, study: Study, report: Literal["keep", "clear"] = "keep") -> None:
        """Report on `study` from now on. Its prefix is encoded in the background; a run on the former study ends.

        What belongs to a former study dies with it: its indication, its prior, the frames of its drafts. `report`:
        whether the report is kept beside the new study, which only the radiologist can tell.

        Raises OutOfMemoryError where the desk has no memory left for it; the former study is then still open.
        """
        with self._holding(study=study.nbytes, prior=0, frames=0), self._lock:
            self._refuse_if_closed()
            former, self._study = self._study, study
            self._prior = None
            self._tape = None
            self._cut_off = False
            # What is typed before the first study is opened is about that one.
            self._change(Report() if report == "clear" else self._report, "" if former else self._indication)
            indication = self._indication
            if self._run:
                self._run.stop.set()
        if former:
            self._engine.release(former)
        threading.Thread(target=self._prepare, args=(study, indication), name="prepare", daemon=True).start()

    def open_prior(self, prior: Study) -> None:
        """Look at `prior` beside the study.

        Raises DeskError where there is no study to lay it beside, OutOfMemoryError as `open_study` does.
        """
        with self._holding(prior=prior.nbytes), self._lock:
            self._refuse_if_closed()
            if self._study is None:
                raise DeskError("Open a study first. A prior study is shown beside it.")
            self._prior = prior

    def close_prior(self) -> None:
        """Forget the prior; nothing happens where there is none."""
        with self._memory, self._lock:
            self._prior = None
            self._let_go("prior")

    def receive(self, report: Report, version: int, indication: str, writer: str = "") -> int:
        """Keep the report as the editor has it; gives the version that is kept.

        `writer`: the page's name for itself, by which two tabs with the same report are told apart. Each numbers its
        versions on from the last that it knows, so a number that the other has taken means a text that it never saw.

        Raises OlderVersionError where the same page has saved a newer version, VersionConflictError where another page
        has, and TooLargeError beyond the limits.
        """
        if len(report.spans) > self._limits.spans:
            raise TooLargeError(f"The report has more than {self._limits.spans:,} spans.")
        if sum(len(span.text) for span in report.spans) > self._limits.report_characters:
            raise TooLargeError(f"The report has more than {self._limits.report_characters:,} characters.")
        if sum(len(span.hint) for span in report.spans) > self._limits.hint_characters:
            raise TooLargeError(f"The hints together have more than {self._limits.hint_characters:,} characters.")
        if len(indication) > self._limits.indication_characters:
            raise TooLargeError(f"The indication has more than {self._limits.indication_characters:,} characters.")
        with self._lock:
            self._refuse_if_closed()
            if version < self._version and writer == self._writer:
                raise OlderVersionError("The server already has a newer version of this report.")
            if version < self._version or (version == self._version and writer != self._writer):
                raise VersionConflictError("Another tab saved a newer version of this report.")
            self._report, self._version, self._indication, self._writer = report, version, indication, writer
            return version

    def run(
        self,
        settings: DraftSettings,
        only: Collection[str] | None = None,
        start: tuple[str, int] | None = None,
        writer: str = "",
    ) -> Generator[Frame, None, Outcome]:
        """Draft the open spans of the report as it stands; yields every frame and puts the outcome into the report.

        The text goes by span identity into whatever the same page has made of the report by then, and makes a version
        of its own. Stop ends the run at the next frame, with that frame's text; closing the generator ends it without
        any. `only`: draft the open spans of these ids, and let the others stand as if they were locked. `start`: go on
        from a step of the last run, given by that run's name and the step's number, as long as the report says the
        same around what that run wrote. `writer`: the page that asks.

        Raises BusyError where a run is under way already or the engine has too many, VersionConflictError where the
        report is, or becomes, another page's, and RunFailedError with a sentence for the radiologist; the report is
        then as it was. Raises ReportError where none of `only` is open.
        """
        first: Frame | None = None
        with self._lock:
            if start is None:
                run = self._begin(writer, only)
                former: list[Frame] = []
            else:
                tape, first = self._found(*start)
                run = self._begin(writer, None, tape.run.report)
                former = [frame for frame in tape.frames if frame.step <= first.step]
        with self._one_sentence(run, "The draft"):
            tape = Tape(run, lambda amount: self._has_room("run", amount))
            for frame in former:
                tape.add(frame)
            outcome = yield from self._denoise(run, settings, tape, first)
            self._keep(run, outcome)
            self._keep_frames(tape)
            return outcome

    def alternatives(
        self, id: str, count: int, settings: DraftSettings, writer: str = ""
    ) -> Generator[tuple[Frame, ...], None, tuple[Alternative, ...]]:
        """Other texts for the open span `id`, the likeliest first; yields the drafts' newest frames.

        A text without a letter or a digit, such as a lone full stop, is none, unless the span says no more itself; so
        there may be no alternative at all. The report stays as it is. Stop ends the run with no alternatives. Raises
        what `run` raises.
        """
        if not 1 <= count <= MOST_ALTERNATIVES:
            raise RunFailedError(f"Ask for 1 to {MOST_ALTERNATIVES} alternatives.")
        run = self._begin(writer, {id})
        with self._one_sentence(run, "Drafting alternatives"):
            drafts = self._engine.alternatives(run.study, run.report, count, settings, run.indication)
            try:
                while True:
                    try:
                        frames = next(drafts)
                    except StopIteration as end:
                        found: tuple[Draft, ...] = end.value
                        break
                    if run.stop.is_set():
                        self._refuse_if_overtaken(run)
                        return ()
                    yield frames
            finally:
                drafts.close()
            if any(draft.texts.keys() - {id} for draft in found):
                raise RunFailedError(
                    "The model returned alternatives for other text than you asked about. They were discarded."
                )
            said = next(span.text for span in run.report.open_spans if span.id == id)
            if not said or _says_something(said):
                found = tuple(draft for draft in found if _says_something(draft.texts.get(id, "")))
            texts = [draft.texts.get(id, "") for draft in found]
            shares = self._engine.shares(run.study, run.report, texts, run.indication) if texts else []
            self._refuse_if_overtaken(run)
            made = [
                Alternative(text, share, draft.seed) for text, share, draft in zip(texts, shares, found, strict=True)
            ]
            return tuple(sorted(made, key=lambda one: -one.share))

    def words(self, id: str, start: int, end: int, word: str, version: int) -> tuple[WordChoice, ...]:
        """What could stand in the place of `word`: the characters `start` to `end` of the open span `id`.

        `version`: of the report that the place is of. The report stays as it is. Raises VersionConflictError where a
        newer one is kept, ReportError where the place is not an open word, and what `run` raises.
        """
        with self._lock:
            self._refuse_if_closed()
            if version != self._version:
                raise VersionConflictError("The report has changed. Choose the word again.")
            run = self._begin(self._writer, None, word_apart(self._report, id, start, end, word))
        with self._one_sentence(run, "Listing words"):
            words = self._engine.words(run.study, run.report, WORDS_LISTED, run.indication)
            self._refuse_if_overtaken(run)
            return words

    def answer(self, question: str, settings: DraftSettings) -> Generator[Frame, None, Outcome]:
        """Answer a question about the image; yields every frame. The report stays as it is.

        The outcome's only text is the answer. Stop ends the run with what the last frame shows. Raises what `run`
        raises, and RunFailedError without a study.
        """
        if len(question) > MOST_QUESTION_CHARACTERS:
            raise RunFailedError(f"A question has at most {MOST_QUESTION_CHARACTERS} characters.")
        if self._study is None:
            raise RunFailedError("Open a study before you ask about it.")
        with self._lock:
            # The report is no part of a question, so it does not matter whose it is.
            run = self._begin(self._writer, None)
        with self._one_sentence(run, "The answer"):
            frames = self._engine.answer(run.study, question, settings)
            return (yield from self._followed(run, settings, frames, None))

    def looked(self, id: str, part: tuple[int, int] | None, version: int, writer: str) -> AttentionMap:
        """Where the model looked for the open span `id`, or for `part` of it, in the version that the asker sees.

        Raises VersionConflictError where the desk holds another one, and NotLookedError with a sentence.
        """
        with self._lock:
            self._refuse_if_closed()
            if (version, writer) != (self._version, self._writer):
                raise VersionConflictError("The report has changed in the meantime.")
            study, report, indication = self._study, self._report, self._indication
        if study is None:
            raise NotLookedError("Open a study first: without one the model looks at nothing.")
        try:
            looked = self._engine.looked(study, report, id, part, indication)
        except EngineBusyError as error:
            raise BusyError(str(error)) from None
        except EngineError as error:
            raise NotLookedError(str(error)) from None
        except Exception as error:  # noqa: BLE001 - whatever an engine raises must end as one sentence
            log_failure(logger, "Looking where the model looked", error)
            raise NotLookedError("The map of where the model looked could not be computed.") from None
        finally:
            self._release_if_gone(study)
        if self._study is not study:
            raise NotLookedError("Another study was opened in the meantime.")
        return looked

    def last_run(self) -> tuple[str, tuple[Frame, ...]] | None:
        """The name of the last draft that ended well and its frames, at most some hundred; None before the first."""
        with self._lock:
            self._refuse_if_closed()
            return (self._tape.run.name, tuple(self._tape.frames)) if self._tape else None

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
            self._tape = None
            if self._arriving:
                # Closed by who writes into it: its number may be another file's by the time that the next piece comes.
                os.ftruncate(self._arriving.fileno(), 0)
            forgetting, self._on_close = self._on_close, []
            if self._run:
                self._run.stop.set()
        for forget in forgetting:
            forget()
        self._budget.release(self.token)
        if study:
            self._engine.release(study)

    @contextmanager
    def _holding(self, **amounts: int) -> Iterator[None]:
        """Memory for what the block keeps; where the block fails, it is given back. Raises OutOfMemoryError."""
        with self._memory:
            before = self._budget.hold(self.token, amounts)
            try:
                yield
            except BaseException:
                self._budget.hold(self.token, {what: min(before[what], amounts[what]) for what in amounts})
                raise
            finally:
                self._give_back_if_closed()

    def _has_room(self, what: str, amount: int) -> bool:
        """Whether there is memory for something, which is then held."""
        try:
            self._budget.hold(self.token, {what: amount})
        except OutOfMemoryError:
            return False
        finally:
            self._give_back_if_closed()
        return True

    def _give_back_if_closed(self) -> None:
        # Closing gives everything back, and who had not seen that has taken something since.
        if self._closed:
            self._budget.release(self.token)

    def _let_go(self, what: str) -> None:
        self._budget.hold(self.token, {what: 0})

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise UnknownSessionError("This session has ended. Reload the page to start a new one.")

    def _prepare(self, study: Study, indication: str) -> None:
        try:
            self._engine.prepare(study, indication)
        except Exception as error:  # noqa: BLE001 - a thread's last stop
            # The first draft meets the same error and tells the radiologist.
            log_failure(logger, "Preparing a study", error)
        finally:
            self._release_if_gone(study)

    def _release_if_gone(self, study: Study | None) -> None:
        """Release what the engine has kept for a study that was put away while the engine was at work on it.

        What it has kept for no study ends with the run: there is nothing else whose end it could wait for.
        """
        with self._lock:
            gone = study is None or self._study is not study
        if gone:
            self._engine.release(study)

    def _refuse_if_overtaken(self, run: Run) -> None:
        """What was made for one study is not for another, nor for a session that has ended."""
        with self._lock:
            self._refuse_if_closed()
            if self._study is not run.study:
                raise RunFailedError("Another study was opened in the meantime, so the result was discarded.")

    @contextmanager
    def _one_sentence(self, run: Run, what: str) -> Iterator[None]:
        """Whatever goes wrong in a run becomes one sentence; in any case the run has ended after this."""
        try:
            yield
        except DeskError:
            raise
        except EngineBusyError as error:
            raise BusyError(str(error)) from None
        except EngineError as error:
            raise RunFailedError(str(error)) from None
        except Exception as error:  # noqa: BLE001 - whatever an engine raises must end as one sentence
            log_failure(logger, what, error)
            raise RunFailedError(f"{what} failed. The report is unchanged. Try again.") from None
        finally:
            self._end(run)

    def _found(self, name: str, step: int) -> tuple[Tape, Frame]:
        """The last run and its frame of this step. Raises RunFailedError where one cannot go on from there."""
        self._refuse_if_closed()
        tape = self._tape
        frame = next((one for one in tape.frames if one.step == step), None) if tape and tape.run.name == name else None
        if tape is None or frame is None:
            raise RunFailedError("The frames of that run are no longer stored, so drafting cannot continue from them.")
        was, wrote = tape.run, {span.id for span in tape.run.report.open_spans}
        now = tuple(span for span in self._report.spans if span.id not in wrote)
        then = tuple(span for span in was.report.spans if span.id not in wrote)
        # What was open but not drafted stood in the run as if it were locked: its text counts, its state does not.
        if [(span.id, span.text) for span in now] != [(span.id, span.text) for span in then] or not wrote <= {
            span.id for span in self._report.open_spans
        }:
            raise RunFailedError("The report has changed since that run, so drafting cannot continue from it.")
        if was.study is not self._study or was.indication != self._indication:
            raise RunFailedError("The study or the indication has changed since that run. Start a new draft.")
        return tape, frame

    def _begin(self, writer: str, only: Collection[str] | None, report: Report | None = None) -> Run:
        with self._lock:
            self._refuse_if_closed()
            if self._run:
                raise BusyError("A draft of this report is already running.")
            if writer != self._writer:
                raise VersionConflictError("Another tab saved a newer version of this report.")
            if report is None:
                report = self._report if only is None else focused(self._report, only)
            self._runs += 1
            self._run = Run(self._study, report, self._indication, writer, threading.Event(), f"d{self._runs}")
            return self._run

    def _end(self, run: Run) -> None:
        # Whoever closes a run's generator has stopped listening; every other end is told.
        cut_off = isinstance(sys.exception(), GeneratorExit)
        with self._lock:
            self._run, self._cut_off = None, cut_off
        self._let_go("run")
        self._release_if_gone(run.study)

    def _denoise(
        self, run: Run, settings: DraftSettings, tape: Tape, start: Frame | None
    ) -> Generator[Frame, None, Outcome]:
        frames = self._engine.draft(run.study, run.report, settings, run.indication, start)
        return (yield from self._followed(run, settings, frames, tape))

    def _followed(
        self, run: Run, settings: DraftSettings, frames: Generator[Frame, None, Draft], tape: Tape | None
    ) -> Generator[Frame, None, Outcome]:
        shown: Frame | None = None
        try:
            while True:
                try:
                    frame = next(frames)
                except StopIteration as end:
                    draft: Draft = end.value
                    self._refuse_if_overtaken(run)
                    if tape and shown:
                        tape.end(shown)
                    return Outcome(draft.texts, draft.steps, draft.seconds, draft.seed, stopped=False)
                if not frame.step:
                    # It waits in the line: there is nothing yet to keep or to go back to.
                    if run.stop.is_set():
                        self._refuse_if_overtaken(run)
                        return _stopped(None, settings)
                    yield frame
                    continue
                if tape:
                    tape.add(frame)
                if run.stop.is_set():
                    self._refuse_if_overtaken(run)
                    if shown is None:
                        return _stopped(None, settings)
                    if tape:
                        tape.end(frame)
                    yield frame
                    return _stopped(frame, settings)
                shown = frame
                yield frame
        finally:
            frames.close()

    def _keep_frames(self, tape: Tape) -> None:
        """Keep the frames to go back to, where there is memory for them: a draft does not fail for want of it."""
        self._let_go("run")
        with self._memory:
            fits = self._has_room("frames", tape.nbytes)
            with self._lock:
                kept = fits and not self._closed and self._study is tape.run.study
                self._tape = tape if kept else None
            if not kept:
                self._let_go("frames")

    def _keep(self, run: Run, outcome: Outcome) -> None:
        """Put the outcome into the report, after checking what must never happen: a draft that touches locked text."""
        if not outcome.texts.keys() <= {span.id for span in run.report.open_spans}:
            raise RunFailedError(
                "The model returned text for a locked span. The draft was discarded and the report is unchanged."
            )
        with self._lock:
            self._refuse_if_overtaken(run)
            if self._writer != run.writer:
                raise VersionConflictError(
                    "Another tab changed this report during the draft, so the draft was discarded."
                )
            for report in (run.report, self._report):
                if _locked(merge_draft(report, outcome.texts)) != _locked(report):
                    raise RunFailedError(
                        "The draft would have changed locked text. It was discarded and the report is unchanged."
                    )
            self._change(merge_draft(self._report, outcome.texts), self._indication)

    def _change(self, report: Report, indication: str) -> None:
        """With the lock held: what the desk itself makes of the report is a version of its own.

        It counts as written by the page that wrote the last one, which was told of the change. That page's next
        version takes the same number and replaces it; every other page finds a newer version than its own.
        """
        if (report, indication) != (self._report, self._indication):
            self._report, self._indication = report, indication
            self._version += 1


def _stopped(frame: Frame | None, settings: DraftSettings) -> Outcome:
    if frame is None:
        return Outcome({}, 0, 0.0, settings.seed, stopped=True)
    return Outcome(frame.texts, frame.step, frame.seconds, settings.seed, stopped=True)


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _locked(report: Report) -> list[Span]:
    return [span for span in report.spans if span.locked]
