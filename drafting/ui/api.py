"""The drafting API: what programs call through Gradio, with `gradio_client`, over plain HTTP or as tools over MCP.

A study is opened once and known by the token that opening it returns; whoever has no token reaches nothing. Sessions,
limits and silence in logs are the page's. Files travel as base64, because whatever is uploaded to Gradio stays on its
disk. Gradio reads the signatures and the docstrings here for its list of endpoints.
"""

# No `from __future__ import annotations`: Gradio wants the types themselves.

import base64
import binascii
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from inspect import signature
from pathlib import Path
from typing import IO, Any

import gradio as gr
from anyio import CapacityLimiter, to_thread

from drafting.desk.errors import DeskError, log_failure
from drafting.desk.examples import Example
from drafting.desk.runs import Outcome
from drafting.desk.session import Session
from drafting.desk.sessions import Sessions
from drafting.engine import DraftSettings, Frame
from drafting.exports.text import NOTICE
from drafting.imaging import open as imaging
from drafting.imaging.open import open_study
from drafting.report import Report, ReportError, merge_draft, parse_markup
from drafting.study import Study, StudyError
from drafting.ui.door import Kind
from drafting.ui.drafting import FRAMES_A_SECOND, Ties
from drafting.ui.readers import ReaderGoneError, Readers, Stream, followed
from drafting.ui.streaming import AbandonedError, Paced

logger = logging.getLogger(__name__)

REFUSALS = (DeskError, ReportError, StudyError)


