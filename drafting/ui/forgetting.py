"""What Gradio keeps of a browser tab, and how it is made to forget it.

Gradio holds the last value of each component for each tab, found by the tab's session hash, in its state holder, and
messages that a tab has not fetched yet in its queue; it drops the former only when other tabs push it out. A value
here is a report, so it goes when the run ends, and the rest with the session. To Gradio each run's stream is a tab too.
Knows nothing of what the values mean.
"""

from __future__ import annotations

import threading

import gradio as gr

from drafting.desk.session import Session
from drafting.desk.sessions import Sessions


class GradioMemory:
    """Gradio's memory of the tabs that have the page open."""

    def __init__(self, sessions: Sessions, page: gr.Blocks, editor: gr.HTML) -> None:
        self._sessions = sessions
        self._page = page
        self._editor_id = editor._id
        self._lock = threading.Lock()
        self._tied: dict[str, set[str]] = {}

    def tie(self, tab: str, session: Session) -> None:
        """From now on the tab's end is the session's, and the session's end makes Gradio forget the tab."""
        with self._lock:
            tokens = self._tied.setdefault(tab, set())
            if session.token in tokens:
                return
            tokens.add(session.token)
        session.on_close(lambda: self._session_closed(tab, session.token))

    def forget_values(self, tab: str) -> None:
        """Drop the values of a tab's components; the tab itself stays known."""
        state = self._page.state_holder.session_data.get(tab)
        if state is not None:
            state._update_value_in_config(self._editor_id, "")

    def tab_closed(self, request: gr.Request) -> None:
        """The event of Gradio for a tab that is gone: its sessions wait a while for the page to be loaded again."""
        tab = request.session_hash or ""
        with self._lock:
            tokens = set(self._tied.get(tab, ()))
        for token in tokens:
            self._sessions.leave(token)
        self._forget_tab(tab)

    def _session_closed(self, tab: str, token: str) -> None:
        with self._lock:
            tokens = self._tied.get(tab, set())
            tokens.discard(token)
            if not tokens:
                self._tied.pop(tab, None)
        self._forget_tab(tab)

    def _forget_tab(self, tab: str) -> None:
        self._page.state_holder.session_data.pop(tab, None)
        self._page.state_holder.time_last_used.pop(tab, None)
        queue = self._page._queue
        pending = list(queue.pending_event_ids_session.get(tab, ()))
        if not pending:
            queue.pending_messages_per_session.pop(tab, None)
            return
        # In the middle of a run Gradio still looks for the place of the messages, to add to it and to remove it, and
        # prints a KeyError where it is gone. So the place is emptied, and the event told that nobody listens: it sends
        # nothing more and ends, and Gradio removes the place with the stream.
        for event_id in pending:
            if event := queue.event_ids_to_events.get(event_id):
                event.alive = False
        if tab in queue.pending_messages_per_session:
            queue.pending_messages_per_session[tab]._queue.clear()  # type: ignore[attr-defined]
