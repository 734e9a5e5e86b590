"""A run: its input, its stored frames and its outcome.

This module knows nothing of sessions or engines; `drafting.desk.session` runs a run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drafting.engine import Frame
from drafting.report import Report
from drafting.study import Study

# Of one run.
FRAMES_KEPT = 128
TAPE_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `texts`: the open spans' text by span id; empty where Stop came before the first frame."""

    texts: Mapping[str, str]
    steps: int
    seconds: float
    seed: int
    stopped: bool


@dataclass(frozen=True, slots=True)
class Alternative:
    """A text that a draft with this seed gives, and its share: how probable the model finds it, set against the others
    in the list, 0 to 1."""

    text: str
    share: float
    seed: int


@dataclass(frozen=True, slots=True)
class Run:
    """What a run began with.

    `report`: as the engine is given it, with nothing open but what is to be written. `writer`: the page whose version
    of the report that is.
    """

    study: Study | None
    report: Report
    indication: str
    writer: str
    stop: threading.Event
    name: str


class Tape:
    """The frames of a run, to go back to.

    A long run loses every second frame, so that there are never more than FRAMES_KEPT nor more than TAPE_BYTES.
    """

    def __init__(self, run: Run, has_room: Callable[[int], bool] = lambda amount: True) -> None:
        """`has_room`: whether so many bytes may be kept; where not, frames are lost as in a long run."""
        self.run = run
        self._has_room = has_room
        self.frames: list[Frame] = []
        self.nbytes = 0
        self._distance = 1
        self._seen = 0

    def add(self, frame: Frame) -> None:
        if self._seen % self._distance == 0:
            self._put(frame)
        self._seen += 1
        while len(self.frames) > 1 and (
            len(self.frames) >= FRAMES_KEPT or self.nbytes > TAPE_BYTES or not self._has_room(self.nbytes)
        ):
            del self.frames[1::2]
            self.nbytes = sum(kept.nbytes for kept in self.frames)
            self._distance *= 2

    def end(self, frame: Frame) -> None:
        """The last frame is always there."""
        if not self.frames or self.frames[-1].step != frame.step:
            self._put(frame)

    def _put(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.nbytes += frame.nbytes
