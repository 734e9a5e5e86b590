"""Several files as one study: their order, and what is refused."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drafting.imaging.open import Limits, open_study
from tests.drafting.imaging.files import (
    dicom_dataset,
    ramp,
    refusal,
    saved,
)

pytestmark = pytest.mark.usefixtures("by_forks")


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
    assert study.note == "2 of 3 files were not opened. The first reason: This file is neither DICOM, PNG nor JPEG."


def test_pictures_of_different_kinds_make_one_study(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (3, 2), (9, 8, 7)).save(stream, "PNG")
    study = open_study(zipped(tmp_path / "Doe^Jane", {"1.png": stream.getvalue(), "2": dicom(4, ViewPosition="LL")}))
    assert {picture.values.shape for picture in study.pictures} == {(2, 3, 3), (4, 5)}
    assert [picture.label for picture in study.pictures] == ["", "LL"]


def test_files_of_two_patients_are_refused(tmp_path: Path) -> None:
    files = {"1": dicom(1, PatientID="47"), "2": dicom(2, PatientID="11")}
    assert refusal(zipped(tmp_path / "Doe^Jane", files)).startswith("These files belong to more than one patient")


def test_archives_that_hold_nothing_to_show_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "Doe^Jane"
    assert refusal(zipped(path, {})) == "This archive is empty."
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
    assert sentence == "This archive is too large when unpacked. The limit is 2 MB."
    # Its own header says that there is nothing in it.
    lying = bytearray(bomb.read_bytes())
    at = lying.index(b"PK\x01\x02") + 24
    lying[at : at + 4] = bytes(4)
    bomb.write_bytes(lying)
    refusal(bomb, Limits(file_bytes=2**20))
    many = zipped(tmp_path / "Doe^John", {str(n): b"" for n in range(30)})
    assert refusal(many, Limits(frames=20)) == "Too many files at once. The limit is 20."
    assert refusal(many, Limits(frames=5)) == "Too many files at once. The limit is 5."


def test_files_that_are_too_large_together_are_refused(tmp_path: Path) -> None:
    files = {str(n): dicom(n) for n in range(4)}
    path = zipped(tmp_path / "Doe^Jane", files)
    assert refusal(path, Limits(decoded_bytes=100)).startswith("Together these files are too large.")
    assert refusal(path, Limits(frames=4, decoded_bytes=159)).startswith("Together these files are too large.")
    assert len(open_study(path, Limits(frames=4, decoded_bytes=160)).pictures) == 4


def test_the_model_picture_is_at_most_2048_pixels_long(tmp_path: Path) -> None:
    study = open_study(saved(dicom_dataset(ramp("uint8", 0, 255, shape=(3000, 1000))), tmp_path / "Doe^Jane"))
    assert study.pictures[0].values.shape == (3000, 1000)
    assert study.model_picture.shape == (2048, 683)
