"""Opening studies: what a file shows, and the sentence for each file that cannot be shown."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from drafting.desk.examples import FOLDER, examples
from drafting.imaging import open as imaging
from drafting.imaging.open import Limits, Picture, Study, StudyError, StudyFacts, Window, display, open_study
from tests.drafting.forked_decoding import forked_decoding

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "dicom"
PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"

STANDARD_LIMITS = Limits()


def dicom_dataset(pixels: NDArray[Any], **attributes: Any) -> Dataset:
    """A small Secondary Capture image of (rows, columns) or (frames, rows, columns) integers."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "OT"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
    return dataset


def saved(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def ramp(dtype: str = "uint16", low: int = 0, high: int = 4095, shape: tuple[int, ...] = (16, 20)) -> NDArray[Any]:
    return np.linspace(low, high, int(np.prod(shape))).round().astype(dtype).reshape(shape)


def modality_values(picture: Picture) -> NDArray[Any]:
    return picture.values * picture.slope + picture.intercept


def refusal(path: Path, limits: Limits = STANDARD_LIMITS) -> str:
    """The sentence with which a file is refused, checked for what no such sentence may hold."""
    with pytest.raises(StudyError) as caught:
        open_study(path, limits)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert path.name not in sentence
    assert str(path.parent) not in sentence
    return sentence


def lookup_table(keyword: str, entries: Iterable[int], first: int = 0, bits: int = 16) -> dict[str, Any]:
    item = Dataset()
    table = list(entries)
    item.LUTDescriptor = [len(table) % 2**16, first, bits]
    item.add_new("LUTData", "US", table)
    return {keyword: [item]}


# What a DICOM file shows


def test_monochrome1_keeps_its_values_and_is_shown_inverted(tmp_path: Path) -> None:
    pixels = ramp()
    dataset = dicom_dataset(
        pixels, BitsStored=12, PhotometricInterpretation="MONOCHROME1", WindowCenter=2048, WindowWidth=4096
    )
    study = open_study(saved(dataset, tmp_path / "Doe^Jane"))
    (picture,) = study.pictures
    assert picture.inverted
    assert np.array_equal(picture.values, pixels)
    assert study.model_picture[0, 0] == 255
    assert study.model_picture[-1, -1] == 0


def test_presentation_lut_shape_inverse_is_shown_inverted(tmp_path: Path) -> None:
    study = open_study(saved(dicom_dataset(ramp(), PresentationLUTShape="INVERSE"), tmp_path / "Doe^Jane"))
    assert study.pictures[0].inverted
    assert study.model_picture[0, 0] == 255


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


def test_padding_is_black_and_does_not_count_for_the_automatic_window(tmp_path: Path) -> None:
    pixels = ramp("uint16", 1000, 2000)
    pixels[:, :5] = 60000
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        dataset = dicom_dataset(pixels, PixelPaddingValue=60000, PhotometricInterpretation=photometric)
        study = open_study(saved(dataset, tmp_path / "Doe^Jane"))
        low, high = study.pictures[0].windows[0].bounds()
        assert 1000 <= low < 1050
        assert 1950 < high <= 2000
        assert not study.model_picture[:, :5].any(), photometric


def test_without_a_window_extreme_values_do_not_set_it(tmp_path: Path) -> None:
    pixels = ramp("uint16", 500, 1500, shape=(100, 100))
    pixels[0, 0] = 65535
    (picture,) = open_study(saved(dicom_dataset(pixels), tmp_path / "Doe^Jane")).pictures
    assert 1400 < picture.windows[0].bounds()[1] <= 1500


def test_all_frames_are_pictures_and_share_an_automatic_window(tmp_path: Path) -> None:
    pixels = ramp(shape=(3, 16, 20))
    pictures = open_study(saved(dicom_dataset(pixels), tmp_path / "Doe^Jane")).pictures
    assert np.array_equal([picture.values for picture in pictures], pixels)
    assert len({picture.windows for picture in pictures}) == 1


def test_functional_groups_tell_each_frame_its_own_values(tmp_path: Path) -> None:
    def group(slope: float) -> Dataset:
        transformation, frame = Dataset(), Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept, transformation.RescaleType = slope, 0, "US"
        frame.PixelValueTransformationSequence = [transformation]
        return frame

    voi, measures, shared = Dataset(), Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = 40, 80
    measures.PixelSpacing = [0.3, 0.3]
    shared.FrameVOILUTSequence, shared.PixelMeasuresSequence = [voi], [measures]
    dataset = dicom_dataset(
        ramp(shape=(2, 4, 4)),
        PerFrameFunctionalGroupsSequence=[group(1), group(3)],
        SharedFunctionalGroupsSequence=[shared],
    )
    first, second = open_study(saved(dataset, tmp_path / "Doe^Jane")).pictures
    assert (first.slope, second.slope) == (1, 3)
    assert first.windows == second.windows == (Window(40, 80),)
    assert second.spacing == (0.3, 0.3)


def test_wide_integers_and_floats_are_spread_over_sixteen_bits(tmp_path: Path) -> None:
    wide = ramp("uint32", 700_000, 2_000_000_000)
    (picture,) = open_study(saved(dicom_dataset(wide, BitsStored=32), tmp_path / "Doe^Jane")).pictures
    assert np.abs(modality_values(picture) - wide).max() <= picture.slope / 2 * 1.001

    floats = np.linspace(-0.5, 2, 320, dtype=np.float32).reshape(16, 20)
    floats[3, 3] = np.nan
    dataset = dicom_dataset(ramp())
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.BitsAllocated = 32
    dataset.FloatPixelData = floats.tobytes()
    dataset.WindowCenter, dataset.WindowWidth = 0.5, 1
    (picture,) = open_study(saved(dataset, tmp_path / "Roe^Jane")).pictures
    known = ~np.isnan(floats)
    assert np.abs(modality_values(picture) - floats)[known].max() <= picture.slope / 2 * 1.001
    assert picture.windows[0].bounds() == (0, 1)


def test_palette_colours_become_rgb_in_either_byte_order(tmp_path: Path) -> None:
    pixels = ramp("uint8", 0, 255)
    tables = {"Red": np.arange(256) * 257, "Green": np.arange(256)[::-1] * 257, "Blue": np.full(256, 0x1234)}
    for syntax, order in ((ExplicitVRLittleEndian, "<u2"), (ExplicitVRBigEndian, ">u2")):
        dataset = dicom_dataset(pixels, PhotometricInterpretation="PALETTE COLOR")
        for colour, table in tables.items():
            setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
            setattr(dataset, f"{colour}PaletteColorLookupTableData", table.astype(order).tobytes())
        dataset.file_meta.TransferSyntaxUID = syntax
        study = open_study(saved(dataset, tmp_path / "Doe^Jane"))
        (picture,) = study.pictures
        expected = np.stack([tables[colour][pixels] >> 8 for colour in tables], axis=-1)
        assert np.array_equal(picture.values, expected), syntax.name
        assert picture.windows == ()
        assert np.array_equal(study.model_picture, expected)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless, DeflatedExplicitVRLittleEndian])
