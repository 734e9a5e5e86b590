"""The pixels of a DICOM file as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from drafting.imaging.dicom.pixels import DECODERS
from drafting.imaging.open import Limits, open_study
from drafting.imaging.series import decode
from drafting.study import Window
from tests.drafting.imaging.files import (
    PYDICOM_FILES,
    dicom_dataset,
    lookup_table,
    modality_values,
    ramp,
    refusal,
    saved,
)

pytestmark = pytest.mark.usefixtures("by_forks")


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


def test_a_pixel_counts_as_what_is_kept_of_it(tmp_path: Path) -> None:
    path = tmp_path / "Doe^Jane"
    tables: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        tables[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tables[f"{colour}PaletteColorLookupTableData"] = np.arange(256, dtype="<u2").tobytes()
    curve = lookup_table("VOILUTSequence", range(256))
    sigmoid = {"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "SIGMOID"}
    for attributes, bytes_per_pixel in ((tables, 3), (curve, 2), (sigmoid, 2), ({}, 1)):
        saved(dicom_dataset(ramp("uint8", 0, 255), **attributes), path)
        limit = 320 * bytes_per_pixel
        assert open_study(path, Limits(decoded_bytes=limit)).pictures[0].values.nbytes == limit
        assert "too large" in refusal(path, Limits(decoded_bytes=limit - 1))


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


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    study = open_study(saved(dicom_dataset(np.array([[7]], dtype=np.uint16)), tmp_path / "Doe^Jane"))
    assert study.pictures[0].values.tolist() == [[7]]
    assert study.model_picture.shape == (1, 1)


@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        ("JPEG2000.dcm", "pillow"),
        ("693_J2KI.dcm", "pillow"),
        ("MR_small_jpeg_ls_lossless.dcm", "pyjpegls"),
        ("SC_rgb_jpeg_dcmtk.dcm", "pillow"),
        ("JPGExtended.dcm", "gdcm"),
        # What Pillow cannot read.
        ("GDCMJ2K_TextGBR.dcm", "pylibjpeg"),
    ],
)
def test_compressed_pixels_are_read_by_the_newest_maintained_decoder(
    monkeypatch: pytest.MonkeyPatch, name: str, decoder: str
) -> None:
    path = PYDICOM_FILES / name
    if not path.exists():
        pytest.skip("this version of pydicom does not bring this file")
    used = []
    for syntax in DECODERS:
        decoders = get_decoder(pydicom.uid.UID(syntax))._available
        for plugin, decode_frame in list(decoders.items()):

            def watched(source: bytes, runner: Any, plugin: str = plugin, decode_frame: Any = decode_frame) -> Any:
                decoded = decode_frame(source, runner)
                used.append(plugin)
                return decoded

            monkeypatch.setitem(decoders, plugin, watched)
    with path.open("rb") as file:
        assert decode(file, Limits()).pictures
    assert set(used) == {decoder}
