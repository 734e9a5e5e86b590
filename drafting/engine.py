"""The engine protocol: Study + Report -> frames -> draft. Nothing else crosses between drafting and model.

What runs the denoising is an engine: in this process (`model.engine.local`) or elsewhere. This module holds only the
values that cross and the protocol; it knows no torch.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drafting.report import Report
from drafting.study import Study

# A piece with its text and its number, as Python keeps them.
PIECE_BYTES = 200


class EngineError(RuntimeError):
    """The engine cannot do what was asked; the message is one sentence for the radiologist."""


class EngineBusyError(EngineError):
    """The engine has as many drafts under way as it takes."""


@dataclass(frozen=True, slots=True)
class DraftSettings:
    """What a draft depends on beside study and report.

    `seed`: the same study, report, seed and settings give the same draft on the same machine.
    `steps`: at most this many denoising steps for each window; None takes the checkpoint's own limit.
    `strength`: how much of an open span's text is written anew: 1 is all of it; below, that share of its tokens, the
    ones furthest behind what the model would rather have there, while the rest stays; 0 changes nothing. A gap is
    always written anew.
    """

    seed: int = 0
    steps: int | None = None
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError("The seed must be a whole number from 0 to 2**63 - 1.")
        if self.steps is not None and not 1 <= self.steps <= 1000:
            raise ValueError("The number of steps must be from 1 to 1000.")
        if not 0 <= self.strength <= 1:
            raise ValueError("The strength must be from 0 to 1.")


@dataclass(frozen=True, slots=True)
class Piece:
    """A token's worth of an open span's text, the entropy of the model's belief (nats), and whether it is accepted."""

    text: str
    entropy: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What one denoising step shows: for each open span, by its id, its pieces of text.

    `step` counts from 1; `steps` is the limit, which a draft need not reach, and which rises where a gap is widened;
    `seconds` since the draft began. `resumption` is the engine's own note of how to go on from here.

    A draft that waits for others yields frames of step 0, which show nothing: `place` is then its place in the line,
    from 1.
    """

    step: int
    steps: int
    seconds: float
    pieces: Mapping[str, tuple[Piece, ...]]
    place: int = 0
    resumption: object = field(default=None, compare=False, repr=False)

    @property
    def texts(self) -> dict[str, str]:
        """For each open span, by its id, the text that this frame shows: what Stop keeps."""
        return {id: "".join(piece.text for piece in pieces) for id, pieces in self.pieces.items()}

    @property
    def nbytes(self) -> int:
        """About the memory that it takes, in bytes."""
        return sum(map(len, self.pieces.values())) * PIECE_BYTES


@dataclass(frozen=True, slots=True)
class Draft:
    """The outcome of a whole run: the open spans' text, by span id.

    `mean_log_probability` (nats a token, over the open positions) ranks drafts of one report. `widenings`: how often
    a gap proved too narrow and was drafted again with more room; `full`: the spans whose text may still be cut short.
    """

    texts: Mapping[str, str]
    steps: int
    seconds: float
    seed: int
    model: str
    mean_log_probability: float
    widenings: int = 0
    full: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WordChoice:
    """A word that could stand in the place of another, and how probable the model finds it there.

    `probability`: 0 to 1, its share among the single words that the model would write there and leave standing, of no
    more tokens than the present one, with the image and all around as they are. What the choices of one place lack to
    1 is what words that are not listed have. It is the model's belief about this place alone, not a chance of being
    right.
    """

    text: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class AttentionMap:
    """Where the model looked for a text: how much more of its attention each part of the image has.

    `weights`: (rows, columns) float32, at least 0; the parts are equal and cover the study's first picture, as it is
    stored, without a rest. Their sum, from 0 to 1, is the share of the attention to the image that lies elsewhere than
    for the rest of the report. `share`: of all attention of the text, what goes to the image, 0 to 1.
    """

    weights: NDArray[np.float32]
    share: float


class Engine(Protocol):
    """What runs the denoising."""

    @property
    def model(self) -> str:
        """The name of the model that writes, as it is shown to the radiologist."""
        ...

    @property
    def heeds_hints(self) -> bool:
        """Whether hints are told the model; where not, they change nothing."""
        ...

    def prepare(self, study: Study | None, indication: str = "") -> None:
        """Encode the prefix of a study ahead of its first draft. Blocks until done; safe to call again."""
        ...

    def draft(
        self,
        study: Study | None,
        report: Report,
        settings: DraftSettings,
        indication: str = "",
        start: Frame | None = None,
    ) -> Generator[Frame, None, Draft]:
        """Denoise the open spans of a report: yields a frame a step and returns the draft.

        `start`: a frame of an earlier draft of the same study and report, to go on from; with the same settings the
        rest is what it was then. Closing the generator stops the run; the last frame's `texts` are then the outcome.
        Raises EngineError where the report cannot be drafted, EngineBusyError where too many drafts are under way.
        """
        ...

    def alternatives(
        self, study: Study | None, report: Report, count: int, settings: DraftSettings, indication: str = ""
    ) -> Generator[tuple[Frame, ...], None, tuple[Draft, ...]]:
        """Draft a report's open spans `count` times at once, with rising seeds.

        Yields the drafts' newest frames; that of a finished draft has as many `steps` as it took. Returns the
        different drafts, the likeliest first; each is what `draft` gives with its seed. Raises what `draft` raises.
        """
        ...

    def shares(self, study: Study | None, report: Report, texts: Sequence[str], indication: str = "") -> list[float]:
        """How probable each of some texts of a report's one open span is, set against the others: they add up to 1.

        A text is judged by what the model expects at each place of it before it has seen the rest, not by how sure it
        is once all is written, which it always is. Raises EngineError where not one span is open.
        """
        ...

    def words(self, study: Study | None, report: Report, count: int, indication: str = "") -> tuple[WordChoice, ...]:
        """What could stand in the place of a word: the only open span of the report, which holds it.

        Gives up to `count` words, the likeliest first, and always the one that stands there. The same every
        time. Raises EngineError where the report has not one open span with text.
        """
        ...

    def answer(self, study: Study | None, question: str, settings: DraftSettings) -> Generator[Frame, None, Draft]:
        """Answer a question about a study's image: yields a frame a step, as `draft` does.

        The draft's only text is the answer. Raises EngineError where nothing is asked, and what `draft` raises.
        """
        ...

    def looked(
        self, study: Study | None, report: Report, id: str, part: tuple[int, int] | None = None, indication: str = ""
    ) -> AttentionMap:
        """Where the model looked for the text of the open span `id`, or for a part of it: a start and a stop in it.

        Raises EngineError without a study, and where there is no text or more than the model can see in one go.
        """
        ...

    def release(self, study: Study | None) -> None:
        """Forget all that is kept for a study; with None, all that was made without one."""
        ...