def test_lossless_compression_changes_nothing(tmp_path: Path, syntax: pydicom.uid.UID) -> None:
    pixels = ramp("int16", -1024, 2000, shape=(32, 32))
    dataset = dicom_dataset(pixels)
    if syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = syntax
    assert np.array_equal(modality_values(open_study(saved(dataset, tmp_path / "Doe^Jane")).pictures[0]), pixels)


def test_signed_values_with_unused_bits_survive_compression(tmp_path: Path) -> None:
    pixels = ramp("int16", -2048, 2047, shape=(32, 32))
    dataset = dicom_dataset(pixels, BitsStored=12)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    assert np.array_equal(modality_values(open_study(saved(dataset, tmp_path / "Doe^Jane")).pictures[0]), pixels)


def test_a_dataset_without_preamble_and_meta_information_is_dicom(tmp_path: Path) -> None:
    for implicit in (True, False):
        dataset = dicom_dataset(ramp())
        del dataset.file_meta
        dataset.save_as(tmp_path / "Doe^Jane", implicit_vr=implicit, little_endian=True)
        assert np.array_equal(open_study(tmp_path / "Doe^Jane").pictures[0].values, ramp())


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    study = open_study(saved(dicom_dataset(np.array([[7]], dtype=np.uint16)), tmp_path / "Doe^Jane"))
    assert study.pictures[0].values.tolist() == [[7]]
    assert study.model_picture.shape == (1, 1)


