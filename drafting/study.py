"""A study: its images, the facts of its header, and how a screen shows them.

This module knows nothing of files, formats, reports, models or browsers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from secrets import token_urlsafe

import numpy as np
from numpy.typing import NDArray


class StudyError(ValueError):
    """A file that cannot be opened as a study; the message is one sentence for the person who chose the file."""


@dataclass(frozen=True, slots=True)
class Window:
    """A display window in modality values (for CT: Hounsfield units), DICOM PS3.3 C.11.2.1.2, function LINEAR."""

    center: float
    width: float
    name: str = ""

    @classmethod
    def between(cls, low: float, high: float, name: str = "") -> Window:
        """The window that shows `low` black and `high` white."""
        return cls(center=(low + high + 1) / 2, width=high - low + 1, name=name)

    def bounds(self) -> tuple[float, float]:
        """The modality values shown black and white; the half and the one are LINEAR's own (C.11.2.1.2.1)."""
        half = (self.width - 1) / 2
        return self.center - 0.5 - half, self.center - 0.5 + half


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a study, before windowing.

    `values`: (height, width) uint8 or uint16, or (height, width, 3) uint8 RGB. A modality value is
    `values * slope + intercept`. `windows`: the first is shown first; empty for colour.
    `inverted`: low values are shown bright (MONOCHROME1, or Presentation LUT Shape INVERSE).
    `spacing`: millimetres between rows and between columns, where the file tells them, and `spacing_at` where they
    hold: 'patient', at the 'detector' (what lies before it is smaller than it measures) or on the 'film'.
    `aspect`: a pixel's height over its width. `orientation`: the patient's directions to which rows and columns run,
    such as ('L', 'F'). `label`: which picture of the study it is, such as 'PA'.
    """

    values: NDArray[np.uint8] | NDArray[np.uint16]
    slope: float = 1.0
    intercept: float = 0.0
    windows: tuple[Window, ...] = ()
    inverted: bool = False
    spacing: tuple[float, float] | None = None
    spacing_at: str = "patient"
    aspect: float = 1.0
    orientation: tuple[str, str] | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What the header tells that matters for the report; None where it says nothing.

    Never a name or a number of a person. `age` in years; `sex` 'M', 'F' or 'O'; `view` such as 'PA', 'AP', 'LL';
    `laterality` 'L', 'R' or 'B'; `description` what the study is called, such as 'Chest PA and lateral'.
    """

    modality: str | None = None
    body_part: str | None = None
    age: int | None = None
    sex: str | None = None
    view: str | None = None
    laterality: str | None = None
    description: str | None = None


@dataclass(frozen=True, eq=False)
class Study:
    """The image(s) being reported, with what the header tells.

    `model_picture`: (height, width) or (height, width, 3) uint8, the first picture as it is first displayed
    (windowed, upright, never inverted): what the model sees. `note`: one sentence where the files held more than could
    be opened, else empty.
    """

    pictures: tuple[Picture, ...]
    model_picture: NDArray[np.uint8]
    facts: StudyFacts = StudyFacts()
    note: str = ""
    id: str = field(default_factory=token_urlsafe)

    @property
    def nbytes(self) -> int:
        """The memory that its pixels take, in bytes."""
        return sum(picture.values.nbytes for picture in self.pictures) + self.model_picture.nbytes


def display(picture: Picture, window: Window | None = None) -> NDArray[np.uint8]:
    """The picture as a screen shows it: (height, width) or (height, width, 3) uint8, 0 black.

    `window` replaces the picture's first window. Order of DICOM PS3.4 N.2: modality values, window, then presentation,
    so that `inverted` acts on what the window made. Colour passes unchanged.
    """
    if picture.values.ndim == 3:
        return picture.values.astype(np.uint8, copy=False)
    stored = np.arange(np.iinfo(picture.values.dtype).max + 1)
    modality = stored * picture.slope + picture.intercept
    if window is None:
        ends = float(modality[0]), float(modality[-1])
        window = picture.windows[0] if picture.windows else Window.between(min(ends), max(ends))
    low, high = window.bounds()
    # A window of width 1 is a threshold: black up to `low`, white above.
    shown = np.clip((modality - low) / (high - low), 0, 1) if high > low else (modality > low).astype(np.float64)
    if picture.inverted:
        shown = 1 - shown
    table: NDArray[np.uint8] = np.rint(shown * 255).astype(np.uint8)
    return table[picture.values]
