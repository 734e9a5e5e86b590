"""The position of a DICOM picture in the patient and among the pictures of its study.

This module knows nothing of pixel values.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drafting.imaging.dicom.elements import (
    element_code,
    element_numbers,
    element_texts,
    element_value,
    functional_group,
)
from drafting.imaging.dicom.facts import free_text, side_of, view_of
from drafting.imaging.opened import Place

if TYPE_CHECKING:
    from pydicom import Dataset

# Images of the whole thickness of the patient, whose pixels are measured where the rays end.
PROJECTIONS = {"CR", "DX", "DR", "RG", "RF", "XA", "MG", "IO", "PX"}


def geometry_of(dataset: Dataset, index: int) -> dict[str, Any]:
    """A frame's place in the patient: the fields of `Picture` from `spacing` on."""
    spacing, at = _spacing(dataset, index)
    return {
        "spacing": spacing,
        "spacing_at": at,
        "aspect": _aspect(dataset, spacing),
        "orientation": _orientation(dataset, index),
        "label": " · ".join(
            filter(None, (view_of(dataset), side_of(dataset), free_text(dataset, "SeriesDescription")))
        ),
    }


def _spacing(dataset: Dataset, index: int) -> tuple[tuple[float, float] | None, str]:
    """Millimetres between rows and between columns, and where they hold (PS3.3 10.7.1.3)."""
    measures = functional_group(dataset, index, "PixelMeasuresSequence")
    imager = element_numbers(dataset, "ImagerPixelSpacing")
    for holder, keyword, at in (
        (measures, "PixelSpacing", "patient"),
        (dataset, "ImagerPixelSpacing", "detector"),
        (dataset, "NominalScannedPixelSpacing", "film"),
    ):
        spacing = element_numbers(holder, keyword)
        if len(spacing) != 2 or min(spacing) <= 0:
            continue
        calibrated = bool(element_code(dataset, "PixelSpacingCalibrationType"))
        projection = element_code(dataset, "Modality") in PROJECTIONS or len(imager) == 2
        # On a projection, Pixel Spacing holds in the patient only where it was corrected for the distance.
        if at == "patient" and projection and not calibrated and (len(imager) != 2 or spacing == imager):
            at = "detector"
        return (spacing[0], spacing[1]), at
    return None, "patient"


def _aspect(dataset: Dataset, spacing: tuple[float, float] | None) -> float:
    """A pixel's height over its width, from its spacing or else Pixel Aspect Ratio (PS3.3 C.7.6.3.1.7)."""
    ratio = spacing or element_numbers(dataset, "PixelAspectRatio")
    if len(ratio) != 2 or min(ratio) <= 0:
        return 1.0
    aspect = ratio[0] / ratio[1]
    # Beyond this the header is wrong, and the picture would be a line.
    return aspect if 0.05 <= aspect <= 20 else 1.0


def _cosines(dataset: Dataset, index: int) -> NDArray[np.float64] | None:
    """Image Orientation (Patient): the directions of rows and of columns, (2, 3) unit vectors."""
    numbers = element_numbers(functional_group(dataset, index, "PlaneOrientationSequence"), "ImageOrientationPatient")
    if len(numbers) != 6:
        return None
    cosines = np.array(numbers).reshape(2, 3)
    lengths = np.linalg.norm(cosines, axis=1)
    return cosines if np.abs(lengths - 1).max() < 0.1 and abs(cosines[0] @ cosines[1]) < 0.1 else None


def _orientation(dataset: Dataset, index: int) -> tuple[str, str] | None:
    """To which sides of the patient rows and columns run; None where the file does not tell."""
    cosines = _cosines(dataset, index)
    if cosines is not None:
        return _directions(cosines[0]), _directions(cosines[1])
    if element_code(dataset, "AnatomicalOrientationType") == "QUADRUPED":
        return None
    stated = [text.upper() for text in element_texts(dataset, "PatientOrientation")]
    if len(stated) != 2 or not all(re.fullmatch(r"[LRAPHF]{1,3}", text) for text in stated):
        return None
    return stated[0], stated[1]


def _directions(vector: NDArray[np.float64]) -> str:
    """The patient's directions along a vector, the strongest first (PS3.3 C.7.6.1.1.1)."""
    letters = [
        (abs(part), positive if part > 0 else negative)
        for part, positive, negative in zip(vector, "LPH", "RAF", strict=True)
        # Less than about 15 degrees off an axis is as good as along it.
        if abs(part) > 0.26
    ]
    return "".join(letter for _, letter in sorted(letters, reverse=True))


def place_of(dataset: Dataset) -> Place:
    identity = tuple(
        str(element_value(dataset, keyword) or "").strip() for keyword in ("PatientID", "PatientBirthDate")
    )
    number = next(iter(element_numbers(dataset, "SeriesNumber")), math.inf)
    position = element_numbers(dataset, "ImagePositionPatient")
    cosines = _cosines(dataset, 0)
    along = None
    if cosines is not None and len(position) == 3:
        along = float(np.cross(cosines[0], cosines[1]) @ np.array(position))
    return Place(
        patient=identity if identity[0] else (),
        series=(number, str(element_value(dataset, "SeriesInstanceUID") or "")),
        instance=next(iter(element_numbers(dataset, "InstanceNumber")), None),
        position=along,
    )
