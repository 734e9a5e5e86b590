"""`python app.py`, as a person or a program starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import app

ROOT = Path(__file__).resolve().parents[2]


def assert_refused_in_one_line(code: int, complaint: str) -> None:
    assert code == 2
    (line,) = complaint.strip().splitlines()
    assert line.startswith("python app.py: ")
    assert "nothing here" in line


def test_an_adapter_that_is_not_there_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    # A process of its own: whatever the libraries have to say when they are read would stand beside that line.
    command = [sys.executable, "app.py", "--adapter", str(tmp_path / "nothing here")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert_refused_in_one_line(ended.returncode, ended.stderr)


def test_a_model_that_is_not_there_is_one_line_and_exit_code_2(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = app.main(["--model", str(tmp_path / "nothing here")])
    assert_refused_in_one_line(code, capfd.readouterr().err)


def test_sharing_is_not_offered(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app.main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "--adapter" in told
    assert "share" not in told
