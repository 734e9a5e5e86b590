"""Many drafts at once: lanes join and leave between steps, a failing party harms no other, a full engine says so."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest
import torch

from drafting.engine import EngineBusyError
from model.engine import batching
from model.engine.batching import Batcher, Lane
from model.engine.sampler import Course, Run, SamplerSettings
from model.network.decoder import DecoderInput, DecoderSlot, Meanwhile, do_nothing
from model.network.prefix import Prefix
from model.network.reading import Reading, State

ROOT = Path(__file__).resolve().parents[3]
FREE = 4
VOCABULARY = 30


def a_slot() -> DecoderSlot:
    return DecoderSlot(Prefix((), 0), torch.zeros(FREE, dtype=torch.long), torch.arange(FREE), torch.zeros(FREE) > 0)


def a_lane(seed: int, steps: int = 6) -> Lane:
    return Lane(Course(Run(FREE, VOCABULARY, SamplerSettings(steps=steps), seed)), a_slot())


def follow(batcher: Batcher, lanes: Sequence[Lane], size: int = FREE) -> Generator[tuple[State, ...]]:
    """A draft of one window: takes its place, waits for it and gives it back."""
    with batcher.place(len(lanes), size) as place:
        for _ in place.wait():
            pass
        yield from place.follow(lanes)


class Recorder:
    """A decoder that believes nothing in particular, and keeps which lanes it saw together."""

    def __init__(self, before: Callable[[Sequence[DecoderInput]], None] = lambda entries: None) -> None:
        self.before = before
        self.together: list[list[DecoderSlot]] = []

    def __call__(self, entries: Sequence[DecoderInput], meanwhile: Meanwhile = do_nothing) -> list[Reading]:
        meanwhile()
        self.before(entries)
        self.together.append([entry.slot for entry in entries])
        return [
            Reading(
                best=entry.state.canvas,
                log_probability=torch.full((FREE,), -1.0),
                sampled=entry.state.canvas,
                entropy=torch.full((FREE,), 1.0),
                belief=torch.zeros(FREE, 1),
            )
            for entry in entries
        ]


def canvases(states: Sequence[tuple[State, ...]]) -> list[list[list[int]]]:
    return [[state.canvas.tolist() for state in one] for one in states]


def test_a_lane_is_run_to_its_end() -> None:
    states = list(follow(Batcher(Recorder()), [a_lane(1)]))
    assert [state.number for (state,) in states] == [1, 2, 3, 4, 5, 6]


def test_a_follower_that_wakes_while_the_last_step_is_taken_still_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    batcher = Batcher(Recorder())
    advance = batching._Group.advance

    def slowly(group: batching._Group, readings: Sequence[Reading]) -> tuple[State, ...]:
        states = advance(group, readings)
        with batcher._changed:
            batcher._changed.notify_all()
        time.sleep(0.05)
        return states

    monkeypatch.setattr(batching._Group, "advance", slowly)
    assert [state.number for (state,) in follow(batcher, [a_lane(1, steps=3)])] == [1, 2, 3]


def test_a_draft_s_lanes_take_each_step_together_and_those_that_are_done_wait() -> None:
    decoder = Recorder()
    lanes = [a_lane(1, steps=2), a_lane(2, steps=5)]
    states = list(follow(Batcher(decoder), lanes))
    assert [(one.number, other.number) for one, other in states] == [(1, 1), (2, 2), (2, 3), (2, 4), (2, 5)]
    assert [len(slots) for slots in decoder.together] == [2, 2, 1, 1, 1]


def test_a_lane_among_others_goes_the_way_it_goes_alone() -> None:
    alone = canvases(list(follow(Batcher(Recorder()), [a_lane(3)])))
    batcher = Batcher(Recorder())
    others = [follow(batcher, [a_lane(seed)]) for seed in (4, 5)]
    for other in others:
        next(other)
    assert canvases(list(follow(batcher, [a_lane(3)]))) == alone


def test_parties_join_and_leave_between_steps() -> None:
    decoder = Recorder()
    batcher = Batcher(decoder)
    long, short = a_lane(1, steps=60), a_lane(2, steps=3)
    steady = follow(batcher, [long])
    for _ in range(5):
        next(steady)
    passing = follow(batcher, [short])
    for _ in range(3):
        next(passing), next(steady)
    assert [state.number for (state,) in passing] == []
    assert len(list(steady)) == 60 - 8
    seen_with = [short.slot in slots for slots in decoder.together]
    assert sum(seen_with) == 3
    assert not seen_with[0]
    assert not seen_with[-1]
    assert sum(long.slot in slots for slots in decoder.together) == 60


def test_nobody_is_passed_over() -> None:
    lanes = [a_lane(seed, steps=30) for seed in range(6)]
    taken, changed = dict.fromkeys(lanes, 0), threading.Condition()

    def all_taken(entries: Sequence[DecoderInput]) -> None:
        # Whoever has not taken its states stands aside; here each has, however busy the machine is.
        under_way = {entry.slot: entry.state.number for entry in entries}
        while len(batcher._groups) < len(lanes) and not decoder.together:
            threading.Event().wait(0.01)
        with changed:
            assert changed.wait_for(lambda: all(taken[lane] >= under_way.get(lane.slot, 0) for lane in lanes), 20)

    decoder = Recorder(all_taken)
    batcher = Batcher(decoder)

    def take(lane: Lane) -> None:
        for _ in follow(batcher, [lane]):
            with changed:
                taken[lane] += 1
                changed.notify_all()

    threads = [threading.Thread(target=take, args=[lane]) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    first, *together = decoder.together
    assert [len(slots) for slots in together] == [6] * 29 + [6 - len(first)] * (len(first) < 6)


def test_a_draft_that_nobody_takes_stands_still() -> None:
    decoder = Recorder()
    slow = follow(Batcher(decoder), [a_lane(1, steps=50)])
    next(slow)
    threading.Event().wait(0.2)
    assert len(decoder.together) <= 4
    slow.close()


def test_closing_takes_the_lanes_out() -> None:
    decoder = Recorder()
    batcher = Batcher(decoder, most_runs=1)
    first = follow(batcher, [a_lane(1, steps=1000)])
    next(first)
    first.close()
    assert len(list(follow(batcher, [a_lane(2)]))) == 6


def test_beyond_the_limit_newcomers_wait_in_line_and_are_told_their_place() -> None:
    batcher = Batcher(Recorder(), most_runs=2)
    first, second = follow(batcher, [a_lane(1)]), follow(batcher, [a_lane(2)])
    next(first), next(second)
    with batcher.place(1, 4) as third, batcher.place(1, 4) as fourth:
        waiting, behind = third.wait(), fourth.wait()
        assert (next(waiting), next(behind)) == (1, 2)
        # Whoever waits is told again, so that a page that is gone can leave the line.
        assert next(waiting) == 1
        assert len(list(first)) == 5
        assert list(waiting) == []
        assert next(behind) == 1
        assert len(list(third.follow([a_lane(3)]))) == 6
        second.close()
        assert list(behind) == []


def test_a_line_that_is_full_refuses_at_once() -> None:
    batcher = Batcher(Recorder(), most_runs=1, most_waiting=1)
    with batcher.place(1, 4), batcher.place(1, 4), pytest.raises(EngineBusyError, match="busy"):
        batcher.place(1, 4)


def test_who_leaves_the_line_holds_nobody_up() -> None:
    batcher = Batcher(Recorder(), most_runs=1)
    with batcher.place(1, 4) as first:
        with batcher.place(1, 4), batcher.place(1, 4) as third:
            waiting = third.wait()
            assert next(waiting) == 2
        assert list(first.wait()) == []
    assert len(list(follow(batcher, [a_lane(3)]))) == 6


def test_a_draft_keeps_its_place_from_window_to_window() -> None:
    batcher = Batcher(Recorder(), most_runs=1)
    with batcher.place(1, 4) as first:
        assert list(first.wait()) == []
        assert len(list(first.follow([a_lane(1)]))) == 6
        with batcher.place(1, 4) as second:
            assert next(second.wait()) == 1
            assert len(list(first.follow([a_lane(2)]))) == 6


def test_a_small_draft_passes_large_ones_in_the_line_but_none_that_has_waited_long() -> None:
    batcher = Batcher(Recorder(), most_runs=1)
    with batcher.place(1, 4) as first:
        large, small = batcher.place(1, 100), batcher.place(1, 8)
        assert (next(small.wait()), next(large.wait())) == (1, 2)
        # While the one ahead takes its steps, time passes.
        assert len(list(first.follow([a_lane(1, steps=40)]))) == 40
        later = batcher.place(1, 8)
        assert [next(one.wait()) for one in (small, large, later)] == [1, 2, 3]


def test_a_small_draft_gets_more_steps_than_a_large_one_beside_it() -> None:
    wide = DecoderSlot(Prefix((), 0), torch.zeros(40, dtype=torch.long), torch.arange(FREE), torch.zeros(FREE) > 0)
    large = Lane(Course(Run(FREE, VOCABULARY, SamplerSettings(steps=30), 1)), wide)
    small = a_lane(2, steps=20)
    taken, changed = 0, threading.Condition()

    def small_wants_more(entries: Sequence[DecoderInput]) -> None:
        # However slow this machine's threads are: nobody stands aside for want of a reader.
        made = sum(small.slot in slots for slots in decoder.together)
        with changed:
            assert changed.wait_for(lambda: taken >= made, 20)

    decoder = Recorder(small_wants_more)
    # A pass has room for the large one or for the small one.
    batcher = Batcher(decoder, rows_a_pass=40)
    with batcher.place(1, 40) as one, batcher.place(1, 4) as other:
        slow, fast = one.follow([large]), other.follow([small])
        taking = threading.Thread(target=lambda: list(slow), daemon=True)
        taking.start()
        for _ in fast:
            with changed:
                taken += 1
                changed.notify_all()
        taking.join(20)
    passes = [number for number, slots in enumerate(decoder.together) if small.slot in slots]
    between = decoder.together[passes[0] : passes[-1] + 1]
    # Eighty rows of the one are two steps of the other.
    assert sum(large.slot in slots for slots in between) <= 3
    assert sum(large.slot in slots for slots in decoder.together) == 30


def test_more_drafts_of_one_page_leave_places_for_others() -> None:
    batcher = Batcher(Recorder(), most_runs=8)
    with batcher.place(1, 4), batcher.place(1, 4), batcher.place(1, 4):
        assert batcher.has_room_for_more(1)
        with batcher.place(1, 4):
            assert not batcher.has_room_for_more(1)


def test_a_draft_that_fails_harms_no_other() -> None:
    bad = a_lane(13)

    def refuse(entries: Sequence[DecoderInput]) -> None:
        if any(entry.slot is bad.slot and entry.state.number == 2 for entry in entries):
            raise RuntimeError("out of memory")

    batcher = Batcher(Recorder(refuse))
    alone = canvases(list(follow(Batcher(Recorder()), [a_lane(1)])))
    outcome: dict[str, object] = {}

    def take(name: str, lane: Lane) -> None:
        try:
            outcome[name] = canvases(list(follow(batcher, [lane])))
        except RuntimeError as error:
            outcome[name] = str(error)

    threads = [threading.Thread(target=take, args=one) for one in (("good", a_lane(1)), ("bad", bad))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert outcome == {"good": alone, "bad": "out of memory"}


def test_work_is_done_between_steps_and_its_error_is_the_caller_s() -> None:
    batcher = Batcher(Recorder())
    assert batcher.call(lambda: threading.current_thread().name) == "engine"
    with pytest.raises(ZeroDivisionError):
        batcher.call(lambda: 1 / 0)
    assert len(list(follow(batcher, [a_lane(1)]))) == 6


def test_the_thread_of_an_idle_engine_ends_and_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.engine.batching.IDLE_SECONDS", 0.05)
    batcher = Batcher(Recorder())
    thread = batcher.call(threading.current_thread)
    thread.join(10)
    assert not thread.is_alive()
    assert len(list(follow(batcher, [a_lane(1)]))) == 6


def test_a_follower_that_pauses_for_longer_than_the_thread_waits_gets_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.engine.batching.IDLE_SECONDS", 0.05)
    batcher = Batcher(Recorder())
    states = follow(batcher, [a_lane(1)])
    next(states)
    thread = batcher._thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    assert [state.number for (state,) in states] == [2, 3, 4, 5, 6]


def test_a_process_that_leaves_in_the_middle_of_a_draft_ends_cleanly(tmp_path: Path) -> None:
    program = tmp_path / "leave.py"
    program.write_text(
        """
import torch

from model.engine.batching import Batcher
from tests.model.engine.test_batching import Recorder, a_lane, follow

numbers = torch.rand(600, 600)


def compute(entries):
    for _ in range(40):
        numbers @ numbers


states = follow(Batcher(Recorder(compute)), [a_lane(1, steps=48)])
next(states)
print("left")
""",
        encoding="utf-8",
    )
    # Without the wait about every second one came down.
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, program],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")
