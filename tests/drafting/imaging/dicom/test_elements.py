"""Elements that are malformed."""

from __future__ import annotations

from pathlib import Path

from drafting.imaging.open import open_study
from tests.drafting.imaging.files import (
    dicom_dataset,
    ramp,
    saved,
)


def test_a_malformed_optional_element_is_as_good_as_none(tmp_path: Path) -> None:
    dataset = dicom_dataset(ramp(), RescaleSlope=0, PixelSpacing=[0, 0])
    dataset.add_new("WindowCenter", "LO", "40")
    path = saved(dataset, tmp_path / "Doe^Jane")
    path.write_bytes(path.read_bytes().replace(b"\x28\x00\x50\x10LO\x02\x0040", b"\x28\x00\x50\x10DS\x02\x00x!"))
    (picture,) = open_study(path).pictures
    assert picture.slope == 1
    assert picture.spacing is None
    assert len(picture.windows) == 1
