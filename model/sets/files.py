"""Reading the files of a set. Whatever is wrong with one ends in a `SetError` that names the file and the place."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError


class SetError(RuntimeError):
    """A set that cannot be read or used as asked; the message is one sentence for the person who asked."""


def wanted_folder(folder: Path) -> Path:
    """The folder itself. Raises SetError where it is none."""
    with readable(folder):
        if not folder.is_dir():
            raise SetError(f"{folder} is not a folder.")
    return folder


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What the system or the encoding has against reading `path` becomes a SetError."""
    try:
        yield
    except UnicodeError as error:
        raise SetError(f"{path} is not UTF-8 text.") from error
    except (OSError, EOFError) as error:
        # gzip's own errors have no strerror.
        raise SetError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def is_there(path: Path) -> bool:
    """Whether a file is there; a name that the system does not bear is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_picture(path: Path) -> NDArray[np.uint8]:
    """An image file upright, as models take it: (height, width) or (height, width, 3)."""
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            return np.asarray(upright if upright.mode == "L" else upright.convert("RGB"), dtype=np.uint8)
    # What pillow raises for files that are cut off, of another kind, or far too large.
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SetError(f"{path} cannot be read as an image.") from error


def read_text(path: Path) -> str:
    with readable(path):
        return path.read_text(encoding="utf-8-sig")


def read_json(path: Path) -> Any:
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SetError(f"{path}, line {error.lineno}: this is not JSON ({error.msg}).") from error
    except (RecursionError, ValueError) as error:
        # Nested thousands deep, or a number of thousands of digits.
        raise SetError(f"{path} is JSON, but not of a known set.") from error


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list, each with its place in words."""
    held = read_json(path)
    if not isinstance(held, list):
        raise SetError(f"{path} is not a list of questions.")
    for number, entry in enumerate(held, start=1):
        place = f"{path}, entry {number}"
        if not isinstance(entry, dict):
            raise SetError(f"{place} is not an object with keys.")
        yield place, entry


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines that are not blank, without their ends, each with its place in words."""
    with readable(path), path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"{path}, line {number}", line.rstrip("\r\n")


def read_table(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file, gzip-compressed where its name ends in .gz.

    Raises SetError where a column of `columns` is missing, and for a row that is cut off.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with readable(path), opened(path, "rt", encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        try:
            lacking = [column for column in columns if column not in (rows.fieldnames or ())]
            if lacking:
                raise SetError(f"{path} has no column {lacking[0]}.")
            for row in rows:
                if any(row[column] is None for column in columns):
                    raise SetError(f"{path}, line {rows.line_num} is incomplete.")
                yield row
        except csv.Error as error:
            raise SetError(f"{path}, line {rows.line_num}: {error}.") from error


def text_at(place: str, entry: dict[str, Any], key: str) -> str:
    """What `key` holds, without blanks around it; a number becomes its digits."""
    if key not in entry:
        raise SetError(f"{place} has no key '{key}'.")
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SetError(f"{place}: '{key}' is not a text.")
    return written(place, str(value)).strip()


def written(place: str, text: str) -> str:
    """The text itself. Raises SetError for halves of a character, which JSON may name and no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SetError(f"{place} has a text with half of a surrogate pair.") from error
    return text


def image_name(place: str, name: str) -> str:
    """A file name within the images folder. Raises SetError for one that is empty or leads out of the folder."""
    pure = PurePosixPath(name)
    if not name or "\0" in name or "\\" in name or pure.is_absolute() or ".." in pure.parts:
        raise SetError(f"{place}: {name!r} is not the name of an image.")
    return pure.as_posix()


def sha256_of(entries: Iterable[object]) -> str:
    """Of what was read, however it lay in files, so that results tell what data they stand on."""
    digest = sha256()
    for entry in entries:
        digest.update(repr(entry).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def unique(ids: set[str], wanted: str) -> str:
    """`wanted`, or with a number behind where `ids` has it already. It is added to `ids`."""
    number, found = 1, wanted
    while found in ids:
        number += 1
        found = f"{wanted}#{number}"
    ids.add(found)
    return found
