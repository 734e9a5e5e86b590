"""The page's requests to the model through Gradio's queue: drafts, alternatives, words, answers. Starts no server."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import gradio as gr
from anyio import CapacityLimiter, to_thread

from drafting.desk.errors import DeskError, OlderVersionError, log_failure
from drafting.desk.session import Session
from drafting.desk.sessions import Sessions
from drafting.report import ReportError
from drafting.ui import wire
from drafting.ui.readers import ReaderGoneError, Readers, Stream, followed
from drafting.ui.streaming import AbandonedError, Paced

logger = logging.getLogger(__name__)

T = TypeVar("T")

FRAMES_A_SECOND = 15.0
# Each asks the model between the steps of everybody's drafts.
WORDS_AT_ONCE = 4


class Ties:
    """Which sessions have streams: what waits in them is forgotten with the session."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._lock = threading.Lock()
        self._tied: set[str] = set()

    def tie(self, stream: Stream, session: Session) -> None:
        token = session.token
        stream.owners.add(token)
        with self._lock:
            if token in self._tied:
                return
            self._tied.add(token)
        session.on_close(lambda: self._closed(token))

    def _closed(self, token: str) -> None:
        with self._lock:
            self._tied.discard(token)
        self._readers.forget_owned_by(token)


class Drafting:
    """Answers the page's runs and counts them."""

    def __init__(self, sessions: Sessions, readers: Readers, ties: Ties, forget_values: Callable[[str], None]) -> None:
        """`forget_values`: drops what the server has kept of the values that a stream's run was asked with."""
        self._sessions = sessions
        self._readers = readers
        self._ties = ties
        self._forget_values = forget_values
        self._numbers = itertools.count(1)
        self._words = CapacityLimiter(WORDS_AT_ONCE)

    async def run(self, message: str, request: gr.Request) -> AsyncGenerator[str, None]:
        """Yields frames and at last the draft, or an error: each a message of the protocol. Never raises.

        Gradio prints what its handlers raise and keeps what they are asked with, so neither may hold anything of a
        report for longer than the run.
        """
        name = f"r{next(self._numbers)}"
        hash = request.session_hash or ""
        self._forget_values(hash)
        with self._readers.run(hash) as stream:
            try:
                async with aclosing(self._messages(name, stream, message)) as messages:
                    async for text in messages:
                        yield text
            except (DeskError, ReportError, wire.WireError) as error:
                yield wire.error_json(name, str(error))
            except (ReaderGoneError, AbandonedError):
                logger.debug("The reader of a run has gone.")
            except Exception as error:  # noqa: BLE001 - Gradio would print the message
                log_failure(logger, "A draft", error)
                yield wire.error_json(name, "The draft failed. The report is unchanged. Try again.")

    async def _messages(self, name: str, stream: Stream, message: str) -> AsyncGenerator[str, None]:
        limits = self._sessions.limits
        # In a thread: a long report takes longer to check than anybody should wait for.
        asked = await to_thread.run_sync(lambda: wire.parse_run(wire.parse_object(message), limits.spans))
        session = self._sessions.find(asked.token)
        self._ties.tie(stream, session)
        version = asked.sent.version
        if isinstance(asked, wire.WordsMessage):
            # A word is named by its place, which belongs to this version of the report and no other.
            session.receive(asked.sent.report, version, asked.sent.indication, asked.sent.writer)
            words = await to_thread.run_sync(
                session.words, asked.span, asked.start, asked.end, asked.word, version, limiter=self._words
            )
            yield wire.words_json(name, version, asked.span, words)
            return
        _receive(session, asked.sent)
        match asked:
            case wire.DraftMessage():
                draft = Paced(session.run(asked.settings, asked.only, asked.start, asked.sent.writer), FRAMES_A_SECOND)
                async for frame in self._followed(draft, stream):
                    yield wire.frame_json(name, version, frame)
                yield wire.outcome_json(name, version, draft.result)
            case wire.QuestionMessage():
                answer = Paced(session.answer(asked.question, asked.settings), FRAMES_A_SECOND)
                async for frame in self._followed(answer, stream):
                    yield wire.frame_json(name, version, frame)
                yield wire.answer_json(name, version, answer.result)
            case wire.AlternativesMessage():
                others = Paced(
                    session.alternatives(asked.span, asked.count, asked.settings, asked.sent.writer), FRAMES_A_SECOND
                )
                async for frames in self._followed(others, stream):
                    yield wire.progress_json(name, version, frames)
                yield wire.alternatives_json(name, version, asked.span, others.result)

    def _followed(self, paced: Paced[T, Any], stream: Stream) -> AsyncGenerator[T, None]:
        return followed(paced, stream, self._readers.patience)


def _receive(session: Session, sent: wire.ReportMessage) -> None:
    try:
        session.receive(sent.report, sent.version, sent.indication, sent.writer)
    except OlderVersionError:
        # The radiologist typed on while the request stood in line: draft from what was typed, the newer report.
        logger.debug("The report on the server is newer than the one this draft was requested for.")
