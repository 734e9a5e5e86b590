"""A DICOM file -> its pictures, the facts of its header and its place in the study.

This module checks what a file announces before anything is decoded. It knows no other format and no archive. Used by
the decoding process alone.
"""

from __future__ import annotations

import zlib
from typing import IO, TYPE_CHECKING

from drafting.imaging.dicom.facts import facts_of
from drafting.imaging.dicom.geometry import place_of
from drafting.imaging.dicom.pixels import check_readable, pictures_of, pixel_form
from drafting.imaging.open import Limits, in_megabytes
from drafting.imaging.opened import Opened, check_size
from drafting.study import StudyError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID


def could_be_bare_dataset(head: bytes) -> bool:
    """Whether a file without the 'DICM' mark begins as a data set does: with an element of group 0002 or 0008."""
    if head[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x08") or len(head) < 16:
        return False
    return (head[4:6].isalpha() and head[4:6].isupper()) or int.from_bytes(head[4:8], "little") <= 1024


def open_dicom(stream: IO[bytes], head: bytes, limits: Limits) -> Opened:
    from pydicom import dcmread
    from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

    _check_deflated(stream, head, limits)
    dataset = dcmread(stream, force=True)
    marked = head[128:132] == b"DICM"
    if len(dataset) == 0 and marked:
        raise StudyError("This DICOM file is damaged or incomplete.")
    if not marked and "SOPClassUID" not in dataset and "Rows" not in dataset:
        raise StudyError("This file is neither DICOM, PNG nor JPEG.")
    if "DirectoryRecordSequence" in dataset:
        raise StudyError("This is a DICOM directory (DICOMDIR), which contains no image.")
    facts = facts_of(dataset)
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise StudyError(
            "This DICOM file contains no image."
            if facts.modality is None
            else f"This DICOM file contains no image (Modality {facts.modality})."
        )
    syntax = _transfer_syntax(dataset)
    form = pixel_form(dataset)
    check_size(form.rows, form.columns, form.frames, form.costly_bytes, limits)
    check_readable(syntax, form)
    if syntax.is_encapsulated and len(dataset.get("PixelData") or b"") > 2 * form.announced_bytes + 2**16 * form.frames:
        # No codec makes an image that much larger, but RLE segments that run on would be inflated all the same.
        raise StudyError(
            "The compressed image data is larger than the image in the header. The file is probably damaged."
        )
    if syntax == JPEGExtended12Bit and form.bits_stored > 8:
        # pydicom keeps GDCM from 12-bit JPEG Extended. GDCM reads it, told only that it is some JPEG: the codestream
        # says which. Compared with another decoder, values differ by 1 at most.
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    opened = Opened(tuple(pictures_of(dataset, form, syntax)), facts, place_of(dataset))
    # A lookup table makes two bytes of one, and that it does so the header says in many places.
    check_size(form.rows, form.columns, form.frames, opened.decoded_bytes, limits)
    return opened


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
            raise StudyError(
                f"This file is too large when decompressed. The limit is {in_megabytes(limits.file_bytes)}."
            )
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
