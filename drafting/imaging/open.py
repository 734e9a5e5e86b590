"""Opening a study: a DICOM, PNG or JPEG file, or an archive of them, decoded in a guarded process.

This module knows no file format: `drafting.imaging.worker` reads the formats, in a process of its own. A hostile file
can therefore cost that process its life, but never this one. It knows nothing of reports, models or browsers.
"""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import stat
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from drafting.imaging.transfer import read_study
from drafting.study import Study, StudyError

# Without `-P` the folder that the app was started in would come before its own.
WORKER = (sys.executable, "-P", "-m", "drafting.imaging.worker")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
# How the decoding process ends where its result cannot be written.
EXIT_DISK_FULL = 75
DISK_FULL = "The server's disk is full, so this file cannot be opened. The file itself may be intact."


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


def open_study(source: Path | IO[bytes], limits: Limits = Limits()) -> Study:
    """Open a DICOM, PNG or JPEG file, or a ZIP or TAR file of such as one study.

    `source`: where the file is, or an open one, which needs no name. It is read by another process, which has `limits`
    and gives its result back in a file without a name, so that nothing is left behind even when either process is
    killed.

    Raises StudyError, with one sentence that says why and holds neither the path nor anything about the patient.
    """
    try:
        if not isinstance(source, Path):
            source.flush()
            return _opened(source, limits)
        # Looked at before opening: opening a named pipe would wait for a writer.
        if not stat.S_ISREG(source.stat().st_mode):
            raise StudyError("This is a folder or a device, not a file.")
        with source.open("rb") as file:
            return _opened(file, limits)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise StudyError(DISK_FULL) from error
        raise StudyError(f"This file cannot be opened: {os.strerror(error.errno or 0)}.") from error


def _opened(file: IO[bytes], limits: Limits) -> Study:
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise StudyError("This file is empty.")
    if size > limits.file_bytes:
        raise StudyError(
            f"This file is too large: {in_megabytes(size)}. The limit is {in_megabytes(limits.file_bytes)}."
        )
    with TemporaryFile() as result:
        _decode(file, result, limits)
        result.seek(0)
        return read_study(result)


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
        raise StudyError("The operating system stopped the decoder, probably because memory ran out.")
    if worker.returncode == EXIT_DISK_FULL:
        raise StudyError(DISK_FULL)
    if worker.returncode != 0:
        raise StudyError("The image decoder failed. The file is probably damaged.")


def _too_slow(limits: Limits) -> str:
    return f"Opening this file took longer than {limits.seconds:g} seconds and was stopped."


def in_megabytes(count: int) -> str:
    """A number of bytes for a sentence: '12 MB'."""
    return f"{math.ceil(count / 10**6):,} MB"
