"""Whether two image files show the same picture: the same bytes, the same pixels, or nearly so."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Picture:
    """What is kept of an image file. `pixels`: SHA-256 of size and grey pixels; None where it cannot be decoded."""

    bytes: str
    pixels: str | None


def look_at(path: Path) -> Picture | None:
    """None for a file that is not there or cannot be read."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return Picture(sha256(content).hexdigest(), _pixels(path))


def _pixels(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            grey = image.convert("L")
    # What pillow raises for files that are cut off, of another kind, or far too large.
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return sha256(repr(grey.size).encode() + grey.tobytes()).hexdigest()


def same_picture_groups(names: Mapping[Key, str], pictures: Mapping[Key, Picture | None]) -> dict[Key, int]:
    """For every key the number of its group: keys of one name or one picture, straight or by way of others, share it.

    Groups are numbered in the order in which they come first.
    """
    keys = list(names)
    leader = {key: key for key in keys}

    def lead(key: Key) -> Key:
        while leader[key] != key:
            key = leader[key]
        return key

    def join(same: Iterable[Key]) -> None:
        first, *others = [lead(key) for key in same]
        for other in others:
            leader[other] = first

    alike: dict[tuple[str, str], list[Key]] = {}
    for key in keys:
        alike.setdefault(("name", names[key]), []).append(key)
        picture = pictures.get(key)
        if picture is not None:
            alike.setdefault(("bytes", picture.bytes), []).append(key)
            if picture.pixels is not None:
                alike.setdefault(("pixels", picture.pixels), []).append(key)
    for same in alike.values():
        join(same)
    numbers: dict[Key, int] = {}
    return {key: numbers.setdefault(lead(key), len(numbers)) for key in keys}
