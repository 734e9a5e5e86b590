"""Studies: DICOM, PNG and JPEG files -> `Study`, decoded in a guarded subprocess.

This module knows nothing of reports, models or browsers, and no file format: `drafting.imaging.worker` reads the
formats, in a process of its own. A hostile file can therefore cost that process its life, but never this one.
"""

from __future__ import annotations

import json
import math
import os
import signal
import stat
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

WORKER = (sys.executable, "-m", "drafting.imaging.worker")
HEADER_BYTES = 16 * 2**20


class StudyError(ValueError):
    """A file that cannot be opened as a study; the message is one sentence for the person who chose the file."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What opening one file may cost.

    `file_bytes`: the file itself, and what a deflated DICOM file inflates to. `decoded_bytes`: rows x columns x samples
    x bytes of all frames together, as the header announces them. `memory_bytes`: address space of the decoding process
    (enforced on Linux). `seconds`: its wall-clock time, and its processor time.
    """

    file_bytes: int = 512 * 2**20
    decoded_bytes: int = 256 * 2**20
    frames: int = 2000
    memory_bytes: int = 2 * 2**30
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Window:
    """A display window in modality values (for CT: Hounsfield units), DICOM PS3.3 C.11.2.1.2, function LINEAR."""

    center: float
    width: float
    name: str = ""

    @classmethod
    def between(cls, low: float, high: float, name: str = "") -> Window:
        """The window that shows `low` black and `high` white."""
        return cls(center=(low + high + 1) / 2, width=high - low + 1, name=name)

    def bounds(self) -> tuple[float, float]:
        """The modality values shown black and white; the half and the one are LINEAR's own (C.11.2.1.2.1)."""
        half = (self.width - 1) / 2
        return self.center - 0.5 - half, self.center - 0.5 + half


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a study, before windowing.

    `values`: (height, width) uint8 or uint16, or (height, width, 3) uint8 RGB. A modality value is
    `values * slope + intercept`. `windows`: the first is shown first; empty for colour.
    `inverted`: low values are shown bright (MONOCHROME1, or Presentation LUT Shape INVERSE).
    `spacing`: millimetres between rows and between columns, where the file tells them, and `spacing_at` where they
    hold: 'patient', at the 'detector' (what lies before it is smaller than it measures) or on the 'film'.
    `aspect`: a pixel's height over its width. `orientation`: the patient's directions to which rows and columns run,
    such as ('L', 'F'). `label`: which picture of the study it is, such as 'PA'.
    """

    values: NDArray[np.uint8] | NDArray[np.uint16]
    slope: float = 1.0
    intercept: float = 0.0
    windows: tuple[Window, ...] = ()
    inverted: bool = False
    spacing: tuple[float, float] | None = None
    spacing_at: str = "patient"
    aspect: float = 1.0
    orientation: tuple[str, str] | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What the header tells that matters for the report; None where it says nothing.

    Never a name or a number of a person. `age` in years; `sex` 'M', 'F' or 'O'; `view` such as 'PA', 'AP', 'LL';
    `laterality` 'L', 'R' or 'B'; `description` what the study is called, such as 'Chest PA and lateral'.
    """

    modality: str | None = None
    body_part: str | None = None
    age: int | None = None
    sex: str | None = None
    view: str | None = None
    laterality: str | None = None
    description: str | None = None


@dataclass(frozen=True, eq=False)
class Study:
    """The image(s) being reported, with what the header tells.

    `model_picture`: (height, width) or (height, width, 3) uint8, the first picture as it is first displayed
    (windowed, upright, never inverted): what the model sees. `note`: one sentence where the files held more than could
    be opened, else empty.
    """

    pictures: tuple[Picture, ...]
    model_picture: NDArray[np.uint8]
    facts: StudyFacts = StudyFacts()
    note: str = ""
    id: str = field(default_factory=token_urlsafe)


def display(picture: Picture, window: Window | None = None) -> NDArray[np.uint8]:
    """The picture as a screen shows it: (height, width) or (height, width, 3) uint8, 0 black.

    `window` replaces the picture's first window. Order of DICOM PS3.4 N.2: modality values, window, then presentation,
    so that `inverted` acts on what the window made. Colour passes unchanged.
    """
    if picture.values.ndim == 3:
        return picture.values.astype(np.uint8, copy=False)
    stored = np.arange(np.iinfo(picture.values.dtype).max + 1)
    modality = stored * picture.slope + picture.intercept
    if window is None:
        ends = float(modality[0]), float(modality[-1])
        window = picture.windows[0] if picture.windows else Window.between(min(ends), max(ends))
    low, high = window.bounds()
    # A window of width 1 is a threshold: black up to `low`, white above.
    shown = np.clip((modality - low) / (high - low), 0, 1) if high > low else (modality > low).astype(np.float64)
    if picture.inverted:
        shown = 1 - shown
    table: NDArray[np.uint8] = np.rint(shown * 255).astype(np.uint8)
    return table[picture.values]


def open_study(path: Path, limits: Limits = Limits()) -> Study:
    """Open a DICOM, PNG or JPEG file, or a ZIP or TAR file of such as one study.

    The file is read by another process, which has `limits` and gives its result back in a file without a name, so
    that nothing is left behind even when either process is killed.

    Raises StudyError, with one sentence that says why and holds neither the path nor anything about the patient.
    """
    try:
        # Looked at before opening: opening a named pipe would wait for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise StudyError("This is not a file.")
        with path.open("rb") as source, TemporaryFile() as result:
            size = os.fstat(source.fileno()).st_size
            if size == 0:
                raise StudyError("This file is empty.")
            if size > limits.file_bytes:
                raise StudyError(
                    f"This file is too large: {in_megabytes(size)}; the limit is {in_megabytes(limits.file_bytes)}."
                )
            _decode(source, result, limits)
            result.seek(0)
            return read_study(result)
    except OSError as error:
        raise StudyError(f"This file cannot be opened: {os.strerror(error.errno or 0)}.") from error


def _decode(source: IO[bytes], result: IO[bytes], limits: Limits) -> None:
    """Run the worker: `source` is its standard input, `result` the file that it writes."""
    here = str(Path(__file__).resolve().parents[2])
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (here, environment.get("PYTHONPATH"))))
    # A linear algebra library reserves address space for each of its threads, and decoding uses none of them.
    environment["OPENBLAS_NUM_THREADS"] = "1"
    try:
        worker = subprocess.run(
            [*WORKER, str(result.fileno()), json.dumps(asdict(limits))],
            stdin=source,
            # Decoders print what they think of a file, and tracebacks quote its header: neither is kept.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            pass_fds=(result.fileno(),),
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StudyError(_too_slow(limits)) from error
    if worker.returncode == -signal.SIGXCPU:
        raise StudyError(_too_slow(limits))
    if worker.returncode == -signal.SIGKILL:
        raise StudyError("Opening this file was stopped by the operating system, probably for want of memory.")
    if worker.returncode != 0:
        raise StudyError("The image decoder failed on this file, which is probably damaged.")


def _too_slow(limits: Limits) -> str:
    return f"Opening this file took longer than {limits.seconds:g} seconds and was stopped."


def in_megabytes(count: int) -> str:
    """A number of bytes for a sentence: '12 MB'."""
    return f"{math.ceil(count / 10**6):,} MB"


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
        raise StudyError("The image decoder gave no usable result for this file.") from error


def _described(values: NDArray[Any]) -> dict[str, Any]:
    return {"shape": values.shape, "dtype": values.dtype.name}


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
