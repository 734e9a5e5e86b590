"""The sessions of a desk: opened, found by token, left and closed.

This module knows nothing of what a session holds, of HTTP or of Gradio.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from drafting.desk.budget import Budget
from drafting.desk.errors import BusyError, UnknownSessionError
from drafting.desk.session import Limits, Session
from drafting.engine import Engine


class Sessions:
    """The sessions that are open, by token. Safe to use from many threads."""

    def __init__(
        self, engine: Engine, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`limits`: None takes the standard ones."""
        self.limits = limits or Limits()
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self.budget = Budget(self.limits.memory_bytes, self._close_oldest_idle)

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self) -> Session:
        """A new session. Where all places are taken, the oldest that holds nothing, or whose page is gone, makes room.

        Raises BusyError where there is none such.
        """
        self.close_idle()
        session = Session(self._engine, self.limits, self._clock, self.budget)
        spare: Session | None = None
        with self._lock:
            if len(self._sessions) >= self.limits.sessions:
                spare = next((one for one in self._sessions.values() if one.holds_nothing or one.was_left), None)
                if spare is None:
                    raise BusyError("The server is full. Try again in a few minutes.")
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
                raise UnknownSessionError("This session has ended. Reload the page to start a new one.")
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

    def _close_oldest_idle(self, asking: str) -> bool:
        """Close the session, not the one that asks, whose page is silent for longest, for the memory that it holds.

        Tells whether there was one.
        """
        holders = self.budget.holders - {asking}
        with self._lock:
            idle = [one for one in self._sessions.values() if one.token in holders and (one.is_over or one.is_idle)]
            if not idle:
                return False
            oldest = min(idle, key=lambda session: session.last_seen)
            del self._sessions[oldest.token]
        oldest.close()
        return True

    def close_all(self) -> None:
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.close()
