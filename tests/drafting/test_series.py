"""Several files as one study: their order, what is refused, and where pictures lie in the patient."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drafting.imaging.open import Limits, Picture, open_study
from tests.drafting.forked_decoding import forked_decoding
from tests.drafting.test_imaging import dicom_dataset, ramp, refusal, saved


@pytest.fixture(autouse=True)
def by_forks() -> Iterator[None]:
    with forked_decoding():
        yield


def dicom(value: int, **attributes: Any) -> bytes:
    """A file whose pixels all have one value, by which it is known again."""
    stream = io.BytesIO()
    pixels = np.full((4, 5), value, np.uint16)
    dicom_dataset(pixels, **attributes).save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def zipped(path: Path, files: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def values(path: Path) -> list[int]:
    return [int(picture.values[0, 0]) for picture in open_study(path).pictures]


@pytest.mark.parametrize("packed", [zipped, tarred])
def test_a_series_is_in_the_order_of_its_instance_numbers(tmp_path: Path, packed: Any) -> None:
    files = {f"IM{n}": dicom(n, InstanceNumber=20 - n, SeriesNumber=1) for n in (1, 5, 9)}
    files |= {"other/IM7": dicom(7, InstanceNumber=1, SeriesNumber=0)}
    assert values(packed(tmp_path / "Doe^Jane", files)) == [7, 9, 5, 1]


def test_without_instance_numbers_position_orders_and_without_either_the_names(tmp_path: Path) -> None:
    axial = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    placed = {f"{n}": dicom(n, ImagePositionPatient=[0, 0, -n], **axial) for n in (1, 2, 3)}
    assert values(zipped(tmp_path / "placed", placed)) == [3, 2, 1]
    named = {name: dicom(n) for name, n in (("IM10", 10), ("IM9", 9), ("IM2", 2))}
    assert values(zipped(tmp_path / "named", named)) == [2, 9, 10]


def test_what_cannot_be_opened_is_left_out_and_said(tmp_path: Path) -> None:
    files = {"1": dicom(1), "2.txt": b"Dear colleague," * 50, "__MACOSX/._1": b"x", "3.zip": b"PK\x03\x04" + bytes(600)}
    study = open_study(zipped(tmp_path / "Doe^Jane", files))
    assert len(study.pictures) == 1
    assert study.note == "2 files were left out of 3. The first: This file is neither DICOM, PNG nor JPEG."


def test_pictures_of_different_kinds_make_one_study(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (3, 2), (9, 8, 7)).save(stream, "PNG")
    study = open_study(zipped(tmp_path / "Doe^Jane", {"1.png": stream.getvalue(), "2": dicom(4, ViewPosition="LL")}))
    assert {picture.values.shape for picture in study.pictures} == {(2, 3, 3), (4, 5)}
    assert [picture.label for picture in study.pictures] == ["", "LL"]


def test_files_of_two_patients_are_refused(tmp_path: Path) -> None:
    files = {"1": dicom(1, PatientID="47"), "2": dicom(2, PatientID="11")}
    assert refusal(zipped(tmp_path / "Doe^Jane", files)).startswith("These files are of more than one patient")


def test_archives_that_hold_nothing_to_show_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "Doe^Jane"
    assert refusal(zipped(path, {})) == "This archive holds no file."
    assert refusal(zipped(path, {"a": b"text" * 200})) == "This file is neither DICOM, PNG nor JPEG."
    assert refusal(zipped(path, {"a": b"text" * 200, "b": b""})).startswith("None of these 2 files can be opened.")
    path.write_bytes(zipped(path, {"1": dicom(1)}).read_bytes()[:-30])
    assert refusal(path).startswith("This archive is damaged")
    content = bytearray(zipped(path, {"1": dicom(1)}).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "password" in refusal(path)


def test_bombs_are_refused_by_what_comes_out_of_them(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "Doe^Jane", {"1": bytes(80 * 2**20)})
    assert bomb.stat().st_size < 2**20
    sentence = refusal(bomb, Limits(file_bytes=2**20))
    assert sentence == "This archive is too large when unpacked; the limit is 2 MB."
    # Its own header says that there is nothing in it.
    lying = bytearray(bomb.read_bytes())
    at = lying.index(b"PK\x01\x02") + 24
    lying[at : at + 4] = bytes(4)
    bomb.write_bytes(lying)
    refusal(bomb, Limits(file_bytes=2**20))
    many = zipped(tmp_path / "Doe^John", {str(n): b"" for n in range(30)})
    assert refusal(many, Limits(frames=20)) == "These are too many files at once; the limit is 20."
    assert refusal(many, Limits(frames=5)) == "These are too many files at once; the limit is 5."


def test_files_that_are_too_large_together_are_refused(tmp_path: Path) -> None:
    files = {str(n): dicom(n) for n in range(4)}
    path = zipped(tmp_path / "Doe^Jane", files)
    assert refusal(path, Limits(decoded_bytes=100)).startswith("These files are too large together:")
    assert refusal(path, Limits(frames=4, decoded_bytes=159)).startswith("These files are too large together:")
    assert len(open_study(path, Limits(frames=4, decoded_bytes=160)).pictures) == 4


# Where a picture lies in the patient


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


@pytest.mark.parametrize(
    ("description", "kept"),
    [
        ("Chest PA and lateral", "Chest PA and lateral"),
        ("Chest Jane", None),
        ("Chest 4711", None),
        ("Chest 12.03.1957", None),
        ("Chest 20260101", None),
        ("C" * 65, None),
    ],
)
def test_a_description_that_repeats_anything_of_the_patient_is_not_kept(
    tmp_path: Path, description: str, kept: str | None
) -> None:
    dataset = dicom_dataset(ramp(), StudyDescription=description, PatientName="Doe^Jane", PatientID="4711")
    assert open_study(saved(dataset, tmp_path / "Doe^Jane")).facts.description == kept
