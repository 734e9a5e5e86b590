"""`python app.py`, as a person or a program starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "app.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("option", ["--model", "--adapter"])
def test_a_model_that_is_not_there_is_one_line_and_exit_code_2(option: str, tmp_path: Path) -> None:
    ended = run(option, str(tmp_path / "nothing here"))
    assert ended.returncode == 2
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("python app.py: ")
    assert "nothing here" in line


def test_sharing_is_not_offered() -> None:
    assert "share" not in run("--help").stdout
