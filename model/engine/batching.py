"""Many drafts at once: the runs of all sessions take steps together, in the engine's one thread.

A draft takes a place, waits in the line where all are taken, and keeps it for all its windows. Its runs join and leave
between steps. All torch work is done by one thread, because every thread that computes brings threads of its own, which
then fight for the cores. The thread works a few steps ahead of whoever takes them and no further, so a draft that
nobody reads costs nothing.

Drafts share the thread fairly (start-time fair queueing: Goyal et al., SIGCOMM 1996): a pass takes those that have had
the fewest rows computed, so a sentence gets more steps than a whole report beside it. The line is as fair: a small
draft passes whole reports, but never one that has waited as long as it takes.

This module knows nothing of reports, networks and canvases.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar
from weakref import WeakSet

from drafting.engine import EngineBusyError
from model.engine.memory import give_memory_back
from model.engine.sampler import Course, denoise, draws, temperature
from model.network.decoder import Decoder, DecoderInput, DecoderSlot
from model.network.reading import Reading, State

Result = TypeVar("Result")

MOST_RUNS = 32
MOST_WAITING = 64
# Of the places, this share is for drafts that are one of many of one page, beyond the first of them.
SPARE_SHARE = 0.5
STEPS_AHEAD = 2
IDLE_SECONDS = 5.0
# Whoever waits in the line is told their place at least this often, so that they can leave it.
WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """The course of a run, and its canvas's slot at the decoder."""

    course: Course
    slot: DecoderSlot


_batchers: WeakSet[Batcher] = WeakSet()
_threads: WeakSet[threading.Thread] = WeakSet()


@atexit.register
def _end_threads() -> None:
    """Wait for the steps under way: a thread that still computes when the interpreter goes takes the process down."""
    for batcher in list(_batchers):
        batcher._close()
    for thread in list(_threads):
        thread.join()


