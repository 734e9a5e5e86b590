"""Many drafts at once: the runs of all sessions take each step together, in the engine's one thread.

A session's runs join and leave between steps. All torch work is done by one thread, because every thread that computes
brings threads of its own, which then fight for the cores. The thread works a few steps ahead of whoever takes them and
no further, so a draft that nobody entries at costs nothing.

This module knows nothing of reports, networks and canvases.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakSet

from drafting.engine import EngineBusyError
from model.engine.sampler import Run, denoise, draws, temperature
from model.network.decoder import Decoder, DecoderInput, DecoderSlot
from model.network.reading import Reading, State

Result = TypeVar("Result")

MOST_RUNS = 16
STEPS_AHEAD = 2
IDLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A run, its canvas's slot at the decoder, and the state to go on from; None begins with noise."""

    run: Run
    slot: DecoderSlot
    state: State | None = None


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
    """Runs denoising loops in step with each other. Safe to use from many threads.

    `most_runs`: beyond so many runs at once a newcomer is refused, at once and in a sentence, instead of slowing all.
    """

    def __init__(self, decoder: Decoder, most_runs: int = MOST_RUNS) -> None:
        self._decoder = decoder
        self._most_runs = most_runs
        self._changed = threading.Condition()
        self._parties: list[_Party] = []
        self._jobs: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        _batchers.add(self)

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

    def follow(self, lanes: Sequence[Lane]) -> Generator[tuple[State, ...]]:
        """Run `lanes` to their ends; yields their states after every step, a finished lane's last state again.

        The first step is under way when the first state is asked for. Closing the generator takes the lanes out before
        the next step. Raises EngineBusyError where too many runs are under way, and what the decoder raises for these
        lanes, which ends them and no others.
        """
        party = _Party(lanes)
        with self._changed:
            if sum(len(other.lanes) for other in self._parties) + len(lanes) > self._most_runs:
                raise EngineBusyError("The model is busy with other drafts; try again in a moment.")
            self._parties.append(party)
            self._wake()
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: party.ready or (party.over and party.made is None))
                    if not party.ready:
                        break
                    states = party.ready.popleft()
                    # There is room for a step again, and the thread may have ended for want of it.
                    self._wake()
                yield states
            if party.error:
                raise party.error
        finally:
            with self._changed:
                if party in self._parties:
                    self._parties.remove(party)

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
                    return
                job = self._jobs.popleft() if self._jobs else None
                wanting = self._wanting()
            if job:
                job()
            if wanting:
                self._step(wanting)
            # What a job holds is let go of now, not when the next one comes.
            job, wanting = None, []

    def _wanted(self) -> bool:
        return self._closing or bool(self._jobs or self._wanting())

    def _wanting(self) -> list[_Party]:
        return [party for party in self._parties if not party.over and party.ahead < STEPS_AHEAD]

    def _hand_over(self) -> None:
        """Let the followers have what the last step made.

        Done while a device works on the next step: whoever follows turns states into text, and this thread would
        otherwise wait its turn among all of them before the device had anything to do.
        """
        with self._changed:
            for party in self._parties:
                if party.made is not None:
                    party.ready.append(party.made)
                    party.made = None
            self._changed.notify_all()

    def _step(self, parties: list[_Party]) -> None:
        """One step for all; where that fails, one by one, so that only the party that fails is harmed."""
        try:
            readings = self._decoder([entry for party in parties for entry in party.entries()], self._hand_over)
        except Exception as error:  # noqa: BLE001 - raised again in the thread that follows the party
            if len(parties) == 1:
                self._end(parties[0], error)
            else:
                for party in parties:
                    self._step([party])
            return
        # Whatever the decoder did: what was made before goes out before what is made now.
        self._hand_over()
        for party in parties:
            count = len(party.entries())
            own, readings = readings[:count], readings[count:]
            try:
                states = party.advance(own)
            except Exception as error:  # noqa: BLE001 - raised again in the thread that follows the party
                self._end(party, error)
                continue
            with self._changed:
                # Both at once: a follower that saw the end before the last states would leave without them.
                party.made = states
                party.over = not party.running

    def _close(self) -> None:
        """Let no further step begin."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _end(self, party: _Party, error: Exception) -> None:
        with self._changed:
            party.error = error
            party.over = True
            self._changed.notify_all()


class _Party:
    """The lanes that one draft follows together.

    `made`: the states after the last step, until they are handed over; `ready`: those handed over and not yet taken.
    `over`: no further states will be made.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = lanes
        self.made: tuple[State, ...] | None = None
        self.ready: deque[tuple[State, ...]] = deque()
        self.error: Exception | None = None
        self._loops = [denoise(lane.run, lane.state) for lane in lanes]
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

    def entries(self) -> list[DecoderInput]:
        """What the decoder reads for the next step: the lanes that are not finished."""
        entries = []
        for lane, state, running in zip(self.lanes, self._states, self._running, strict=True):
            if running and state is not None:
                step = state.number + 1
                entries.append(
                    DecoderInput(lane.slot, state, temperature(lane.run.settings, step), draws(lane.run, step)[0])
                )
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
