"""The files inside a ZIP or TAR file, one after the other, under limits. Knows nothing of their contents.

Used by the decoding process alone: nothing is written to a disk, no name of a file is used for anything but its order,
and what an archive says of its sizes is not believed: what comes out of it is counted.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from mmap import mmap
from typing import IO, Any, cast

from drafting.imaging.open import Limits, in_megabytes
from drafting.study import StudyError

ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
ZIP_ENTRY = b"PK\x01\x02"
PIECE = 2**20
# What makers of archives and operating systems put beside the files that a person meant.
BESIDE = re.compile(r"(^|/)(__MACOSX/|\.|Thumbs\.db$|desktop\.ini$|DICOMDIR$)", re.IGNORECASE)


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with `head` (512 bytes) is a ZIP or TAR file."""
    return head.startswith(ZIP_SIGNATURES) or head[257:262] == b"ustar"


def files_in(stream: IO[bytes], head: bytes, limits: Limits) -> Iterator[IO[bytes]]:
    """Each file of an archive, in the order of their names, numbers counted as numbers.

    Raises StudyError for an archive that is damaged, protected or beyond `limits`: no more than `limits.frames` files,
    and `limits.file_bytes` of all files together.
    """
    try:
        if head.startswith(ZIP_SIGNATURES):
            yield from _of_zip(stream, limits)
        else:
            yield from _of_tar(stream, limits)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise StudyError("This archive is damaged, incomplete or packed with an unsupported method.") from error


class _Mapped(io.RawIOBase):
    """A mapped file as a stream that never sets memory aside for more than is there."""

    def __init__(self, mapped: mmap) -> None:
        self._mapped = mapped

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return self._mapped.read(None if size is None or size < 0 else size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            offset += len(self._mapped) if whence == io.SEEK_END else self._mapped.tell()
        self._mapped.seek(min(max(offset, 0), len(self._mapped)))
        return self._mapped.tell()

    def tell(self) -> int:
        return self._mapped.tell()


def _stream(stream: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", _Mapped(stream)) if isinstance(stream, mmap) else stream


def _of_zip(stream: IO[bytes], limits: Limits) -> Iterator[IO[bytes]]:
    _count_entries(stream, limits)
    with zipfile.ZipFile(_stream(stream)) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir() and not BESIDE.search(entry.filename)]
        if any(entry.flag_bits & 0x1 for entry in files):
            raise StudyError("This ZIP file has a password. Unpack it, then open its files.")
        files.sort(key=lambda entry: _natural(entry.filename))
        yield from _within(limits, [partial(archive.open, entry) for entry in files])


def _count_entries(stream: IO[bytes], limits: Limits) -> None:
    """Refuse a ZIP of too many entries before a list of them is made."""
    if not isinstance(stream, mmap):
        return
    at = -1
    for _ in range(4 * limits.frames + 1):
        at = stream.find(ZIP_ENTRY, at + 1)
        if at < 0:
            return
    raise _too_many(limits)


def _of_tar(stream: IO[bytes], limits: Limits) -> Iterator[IO[bytes]]:
    files = []
    with tarfile.open(fileobj=_stream(stream), mode="r:") as archive:
        for count, entry in enumerate(archive):
            if count >= 4 * limits.frames:
                raise _too_many(limits)
            # A sparse file is a few bytes here and any number when it is read.
            if entry.isreg() and not entry.issparse() and not BESIDE.search(entry.name):
                files.append(entry)
        files.sort(key=lambda entry: _natural(entry.name))
        yield from _within(limits, [partial(archive.extractfile, entry) for entry in files])


def _within(limits: Limits, openers: list[Callable[[], Any]]) -> Iterator[IO[bytes]]:
    if len(openers) > limits.frames:
        raise _too_many(limits)
    left = limits.file_bytes
    for opener in openers:
        content = io.BytesIO()
        with opener() as file:
            while piece := file.read(PIECE):
                left -= len(piece)
                if left < 0:
                    raise StudyError(
                        f"This archive is too large when unpacked. The limit is {in_megabytes(limits.file_bytes)}."
                    )
                content.write(piece)
        content.seek(0)
        yield content


def _too_many(limits: Limits) -> StudyError:
    return StudyError(f"Too many files at once. The limit is {limits.frames:,}.")


def _natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts 'IM10' behind 'IM9'."""
    parts = re.split(r"([0-9]{1,18})", name.lower())
    return [(0, int(part)) if at % 2 else (1, part) for at, part in enumerate(parts)]
