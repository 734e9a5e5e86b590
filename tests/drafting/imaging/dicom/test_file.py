"""DICOM files: which open, which are refused and with which sentence."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from drafting.imaging.open import Limits, open_study
from drafting.study import StudyError
from tests.drafting.imaging.files import (
    PYDICOM_FILES,
    dicom_dataset,
    lookup_table,
    ramp,
    refusal,
    saved,
)


def test_a_dataset_without_preamble_and_meta_information_is_dicom(tmp_path: Path) -> None:
    for implicit in (True, False):
        dataset = dicom_dataset(ramp())
        del dataset.file_meta
        dataset.save_as(tmp_path / "Doe^Jane", implicit_vr=implicit, little_endian=True)
        assert np.array_equal(open_study(tmp_path / "Doe^Jane").pictures[0].values, ramp())


def test_dicom_without_an_image_names_its_modality() -> None:
    assert refusal(PYDICOM_FILES / "test-SR.dcm") == "This DICOM file contains no image (Modality SR)."
    with pytest.raises(StudyError, match="This is a DICOM directory"):
        open_study(PYDICOM_FILES / "dicomdirtests" / "DICOMDIR")


def test_an_unreadable_form_of_dicom_is_named(tmp_path: Path) -> None:
    path = tmp_path / "Doe^Jane"
    dataset = dicom_dataset(ramp())
    dataset.PixelData = encapsulate([b"\0\0\1\xb3" * 10])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    assert refusal(saved(dataset, path)) == f"The transfer syntax of this file ({MPEG2MPML.name}) is not supported."
    assert "Photometric Interpretation of this image (HSV)" in refusal(
        saved(dicom_dataset(ramp(), PhotometricInterpretation="HSV"), path)
    )
    assert "Bits Allocated 24" in refusal(saved(dicom_dataset(ramp(), BitsAllocated=24), path))


def test_damaged_headers_are_named(tmp_path: Path) -> None:
    path = tmp_path / "Doe^Jane"
    assert (
        refusal(saved(dicom_dataset(ramp(), Rows=0), path)) == "The image in this DICOM file is empty: 20 x 0 pixels."
    )
    dataset = dicom_dataset(ramp())
    del dataset.Rows
    assert refusal(saved(dataset, path)) == "The DICOM header is damaged: Rows is missing or not a number."
    assert "Photometric Interpretation RGB does not fit 1 samples" in refusal(
        saved(dicom_dataset(ramp(), PhotometricInterpretation="RGB"), path)
    )
    dataset = dicom_dataset(ramp())
    del dataset.PixelRepresentation
    assert "header is damaged" in refusal(saved(dataset, path))
    table = lookup_table("VOILUTSequence", range(10))
    table["VOILUTSequence"][0].LUTDescriptor = [4096, 0, 16]
    assert "VOILUTSequence is incomplete" in refusal(saved(dicom_dataset(ramp(), **table), path))
    assert "NumberOfFrames" in refusal(PYDICOM_FILES / "badVR.dcm")


def test_image_data_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    path.write_bytes(path.read_bytes()[:-100])
    assert refusal(path) == "The image data is damaged or incomplete."
    path.write_bytes(path.read_bytes()[:200])
    assert refusal(path) == "This DICOM file is damaged or incomplete."

    dataset = dicom_dataset(ramp(shape=(64, 64)))
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    codestream = dataset.PixelData[16:]
    dataset.PixelData = encapsulate([codestream[: len(codestream) // 2]])
    assert refusal(saved(dataset, path)) == "The compressed image data is damaged or incomplete."

    dataset = dicom_dataset(ramp(shape=(3, 16, 20)))
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.NumberOfFrames = 5
    assert refusal(saved(dataset, path)) == "The compressed image data is damaged or incomplete."

    for name in ("PNG", "JPEG"):
        Image.fromarray(ramp("uint8", 0, 255, shape=(100, 100))).save(path, name)
        path.write_bytes(path.read_bytes()[:-30])
        assert refusal(path) == f"The image data of this {name} file is damaged or incomplete."
        path.write_bytes(path.read_bytes()[:12])
        assert refusal(path) == f"The header of this {name} file is damaged."


def test_a_length_that_runs_beyond_the_file_does_no_harm(tmp_path: Path) -> None:
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    pixel_data = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 640)
    assert path.read_bytes().count(pixel_data) == 1
    path.write_bytes(path.read_bytes().replace(pixel_data, pixel_data[:-4] + struct.pack("<I", 0xFFFFFFF0)))
    assert np.array_equal(open_study(path).pictures[0].values, ramp())


def test_a_deflated_bomb_is_refused_without_being_inflated_or_else_for_want_of_memory(tmp_path: Path) -> None:
    dataset = dicom_dataset(ramp())
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = saved(dataset, tmp_path / "Doe^Jane")
    meta = path.read_bytes()
    meta = meta[: 144 + int.from_bytes(meta[140:144], "little")]
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(2**20)
    bomb = deflater.compress(struct.pack("<HH2sHI", 9, 0x1001, b"OB", 0, 2**28))
    bomb += b"".join(deflater.compress(zeros) for _ in range(256)) + deflater.flush()
    path.write_bytes(meta + bomb)
    little = Limits(file_bytes=100 * 2**20, memory_bytes=300 * 10**6)
    assert refusal(path, little) == "This file is too large when decompressed. The limit is 105 MB."
    wanting = Limits(memory_bytes=400 * 10**6)
    assert refusal(path, wanting) == "Opening this file needs more than 400 MB of memory, the limit."


def test_compressed_data_larger_than_its_image_is_refused(tmp_path: Path) -> None:
    dataset = dicom_dataset(ramp("uint8", 0, 255))
    segment_of_zeros = b"\x81\x00" * 100_000
    dataset.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + segment_of_zeros])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = RLELossless
    assert "larger than the image in the header" in refusal(saved(dataset, tmp_path / "Doe^Jane"))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    nested = b""
    for _ in range(300):
        item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + nested + b"\xfe\xff\x0d\xe0\0\0\0\0"
        nested = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    path.write_bytes(path.read_bytes() + nested)
    assert refusal(path) == "The DICOM header is nested too deeply."