def test_a_malformed_optional_element_is_as_good_as_none(tmp_path: Path) -> None:
    dataset = dicom_dataset(ramp(), RescaleSlope=0, PixelSpacing=[0, 0])
    dataset.add_new("WindowCenter", "LO", "40")
    path = saved(dataset, tmp_path / "Doe^Jane")
    path.write_bytes(path.read_bytes().replace(b"\x28\x00\x50\x10LO\x02\x0040", b"\x28\x00\x50\x10DS\x02\x00x!"))
    (picture,) = open_study(path).pictures
    assert picture.slope == 1
    assert picture.spacing is None
    assert len(picture.windows) == 1


def test_facts_are_what_the_report_needs_and_nothing_of_the_person(tmp_path: Path) -> None:
    dataset = dicom_dataset(
        ramp(),
        Modality="DX",
        BodyPartExamined="CHEST",
        PatientName="Doe^Jane",
        PatientID="4711",
        PatientAge="057Y",
        PatientSex="F",
        ViewPosition="PA",
        ImageLaterality="L",
    )
    facts = open_study(saved(dataset, tmp_path / "Doe^Jane")).facts
    assert facts == StudyFacts("DX", "CHEST", 57, "F", "PA", "L")


@pytest.mark.parametrize(
    ("attributes", "age"),
    [
        ({"PatientAge": "018M"}, 1),
        ({"PatientAge": "006M"}, 0),
        ({"PatientAge": "003D"}, 0),
        ({"PatientAge": "000Y"}, None),
        ({"PatientBirthDate": "19700701", "StudyDate": "20200630"}, 49),
        ({"PatientBirthDate": "19700701", "StudyDate": "20200701"}, 50),
        ({"PatientBirthDate": "20300101", "StudyDate": "20200701"}, None),
        ({}, None),
    ],
)
def test_age_is_in_completed_years(tmp_path: Path, attributes: dict[str, str], age: int | None) -> None:
    assert open_study(saved(dicom_dataset(ramp(), **attributes), tmp_path / "Doe^Jane")).facts.age == age


def test_view_code_sequence_stands_in_for_an_empty_view_position(tmp_path: Path) -> None:
    code = Dataset()
    code.CodeMeaning = "postero-anterior"
    dataset = dicom_dataset(ramp(), ViewPosition="", ViewCodeSequence=[code])
    assert open_study(saved(dataset, tmp_path / "Doe^Jane")).facts.view == "PA"


def test_the_model_picture_is_at_most_2048_pixels_long(tmp_path: Path) -> None:
    study = open_study(saved(dicom_dataset(ramp("uint8", 0, 255, shape=(3000, 1000))), tmp_path / "Doe^Jane"))
    assert study.pictures[0].values.shape == (3000, 1000)
    assert study.model_picture.shape == (2048, 683)


# What a PNG or JPEG file shows


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


# What is refused, and with which sentence


def test_other_formats_are_refused_by_name(tmp_path: Path) -> None:
    image = Image.new("L", (4, 4))
    for name in ("GIF", "TIFF", "WebP", "BMP", "PDF"):
        image.save(tmp_path / "Doe^Jane", name)
        assert f"{name} file; only DICOM, PNG and JPEG" in refusal(tmp_path / "Doe^Jane")
    (tmp_path / "Doe^Jane").write_text('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')
    assert "SVG" in refusal(tmp_path / "Doe^Jane")


def test_what_is_no_image_file_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.dcm").write_text("The heart is not enlarged. " * 50)
    assert refusal(tmp_path / "notes.dcm") == "This file is neither DICOM, PNG nor JPEG."
    (tmp_path / "bare").write_bytes(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + b"\x08\x00\x60\x00CS\x02\x00CR")
    assert refusal(tmp_path / "bare") == "This file is neither DICOM, PNG nor JPEG."
    (tmp_path / "Poe^Jane").touch()
    assert refusal(tmp_path / "Poe^Jane") == "This file is empty."
    assert refusal(tmp_path) == "This is not a file."
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "This is not a file."
    assert refusal(tmp_path / "missing") == "This file cannot be opened: No such file or directory."


def test_dicom_without_an_image_names_its_modality() -> None:
    assert refusal(PYDICOM_FILES / "test-SR.dcm") == "This DICOM file holds no image (Modality SR)."
    with pytest.raises(StudyError, match="This is a DICOM directory"):
        open_study(PYDICOM_FILES / "dicomdirtests" / "DICOMDIR")