class DraftingApi:
    """The named endpoints. Each raises gradio.Error with one sentence where it refuses."""

    def __init__(
        self,
        sessions: Sessions,
        model: str,
        examples: tuple[Example, ...],
        study_limits: imaging.Limits,
        readers: Readers,
        ties: Ties,
        forget_values: Callable[[str], None],
        decoders: CapacityLimiter,
    ) -> None:
        self._sessions = sessions
        self._model = model
        self._examples = {example.name: example for example in examples}
        self._study_limits = study_limits
        self._readers = readers
        self._ties = ties
        self._forget_values = forget_values
        self._decoders = decoders

    @property
    def endpoints(self) -> Mapping[str, Callable[..., Any]]:
        """The public functions by the names under which they are called."""
        return {
            "open_study": self.open_study,
            "open_example": self.open_example,
            "draft": self.draft,
            "stop": self.stop,
            "close_study": self.close_study,
        }

    async def open_study(self, image: str, request: gr.Request) -> dict:
        """Open an imaging study to report on.

        Args:
            image: the file in base64: DICOM, a ZIP archive of a DICOM series, PNG or JPEG.

        Returns:
            An object: `study` (the token that the other endpoints ask for), `facts` (what the header tells) and
            `pictures` (how many there are). The study is closed after some minutes in which nothing asks for it.
        """
        with self._called("Opening a study", request):
            try:
                content = await to_thread.run_sync(partial(base64.b64decode, image, validate=True))
            except (binascii.Error, ValueError):
                raise _refused("The image is not base64.") from None
            session = await to_thread.run_sync(self._sessions.open)
            try:
                with session.arriving_file() as file:
                    await to_thread.run_sync(file.write, content)
                    return await self._opened(session, file)
            except BaseException:
                self._sessions.close(session.token)
                raise

    async def open_example(self, name: str, request: gr.Request) -> dict:
        """Open one of the example studies that come with the program.

        Args:
            name: such as `effusion`; a wrong name is answered with the right ones.

        Returns:
            What `open_study` returns.
        """
        with self._called("Opening an example", request):
            example = self._examples.get(name)
            if example is None:
                raise _refused(f"Unknown example. Available: {', '.join(self._examples)}.")
            session = await to_thread.run_sync(self._sessions.open)
            try:
                return await self._opened(session, example.path)
            except BaseException:
                self._sessions.close(session.token)
                raise

    async def draft(
        self,
        study: str,
        report: str,
        request: gr.Request,
        indication: str = "",
        seed: int = 0,
        steps: int = 0,
    ) -> AsyncGenerator[dict, None]:
        """Draft a report: the model writes its open spans, and every other character stays as it is.

        Args:
            study: the token from `open_study` or `open_example`.
            report: the report with its open spans in double square brackets: `[[text that may be rewritten]]`, `[[]]`
                for a gap, `[[?size of the effusion?]]` for a gap with a hint. All else is locked.
            indication: why the study was made; may be empty.
            seed: the same study, report, seed and steps give the same draft.
            steps: denoising steps; 0 leaves the number to the model.

        Returns:
            Frames while the model writes (`step`, `steps`, `seconds`, `report`), and at last the draft: `report`,
            `spans` (each `text`, `locked`, `author`), `steps`, `seconds`, `seed`, `model`, `stopped`, `notice`.
        """
        with self._called("A draft", request) as stream:
            session = self._sessions.find(study)
            self._ties.tie(stream, session)
            marked = await to_thread.run_sync(parse_markup, report)
            session.receive(marked, session.version + 1, indication)
            try:
                settings = DraftSettings(seed=seed, steps=steps or None)
            except ValueError as error:
                raise ReportError(str(error)) from None
            paced = Paced(session.run(settings), FRAMES_A_SECOND)
            try:
                async for frame in followed(paced, stream, self._readers.patience):
                    yield _frame(marked, frame)
            except (ReaderGoneError, AbandonedError):
                return
            yield self._draft(marked, paced.result)

    async def stop(self, study: str, request: gr.Request) -> dict:
        """Stop the draft under way; it ends with the text of its newest frame.

        Args:
            study: the token from `open_study` or `open_example`.
        """
        with self._called("Stopping a draft", request):
            self._sessions.find(study).stop()
        return {}

    async def close_study(self, study: str, request: gr.Request) -> dict:
        """Close a study: the server forgets it and its report.

        Args:
            study: the token from `open_study` or `open_example`.
        """
        with self._called("Closing a study", request):
            session = self._sessions.find(study)
            await to_thread.run_sync(self._sessions.close, session.token)
        return {}

    @contextmanager
    def _called(self, what: str, request: gr.Request) -> Iterator[Stream]:
        """The stream of a call. What it was made with is forgotten at once, its answers when nobody reads them."""
        name = request.session_hash or ""
        self._forget_values(name)
        with self._readers.run(name) as stream, _one_sentence(what):
            yield stream

    async def _opened(self, session: Session, source: Path | IO[bytes]) -> dict[str, Any]:
        study: Study = await to_thread.run_sync(open_study, source, self._study_limits, limiter=self._decoders)
        await to_thread.run_sync(session.open_study, study)
        return {"study": session.token, "facts": asdict(study.facts), "pictures": len(study.pictures)}

    def _draft(self, report: Report, outcome: Outcome) -> dict[str, Any]:
        drafted = merge_draft(report, outcome.texts)
        return {
            "report": drafted.text,
            "spans": [{"text": one.text, "locked": one.locked, "author": one.author} for one in drafted.spans],
            "steps": outcome.steps,
            "seconds": round(outcome.seconds, 3),
            "seed": outcome.seed,
            "model": self._model,
            "stopped": outcome.stopped,
            "notice": NOTICE,
        }


def kinds_of(function: Callable[..., Any]) -> tuple[Kind, ...]:
    """The kinds of the values that an endpoint takes, from its signature."""
    return tuple(
        parameter.annotation
        for parameter in signature(function, eval_str=True).parameters.values()
        if parameter.annotation is not gr.Request
    )


def _frame(report: Report, frame: Frame) -> dict[str, Any]:
    return {
        "step": frame.step,
        "steps": frame.steps,
        "seconds": round(frame.seconds, 3),
        "report": merge_draft(report, frame.texts).text,
    }


def _refused(sentence: str) -> gr.Error:
    return gr.Error(sentence, print_exception=False)


@contextmanager
def _one_sentence(what: str) -> Iterator[None]:
    """Whatever goes wrong becomes one sentence: Gradio would print the message, which may quote a report."""
    try:
        yield
    except REFUSALS as error:
        raise _refused(str(error)) from None
    except gr.Error:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a decoder or an engine raises must end as one sentence
        log_failure(logger, what, error)
        raise _refused(f"{what} failed. Try again.") from None
