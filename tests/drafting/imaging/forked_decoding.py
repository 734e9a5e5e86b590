"""The decoding process as a fork of one that has read its libraries, for tests of what hundreds of files show.

`drafting.imaging.open` starts an interpreter for every file, which costs ten times what decoding a small file does. A
fork does all else that the worker does: it has the limits, one file to read and one to write, and a life of its own to
lose. That the worker itself starts and ends as it should is seen by every test that opens a file without this.

For one thread at a time: starting a process also asks how all others ended, and that answer can be read only once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, reduction
from types import SimpleNamespace
from typing import IO, Any
from unittest.mock import patch

from drafting.imaging import open as imaging
from drafting.imaging import worker as decoding

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["drafting.imaging.worker", "pydicom", "PIL.Image", __name__])


class Passed:
    """A file descriptor that another process gets; there it is its number."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return arrived, (reduction.DupFd(self.descriptor),)


def arrived(passed: Any) -> int:
    return passed.detach()


def decode(source: int, result: int, limits: str) -> None:
    """What `python -m drafting.imaging.worker` does."""
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    sys.stdin = os.fdopen(source)
    decoding.main(result, imaging.Limits(**json.loads(limits)))


def run(command: list[str], *, stdin: IO[bytes], timeout: float, **_: Any) -> subprocess.CompletedProcess[bytes]:
    """`subprocess.run` for a worker's command, which ends in the number of the result's file and the limits."""
    result, limits = command[-2:]
    fork = FORKS.Process(target=decode, args=(Passed(stdin.fileno()), Passed(int(result)), limits))
    fork.start()
    fork.join(timeout)
    if fork.is_alive():
        fork.kill()
        fork.join()
        raise subprocess.TimeoutExpired(command, timeout)
    assert fork.exitcode is not None
    return subprocess.CompletedProcess(command, fork.exitcode)


@contextmanager
def forked_decoding() -> Iterator[None]:
    """Files are opened by forks."""
    # As of the worker: a linear algebra library reserves address space for each of its threads.
    with patch.dict(os.environ, OPENBLAS_NUM_THREADS="1"):
        forkserver.ensure_running()
    stand_in = SimpleNamespace(run=run, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired)
    with patch.object(imaging, "subprocess", stand_in):
        yield