class Batcher:
    """Runs denoising loops in step with each other. Safe to use from many threads."""

    def __init__(
        self,
        decoder: Decoder,
        most_runs: int = MOST_RUNS,
        most_waiting: int = MOST_WAITING,
        rows_a_pass: int | None = None,
    ) -> None:
        """`most_runs`: beyond so many runs at once newcomers wait; beyond `most_waiting` of them they are refused.

        `rows_a_pass`: a pass takes no second draft beyond so many rows, so that no pass is long; None is no limit.
        """
        self._decoder = decoder
        self._most_runs = most_runs
        self._most_waiting = most_waiting
        self._rows_a_pass = rows_a_pass
        self._changed = threading.Condition()
        self._held = 0
        self._line: list[Place] = []
        self._arrivals = 0
        self._groups: list[_Group] = []
        self._fair_time = 0.0
        self._jobs: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        _batchers.add(self)

    def place(self, runs: int, size: int) -> Place:
        """A place for a draft of `runs` runs, taken now or in the line for one. `size`: about how many rows it needs.

        Raises EngineBusyError where the line is full.
        """
        with self._changed:
            if len(self._line) >= self._most_waiting:
                raise EngineBusyError("The model is busy with other drafts. Try again in a moment.")
            self._arrivals += 1
            place = Place(self, min(runs, self._most_runs), (self._fair_time + size, self._arrivals))
            self._line.append(place)
            self._line.sort(key=lambda one: one.rank)
            self._admit()
            return place

    def has_room_for_more(self, runs: int) -> bool:
        """Whether a page that drafts already may begin another draft: nobody waits, and others find a place at once."""
        with self._changed:
            return not self._line and self._held + runs <= self._most_runs * SPARE_SHARE

    def _admit(self) -> None:
        """With the condition held: who is first in the line comes in while there is room."""
        while self._line and self._held + self._line[0].runs <= self._most_runs:
            place = self._line.pop(0)
            place.admitted = True
            self._held += place.runs
        self._changed.notify_all()

    def _leave(self, place: Place) -> None:
        with self._changed:
            if place in self._line:
                self._line.remove(place)
            elif place.admitted:
                place.admitted = False
                self._held -= place.runs
            self._admit()

    def _wait(self, place: Place) -> Generator[int]:
        while True:
            with self._changed:
                if place.admitted:
                    return
                number = self._line.index(place) + 1
            yield number
            with self._changed:
                self._changed.wait_for(
                    lambda: place.admitted or self._line.index(place) + 1 != number,  # noqa: B023 - called at once
                    timeout=WAIT_SECONDS,
                )

    def call(self, work: Callable[[], Result]) -> Result:
        """Do `work` in the engine's thread, between two steps; returns or raises what it does."""
        future: Future[Result] = Future()

        def job() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
                future.set_exception(error)

        with self._changed:
            self._jobs.append(job)
            self._wake()
        return future.result()

    def _follow(self, lanes: Sequence[Lane]) -> Generator[tuple[State, ...]]:
        group = _Group(lanes)
        with self._changed:
            self._groups.append(group)
            self._wake()
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: group.ready or (group.over and group.made is None))
                    if not group.ready:
                        break
                    states = group.ready.popleft()
                    # There is room for a step again, and the thread may have ended for want of it.
                    self._wake()
                yield states
            if group.error:
                raise group.error
        finally:
            with self._changed:
                if group in self._groups:
                    self._groups.remove(group)

    def _wake(self) -> None:
        """With the condition held: have a thread that will see what was added."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
            self._thread.start()
            _threads.add(self._thread)
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._jobs or not self._wanting():
                    self._hand_over()
                # Ends when idle, so that an engine that is let go of is not kept alive by its thread.
                if not self._changed.wait_for(self._wanted, timeout=IDLE_SECONDS) or self._closing:
                    self._thread = None
                    break
                job = self._jobs.popleft() if self._jobs else None
                chosen = self._chosen()
            if job:
                job()
            if chosen:
                self._step(chosen)
            # What a job holds is let go of now, not when the next one comes.
            job, chosen = None, []
        give_memory_back()

    def _wanted(self) -> bool:
        return self._closing or bool(self._jobs or self._wanting())

    def _wanting(self) -> list[_Group]:
        return [group for group in self._groups if not group.over and group.ahead < STEPS_AHEAD]

    def _chosen(self) -> list[_Group]:
        """With the condition held: who takes the next step. Those who have had the least come first."""
        wanting = sorted(self._wanting(), key=lambda group: group.fair_time)
        if not wanting:
            return []
        # Who stood aside for a while does not catch up on what it did not want.
        self._fair_time = max(self._fair_time, wanting[0].fair_time)
        chosen: list[_Group] = []
        rows = 0
        for group in wanting:
            if chosen and self._rows_a_pass is not None and rows + group.rows > self._rows_a_pass:
                continue
            chosen.append(group)
            rows += group.rows
            group.fair_time = max(group.fair_time, self._fair_time) + group.rows
        # In the order in which they came, however much each has had.
        return [group for group in self._groups if group in chosen]

    def _hand_over(self) -> None:
        """Let the followers have what the last step made.

        Done while a device works on the next step: whoever follows turns states into text, and this thread would
        otherwise wait its turn among all of them before the device had anything to do.
        """
        with self._changed:
            for group in self._groups:
                if group.made is not None:
                    group.ready.append(group.made)
                    group.made = None
            self._changed.notify_all()

    def _step(self, groups: list[_Group]) -> None:
        """One step for all; where that fails, one by one, so that only the group that fails is harmed."""
        try:
            readings = self._decoder([entry for group in groups for entry in group.entries()], self._hand_over)
        except Exception as error:  # noqa: BLE001 - raised again in the thread that follows the group
            if len(groups) == 1:
                self._end(groups[0], error)
            else:
                for group in groups:
                    self._step([group])
            return
        # Whatever the decoder did: what was made before goes out before what is made now.
        self._hand_over()
        for group in groups:
            count = len(group.entries())
            own, readings = readings[:count], readings[count:]
            try:
                states = group.advance(own)
            except Exception as error:  # noqa: BLE001 - raised again in the thread that follows the group
                self._end(group, error)
                continue
            with self._changed:
                # Both at once: a follower that saw the end before the last states would leave without them.
                group.made = states
                group.over = not group.running

    def _close(self) -> None:
        """Let no further step begin."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _end(self, group: _Group, error: Exception) -> None:
        with self._changed:
            group.error = error
            group.over = True
            self._changed.notify_all()


