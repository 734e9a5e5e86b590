"""Windows and lookup tables: what a screen shows of stored values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing

from drafting.imaging.open import open_study
from drafting.study import Window, display
from tests.drafting.imaging.files import (
    dicom_dataset,
    lookup_table,
    modality_values,
    ramp,
    saved,
)

pytestmark = pytest.mark.usefixtures("by_forks")


def test_a_signed_ct_keeps_its_hounsfield_units_and_both_windows(tmp_path: Path) -> None:
    pixels = ramp("int16", -1000, 3000)
    dataset = dicom_dataset(
        pixels,
        Modality="CT",
        RescaleSlope=2,
        RescaleIntercept=-24,
        WindowCenter=[40, -600],
        WindowWidth=[400, 1500],
        WindowCenterWidthExplanation=["SOFT TISSUE", "LUNG"],
        PixelSpacing=[0.5, 0.75],
    )
    study = open_study(saved(dataset, tmp_path / "Doe^Jane"))
    (picture,) = study.pictures
    assert picture.values.dtype == np.uint16
    assert np.array_equal(modality_values(picture), pixels * 2.0 - 24)
    assert picture.windows == (Window(40, 400, "SOFT TISSUE"), Window(-600, 1500, "LUNG"))
    assert picture.spacing == (0.5, 0.75)
    expected = apply_windowing(apply_modality_lut(pixels, dataset), dataset)
    expected = (expected - expected.min()) / np.ptp(expected) * 255
    assert np.abs(study.model_picture - expected).max() <= 0.5 + 1e-6
    assert np.array_equal(display(picture), study.model_picture)
    assert not np.array_equal(display(picture, picture.windows[1]), study.model_picture)


def test_a_window_function_other_than_linear_shows_what_the_standard_says(tmp_path: Path) -> None:
    pixels = ramp()
    for function in ("LINEAR_EXACT", "SIGMOID"):
        dataset = dicom_dataset(pixels, WindowCenter=1800, WindowWidth=900, VOILUTFunction=function)
        study = open_study(saved(dataset, tmp_path / "Doe^Jane"))
        expected = apply_windowing(pixels, dataset) / 65535 * 255
        assert np.abs(study.model_picture - expected).max() <= 0.51, function


def test_a_voi_lut_sequence_goes_into_the_values(tmp_path: Path) -> None:
    pixels = ramp("uint8", 0, 255)
    dataset = dicom_dataset(pixels, **lookup_table("VOILUTSequence", [entry**2 for entry in range(256)]))
    study = open_study(saved(dataset, tmp_path / "Doe^Jane"))
    (picture,) = study.pictures
    assert np.array_equal(picture.values, apply_voi_lut(pixels, dataset))
    assert picture.windows[0].bounds() == (0, 65535)


def test_a_modality_lut_sequence_goes_into_the_values_before_the_window(tmp_path: Path) -> None:
    pixels = ramp("int16", -100, 100)
    table = lookup_table("ModalityLUTSequence", range(5000, 5200), first=-90)
    dataset = dicom_dataset(pixels, WindowCenter=5100, WindowWidth=200, **table)
    (picture,) = open_study(saved(dataset, tmp_path / "Doe^Jane")).pictures
    assert np.array_equal(modality_values(picture), apply_modality_lut(pixels, dataset))
    assert picture.windows == (Window(5100, 200),)
