"""The pixels of a DICOM data set -> pictures. Knows nothing of files or patients."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drafting.imaging.dicom.elements import (
    CODE_STRING,
    element_code,
    element_numbers,
    element_value,
    functional_group,
    whole_number,
)
from drafting.imaging.dicom.geometry import geometry_of
from drafting.imaging.dicom.luts import lookup_table, voi_curve, windows_of
from drafting.imaging.opened import SAMPLED_VALUES, automatic_window
from drafting.study import Picture, StudyError, Window

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

# By which of pydicom's plugins compressed pixels are read, by the transfer syntax's UID (PS3.5 A.4): the decoder with
# the newest maintained code first, the next one where it fails. Pillow brings OpenJPEG and libjpeg-turbo, pylibjpeg an
# older OpenJPEG, pyjpegls CharLS. GDCM's own copies of such libraries are years old, so it reads only what nothing
# else does.
DECODERS: Mapping[str, tuple[str, ...]] = {
    "1.2.840.10008.1.2.5": ("pydicom",),  # RLE Lossless
    "1.2.840.10008.1.2.4.50": ("pillow",),  # JPEG Baseline
    "1.2.840.10008.1.2.4.51": ("pillow",),  # JPEG Extended
    "1.2.840.10008.1.2.4.57": ("gdcm",),  # JPEG Lossless
    "1.2.840.10008.1.2.4.70": ("gdcm",),  # JPEG Lossless, first-order prediction
    "1.2.840.10008.1.2.4.80": ("pyjpegls",),  # JPEG-LS Lossless
    "1.2.840.10008.1.2.4.81": ("pyjpegls",),  # JPEG-LS Near-Lossless
    "1.2.840.10008.1.2.4.90": ("pillow", "pylibjpeg"),  # JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.91": ("pillow", "pylibjpeg"),  # JPEG 2000
    "1.2.840.10008.1.2.4.201": ("pylibjpeg",),  # High-Throughput JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.202": ("pylibjpeg",),  # High-Throughput JPEG 2000 Lossless, RPCL
    "1.2.840.10008.1.2.4.203": ("pylibjpeg",),  # High-Throughput JPEG 2000
}
# JPEG Extended of 12 bits.
TWELVE_BIT_DECODERS = ("gdcm",)

GREY = {"MONOCHROME1", "MONOCHROME2"}
COLOUR = {"PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}


@dataclass(frozen=True, slots=True)
class PixelForm:
    """The Image Pixel module's description of the pixels (PS3.3 C.7.6.3), checked to be numbers, not yet to be true."""

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    photometric_interpretation: str

    @property
    def announced_bytes(self) -> int:
        """Of all frames decoded; a pixel of one bit takes a byte."""
        return self.rows * self.columns * self.frames * self._bytes_decoded

    @property
    def costly_bytes(self) -> int:
        """Of all frames, decoded or as they are then kept, whichever is more."""
        # A pixel with a palette is one value in the file and three in the picture.
        bytes_kept = 3 if self.photometric_interpretation in COLOUR else 1 if self.bits_allocated <= 8 else 2
        return self.rows * self.columns * self.frames * max(self._bytes_decoded, bytes_kept)

    @property
    def _bytes_decoded(self) -> int:
        return self.samples * max(1, self.bits_allocated // 8)


def pixel_form(dataset: Dataset) -> PixelForm:
    bits_allocated = whole_number(dataset, "BitsAllocated")
    form = PixelForm(
        rows=whole_number(dataset, "Rows"),
        columns=whole_number(dataset, "Columns"),
        # Empty or 0 stands in many single-frame files.
        frames=whole_number(dataset, "NumberOfFrames", 1) or 1,
        samples=whole_number(dataset, "SamplesPerPixel"),
        bits_allocated=bits_allocated,
        # Float pixel data has no Bits Stored.
        bits_stored=whole_number(dataset, "BitsStored", bits_allocated),
        photometric_interpretation=str(element_value(dataset, "PhotometricInterpretation") or ""),
    )
    if form.rows < 1 or form.columns < 1 or form.frames < 1:
        raise StudyError(f"The image in this DICOM file is empty: {form.columns} x {form.rows} pixels.")
    return form


def check_readable(syntax: UID, form: PixelForm) -> None:
    from pydicom.pixels import get_decoder
    from pydicom.uid import RLELossless

    photometric = form.photometric_interpretation
    if photometric not in GREY | COLOUR:
        named = photometric if CODE_STRING.fullmatch(photometric) else "missing or damaged"
        raise StudyError(f"The Photometric Interpretation of this image ({named}) is not supported.")
    if form.samples != (1 if photometric in GREY | {"PALETTE COLOR"} else 3):
        raise StudyError(
            f"The DICOM header is damaged: Photometric Interpretation {photometric} does not fit"
            f" {form.samples} samples per pixel."
        )
    name = syntax.name if syntax.is_valid else "unknown"
    try:
        available = get_decoder(syntax).available_plugins
        readable = not syntax.is_encapsulated or any(name in available for name in _decoders(syntax, form))
    except NotImplementedError:
        readable = False
    if not readable:
        raise StudyError(f"The transfer syntax of this file ({name}) is not supported.")
    if form.bits_allocated not in (1, 8, 16, 32, 64) or (syntax == RLELossless and form.bits_allocated == 1):
        raise StudyError(f"Pixels with Bits Allocated {form.bits_allocated} are not supported in {name}.")


def pictures_of(dataset: Dataset, form: PixelForm, syntax: UID) -> list[Picture]:
    pictures: list[Picture] = []
    samples: list[NDArray[np.float64]] = []
    for index, frame in enumerate(_frames(dataset, form, syntax)):
        if form.photometric_interpretation in COLOUR:
            pictures.append(Picture(_rgb(frame, dataset, form), **geometry_of(dataset, index)))
            continue
        picture, sample = _grey_picture(frame, index, dataset, form)
        pictures.append(picture)
        samples.append(sample)
    if any(not picture.windows for picture in pictures) and samples:
        # One window for all frames, so that paging through them does not flicker.
        shared = automatic_window(samples)
        pictures = [picture if picture.windows else replace(picture, windows=(shared,)) for picture in pictures]
    return pictures


def _decoders(syntax: UID, form: PixelForm) -> tuple[str, ...]:
    """The names of pydicom's plugins, in the order in which they are tried."""
    from pydicom.uid import JPEGExtended12Bit

    if not syntax.is_encapsulated:
        # pydicom's own code, which has no name.
        return ("",)
    if syntax == JPEGExtended12Bit and form.bits_stored > 8:
        return TWELVE_BIT_DECODERS
    return DECODERS.get(syntax, ())


def _frames(dataset: Dataset, form: PixelForm, syntax: UID) -> Iterator[NDArray[Any]]:
    """The frames, (rows, columns) or (rows, columns, 3), YBR already turned into RGB by pydicom."""
    from pydicom.pixels import iter_pixels

    failure: Exception | None = None
    read = 0
    for decoder in _decoders(syntax, form):
        try:
            # Asked for by number, so that no frame comes that `check_size` has not counted. Without numbers pydicom
            # 3.0.2 gives all that are there, and fails on compressed frames whose unused bits it has to set.
            for frame in iter_pixels(dataset, indices=range(read, form.frames), decoding_plugin=decoder):
                read += 1
                yield frame
            return
        except AttributeError as error:
            raise StudyError("The DICOM header is damaged: the transfer syntax is missing.") from error
        except (RuntimeError, ValueError, NotImplementedError, LookupError, EOFError, struct.error) as error:
            failure = error
    compressed = "compressed " if syntax.is_encapsulated else ""
    raise StudyError(f"The {compressed}image data is damaged or incomplete.") from failure


def _rgb(frame: NDArray[Any], dataset: Dataset, form: PixelForm) -> NDArray[np.uint8]:
    """(rows, columns, 3) uint8; deeper colours lose their low bits."""
    from pydicom.pixels import apply_color_lut

    bits = form.bits_stored
    if form.photometric_interpretation == "PALETTE COLOR":
        frame = apply_color_lut(frame, dataset)
        if "RedPaletteColorLookupTableData" in dataset and not dataset.original_encoding[1]:
            # pydicom 3.0.2 reads the table's words as little endian, whatever the file is.
            frame = frame.byteswap()
        bits = 8 * frame.dtype.itemsize
    return (frame >> max(0, bits - 8)).astype(np.uint8)


def _grey_picture(
    raw: NDArray[Any], index: int, dataset: Dataset, form: PixelForm
) -> tuple[Picture, NDArray[np.float64]]:
    """One frame of stored values, (rows, columns), and a sample of its modality values for an automatic window."""
    inverted = (
        form.photometric_interpretation == "MONOCHROME1" or element_code(dataset, "PresentationLUTShape") == "INVERSE"
    )
    padding = _padding(raw, dataset)
    transformation = functional_group(dataset, index, "PixelValueTransformationSequence")
    # A slope of 0 would make every pixel the same: it stands for nothing that was measured.
    slope = next(iter(element_numbers(transformation, "RescaleSlope")), 1.0) or 1.0
    intercept = next(iter(element_numbers(transformation, "RescaleIntercept")), 0.0)
    # Eight bits are what a maker has already made for a screen.
    ready = form.bits_stored <= 8 and raw.dtype == np.uint8
    floating = raw.dtype.kind == "f"
    modality_table = lookup_table(dataset, "ModalityLUTSequence", dataset)
    if modality_table is not None:
        raw, slope, intercept, ready = modality_table.look_up(raw), 1.0, 0.0, False
    values, slope, intercept = _unsigned(raw, slope, intercept)
    seen = values
    if padding.any() and not padding.all():
        seen = values[~padding]
        black = seen.max() if inverted != (slope < 0) else seen.min()
        values = np.where(padding, black, values)
    sample = seen.ravel()[:: max(1, seen.size * form.frames // SAMPLED_VALUES)] * slope + intercept

    voi = functional_group(dataset, index, "FrameVOILUTSequence")
    curve = voi_curve(voi, dataset, np.arange(np.iinfo(values.dtype).max + 1) * slope + intercept)
    if curve is not None:
        values, slope, intercept = curve.entries[values], 1.0, 0.0
        windows: tuple[Window, ...] = (Window.between(0, curve.top),)
    else:
        windows = windows_of(voi, dataset, floating)
    if not windows and ready:
        ends = intercept, (2**form.bits_stored - 1) * slope + intercept
        windows = (Window.between(min(ends), max(ends)),)
    return Picture(values, slope, intercept, windows, inverted, **geometry_of(dataset, index)), sample


def _unsigned(raw: NDArray[Any], slope: float, intercept: float) -> tuple[NDArray[Any], float, float]:
    """Stored values as uint8 or uint16, with the slope and intercept that keep their modality values.

    Up to 16 bits nothing is lost; wider integers and floats are spread over 16 bits where they do not fit.
    """
    raw = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    if raw.dtype in (np.uint8, np.uint16):
        return raw, slope, intercept
    if raw.dtype == np.int8:
        return raw.view(np.uint8) ^ np.uint8(0x80), slope, intercept - 0x80 * slope
    if raw.dtype == np.int16:
        return raw.view(np.uint16) ^ np.uint16(0x8000), slope, intercept - 0x8000 * slope
    finite = raw[np.isfinite(raw)].astype(np.float64)
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    step = 1.0 if np.issubdtype(raw.dtype, np.integer) and high - low <= 0xFFFF else (high - low) / 0xFFFF or 1.0
    if not math.isfinite(step * slope) or not math.isfinite(low * slope + intercept):
        raise StudyError("The pixel values of this image are outside the range that can be displayed.")
    spread = (np.nan_to_num(raw.astype(np.float64), nan=low, posinf=high, neginf=low) - low) / step
    return np.rint(spread).astype(np.uint16), float(step * slope), float(low * slope + intercept)


def _padding(raw: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    """Where the frame holds padding, not image: Pixel Padding Value and Range Limit, PS3.3 C.7.5.1.1.2."""
    ends = (*element_numbers(dataset, "PixelPaddingValue")[:1], *element_numbers(dataset, "PixelPaddingRangeLimit")[:1])
    if not ends:
        return np.zeros(raw.shape, dtype=np.bool_)
    return (raw >= min(ends)) & (raw <= max(ends))
