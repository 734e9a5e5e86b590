"""A file or an archive of files -> one study, its pictures in viewing order.

This module tells the formats apart by their first bytes and knows nothing else of them. Used by the decoding process
alone.
"""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import IO

import numpy as np
from numpy.typing import NDArray

from drafting.imaging.archives import files_in, is_archive
from drafting.imaging.dicom.file import could_be_bare_dataset, open_dicom
from drafting.imaging.open import Limits, in_megabytes
from drafting.imaging.opened import BeyondLimitsError, Opened
from drafting.imaging.rasters import open_picture_file
from drafting.study import Picture, Study, StudyError, display

MODEL_PICTURE_SIDE = 2048
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


def _open_one(stream: IO[bytes], head: bytes, limits: Limits) -> Opened:
    if head.startswith(PNG_SIGNATURE):
        return open_picture_file(stream, "PNG", limits)
    if head.startswith(JPEG_SIGNATURE):
        return open_picture_file(stream, "JPEG", limits)
    if head[128:132] == b"DICM" or could_be_bare_dataset(head):
        return open_dicom(stream, head, limits)
    raise StudyError(_refusal(head))


def _open_several(stream: IO[bytes], head: bytes, limits: Limits) -> tuple[list[Opened], str]:
    """The files of an archive in the order in which they are looked through, and what to say of those left out."""
    opened: list[Opened] = []
    reasons: list[str] = []
    left = limits
    for file in files_in(stream, head, limits):
        first = file.read(512)
        file.seek(0)
        if not first or is_archive(first):
            reasons.append(
                "This archive contains another archive. Unpack it first." if first else "This file is empty."
            )
            continue
        try:
            one = _open_one(file, first, left)
        except BeyondLimitsError as error:
            raise BeyondLimitsError(
                f"Together these files are too large. The limit is {in_megabytes(limits.decoded_bytes)} of pixels"
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
            raise StudyError("This archive is empty.")
        if len(reasons) == 1:
            raise StudyError(reasons[0])
        raise StudyError(f"None of these {len(reasons):,} files can be opened. The first reason: {reasons[0]}")
    if len({one.place.patient for one in opened if one.place.patient}) > 1:
        raise StudyError("These files belong to more than one patient. Open one patient at a time.")
    note = ""
    if reasons:
        total, were = len(reasons) + len(opened), "was" if len(reasons) == 1 else "were"
        note = f"{len(reasons):,} of {total:,} files {were} not opened. The first reason: {reasons[0]}"
    return _in_order(opened), note


def _in_order(opened: list[Opened]) -> list[Opened]:
    """By series; within one by Instance Number where each has its own, else by position, else as they came."""
    series: dict[tuple[float, str], list[Opened]] = {}
    for one in opened:
        series.setdefault(one.place.series, []).append(one)
    ordered: list[Opened] = []
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


def _model_picture(picture: Picture) -> NDArray[np.uint8]:
    """The picture as first displayed, at most MODEL_PICTURE_SIDE pixels on its longer side."""
    shown = display(picture)
    longer = max(shown.shape[:2])
    if longer <= MODEL_PICTURE_SIDE:
        return shown
    from PIL import Image

    height, width = (max(1, round(side * MODEL_PICTURE_SIDE / longer)) for side in shown.shape[:2])
    return np.asarray(Image.fromarray(shown).resize((width, height), Image.Resampling.LANCZOS))
