"""The sessions of a desk: how they are found, how they make room, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from drafting.desk.errors import (
    BusyError,
    UnknownSessionError,
)
from drafting.desk.session import Limits
from drafting.desk.sessions import Sessions
from tests.drafting.desk.test_session import REPORT, a_study
from tests.drafting.scripted_engine import ScriptedEngine


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_silent_session_is_closed() -> None:
    clock, engine = Clock(), ScriptedEngine()
    sessions = Sessions(engine, Limits(idle_seconds=300), clock)
    silent, heard = sessions.open(), sessions.open()
    silent.open_study(study := a_study())
    clock.now += 299
    sessions.find(heard.token)
    clock.now += 2
    with pytest.raises(UnknownSessionError):
        sessions.find(silent.token)
    sessions.close_idle()
    assert study.id in engine.released
    assert sessions.find(heard.token) is heard
    assert len(sessions) == 1


def test_a_full_desk_makes_room_only_where_nothing_is_lost() -> None:
    sessions = Sessions(ScriptedEngine(), Limits(sessions=2))
    used, unused = sessions.open(), sessions.open()
    used.receive(REPORT, 1, "")
    third = sessions.open()
    third.receive(REPORT, 1, "")
    assert sessions.find(used.token) is used
    with pytest.raises(UnknownSessionError):
        sessions.find(unused.token)
    with pytest.raises(BusyError):
        sessions.open()


def test_tokens_cannot_be_guessed_and_are_never_the_same() -> None:
    sessions = Sessions(ScriptedEngine())
    tokens = {sessions.open().token for _ in range(10)}
    assert len(tokens) == 10
    assert all(len(token) >= 43 for token in tokens)


def test_closing_all_leaves_no_session(tmp_path: Path) -> None:
    sessions = Sessions(ScriptedEngine())
    session = sessions.open()
    sessions.close_all()
    assert len(sessions) == 0
    with pytest.raises(UnknownSessionError):
        sessions.find(session.token)
