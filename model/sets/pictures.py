"""Whether two image files show the same picture: the same bytes, the same pixels, or nearly so.

Nearly: a perceptual hash (pHash; Zauner, 2010) of the lowest 16 x 16 cosines of the picture at 32 x 32 pixels, each bit
whether a cosine is above their median. `NEAR` is chosen by what it costs where all pictures look alike. Of the 24.5
million pairs of 7,000 frontal radiographs of adults the closest are 26 bits apart (the next 32), of the 13.6 million
pairs of 5,216 of children 36, but for 28 pairs of the same bytes. Copies of 450 pictures (radiographs, CT, MR) stayed
within 8 bits when saved as JPEG of quality 60 or squared, within 20 at half size or with another gamma; of those made
brighter by a fifth one came to 26. The 40 pictures that two of those collections share, as PNG of 64 pixels and as JPEG
of 224, are all within 6 bits, and the next of these 5.6 million pairs is at 36. Copies cut by 2 % a side, turned,
mirrored or written on are mostly not recognised.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Key = TypeVar("Key", bound=Hashable)
# Of 256 bits; two hashes with no more different ones are near.
NEAR = 24
_SIDE, _COSINES = 32, 16
# Grey levels: the hash of a picture with less contrast is made of noise.
_LEAST_CONTRAST = 1.0
_AT_ONCE = 20_000_000
_BASIS = np.cos(np.pi * (2 * np.arange(_SIDE)[None] + 1) * np.arange(_COSINES)[:, None] / (2 * _SIDE))


@dataclass(frozen=True, slots=True)
class Picture:
    """What is kept of an image file.

    `file`: SHA-256 of its bytes. `pixels`: SHA-256 of size and grey pixels; None where it cannot be decoded. `hash`:
    the perceptual one, 32 bytes; None also where the picture is flat.
    """

    file: str
    pixels: str | None
    hash: bytes | None


def look_at(path: Path) -> Picture | None:
    """None for a file that is not there or cannot be read."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError):
        return None
    grey = _grey(path)
    if grey is None:
        return Picture(sha256(content).hexdigest(), None, None)
    pixels = sha256(repr(grey.size).encode() + grey.tobytes()).hexdigest()
    return Picture(sha256(content).hexdigest(), pixels, perceptual_hash(grey))


def _grey(path: Path) -> Image.Image | None:
    """The picture upright with 256 levels of grey; None where it cannot be decoded."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if not upright.mode.startswith(("I", "F")):
                return upright.convert("L")
            # Pillow would clip deeper pixels instead of scaling them.
            values = np.nan_to_num(np.asarray(upright, dtype=np.float64))
    # What pillow raises for files that are cut off, of another kind, or far too large.
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None
    spread = float(np.ptp(values)) or 1.0
    return Image.fromarray(((values - values.min()) * (255 / spread)).round().astype(np.uint8))


def perceptual_hash(grey: Image.Image) -> bytes | None:
    """256 bits of a picture in mode L, as 32 bytes; None where it is flat."""
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64)
    if small.std() < _LEAST_CONTRAST:
        return None
    cosines = (_BASIS @ small @ _BASIS.T).flatten()
    # The first is the mean, which brightness alone changes: its bit is always 0.
    above = cosines > np.median(cosines[1:])
    above[0] = False
    return np.packbits(above).tobytes()


def near_pairs(ones: Sequence[bytes], others: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Which of `ones` is near which of `others`, as their positions, in order."""
    if not ones or not others:
        return
    first, second = _bits(ones), _bits(others)
    rows = max(1, _AT_ONCE // len(second))
    for begin in range(0, len(first), rows):
        part = first[begin : begin + rows]
        # Sums of at most 256 zeros and ones are exact in float32.
        apart = part.sum(1)[:, None] + second.sum(1)[None] - 2 * (part @ second.T)
        for one, other in np.argwhere(apart <= NEAR).tolist():
            yield begin + one, other


def _bits(hashes: Sequence[bytes]) -> NDArray[np.float32]:
    return np.unpackbits(np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(hashes), -1), axis=1).astype(
        np.float32
    )


def same_picture_groups(names: Mapping[Key, str], pictures: Mapping[Key, Picture | None]) -> dict[Key, int]:
    """For every key the number of its group: keys of one name or one picture, straight or by way of others, share it.

    Groups are numbered in the order in which they come first.
    """
    keys = list(names)
    leader = {key: key for key in keys}

    def lead(key: Key) -> Key:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
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
            alike.setdefault(("bytes", picture.file), []).append(key)
            if picture.pixels is not None:
                alike.setdefault(("pixels", picture.pixels), []).append(key)
    for same in alike.values():
        join(same)
    hashed = [(key, found.hash) for key in keys if (found := pictures.get(key)) and found.hash]
    hashes = [each for _, each in hashed]
    for one, other in near_pairs(hashes, hashes):
        join([hashed[one][0], hashed[other][0]])
    numbers: dict[Key, int] = {}
    return {key: numbers.setdefault(lead(key), len(numbers)) for key in keys}
