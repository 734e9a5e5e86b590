"""The decoding process: a DICOM, PNG or JPEG file on standard input, or an archive of them -> one study, or the reason
why there is none.

`drafting.imaging.open` starts it as `python -m drafting.imaging.worker RESULT LIMITS`, where RESULT is the number of an
open file descriptor and LIMITS is `Limits` as JSON. This module knows no path, no report and no model, and it trusts
nothing that it reads: whatever pydicom, Pillow or a codec does on a hostile file happens here, under limits.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import struct
import sys
import traceback
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from mmap import ACCESS_READ, mmap
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from drafting.imaging.archives import files_in, is_archive
from drafting.imaging.open import (
    Limits,
    Picture,
    Study,
    StudyError,
    StudyFacts,
    Window,
    display,
    in_megabytes,
    write_error,
    write_study,
)

# pydicom and Pillow are imported where they are used: a radiograph in DICOM needs no Pillow, a PNG no pydicom.
if TYPE_CHECKING:
    from PIL import Image
    from pydicom import Dataset
    from pydicom.uid import UID

MODEL_PICTURE_SIDE = 2048
SAMPLED_VALUES = 2**20

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
REFUSED_SIGNATURES = {
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"BM": "BMP",
    b"%PDF": "PDF",
    b"\x1f\x8b": "gzip",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
}

# PS3.3 C.8.11.5.1.1 names the views in View Code Sequence (CID 4010) where View Position may be empty.
VIEW_MEANINGS = {
    "antero-posterior": "AP",
    "postero-anterior": "PA",
    "left lateral": "LL",
    "right lateral": "RL",
}

# Images of the whole thickness of the patient, whose pixels are measured where the rays end.
PROJECTIONS = {"CR", "DX", "DR", "RG", "RF", "XA", "MG", "IO", "PX"}
# What a description typed by people may repeat.
PRIVATE = (
    *("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientBirthDate"),
    *("PatientAddress", "PatientMotherBirthName", "AccessionNumber", "ReferringPhysicianName", "OperatorsName"),
)
LONG_NUMBER = re.compile(r"\d{5}|\d\d?[-./]\d\d?[-./]\d\d|\d{4}[-./]\d\d")

CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")
GREY = {"MONOCHROME1", "MONOCHROME2"}
COLOUR = {"PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}

# What pydicom raises when it turns an element's bytes into its value, which it does when the value is asked for.
CONVERSION_ERRORS = (ValueError, TypeError, LookupError, ArithmeticError, NotImplementedError, struct.error)


class _BeyondLimitsError(StudyError):
    """More pixels or frames than the limits allow."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file's pictures belong among others. `patient`: what tells one patient from another, never passed on."""

    patient: tuple[str, ...] = ()
    series: tuple[float, str] = (math.inf, "")
    instance: float | None = None
    position: float | None = None


@dataclass(frozen=True, slots=True)
class _Opened:
    """What one file holds."""

    pictures: tuple[Picture, ...]
    facts: StudyFacts = field(default_factory=StudyFacts)
    place: _Place = field(default_factory=_Place)

    @property
    def decoded_bytes(self) -> int:
        return sum(picture.values.nbytes for picture in self.pictures)


def decode(stream: IO[bytes], limits: Limits) -> Study:
    """Read the study in a seekable `stream`.

    Raises StudyError with the reason; from a damaged file also whatever pydicom, Pillow or a codec raises.
    """
    head = stream.read(512)
    stream.seek(0)
    note = ""
    if head[128:132] != b"DICM" and is_archive(head):
        opened, note = _open_several(stream, head, limits)
    else:
        opened = [_open_one(stream, head, limits)]
    pictures = tuple(picture for one in opened for picture in one.pictures)
    return Study(pictures, _model_picture(pictures[0]), opened[0].facts, note=note)


def _open_one(stream: IO[bytes], head: bytes, limits: Limits) -> _Opened:
    if head.startswith(PNG_SIGNATURE):
        return _open_picture_file(stream, "PNG", limits)
    if head.startswith(JPEG_SIGNATURE):
        return _open_picture_file(stream, "JPEG", limits)
    if head[128:132] == b"DICM" or _could_be_bare_dataset(head):
        return _open_dicom(stream, head, limits)
    raise StudyError(_refusal(head))