def test_an_unreadable_form_of_dicom_is_named(tmp_path: Path) -> None:
    path = tmp_path / "Doe^Jane"
    dataset = dicom_dataset(ramp())
    dataset.PixelData = encapsulate([b"\0\0\1\xb3" * 10])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    assert refusal(saved(dataset, path)) == f"This transfer syntax ({MPEG2MPML.name}) cannot be read."
    assert "Photometric Interpretation (HSV)" in refusal(
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
    assert "1 samples per pixel do not make RGB" in refusal(
        saved(dicom_dataset(ramp(), PhotometricInterpretation="RGB"), path)
    )
    dataset = dicom_dataset(ramp())
    del dataset.PixelRepresentation
    assert "header is damaged" in refusal(saved(dataset, path))
    table = lookup_table("VOILUTSequence", range(10))
    table["VOILUTSequence"][0].LUTDescriptor = [4096, 0, 16]
    assert "VOILUTSequence is not complete" in refusal(saved(dicom_dataset(ramp(), **table), path))
    assert "NumberOfFrames" in refusal(PYDICOM_FILES / "badVR.dcm")


def test_image_data_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    path.write_bytes(path.read_bytes()[:-100])
    assert refusal(path) == "The image data is damaged or cut off."
    path.write_bytes(path.read_bytes()[:200])
    assert refusal(path) == "This DICOM file is damaged or cut off."

    dataset = dicom_dataset(ramp(shape=(64, 64)))
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    codestream = dataset.PixelData[16:]
    dataset.PixelData = encapsulate([codestream[: len(codestream) // 2]])
    assert refusal(saved(dataset, path)) == "The compressed image data is damaged or cut off."

    dataset = dicom_dataset(ramp(shape=(3, 16, 20)))
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.NumberOfFrames = 5
    assert refusal(saved(dataset, path)) == "The compressed image data is damaged or cut off."

    for name in ("PNG", "JPEG"):
        Image.fromarray(ramp("uint8", 0, 255, shape=(100, 100))).save(path, name)
        path.write_bytes(path.read_bytes()[:-30])
        assert refusal(path) == f"The image data of this {name} file is damaged or cut off."
        path.write_bytes(path.read_bytes()[:12])
        assert refusal(path) == f"The header of this {name} file is damaged."


def test_a_length_that_runs_beyond_the_file_does_no_harm(tmp_path: Path) -> None:
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    pixel_data = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 640)
    assert path.read_bytes().count(pixel_data) == 1
    path.write_bytes(path.read_bytes().replace(pixel_data, pixel_data[:-4] + struct.pack("<I", 0xFFFFFFF0)))
    assert np.array_equal(open_study(path).pictures[0].values, ramp())


# Limits


def test_size_is_judged_by_the_header_before_any_decoding(tmp_path: Path) -> None:
    path = tmp_path / "Doe^Jane"
    assert (
        refusal(saved(dicom_dataset(ramp(), Rows=40000, Columns=40000), path))
        == "The image is too large: 40000 x 40000 pixels take 3,200 MB; the limit is 269 MB."
    )
    sentence = refusal(saved(dicom_dataset(ramp(shape=(40, 16, 20))), path), Limits(decoded_bytes=20_000))
    assert sentence == "The image is too large: 40 frames of 20 x 16 pixels take 1 MB; the limit is 1 MB."
    assert "too many frames" in refusal(path, Limits(frames=39))
    Image.new("1", (20000, 20000)).save(path, "PNG")
    assert "20000 x 20000 pixels" in refusal(path)
    assert "This file is too large" in refusal(path, Limits(file_bytes=100))


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
    assert refusal(path, little) == "This file is too large when inflated; the limit is 105 MB."
    wanting = Limits(memory_bytes=400 * 10**6)
    assert refusal(path, wanting) == "Opening this file takes more than 400 MB of memory, which is the limit."


def test_compressed_data_larger_than_its_image_is_refused(tmp_path: Path) -> None:
    dataset = dicom_dataset(ramp("uint8", 0, 255))
    segment_of_zeros = b"\x81\x00" * 100_000
    dataset.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + segment_of_zeros])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = RLELossless
    assert "larger than the image it is said to hold" in refusal(saved(dataset, tmp_path / "Doe^Jane"))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    nested = b""
    for _ in range(300):
        item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + nested + b"\xfe\xff\x0d\xe0\0\0\0\0"
        nested = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    path.write_bytes(path.read_bytes() + nested)
    assert refusal(path) == "The DICOM header is nested too deeply to be read."


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("import time; time.sleep(60)", "Opening this file took longer than 0.5 seconds and was stopped."),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)",
            "Opening this file took longer than 0.5 seconds and was stopped.",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "Opening this file was stopped by the operating system, probably for want of memory.",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "The image decoder failed on this file, which is probably damaged.",
        ),
        ("raise SystemExit(3)", "The image decoder failed on this file, which is probably damaged."),
        ("print('nothing to say')", "The image decoder gave no usable result for this file."),
    ],
)
def test_a_worker_that_fails_gives_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, sentence: str
) -> None:
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    monkeypatch.setattr(imaging, "WORKER", (sys.executable, "-c", program))
    assert refusal(path, Limits(seconds=0.5)) == sentence


