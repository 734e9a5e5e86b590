"""The page: two panes that the bundle fills, and the event that drafts. Knows no routes and starts no server."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import gradio as gr

from drafting.desk.errors import DeskError, OlderVersionError, log_failure
from drafting.desk.session import Session
from drafting.desk.sessions import Sessions
from drafting.report import ReportError
from drafting.ui import wire
from drafting.ui.bundle import Bundle
from drafting.ui.forgetting import GradioMemory
from drafting.ui.streaming import newest

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

TITLE = "Report drafting"
FRAMES_A_SECOND = 15.0


def build(sessions: Sessions, bundle: Bundle) -> gr.Blocks:
    """The blocks of one desk."""
    with gr.Blocks(title=TITLE, fill_width=True, fill_height=True, analytics_enabled=False) as page:
        with gr.Row(elem_id="workstation"):
            _pane(bundle, "viewer-root", "Workstation.mountViewer({ element });")
            # Gradio takes the quoted name for the declaration of an event; the bundle asks the queue for it by itself.
            editor = _pane(bundle, "editor-root", 'Workstation.mountEditor({ element }); // "draft"')
        memory = GradioMemory(sessions, page, editor)
        drafting = Drafting(sessions, memory)
        editor.draft(
            drafting.draft,
            editor,
            editor,
            show_progress="hidden",
            api_visibility="private",
            # The desk has a line of its own, which Stop reaches and whose end is a sentence.
            concurrency_limit=None,
        )
        page.unload(memory.tab_closed)
    page.queue(max_size=64, api_open=False)
    return page


def _pane(bundle: Bundle, root: str, mount: str) -> gr.HTML:
    """A pane whose template never changes: what is shown in it is put there by the bundle, as text."""
    return gr.HTML(
        value="",
        html_template=f'<div class="{root}"></div>',
        js_on_load=mount,
        apply_default_css=False,
        head=f'<link rel="stylesheet" href="{bundle.style.address}"><script src="{bundle.script.address}"></script>',
    )


class Drafting:
    """Answers the editor's draft event."""

    def __init__(self, sessions: Sessions, memory: GradioMemory) -> None:
        self._sessions = sessions
        self._memory = memory
        self._numbers = itertools.count(1)

    def draft(self, message: object, request: gr.Request) -> Iterator[str]:
        """Yields frames and at last the draft, or an error: each a message of the protocol. Never raises.

        Gradio prints what its handlers raise and keeps what they yield, so neither may hold anything of a report for
        longer than the run.
        """
        run = f"r{next(self._numbers)}"
        stream = request.session_hash or ""
        try:
            yield from self._messages(run, stream, message)
        except (DeskError, ReportError, wire.WireError) as error:
            yield wire.error_json(run, str(error))
        except Exception as error:  # noqa: BLE001 - Gradio would print the message
            log_failure(logger, "A draft", error)
            yield wire.error_json(run, "The draft failed; the report is as it was. Try again.")
        finally:
            self._memory.forget_values(stream)

    def _messages(self, run: str, stream: str, message: object) -> Iterator[str]:
        asked = wire.parse_run(wire.parse_object(message))
        session = self._sessions.find(asked.token)
        for tab in (stream, asked.tab):
            self._memory.tie(tab, session)
        version = asked.sent.version
        if isinstance(asked, wire.WordsMessage):
            # A word is named by its place, which belongs to this version of the report and no other.
            session.receive(asked.sent.report, version, asked.sent.indication, asked.sent.writer)
            words = session.words(asked.span, asked.start, asked.end, asked.word, version)
            yield wire.words_json(run, version, asked.span, words)
            return
        _receive(session, asked.sent)
        match asked:
            case wire.DraftMessage():
                run_under_way = session.run(asked.settings, asked.only, asked.start, asked.sent.writer)
                outcome = yield from _streamed(run_under_way, lambda frame: wire.frame_json(run, version, frame))
                yield wire.outcome_json(run, version, outcome)
            case wire.QuestionMessage():
                answering = session.answer(asked.question, asked.settings)
                outcome = yield from _streamed(answering, lambda frame: wire.frame_json(run, version, frame))
                yield wire.answer_json(run, version, outcome)
            case wire.AlternativesMessage():
                drafting = session.alternatives(asked.span, asked.count, asked.settings, asked.sent.writer)
                others = yield from _streamed(drafting, lambda frames: wire.progress_json(run, version, frames))
                yield wire.alternatives_json(run, version, asked.span, others)


def _streamed(source: Generator[T, None, R], as_message: Callable[[T], str]) -> Generator[str, None, R]:
    """The newest values of a run as messages, at the browser's pace; returns what the run returns."""
    values = newest(source, FRAMES_A_SECOND)
    try:
        while True:
            try:
                value = next(values)
            except StopIteration as end:
                result: R = end.value
                return result
            yield as_message(value)
    finally:
        values.close()


def _receive(session: Session, sent: wire.ReportMessage) -> None:
    try:
        session.receive(sent.report, sent.version, sent.indication, sent.writer)
    except OlderVersionError:
        # The radiologist typed on while the request stood in line: draft from what was typed, the newer report.
        logger.debug("A draft starts from a newer version of the report than it was asked for with.")
