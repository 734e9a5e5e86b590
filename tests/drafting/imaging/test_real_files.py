"""Files of many makers: pydicom's own, a shared collection, and the examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_modality_lut

from drafting.desk.examples import FOLDER, examples
from drafting.imaging.open import open_study
from drafting.study import Study, StudyFacts
from tests.drafting.imaging.files import (
    PYDICOM_FILES,
    modality_values,
    opened_or_refused,
    study_of,
)

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "dicom"


@pytest.fixture(scope="module")
def pydicom_files() -> dict[str, Study | str]:
    return opened_or_refused(sorted(path for path in PYDICOM_FILES.iterdir() if path.is_file()))


@pytest.fixture(scope="module")
def shared_files() -> dict[str, Study | str]:
    if not SHARED.is_dir():
        pytest.skip("the collection of DICOM test files is not here")
    return opened_or_refused(sorted(path for path in SHARED.rglob("*") if path.is_file()))


def test_every_file_that_pydicom_brings_opens_or_is_refused_by_name(pydicom_files: dict[str, Study | str]) -> None:
    refused = {name for name, result in pydicom_files.items() if isinstance(result, str)}
    assert "This file is damaged and cannot be read." not in pydicom_files.values()
    images = {name for name in pydicom_files if name.startswith(("SC_", "MR_small", "JPEG", "JPG", "examples", "CT"))}
    # The one whose codestream is broken, as its name says.
    assert refused & images == {"JPEG2000-embedded-sequence-delimiter.dcm"}


def test_values_are_those_that_pydicom_computes(pydicom_files: dict[str, Study | str]) -> None:
    for name in ("CT_small.dcm", "MR_small.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "rtdose_1frame.dcm"):
        dataset = pydicom.dcmread(PYDICOM_FILES / name)
        (picture,) = study_of(pydicom_files, name).pictures
        expected = apply_modality_lut(dataset.pixel_array, dataset)
        seen = dataset.pixel_array != dataset.get("PixelPaddingValue")
        lost = picture.slope / 2 if dataset.BitsAllocated > 16 else 0
        assert np.abs(modality_values(picture) - expected)[seen].max() <= lost, name


def test_one_image_is_the_same_in_every_transfer_syntax(pydicom_files: dict[str, Study | str]) -> None:
    (original,) = study_of(pydicom_files, "MR_small.dcm").pictures
    for suffix in ("RLE", "jp2klossless", "jpeg_ls_lossless", "bigendian", "implicit", "expb", "padded"):
        (picture,) = study_of(pydicom_files, f"MR_small_{suffix}.dcm").pictures
        assert np.array_equal(modality_values(picture), modality_values(original)), suffix


def test_a_twelve_bit_jpeg_opens(pydicom_files: dict[str, Study | str]) -> None:
    for name in ("JPGExtended.dcm", "JPEG-lossy.dcm"):
        (picture,) = study_of(pydicom_files, name).pictures
        # What another decoder makes of these two.
        assert (picture.values[420, 140], picture.values[230, 120]) == (244, 95)


def test_every_shared_file_opens_or_is_refused_by_name(shared_files: dict[str, Study | str]) -> None:
    refused = {name: result for name, result in shared_files.items() if isinstance(result, str)}
    assert "This file is damaged and cannot be read." not in refused.values()
    assert refused.keys() == {
        "emri_small_jpeg_2k_lossless_too_short.dcm",
        "liver_deflate.dcm",
        "liver_nonbyte_aligned_deflate.dcm",
        "liver_rle.dcm",
        "liver_nonbyte_aligned_rle.dcm",
    }


def test_compressed_files_are_their_uncompressed_originals(shared_files: dict[str, Study | str]) -> None:
    for compressed, original in (
        ("MR2_J2KR", "MR2_UNCR"),
        ("MR2_J2KI", "MR2_UNCI"),
        ("US1_J2KR", "US1_UNCR"),
        ("693_J2KR", "693_UNCR"),
        ("OBXXXX1A_rle_2frame", "OBXXXX1A_2frame"),
        ("OBXXXX1A_expb", "OBXXXX1A"),
        ("emri_small_jpeg_2k_lossless", "emri_small"),
        ("emri_small_jpeg_ls_lossless", "emri_small"),
        ("emri_small_RLE", "emri_small"),
        ("emri_small_big_endian", "emri_small"),
        ("liver_j2k", "liver"),
    ):
        left, right = study_of(shared_files, f"{compressed}.dcm"), study_of(shared_files, f"{original}.dcm")
        for one, other in zip(left.pictures, right.pictures, strict=True):
            assert np.array_equal(modality_values(one), modality_values(other)), compressed


def test_radiographs_in_monochrome1_show_bright_bone(shared_files: dict[str, Study | str]) -> None:
    # Between the lungs lies the spine, and it is brighter than they are.
    for name in ("RG1_J2KI", "RG1_JLSN", "966_fixed.dcm"):
        study = study_of(shared_files, name)
        assert study.pictures[0].inverted
        height, width = study.model_picture.shape
        chest = study.model_picture[height // 4 : height // 2]
        spine, right_lung = chest[:, width // 2 - 30 : width // 2 + 30], chest[:, width // 5 : width * 2 // 5]
        assert spine.mean() > right_lung.mean() + 20, name


def test_examples_open_and_say_where_they_come_from() -> None:
    attribution = (FOLDER / "ATTRIBUTION.md").read_text(encoding="utf-8")
    studies = {example.name: open_study(example.path) for example in examples()}
    assert studies["effusion"].facts == StudyFacts("CR", "CHEST", 77, "M", "PA", None, "Chest radiograph, PA")
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 2_500_000
    for example in examples():
        assert f"`{example.path.name}`" in attribution
        assert max(Image.open(example.thumbnail).size) == 160