def described(shape: object, dtype: str = "uint8") -> dict[str, object]:
    display_fields = {"slope": 1, "intercept": 0, "windows": [], "inverted": False, "spacing": None}
    return {"shape": shape, "dtype": dtype, **display_fields}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x80\x04K*.",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"pictures": [], "model_picture": {"shape": [1, 1], "dtype": "uint8"}, "facts": {}}',
        *(
            json.dumps(
                {"pictures": [picture], "model_picture": {"shape": [1, 1], "dtype": "uint8"}, "facts": {}}
            ).encode()
            for picture in (
                described([10**9, 10**9]),
                described([-1, 4]),
                described([0, 0]),
                described([2, 2, 2]),
                described([1, 1], "object"),
                described(None),
                {"shape": [1, 1], "dtype": "uint8"},
            )
        ),
    ],
)
def test_rubbish_from_a_worker_is_refused(header: bytes) -> None:
    with pytest.raises(StudyError, match="no usable result"):
        imaging.read_study(io.BytesIO(header + b"\n" + bytes(8)))


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    good = saved(dicom_dataset(ramp()), tmp_path / "good")
    (tmp_path / "bad").write_text("not an image")
    descriptors = len(list(Path("/dev/fd").iterdir()))
    open_study(good)
    refusal(tmp_path / "bad")
    refusal(good, Limits(seconds=0.01))
    assert list(scratch.iterdir()) == []
    assert len(list(Path("/dev/fd").iterdir())) == descriptors


def test_a_study_opens_from_any_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    monkeypatch.chdir(tmp_path)
    assert len(open_study(Path("Doe^Jane")).pictures) == 1


# Real files


def opened_or_refused(paths: list[Path]) -> dict[str, Study | str]:
    def attempt(path: Path) -> Study | str:
        try:
            return open_study(path)
        except StudyError as error:
            return str(error)

    with forked_decoding():
        return {path.name: attempt(path) for path in paths}


@pytest.fixture(scope="module")
def pydicom_files() -> dict[str, Study | str]:
    return opened_or_refused(sorted(path for path in PYDICOM_FILES.iterdir() if path.is_file()))


@pytest.fixture(scope="module")
def shared_files() -> dict[str, Study | str]:
    if not SHARED.is_dir():
        pytest.skip("the collection of DICOM test files is not here")
    return opened_or_refused(sorted(path for path in SHARED.rglob("*") if path.is_file()))


def study_of(results: dict[str, Study | str], name: str) -> Study:
    study = results[name]
    assert isinstance(study, Study), f"{name}: {study}"
    return study


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


# Random damage

damage = st.tuples(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.one_of(st.just(1.0), st.floats(0.2, 1)),
)


def damaged(content: bytes, changes: list[tuple[float, int]], kept: float) -> bytes:
    mutable = bytearray(content[: max(1, int(len(content) * kept))])
    for position, value in changes:
        mutable[int(position * len(mutable))] = value
    return bytes(mutable)


@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage)
@pytest.mark.parametrize("kind", ["DICOM", "PNG"])
def test_damage_gives_a_study_or_a_sentence(
    tmp_path: Path, kind: str, how: tuple[list[tuple[float, int]], float]
) -> None:
    path = tmp_path / "Doe^Jane"
    if kind == "DICOM":
        dataset = dicom_dataset(ramp(shape=(8, 8)), WindowCenter=2000, WindowWidth=3000, RescaleSlope=1)
        dataset.compress(RLELossless, generate_instance_uid=False)
        saved(dataset, path)
    else:
        Image.fromarray(ramp("uint8", 0, 255)).save(path, "PNG")
    path.write_bytes(damaged(path.read_bytes(), *how))
    (result,) = opened_or_refused([path]).values()
    assert isinstance(result, Study) or result.endswith(".")
