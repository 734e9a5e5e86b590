"""What a PNG or JPEG file shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drafting.imaging.open import Limits, open_study
from drafting.study import StudyFacts
from tests.drafting.imaging.files import (
    ramp,
    refusal,
)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_grey_png_in_any_mode_is_grey(tmp_path: Path, mode: str) -> None:
    grey = ramp("uint8", 0, 255) if mode != "1" else (ramp("uint8", 0, 1) * 255).astype(np.uint8)
    Image.fromarray(grey).convert(mode).save(tmp_path / "Doe^Jane", "PNG")
    study = open_study(tmp_path / "Doe^Jane")
    assert np.array_equal(study.pictures[0].values, grey)
    assert np.array_equal(study.model_picture, grey)
    assert study.facts == StudyFacts()


def test_a_sixteen_bit_png_keeps_its_depth(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "Doe^Jane", "PNG")
    (picture,) = open_study(tmp_path / "Doe^Jane").pictures
    assert picture.values.dtype == np.uint16
    assert np.array_equal(picture.values, ramp())
    assert picture.windows[0].bounds()[1] > 4000


def test_a_colour_png_is_colour_and_transparency_is_black(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 4), dtype=np.uint8)
    pixels[:2] = (200, 10, 30, 255)
    pixels[2:] = (200, 10, 30, 0)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "Doe^Jane", "PNG")
    (picture,) = open_study(tmp_path / "Doe^Jane").pictures
    assert picture.values[0, 0].tolist() == [200, 10, 30]
    assert picture.values[3, 3].tolist() == [0, 0, 0]
    assert picture.windows == ()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpegs_open(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (24, 16), (200, 40, 40)).convert(mode).save(tmp_path / "Doe^Jane", "JPEG")
    values = open_study(tmp_path / "Doe^Jane").pictures[0].values
    assert values.shape == ((16, 24) if mode == "L" else (16, 24, 3))
    assert mode == "L" or np.abs(values[8, 8].astype(int) - (200, 40, 40)).max() < 12


def test_exif_orientation_is_followed(tmp_path: Path) -> None:
    image = Image.fromarray(ramp("uint8", 0, 255))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "Doe^Jane", "JPEG", exif=exif, quality=95)
    values = open_study(tmp_path / "Doe^Jane").pictures[0].values
    assert values.shape == (20, 16)
    assert np.abs(values.astype(int) - np.rot90(ramp("uint8", 0, 255), -1)).max() < 12


@pytest.mark.parametrize(
    ("mode", "bytes_per_pixel"), [("1", 1), ("L", 1), ("LA", 4), ("P", 3), ("RGB", 3), ("RGBA", 4), ("I;16", 2)]
)
def test_a_pixel_counts_as_what_is_kept_of_it(tmp_path: Path, mode: str, bytes_per_pixel: int) -> None:
    path = tmp_path / "Doe^Jane"
    colours = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    image = Image.fromarray(ramp(shape=(4, 4))) if mode == "I;16" else colours.convert(mode)
    image.save(path, "PNG")
    (picture,) = open_study(path, Limits(decoded_bytes=16 * bytes_per_pixel)).pictures
    assert picture.values.nbytes <= 16 * bytes_per_pixel
    assert "too large" in refusal(path, Limits(decoded_bytes=16 * bytes_per_pixel - 1))
