"""A study as bytes: what the decoding process writes and the desk's process reads.

Never pickle, because the writer has read a file that nobody trusts. This module knows no file format and no process.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from drafting.study import Picture, Study, StudyError, StudyFacts, Window

HEADER_BYTES = 16 * 2**20


def write_study(study: Study, stream: IO[bytes]) -> None:
    """Write a study as one line of JSON and the bytes of its arrays: never pickle, as the writer is not trusted."""
    header = {
        "pictures": [{**_described(picture.values), **display_fields(picture)} for picture in study.pictures],
        "model_picture": _described(study.model_picture),
        "facts": asdict(study.facts),
        "note": study.note,
    }
    stream.write(json.dumps(header).encode() + b"\n")
    for values in (*(picture.values for picture in study.pictures), study.model_picture):
        stream.write(np.ascontiguousarray(values).data)


def write_error(error: StudyError, stream: IO[bytes]) -> None:
    """Write, in a study's place, why there is none."""
    stream.write(json.dumps({"error": str(error)}).encode() + b"\n")


def read_study(stream: IO[bytes]) -> Study:
    """Read what `write_study` or `write_error` wrote. The arrays are read-only views of one buffer.

    Raises StudyError for a written error, and for anything that is not a whole study.
    """
    try:
        header = json.loads(stream.readline(HEADER_BYTES))
        if "error" in header:
            raise StudyError(str(header["error"]))
        data = stream.read()
        pictures = []
        offset = 0
        for described in header["pictures"]:
            values = _array(described, data, offset)
            pictures.append(_picture(described, values))
            offset += values.nbytes
        model_picture = _array(header["model_picture"], data, offset)
        if not pictures or model_picture.dtype != np.uint8:
            raise ValueError("no picture, or no picture for the model")
        return Study(tuple(pictures), model_picture, StudyFacts(**header["facts"]), note=str(header.get("note", "")))
    except StudyError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise StudyError("The image decoder returned no usable result for this file.") from error


def display_fields(picture: Picture) -> dict[str, Any]:
    """All of a picture but its values, as JSON has it."""
    return {
        "slope": picture.slope,
        "intercept": picture.intercept,
        "windows": [asdict(window) for window in picture.windows],
        "inverted": picture.inverted,
        "spacing": picture.spacing,
        "spacing_at": picture.spacing_at,
        "aspect": picture.aspect,
        "orientation": picture.orientation,
        "label": picture.label,
    }


def _described(values: NDArray[Any]) -> dict[str, Any]:
    return {"shape": values.shape, "dtype": values.dtype.name}


def _picture(described: dict[str, Any], values: NDArray[Any]) -> Picture:
    spacing, orientation = described["spacing"], described.get("orientation")
    return Picture(
        values=values,
        slope=float(described["slope"]),
        intercept=float(described["intercept"]),
        windows=tuple(Window(**window) for window in described["windows"]),
        inverted=bool(described["inverted"]),
        spacing=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        spacing_at=str(described.get("spacing_at", "patient")),
        aspect=float(described.get("aspect", 1.0)),
        orientation=None if orientation is None else (str(orientation[0]), str(orientation[1])),
        label=str(described.get("label", "")),
    )


def _array(described: dict[str, Any], data: bytes, offset: int) -> NDArray[Any]:
    """The array at `offset` of `data`; ValueError where it is no image or not all there."""
    shape, dtype = tuple(described["shape"]), np.dtype(described["dtype"])
    if dtype not in (np.uint8, np.uint16) or len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or min(shape) < 1:
        raise ValueError("not an image")
    return np.frombuffer(data, dtype, math.prod(shape), offset).reshape(shape)
