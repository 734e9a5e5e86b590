"""The engine protocol: Study + Report -> frames -> draft. Nothing else crosses between drafting and model.

What runs the denoising is an engine: in this process (`model.local_engine`) or elsewhere. This module holds only the
values that cross and the protocol; it knows no torch.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Protocol

from drafting.imaging import Study
from drafting.report import Report


class EngineError(RuntimeError):
    """The engine cannot do what was asked; the message is one sentence for the radiologist."""


@dataclass(frozen=True, slots=True)
class DraftSettings:
    """What a draft depends on beside study and report.

    `seed`: the same study, report, seed and settings give the same draft on the same machine.
    `steps`: at most this many denoising steps; None takes the checkpoint's own limit.
    """

    seed: int = 0
    steps: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError("The seed must be a whole number from 0 to 2**63 - 1.")
        if self.steps is not None and not 1 <= self.steps <= 1000:
            raise ValueError("The number of steps must be from 1 to 1000.")


@dataclass(frozen=True, slots=True)
class Piece:
    """A token's worth of an open span's text, the entropy of the model's belief (nats), and whether it is accepted."""

    text: str
    entropy: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What one denoising step shows: for each open span, by its id, its pieces of text.

    `step` counts from 1; `steps` is the limit, which a draft need not reach; `seconds` since the draft began.
    """

    step: int
    steps: int
    seconds: float
    pieces: Mapping[str, tuple[Piece, ...]]

    @property
    def texts(self) -> dict[str, str]:
        """For each open span, by its id, the text that this frame shows: what Stop keeps."""
        return {id: "".join(piece.text for piece in pieces) for id, pieces in self.pieces.items()}


@dataclass(frozen=True, slots=True)
class Draft:
    """The outcome of a whole run: the open spans' text, by span id.

    `mean_log_probability` (nats a token, over the open positions) ranks drafts of one report.
    """

    texts: Mapping[str, str]
    steps: int
    seconds: float
    seed: int
    model: str
    mean_log_probability: float


class Engine(Protocol):
    """What runs the denoising."""

    @property
    def model(self) -> str:
        """The name of the model that writes, as it is shown to the radiologist."""
        ...

    def prepare(self, study: Study | None, indication: str = "") -> None:
        """Encode the prefix of a study ahead of its first draft. Blocks until done; safe to call again."""
        ...

    def draft(
        self, study: Study | None, report: Report, settings: DraftSettings, indication: str = ""
    ) -> Generator[Frame, None, Draft]:
        """Denoise the open spans of a report: yields a frame a step and returns the draft.

        Closing the generator stops the run; the last frame's `texts` are then the outcome.
        Raises EngineError where the report cannot be drafted.
        """
        ...

    def release(self, study: Study) -> None:
        """Forget all that is kept for a study."""
        ...