def _open_several(stream: IO[bytes], head: bytes, limits: Limits) -> tuple[list[_Opened], str]:
    """The files of an archive in the order in which they are looked through, and what to say of those left out."""
    opened: list[_Opened] = []
    reasons: list[str] = []
    left = limits
    for file in files_in(stream, head, limits):
        first = file.read(512)
        file.seek(0)
        if not first or is_archive(first):
            reasons.append("This file is empty." if not first else "This is an archive within an archive.")
            continue
        try:
            one = _open_one(file, first, left)
        except _BeyondLimitsError as error:
            raise _BeyondLimitsError(
                f"These files are too large together: the limit is {in_megabytes(limits.decoded_bytes)} of pixels"
                f" and {limits.frames:,} frames."
            ) from error
        except StudyError as error:
            reasons.append(str(error))
        except (MemoryError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 - as in `main`: one damaged file does not take the others along
            traceback.print_exc()
            reasons.append("This file is damaged and cannot be read.")
        else:
            opened.append(one)
            left = replace(
                left,
                decoded_bytes=left.decoded_bytes - one.decoded_bytes,
                frames=left.frames - len(one.pictures),
            )
    if not opened:
        if not reasons:
            raise StudyError("This archive holds no file.")
        if len(reasons) == 1:
            raise StudyError(reasons[0])
        raise StudyError(f"None of these {len(reasons):,} files can be opened. The first: {reasons[0]}")
    if len({one.place.patient for one in opened if one.place.patient}) > 1:
        raise StudyError("These files are of more than one patient; open one patient's at a time.")
    note = ""
    if reasons:
        were = "file was" if len(reasons) == 1 else "files were"
        note = f"{len(reasons):,} {were} left out of {len(reasons) + len(opened):,}. The first: {reasons[0]}"
    return _in_order(opened), note


def _in_order(opened: list[_Opened]) -> list[_Opened]:
    """By series; within one by Instance Number where each has its own, else by position, else as they came."""
    series: dict[tuple[float, str], list[_Opened]] = {}
    for one in opened:
        series.setdefault(one.place.series, []).append(one)
    ordered: list[_Opened] = []
    for _, members in sorted(series.items()):
        instances = [one.place.instance for one in members]
        positions = [one.place.position for one in members]
        if None not in instances and len(set(instances)) == len(members):
            members.sort(key=lambda one: one.place.instance or 0)
        elif None not in positions:
            members.sort(key=lambda one: one.place.position or 0)
        ordered += members
    return ordered


def _refusal(head: bytes) -> str:
    for signature, name in REFUSED_SIGNATURES.items():
        if head.startswith(signature):
            return f"This is a {name} file; only DICOM, PNG and JPEG can be opened."
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "This is a WebP file; only DICOM, PNG and JPEG can be opened."
    if b"<svg" in head.lower():
        return "This is an SVG file; only DICOM, PNG and JPEG can be opened."
    return "This file is neither DICOM, PNG nor JPEG."


def _check_size(rows: int, columns: int, frames: int, announced: int, limits: Limits) -> None:
    """Refuse by what the header announces, before a pixel is decoded."""
    if frames > limits.frames:
        raise _BeyondLimitsError(f"This study has too many frames: {frames:,}; the limit is {limits.frames:,}.")
    if announced > limits.decoded_bytes:
        extent = f"{columns} x {rows} pixels" if frames == 1 else f"{frames} frames of {columns} x {rows} pixels"
        raise _BeyondLimitsError(
            f"The image is too large: {extent} take {in_megabytes(announced)};"
            f" the limit is {in_megabytes(limits.decoded_bytes)}."
        )


def _model_picture(picture: Picture) -> NDArray[np.uint8]:
    """The picture as first displayed, at most MODEL_PICTURE_SIDE pixels on its longer side."""
    shown = display(picture)
    longer = max(shown.shape[:2])
    if longer <= MODEL_PICTURE_SIDE:
        return shown
    from PIL import Image

    height, width = (max(1, round(side * MODEL_PICTURE_SIDE / longer)) for side in shown.shape[:2])
    return np.asarray(Image.fromarray(shown).resize((width, height), Image.Resampling.LANCZOS))


def _automatic_window(samples: list[NDArray[np.float64]]) -> Window:
    """A window for pictures whose file names none: from the 0.5th to the 99.5th percentile of the modality values."""
    values = np.concatenate(samples)
    if values.size == 0:
        return Window.between(0, 1)
    low, high = np.percentile(values, (0.5, 99.5))
    if low == high:
        low, high = values.min(), values.max()
    return Window.between(float(low), float(high))


# PNG and JPEG


def _open_picture_file(stream: IO[bytes], name: str, limits: Limits) -> _Opened:
    from PIL import Image, ImageOps

    # `_check_size` takes the place of Pillow's own check, and is asked before a pixel is decoded.
    Image.MAX_IMAGE_PIXELS = None
    try:
        image: Image.Image = Image.open(stream, formats=(name,))
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        raise StudyError(f"The header of this {name} file is damaged.") from error
    width, height = image.size
    _check_size(height, width, 1, height * width * _bytes_per_pixel(image), limits)
    try:
        image = ImageOps.exif_transpose(image)
        image.load()
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        raise StudyError(f"The image data of this {name} file is damaged or cut off.") from error
    return _Opened((_picture_file_values(image),))


def _bytes_per_pixel(image: Image.Image) -> int:
    return 2 if image.mode.startswith("I;16") else len(image.getbands())


def _picture_file_values(image: Image.Image) -> Picture:
    """Grey stays grey, 8 or 16 bits; all else becomes RGB, and grey again where its channels are equal."""
    from PIL import Image

    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.uint16)
        sample = deep.ravel()[:: max(1, deep.size // SAMPLED_VALUES)].astype(np.float64)
        return Picture(deep, windows=(_automatic_window([sample]),))
    if image.mode in ("1", "L"):
        return Picture(np.array(image.convert("L")), windows=(Window.between(0, 255),))
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", opaque.size, (0, 0, 0, 255)), opaque)
    colours = np.array(image.convert("RGB"))
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return Picture(red.copy(), windows=(Window.between(0, 255),))
    return Picture(colours)


# DICOM: the file


def _could_be_bare_dataset(head: bytes) -> bool:
    """Whether a file without the 'DICM' mark begins as a data set does: with an element of group 0002 or 0008."""
    if head[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x08") or len(head) < 16:
        return False
    return (head[4:6].isalpha() and head[4:6].isupper()) or int.from_bytes(head[4:8], "little") <= 1024


def _open_dicom(stream: IO[bytes], head: bytes, limits: Limits) -> _Opened:
    from pydicom import dcmread
    from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

    _check_deflated(stream, head, limits)
    dataset = dcmread(stream, force=True)
    marked = head[128:132] == b"DICM"
    if len(dataset) == 0 and marked:
        raise StudyError("This DICOM file is damaged or cut off.")
    if not marked and "SOPClassUID" not in dataset and "Rows" not in dataset:
        raise StudyError("This file is neither DICOM, PNG nor JPEG.")
    if "DirectoryRecordSequence" in dataset:
        raise StudyError("This is a DICOM directory (DICOMDIR), which holds no image.")
    facts = _facts(dataset)
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise StudyError(
            "This DICOM file holds no image."
            if facts.modality is None
            else f"This DICOM file holds no image (Modality {facts.modality})."
        )
    syntax = _transfer_syntax(dataset)
    form = _pixel_form(dataset)
    _check_size(form.rows, form.columns, form.frames, form.announced_bytes, limits)
    _check_readable(syntax, form)
    if syntax.is_encapsulated and len(dataset.get("PixelData") or b"") > 2 * form.announced_bytes + 2**16 * form.frames:
        # No codec makes an image that much larger, but RLE segments that run on would be inflated all the same.
        raise StudyError("The compressed image data is larger than the image it is said to hold, and probably damaged.")
    if syntax == JPEGExtended12Bit and form.bits_stored > 8:
        # pydicom keeps GDCM from 12-bit JPEG Extended. GDCM reads it, told only that it is some JPEG: the codestream
        # says which. Compared with another decoder, values differ by 1 at most.
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return _Opened(tuple(_pictures(dataset, form, syntax)), facts, _place(dataset))


def _check_deflated(stream: IO[bytes], head: bytes, limits: Limits) -> None:
    """Refuse a deflated data set (PS3.5 A.5) that inflates beyond `limits.file_bytes`, without keeping what it gives.

    pydicom inflates all of it at once even where only the header is wanted.
    """
    # (0002,0000) File Meta Information Group Length stands first and counts from its own end (PS3.10 7.1).
    start = 144 + int.from_bytes(head[140:144], "little")
    if b"1.2.840.10008.1.2.1.99" not in head[132:start]:
        return
    stream.seek(start)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    while not inflater.eof and (piece := inflater.unconsumed_tail or stream.read(2**16)):
        size += len(inflater.decompress(piece, 2**20))
        if size > limits.file_bytes:
            raise StudyError(f"This file is too large when inflated; the limit is {in_megabytes(limits.file_bytes)}.")
    stream.seek(0)


def _transfer_syntax(dataset: Dataset) -> UID:
    """The file's transfer syntax; where it names none, the one its encoding implies, which is noted in `dataset`."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    meta = getattr(dataset, "file_meta", None) or FileMetaDataset()
    dataset.file_meta = meta
    if "TransferSyntaxUID" not in meta:
        implicit, little_endian = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return meta.TransferSyntaxUID


@dataclass(frozen=True, slots=True)
class _PixelForm:
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
        return self.rows * self.columns * self.frames * self.samples * max(1, self.bits_allocated // 8)


def _pixel_form(dataset: Dataset) -> _PixelForm:
    bits_allocated = _whole_number(dataset, "BitsAllocated")
    form = _PixelForm(
        rows=_whole_number(dataset, "Rows"),
        columns=_whole_number(dataset, "Columns"),
        # Empty or 0 stands in many single-frame files.
        frames=_whole_number(dataset, "NumberOfFrames", 1) or 1,
        samples=_whole_number(dataset, "SamplesPerPixel"),
        bits_allocated=bits_allocated,
        # Float pixel data has no Bits Stored.
        bits_stored=_whole_number(dataset, "BitsStored", bits_allocated),
        photometric_interpretation=str(_value(dataset, "PhotometricInterpretation") or ""),
    )
    if form.rows < 1 or form.columns < 1 or form.frames < 1:
        raise StudyError(f"The image in this DICOM file is empty: {form.columns} x {form.rows} pixels.")
    return form


def _whole_number(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    try:
        value = dataset.get(keyword)
        return int(default if value in (None, "") else value)  # type: ignore[arg-type]
    except CONVERSION_ERRORS as error:
        raise StudyError(f"The DICOM header is damaged: {keyword} is missing or not a number.") from error


def _check_readable(syntax: UID, form: _PixelForm) -> None:
    from pydicom.pixels import get_decoder
    from pydicom.uid import RLELossless

    photometric = form.photometric_interpretation
    if photometric not in GREY | COLOUR:
        named = photometric if CODE_STRING.fullmatch(photometric) else "missing or damaged"
        raise StudyError(f"This image's Photometric Interpretation ({named}) cannot be read.")
    if form.samples != (1 if photometric in GREY | {"PALETTE COLOR"} else 3):
        raise StudyError(f"The DICOM header is damaged: {form.samples} samples per pixel do not make {photometric}.")
    name = syntax.name if syntax.is_valid else "unknown"
    try:
        readable = get_decoder(syntax).is_available
    except NotImplementedError:
        readable = False
    if not readable:
        raise StudyError(f"This transfer syntax ({name}) cannot be read.")
    if form.bits_allocated not in (1, 8, 16, 32, 64) or (syntax == RLELossless and form.bits_allocated == 1):
        raise StudyError(f"Pixels with Bits Allocated {form.bits_allocated} cannot be read in {name}.")


# DICOM: the pixels


def _pictures(dataset: Dataset, form: _PixelForm, syntax: UID) -> list[Picture]:
    pictures: list[Picture] = []
    samples: list[NDArray[np.float64]] = []
    for index, frame in enumerate(_frames(dataset, form, syntax)):
        if form.photometric_interpretation in COLOUR:
            pictures.append(Picture(_rgb(frame, dataset, form), **_geometry(dataset, index)))
            continue
        picture, sample = _grey_picture(frame, index, dataset, form)
        pictures.append(picture)
        samples.append(sample)
    if any(not picture.windows for picture in pictures) and samples:
        # One window for all frames, so that paging through them does not flicker.
        shared = _automatic_window(samples)
        pictures = [picture if picture.windows else replace(picture, windows=(shared,)) for picture in pictures]
    return pictures


def _frames(dataset: Dataset, form: _PixelForm, syntax: UID) -> Iterator[NDArray[Any]]:
    """The frames, (rows, columns) or (rows, columns, 3), YBR already turned into RGB by pydicom."""
    from pydicom.pixels import iter_pixels

    try:
        # Asked for by number, so that no frame comes that `_check_size` has not counted. Without numbers pydicom 3.0.2
        # gives all that are there, and fails on compressed frames whose unused bits it has to set.
        yield from iter_pixels(dataset, indices=range(form.frames))
    except AttributeError as error:
        raise StudyError("The DICOM header is damaged: it does not tell how the image data is stored.") from error
    except (RuntimeError, ValueError, NotImplementedError, LookupError, EOFError, struct.error) as error:
        compressed = "compressed " if syntax.is_encapsulated else ""
        raise StudyError(f"The {compressed}image data is damaged or cut off.") from error


def _rgb(frame: NDArray[Any], dataset: Dataset, form: _PixelForm) -> NDArray[np.uint8]:
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
    raw: NDArray[Any], index: int, dataset: Dataset, form: _PixelForm
) -> tuple[Picture, NDArray[np.float64]]:
    """One frame of stored values, (rows, columns), and a sample of its modality values for an automatic window."""
    inverted = form.photometric_interpretation == "MONOCHROME1" or _text(dataset, "PresentationLUTShape") == "INVERSE"
    padding = _padding(raw, dataset)
    transformation = _macro(dataset, index, "PixelValueTransformationSequence")
    # A slope of 0 would make every pixel the same: it stands for nothing that was measured.
    slope = next(iter(_numbers(transformation, "RescaleSlope")), 1.0) or 1.0
    intercept = next(iter(_numbers(transformation, "RescaleIntercept")), 0.0)
    # Eight bits are what a maker has already made for a screen.
    ready = form.bits_stored <= 8 and raw.dtype == np.uint8
    floating = raw.dtype.kind == "f"
    modality_table = _lookup_table(dataset, "ModalityLUTSequence", dataset)
    if modality_table is not None:
        raw, slope, intercept, ready = modality_table.look_up(raw), 1.0, 0.0, False
    values, slope, intercept = _unsigned(raw, slope, intercept)
    seen = values
    if padding.any() and not padding.all():
        seen = values[~padding]
        black = seen.max() if inverted != (slope < 0) else seen.min()
        values = np.where(padding, black, values)
    sample = seen.ravel()[:: max(1, seen.size * form.frames // SAMPLED_VALUES)] * slope + intercept

    voi = _macro(dataset, index, "FrameVOILUTSequence")
    curve = _voi_curve(voi, dataset, np.arange(np.iinfo(values.dtype).max + 1) * slope + intercept)
    if curve is not None:
        values, slope, intercept = curve.entries[values], 1.0, 0.0
        windows: tuple[Window, ...] = (Window.between(0, curve.top),)
    else:
        windows = _windows(voi, floating)
    if not windows and ready:
        ends = intercept, (2**form.bits_stored - 1) * slope + intercept
        windows = (Window.between(min(ends), max(ends)),)
    return Picture(values, slope, intercept, windows, inverted, **_geometry(dataset, index)), sample


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
        raise StudyError("The pixel values of this image are out of any range that can be shown.")
    spread = (np.nan_to_num(raw.astype(np.float64), nan=low, posinf=high, neginf=low) - low) / step
    return np.rint(spread).astype(np.uint16), float(step * slope), float(low * slope + intercept)


def _padding(raw: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    """Where the frame holds padding, not image: Pixel Padding Value and Range Limit, PS3.3 C.7.5.1.1.2."""
    ends = (*_numbers(dataset, "PixelPaddingValue")[:1], *_numbers(dataset, "PixelPaddingRangeLimit")[:1])
    if not ends:
        return np.zeros(raw.shape, dtype=np.bool_)
    return (raw >= min(ends)) & (raw <= max(ends))


@dataclass(frozen=True, slots=True)
class _LookupTable:
    """`entries[0]` is for input `first` and all below, the last entry for all above; entries run to `top`."""

    first: int
    entries: NDArray[np.uint16]
    top: int

    def look_up(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        return self.entries[np.clip(values.astype(np.int64) - self.first, 0, len(self.entries) - 1)]


def _lookup_table(holder: Dataset, keyword: str, dataset: Dataset) -> _LookupTable | None:
    """The first item of Modality LUT Sequence or VOI LUT Sequence, PS3.3 C.11.1.1 and C.11.2.1.1."""
    items = holder.get(keyword)
    if not items:
        return None
    descriptor = _numbers(items[0], "LUTDescriptor")
    data = _value(items[0], "LUTData")
    if len(descriptor) != 3 or data is None:
        raise StudyError(f"The DICOM header is damaged: its {keyword} is not complete.")
    count, first, bits = int(descriptor[0]) or 2**16, int(descriptor[1]), int(descriptor[2])
    if isinstance(data, bytes):
        little_endian = dataset.original_encoding[1]
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little_endian else ">u2")
    else:
        words = np.atleast_1d(np.asarray(data)).astype(np.uint16)
    if len(words) < count <= 2 * len(words):
        # Entries of 8 bits may be packed two to a word.
        words = np.frombuffer(words.astype("<u2").tobytes(), np.uint8)
    if len(words) < count:
        raise StudyError(f"The DICOM header is damaged: its {keyword} is not complete.")
    entries = words[:count].astype(np.uint16)
    # Some makers announce fewer bits than their entries have.
    return _LookupTable(first, entries, top=max(2 ** min(bits, 16) - 1, int(entries.max())))


def _voi_curve(voi: Dataset, dataset: Dataset, modality: NDArray[Any]) -> _LookupTable | None:
    """What a VOI transformation that no window can express makes of each modality value; None for windows.

    That is a VOI LUT Sequence, which goes before windows where a file has both, or the first SIGMOID window.
    """
    table = _lookup_table(voi, "VOILUTSequence", dataset)
    if table is not None:
        return _LookupTable(0, table.look_up(np.rint(modality)), table.top)
    centers, widths = _numbers(voi, "WindowCenter"), _numbers(voi, "WindowWidth")
    if _text(voi, "VOILUTFunction") == "SIGMOID" and centers and widths and widths[0] > 0:
        # PS3.3 C.11.2.1.3.1, as 1 / (1 + exp(-2x)) is (1 + tanh x) / 2, which cannot overflow.
        curve = (1 + np.tanh(2 * (modality - centers[0]) / widths[0])) / 2
        return _LookupTable(0, np.rint(curve * 0xFFFF).astype(np.uint16), 0xFFFF)
    return None


def _windows(voi: Dataset, floating: bool) -> tuple[Window, ...]:
    """The file's windows, as LINEAR ones; a width that its function does not allow makes no window."""
    names = _texts(voi, "WindowCenterWidthExplanation")
    # LINEAR is for whole numbers: taken at its word, it would make a window from 0 to 1 a threshold.
    exact = floating or _text(voi, "VOILUTFunction") == "LINEAR_EXACT"
    windows = []
    pairs = zip(_numbers(voi, "WindowCenter"), _numbers(voi, "WindowWidth"), strict=False)
    for index, (center, width) in enumerate(pairs):
        name = names[index] if index < len(names) else ""
        if exact and width > 0:
            windows.append(Window.between(center - width / 2, center + width / 2, name))
        elif not exact and width >= 1:
            windows.append(Window(center, width, name))
    return tuple(windows)


def _geometry(dataset: Dataset, index: int) -> dict[str, Any]:
    """A frame's place in the patient: the fields of `Picture` from `spacing` on."""
    spacing, at = _spacing(dataset, index)
    return {
        "spacing": spacing,
        "spacing_at": at,
        "aspect": _aspect(dataset, spacing),
        "orientation": _orientation(dataset, index),
        "label": " · ".join(filter(None, (_view(dataset), _side(dataset), _free_text(dataset, "SeriesDescription")))),
    }


def _spacing(dataset: Dataset, index: int) -> tuple[tuple[float, float] | None, str]:
    """Millimetres between rows and between columns, and where they hold (PS3.3 10.7.1.3)."""
    measures = _macro(dataset, index, "PixelMeasuresSequence")
    imager = _numbers(dataset, "ImagerPixelSpacing")
    for holder, keyword, at in (
        (measures, "PixelSpacing", "patient"),
        (dataset, "ImagerPixelSpacing", "detector"),
        (dataset, "NominalScannedPixelSpacing", "film"),
    ):
        spacing = _numbers(holder, keyword)
        if len(spacing) != 2 or min(spacing) <= 0:
            continue
        calibrated = bool(_text(dataset, "PixelSpacingCalibrationType"))
        projection = _text(dataset, "Modality") in PROJECTIONS or len(imager) == 2
        # On a projection, Pixel Spacing holds in the patient only where it was corrected for the distance.
        if at == "patient" and projection and not calibrated and (len(imager) != 2 or spacing == imager):
            at = "detector"
        return (spacing[0], spacing[1]), at
    return None, "patient"


def _aspect(dataset: Dataset, spacing: tuple[float, float] | None) -> float:
    """A pixel's height over its width, from its spacing or else Pixel Aspect Ratio (PS3.3 C.7.6.3.1.7)."""
    ratio = spacing or _numbers(dataset, "PixelAspectRatio")
    if len(ratio) != 2 or min(ratio) <= 0:
        return 1.0
    aspect = ratio[0] / ratio[1]
    # Beyond this the header is wrong, and the picture would be a line.
    return aspect if 0.05 <= aspect <= 20 else 1.0


def _cosines(dataset: Dataset, index: int) -> NDArray[np.float64] | None:
    """Image Orientation (Patient): the directions of rows and of columns, (2, 3) unit vectors."""
    numbers = _numbers(_macro(dataset, index, "PlaneOrientationSequence"), "ImageOrientationPatient")
    if len(numbers) != 6:
        return None
    cosines = np.array(numbers).reshape(2, 3)
    lengths = np.linalg.norm(cosines, axis=1)
    return cosines if np.abs(lengths - 1).max() < 0.1 and abs(cosines[0] @ cosines[1]) < 0.1 else None


def _orientation(dataset: Dataset, index: int) -> tuple[str, str] | None:
    """To which sides of the patient rows and columns run; None where the file does not tell."""
    cosines = _cosines(dataset, index)
    if cosines is not None:
        return _directions(cosines[0]), _directions(cosines[1])
    if _text(dataset, "AnatomicalOrientationType") == "QUADRUPED":
        return None
    stated = [text.upper() for text in _texts(dataset, "PatientOrientation")]
    if len(stated) != 2 or not all(re.fullmatch(r"[LRAPHF]{1,3}", text) for text in stated):
        return None
    return stated[0], stated[1]


def _directions(vector: NDArray[np.float64]) -> str:
    """The patient's directions along a vector, the strongest first (PS3.3 C.7.6.1.1.1)."""
    letters = [
        (abs(part), positive if part > 0 else negative)
        for part, positive, negative in zip(vector, "LPH", "RAF", strict=True)
        # Less than about 15 degrees off an axis is as good as along it.
        if abs(part) > 0.26
    ]
    return "".join(letter for _, letter in sorted(letters, reverse=True))


def _place(dataset: Dataset) -> _Place:
    identity = tuple(str(_value(dataset, keyword) or "").strip() for keyword in ("PatientID", "PatientBirthDate"))
    number = next(iter(_numbers(dataset, "SeriesNumber")), math.inf)
    position = _numbers(dataset, "ImagePositionPatient")
    cosines = _cosines(dataset, 0)
    along = None
    if cosines is not None and len(position) == 3:
        along = float(np.cross(cosines[0], cosines[1]) @ np.array(position))
    return _Place(
        patient=identity if identity[0] else (),
        series=(number, str(_value(dataset, "SeriesInstanceUID") or "")),
        instance=next(iter(_numbers(dataset, "InstanceNumber")), None),
        position=along,
    )


# DICOM: elements


def _macro(dataset: Dataset, index: int, keyword: str) -> Dataset:
    """Where the attributes of functional group `keyword` stand for a frame: in its own group, in the shared one, or,
    in an image that is not an enhanced one, in the data set itself (PS3.3 C.7.6.16)."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    for group in (*per_frame[index : index + 1], *shared[:1]):
        items = group.get(keyword)
        if items:
            return items[0]
    return dataset


def _value(dataset: Dataset, keyword: str) -> Any:
    """An optional element's value; None where it is missing, empty or malformed."""
    try:
        value = dataset.get(keyword)
    except CONVERSION_ERRORS:
        return None
    return None if value in (None, "") else value


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") else list(value)


def _numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of an element, where all are finite numbers; else none."""
    try:
        numbers = tuple(float(value) for value in _several(_value(dataset, keyword)))
    except CONVERSION_ERRORS:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def _texts(dataset: Dataset, keyword: str) -> list[str]:
    return [str(value).strip() for value in _several(_value(dataset, keyword))]


def _text(dataset: Dataset, keyword: str) -> str:
    """A code string (VR CS); empty where it is missing or not one."""
    text = next(iter(_texts(dataset, keyword)), "").upper()
    return text if CODE_STRING.fullmatch(text) else ""


def _facts(dataset: Dataset) -> StudyFacts:
    sex = _text(dataset, "PatientSex")
    return StudyFacts(
        modality=_text(dataset, "Modality") or None,
        body_part=_text(dataset, "BodyPartExamined") or None,
        age=_age(dataset),
        sex=sex if sex in ("M", "F", "O") else None,
        view=_view(dataset),
        laterality=_side(dataset),
        description=_free_text(dataset, "StudyDescription") or None,
    )


def _side(dataset: Dataset) -> str | None:
    side = _text(dataset, "ImageLaterality") or _text(dataset, "Laterality")
    return side if side in ("L", "R", "B") else None


def _free_text(dataset: Dataset, keyword: str) -> str:
    """A description that people type; empty where it holds anything of the patient, a long number or a date."""
    text = " ".join("".join(sign for sign in str(_value(dataset, keyword) or "") if sign.isprintable()).split())
    if len(text) > 64 or LONG_NUMBER.search(text):
        return ""
    words = set(re.findall(r"\w{2,}", text.lower()))
    private = " ".join(str(_value(dataset, private) or "") for private in PRIVATE).lower()
    return "" if words & set(re.findall(r"\w{2,}", private)) else text


def _view(dataset: Dataset) -> str | None:
    view = _text(dataset, "ViewPosition")
    if view:
        return view
    codes = dataset.get("ViewCodeSequence")
    return VIEW_MEANINGS.get(str(_value(codes[0], "CodeMeaning")).lower()) if codes else None


def _age(dataset: Dataset) -> int | None:
    """Completed years, from Patient's Age (VR AS) or else from birth to study."""
    stated = re.fullmatch(r"(\d{1,3})([YMWD]?)", str(_value(dataset, "PatientAge") or "").strip())
    if stated:
        # A bare number is not a valid age string, and where it stands it means years.
        in_a_year = {"Y": 1, "": 1, "M": 12, "W": 52, "D": 365}[stated[2]]
        years = int(stated[1]) // in_a_year
        # '000Y' is what removes an age more often than what tells one: a newborn's is told in days or months.
        return None if years == 0 and stated[2] in ("Y", "") else years
    born, studied = _day(dataset, "PatientBirthDate"), _day(dataset, "StudyDate")
    if born is None or studied is None or studied < born:
        return None
    return studied.year - born.year - ((studied.month, studied.day) < (born.month, born.day))


def _day(dataset: Dataset, keyword: str) -> date | None:
    digits = str(_value(dataset, keyword) or "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


# The process


def _restrain(limits: Limits) -> None:
    """Give up what decoding does not need, before anything of the file is read. None of it can be taken back."""
    seconds = math.ceil(limits.seconds)
    restraints = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 4 * limits.decoded_bytes + 2**26,
        # A core dump would hold the image.
        resource.RLIMIT_CORE: 0,
    }
    if sys.platform == "linux":
        restraints[resource.RLIMIT_AS] = limits.memory_bytes
    for kind, most in restraints.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def main(result_descriptor: int, limits: Limits) -> None:
    """Decode standard input; write the study or the reason to `result_descriptor`."""
    _restrain(limits)
    with os.fdopen(result_descriptor, "wb") as result:
        try:
            # Mapped: a read of a file reserves what a damaged length asks for, a read of a map only what is there.
            with mmap(sys.stdin.fileno(), 0, access=ACCESS_READ) as stream:
                study = decode(cast("IO[bytes]", stream), limits)
        except StudyError as error:
            write_error(error, result)
        except MemoryError:
            needed = in_megabytes(limits.memory_bytes)
            write_error(
                StudyError(f"Opening this file takes more than {needed} of memory, which is the limit."), result
            )
        except RecursionError:
            write_error(StudyError("The DICOM header is nested too deeply to be read."), result)
        except Exception:  # noqa: BLE001
            # pydicom, Pillow and the codecs raise anything at all on damaged files; seen by who runs this by hand.
            traceback.print_exc()
            write_error(StudyError("This file is damaged and cannot be read."), result)
        else:
            write_study(study, result)


if __name__ == "__main__":
    main(int(sys.argv[1]), Limits(**json.loads(sys.argv[2])))
