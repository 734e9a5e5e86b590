"""What the decoding process can no longer do when it reads a file."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from drafting.imaging.confinement import landlock_version

ROOT = Path(__file__).parents[3]

PROGRAM = """
import ctypes, json, os, resource, socket, sys
from drafting.imaging.confinement import confine
from drafting.imaging.open import Limits

folder, port = sys.argv[1], int(sys.argv[2])
written = open(folder + "/open", "w")
confine(Limits())
attempts = {
    "read": lambda: open(folder + "/secret").read(),
    "list": lambda: os.listdir(folder),
    "write": lambda: open(folder + "/new", "w"),
    "remove": lambda: os.remove(folder + "/secret"),
    "connect": lambda: socket.create_connection(("127.0.0.1", port), 5),
    "start": lambda: os.execv("/bin/sh", ["sh", "-c", "true"]),
}
done = []
for name, attempt in attempts.items():
    try:
        attempt()
        done.append(name)
    except OSError:
        pass
# What it is for still works.
written.write("result")
import pydicom, PIL.Image, gdcm, openjpeg, jpeg_ls
print(json.dumps({
    "done": done,
    "no_new_privs": ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) if sys.platform == "linux" else None,
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "cores": resource.getrlimit(resource.RLIMIT_CORE),
}))
"""


def test_the_decoding_process_reads_its_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("Doe^Jane")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM, str(tmp_path), str(listening.getsockname()[1])],
            env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    told = json.loads(ended.stdout)
    assert told["cores"] == [0, 0]
    assert told["files"] == [64, 64]
    assert (tmp_path / "open").read_text() == "result"
    if sys.platform != "linux":
        pytest.skip("only Linux takes the other rights away")
    assert told["no_new_privs"] == 1
    if not landlock_version():
        pytest.skip("this kernel has no Landlock, so files stay readable")
    assert told["done"] == []