class Place:
    """A draft's place among the others, from its first window to its last. Use it in a `with` block."""

    def __init__(self, batcher: Batcher, runs: int, rank: tuple[float, int]) -> None:
        self.runs = runs
        self.rank = rank
        self.admitted = False
        self._batcher = batcher

    def wait(self) -> Generator[int]:
        """Wait in the line: yields the place in it, from 1, when that changes and at least every half second.

        Ends when the draft can begin.
        """
        return self._batcher._wait(self)

    def follow(self, lanes: Sequence[Lane]) -> Generator[tuple[State, ...]]:
        """Run `lanes` to their ends; yields their states after every step, a finished lane's last state again.

        The first step is under way when the first state is asked for. Closing the generator takes the lanes out before
        the next step. Raises what the decoder raises for these lanes, which ends them and no others.
        """
        if not self.admitted or len(lanes) > self.runs:
            raise ValueError("The place is for fewer runs, or was not waited for.")
        return self._batcher._follow(lanes)

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._batcher._leave(self)


class _Group:
    """The lanes that one draft follows together.

    `made`: the states after the last step, until they are handed over; `ready`: those handed over and not yet taken.
    `over`: no further states will be made. `fair_time`: the rows computed for it, on the clock that all share.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = lanes
        self.made: tuple[State, ...] | None = None
        self.ready: deque[tuple[State, ...]] = deque()
        self.error: Exception | None = None
        self.fair_time = 0.0
        self._loops = [denoise(lane.course) for lane in lanes]
        self._running = [True for _ in lanes]
        self._states: list[State | None] = [None for _ in lanes]
        for number in range(len(lanes)):
            self._take(number, None)
        self.over = not self.running

    @property
    def running(self) -> bool:
        """Whether a lane is not finished."""
        return any(self._running)

    @property
    def ahead(self) -> int:
        """How many steps were made that nobody has taken."""
        return len(self.ready) + (self.made is not None)

    @property
    def rows(self) -> int:
        """The rows of its next step: of a lane that reuses its pinned rows the free ones alone."""
        return sum(
            len(lane.slot.tokens) if state.anchor is None else len(lane.slot.free)
            for lane, state, running in zip(self.lanes, self._states, self._running, strict=True)
            if running and state is not None
        )

    def entries(self) -> list[DecoderInput]:
        """What the decoder reads for the next step: the lanes that are not finished."""
        entries = []
        for lane, state, running in zip(self.lanes, self._states, self._running, strict=True):
            if running and state is not None:
                step = state.number + 1
                run = lane.course.at(step)
                entries.append(DecoderInput(lane.slot, state, temperature(run.settings, step), draws(run, step)[0]))
        return entries

    def advance(self, readings: Sequence[Reading]) -> tuple[State, ...]:
        """The lanes' states after the step that gave `readings`."""
        left = list(readings)
        for number in [number for number, running in enumerate(self._running) if running]:
            self._take(number, left.pop(0))
        return tuple(state for state in self._states if state is not None)

    def _take(self, number: int, reading: Reading | None) -> None:
        loop = self._loops[number]
        try:
            self._states[number] = next(loop) if reading is None else loop.send(reading)
        except StopIteration as end:
            self._states[number], self._running[number] = end.value, False
