"""PNG and JPEG files -> pictures. Knows nothing of DICOM or archives.

Used by the decoding process alone.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, TYPE_CHECKING

import numpy as np

from drafting.imaging.open import Limits
from drafting.imaging.opened import SAMPLED_VALUES, Opened, automatic_window, check_size
from drafting.study import Picture, StudyError, Window

# Pillow is imported where it is used: a radiograph in DICOM does not need it.
if TYPE_CHECKING:
    from PIL import Image


def open_picture_file(stream: IO[bytes], name: str, limits: Limits) -> Opened:
    from PIL import Image, ImageOps

    # `check_size` takes the place of Pillow's own check, and is asked before a pixel is decoded.
    Image.MAX_IMAGE_PIXELS = None
    try:
        image: Image.Image = Image.open(stream, formats=(name,))
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        raise StudyError(f"The header of this {name} file is damaged.") from error
    width, height = image.size
    check_size(height, width, 1, height * width * _bytes_per_pixel(image), limits)
    try:
        image = ImageOps.exif_transpose(image)
        image.load()
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        raise StudyError(f"The image data of this {name} file is damaged or incomplete.") from error
    return Opened((_picture_file_values(image),))


def _bytes_per_pixel(image: Image.Image) -> int:
    """What a pixel takes decoded, or as it is then kept, whichever is more: all but grey is kept as three bytes."""
    if image.mode.startswith("I"):
        return 2 if image.mode.startswith("I;16") else 4
    if image.mode in ("1", "L") and not image.has_transparency_data:
        return 1
    # Transparency is drawn over black in four.
    return 4 if image.has_transparency_data else max(3, len(image.getbands()))


def _picture_file_values(image: Image.Image) -> Picture:
    """Grey stays grey, 8 or 16 bits; all else becomes RGB, and grey again where its channels are equal."""
    from PIL import Image

    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.uint16)
        sample = deep.ravel()[:: max(1, deep.size // SAMPLED_VALUES)].astype(np.float64)
        return Picture(deep, windows=(automatic_window([sample]),))
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
