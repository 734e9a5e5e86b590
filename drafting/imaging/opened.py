"""The contents of one opened file, and what the readers of all formats share: the size limit and the automatic window.

This module knows no file format.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drafting.imaging.open import Limits, in_megabytes
from drafting.study import Picture, StudyError, StudyFacts, Window

SAMPLED_VALUES = 2**20


class BeyondLimitsError(StudyError):
    """More pixels or frames than the limits allow."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file's pictures belong among others. `patient`: what tells one patient from another, never passed on."""

    patient: tuple[str, ...] = ()
    series: tuple[float, str] = (math.inf, "")
    instance: float | None = None
    position: float | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What one file holds."""

    pictures: tuple[Picture, ...]
    facts: StudyFacts = field(default_factory=StudyFacts)
    place: Place = field(default_factory=Place)

    @property
    def decoded_bytes(self) -> int:
        return sum(picture.values.nbytes for picture in self.pictures)


def check_size(rows: int, columns: int, frames: int, announced: int, limits: Limits) -> None:
    """Refuse by what the header announces, before a pixel is decoded."""
    if frames > limits.frames:
        raise BeyondLimitsError(f"This study has too many frames: {frames:,}. The limit is {limits.frames:,}.")
    if announced > limits.decoded_bytes:
        extent = f"{columns} x {rows} pixels" if frames == 1 else f"{frames} frames of {columns} x {rows} pixels"
        raise BeyondLimitsError(
            f"The image is too large: {extent} need {in_megabytes(announced)}."
            f" The limit is {in_megabytes(limits.decoded_bytes)}."
        )


def automatic_window(samples: list[NDArray[np.float64]]) -> Window:
    """A window for pictures whose file names none: from the 0.5th to the 99.5th percentile of the modality values."""
    values = np.concatenate(samples)
    if values.size == 0:
        return Window.between(0, 1)
    low, high = np.percentile(values, (0.5, 99.5))
    if low == high:
        low, high = values.min(), values.max()
    return Window.between(float(low), float(high))
