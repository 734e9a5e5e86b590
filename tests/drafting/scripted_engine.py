"""An engine without a model: a script stands in for the network, so that tests can time it and break it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from drafting.engine import AttentionMap, Draft, DraftSettings, EngineError, Frame, Piece, WordChoice
from drafting.report import Report, Span
from drafting.study import Study

WORDS = ("The", " heart", " is", " normal", " in", " size.")


@dataclass
class ScriptedEngine:
    """Fills each open span with the same sentence, a word more a step, the later words still noise.

    `before_step` is called with each step's number: to pause, to watch or to raise. `places`: in the line, before it
    begins.
    """

    steps: int = 6
    seconds_a_step: float = 0.0
    before_step: Callable[[int], None] = lambda step: None
    places: Sequence[int] = ()
    before_prepare: Callable[[], None] = lambda: None
    heeds_hints: bool = True
    prepared: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    drafted: list[tuple[Report, str]] = field(default_factory=list)
    started_at: list[int] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)
    texts: dict[str, str] = field(default_factory=dict)
    alternative_texts: Sequence[str] = ()
    words_written: tuple[str, ...] = WORDS
    looked_at: list[tuple[str, tuple[int, int] | None]] = field(default_factory=list)

    @property
    def model(self) -> str:
        return "scripted engine"

    def prepare(self, study: Study | None, indication: str = "") -> None:
        self.before_prepare()
        if study:
            self.prepared.append(study.id)

    def draft(
        self,
        study: Study | None,
        report: Report,
        settings: DraftSettings,
        indication: str = "",
        start: Frame | None = None,
    ) -> Generator[Frame, None, Draft]:
        self.drafted.append((report, indication))
        self.started_at.append(start.step if start else 0)
        steps = settings.steps or self.steps
        pieces: dict[str, tuple[Piece, ...]] = {}
        try:
            for place in self.places:
                yield Frame(0, steps, 0.0, {}, place=place)
            for step in range(start.step + 1 if start else 1, steps + 1):
                time.sleep(self.seconds_a_step)
                self.before_step(step)
                known = round(len(self.words_written) * step / steps)
                line = tuple(
                    Piece(word, 0.0, True) if at < known else Piece(f" noise{settings.seed + step + at}", 3.0, False)
                    for at, word in enumerate(self.words_written)
                )
                pieces = {span.id: line for span in report.open_spans}
                yield Frame(step, steps, step * self.seconds_a_step, pieces)
        except GeneratorExit:
            self.closed.set()
            raise
        texts = {id: "".join(piece.text for piece in line) for id, line in pieces.items()}
        return Draft(texts | self.texts, steps, steps * self.seconds_a_step, settings.seed, self.model, -0.1)

    def alternatives(
        self, study: Study | None, report: Report, count: int, settings: DraftSettings, indication: str = ""
    ) -> Generator[tuple[Frame, ...], None, tuple[Draft, ...]]:
        self.drafted.append((report, indication))
        for step in range(1, self.steps + 1):
            time.sleep(self.seconds_a_step)
            self.before_step(step)
            yield (Frame(step, self.steps, step * self.seconds_a_step, {}),)
        return tuple(
            Draft(
                {span.id: text for span in report.open_spans} | self.texts,
                self.steps,
                0.1,
                settings.seed + number,
                self.model,
                -0.1 * (number + 1),
            )
            for number, text in enumerate(self.alternative_texts or [f"Alternative {at}." for at in range(count)])
        )

    def shares(self, study: Study | None, report: Report, texts: Sequence[str], indication: str = "") -> list[float]:
        return [2.0 ** -(number + 1) for number in range(len(texts))]

    def words(self, study: Study | None, report: Report, count: int, indication: str = "") -> tuple[WordChoice, ...]:
        self.drafted.append((report, indication))
        self.before_step(1)
        (word,) = report.open_spans
        return (WordChoice(word.text, 0.625), WordChoice("large", 0.25), WordChoice("tiny", 0.0625))

    def answer(self, study: Study | None, question: str, settings: DraftSettings) -> Generator[Frame, None, Draft]:
        gap = Report((Span("answer", "", "open", "model"),))
        return (yield from self.draft(study, gap, settings))

    def looked(
        self, study: Study | None, report: Report, id: str, part: tuple[int, int] | None = None, indication: str = ""
    ) -> AttentionMap:
        """The part of the picture that is as far right as the part of the span begins late, and low down."""
        self.looked_at.append((id, part))
        text = next((span.text for span in report.open_spans if span.id == id), "")
        if not text:
            raise EngineError("The model wrote no text here.")
        weights = np.zeros((3, 4), np.float32)
        weights[2, min(3, 4 * (part[0] if part else 0) // len(text))] = 0.25
        return AttentionMap(weights, 0.2)

    def release(self, study: Study | None) -> None:
        self.released.append(study.id if study else "")
