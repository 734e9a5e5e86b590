"""One memory budget for all sessions of a desk."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
import pytest

from drafting.desk.budget import Budget
from drafting.desk.errors import OutOfMemoryError, UnknownSessionError
from drafting.desk.runs import FRAMES_KEPT, TAPE_BYTES, Tape
from drafting.desk.session import Limits
from drafting.desk.sessions import Sessions
from drafting.engine import PIECE_BYTES, DraftSettings, Frame, Piece
from drafting.report import Report, Span
from drafting.study import Picture, Study
from tests.drafting.desk.test_session import finish
from tests.drafting.desk.test_sessions import Clock
from tests.drafting.scripted_engine import ScriptedEngine

KILOBYTE = 1000
GAP = Report.from_spans((Span("s1", "", "open", "model"),))


def a_study(kilobytes: int) -> Study:
    """A study of so many kilobytes of pixels, half of them for the model."""
    values = np.zeros((kilobytes, KILOBYTE // 2), np.uint8)
    return Study((Picture(values),), values)


def a_desk(kilobytes: int, engine: ScriptedEngine | None = None) -> tuple[Sessions, Clock]:
    clock = Clock()
    limits = Limits(memory_bytes=kilobytes * KILOBYTE, idle_seconds=300)
    return Sessions(engine or ScriptedEngine(), limits, clock), clock


def test_studies_and_priors_of_all_sessions_count_together() -> None:
    sessions, _ = a_desk(100)
    first, second = sessions.open(), sessions.open()
    first.open_study(a_study(40))
    first.open_prior(a_study(40))
    with pytest.raises(OutOfMemoryError, match="no memory left for images"):
        second.open_study(a_study(21))
    assert second.study is None
    second.open_study(kept := a_study(20))
    with pytest.raises(OutOfMemoryError):
        second.open_study(a_study(21))
    assert second.study is kept
    first.close_prior()
    second.open_study(a_study(60))
    sessions.close_all()
    assert sessions.budget.held_bytes == 0


def test_a_study_takes_the_place_of_the_former_one_and_its_prior() -> None:
    sessions, _ = a_desk(100)
    session = sessions.open()
    for _ in range(5):
        session.open_study(a_study(60))
        session.open_prior(a_study(40))
    assert sessions.budget.held_bytes == 100 * KILOBYTE


def test_the_session_that_is_silent_for_longest_makes_room_first() -> None:
    sessions, clock = a_desk(100)
    oldest, older, live = sessions.open(), sessions.open(), sessions.open()
    for session in (oldest, older, live):
        session.open_study(a_study(30))
        clock.now += 10
    empty = sessions.open()
    clock.now += 200
    sessions.find(live.token)
    newest = sessions.open()
    newest.open_study(a_study(40))
    with pytest.raises(UnknownSessionError):
        sessions.find(oldest.token)
    assert older.study is not None
    # What holds nothing is left alone: nothing would be won.
    assert sessions.find(empty.token) is empty
    newest.open_prior(a_study(30))
    with pytest.raises(UnknownSessionError):
        sessions.find(older.token)
    with pytest.raises(OutOfMemoryError):
        newest.open_prior(a_study(31))
    assert sessions.find(live.token) is live


def test_a_session_at_work_is_never_closed_for_its_memory() -> None:
    sessions, clock = a_desk(100)
    drafting, newest = sessions.open(), sessions.open()
    drafting.receive(GAP, 1, "")
    drafting.open_study(a_study(60))
    run = drafting.run(DraftSettings())
    next(run)
    clock.now += 299
    with pytest.raises(OutOfMemoryError):
        newest.open_study(a_study(60))
    finish(run)


def test_frames_count_and_are_given_up_before_the_draft_is() -> None:
    sessions, _ = a_desk(100)
    session = sessions.open()
    session.receive(GAP, 1, "")
    session.open_study(a_study(60))
    finish(session.run(DraftSettings()))
    assert session.last_run() is not None
    assert sessions.budget.held_bytes > 60 * KILOBYTE
    session.open_study(a_study(100))
    assert sessions.budget.held_bytes == 100 * KILOBYTE
    assert finish(session.run(DraftSettings()))[1].texts
    assert session.last_run() is None
    assert sessions.budget.held_bytes == 100 * KILOBYTE


def test_kept_frames_are_bounded_in_number_and_bytes() -> None:
    line = tuple(Piece("word ", 0.0, True) for _ in range(TAPE_BYTES // PIECE_BYTES // 10))
    tape = Tape(run=None)  # type: ignore[arg-type]
    for step in range(1, 1001):
        tape.add(Frame(step, 1000, 0.0, {"s1": line if step > 500 else ()}))
        assert len(tape.frames) < FRAMES_KEPT
        assert tape.nbytes == sum(frame.nbytes for frame in tape.frames) <= TAPE_BYTES
    tape.end(Frame(1000, 1000, 0.0, {"s1": line}))
    assert (tape.frames[0].step, tape.frames[-1].step) == (1, 1000)


def test_a_session_that_closes_while_it_takes_memory_keeps_none() -> None:
    class Closing(Budget):
        """Closes the session between the taking and what is then done with it."""

        def hold(self, holder: str, amounts: Mapping[str, int]) -> dict[str, int]:
            before = super().hold(holder, amounts)
            if any(amounts.values()):
                sessions.close(holder)
            return before

    sessions, _ = a_desk(100)
    sessions.budget = Closing(10**6, lambda asking: False)
    session = sessions.open()
    with pytest.raises(UnknownSessionError):
        session.open_study(a_study(10))
    assert sessions.budget.held_bytes == 0


def test_sessions_that_take_memory_at_the_same_time_never_wait_for_each_other() -> None:
    sessions, clock = a_desk(100)
    opened = [sessions.open() for _ in range(6)]

    def work(number: int) -> None:
        for _ in range(40):
            clock.now += 60
            try:
                session = sessions.find(opened[number].token)
                session.open_study(a_study(30))
                session.open_prior(a_study(10))
            except OutOfMemoryError:
                continue
            except UnknownSessionError:
                opened[number] = sessions.open()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(opened))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    held = {session: session.study for session in (sessions._sessions[token] for token in sessions._sessions)}
    counted = sum(study.nbytes for study in held.values() if study)
    counted += sum(session.prior.nbytes for session in held if session.prior)
    assert sessions.budget.held_bytes == counted <= 100 * KILOBYTE
