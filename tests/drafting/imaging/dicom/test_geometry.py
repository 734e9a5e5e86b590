"""Where a DICOM picture lies in the patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from drafting.imaging.open import open_study
from drafting.study import Picture
from tests.drafting.imaging.files import (
    dicom_dataset,
    ramp,
    saved,
)

pytestmark = pytest.mark.usefixtures("by_forks")


def opened(tmp_path: Path, pixels: NDArray[Any] | None = None, **attributes: Any) -> Picture:
    dataset = dicom_dataset(ramp() if pixels is None else pixels, **attributes)
    return open_study(saved(dataset, tmp_path / "Doe^Jane")).pictures[0]


@pytest.mark.parametrize(
    ("attributes", "spacing", "at"),
    [
        ({"Modality": "CT", "PixelSpacing": [0.5, 0.5]}, (0.5, 0.5), "patient"),
        ({"Modality": "DX", "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "detector"),
        ({"Modality": "CR", "PixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "detector"),
        ({"Modality": "DX", "ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "detector"),
        ({"Modality": "DX", "ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.18, 0.18]}, (0.18, 0.18), "patient"),
        (
            {"Modality": "CR", "PixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.2, 0.2),
            "patient",
        ),
        ({"Modality": "OT", "NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, 0.1), "film"),
        ({"Modality": "CT"}, None, "patient"),
    ],
)
def test_spacing_says_where_it_holds(tmp_path: Path, attributes: dict[str, Any], spacing: Any, at: str) -> None:
    picture = opened(tmp_path, **attributes)
    assert (picture.spacing, picture.spacing_at) == (spacing, at)


@pytest.mark.parametrize(
    ("attributes", "orientation"),
    [
        ({"PatientOrientation": ["L", "F"]}, ("L", "F")),
        ({"PatientOrientation": ["L"]}, None),
        ({"PatientOrientation": ["LE", "V"]}, None),
        ({"PatientOrientation": ["L", "F"], "AnatomicalOrientationType": "QUADRUPED"}, None),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, ("L", "P")),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, ("P", "F")),
        ({"ImageOrientationPatient": [0.8, 0.6, 0, -0.6, 0.8, 0]}, ("LP", "PR")),
        ({"ImageOrientationPatient": [1, 1, 1, 0, 1, 0]}, None),
        ({}, None),
    ],
)
def test_orientation_is_what_the_header_says_or_nothing(
    tmp_path: Path, attributes: dict[str, Any], orientation: Any
) -> None:
    assert opened(tmp_path, **attributes).orientation == orientation


def test_pixels_that_are_not_square_say_so(tmp_path: Path) -> None:
    assert opened(tmp_path, PixelSpacing=[0.4, 0.2]).aspect == 2
    assert opened(tmp_path, PixelAspectRatio=[1, 2]).aspect == 0.5
    assert opened(tmp_path, PixelAspectRatio=[0, 2]).aspect == 1
    assert opened(tmp_path).aspect == 1
