"""`python app.py`, as a person or a program starts it."""

from __future__ import annotations

import socket
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


@pytest.mark.parametrize("port", ["0", "80000", "-1", "7860.5", "x", "٣", "1" * 5000])
def test_a_port_that_cannot_be_is_one_line_and_exit_code_2(port: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert app.main([f"--port={port}"]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith("python app.py: A port is a whole number from 1 to 65535")


@pytest.mark.parametrize("name", ["PORT", "GRADIO_SERVER_PORT"])
def test_a_port_of_the_environment_that_cannot_be_is_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "80000")
    assert app.main([]) == 2
    assert "from 1 to 65535" in capfd.readouterr().err


def test_a_port_that_is_taken_is_one_line_and_exit_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert app.main(["--port", str(taken.getsockname()[1])]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "port" in line


@pytest.mark.parametrize("origin", ["portal.example", "https://portal.example/path", "https://a b", "*", "https://a;x"])
def test_a_site_that_frames_the_page_is_named_by_its_origin(origin: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--framed-by", origin]) == 2
    assert "takes an origin" in capfd.readouterr().err


def test_hugging_face_may_frame_the_page_on_a_space_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "GRADIO_SERVER_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert app._settings(None, []).framed_by == ()
    assert app._settings(None, ["https://portal.example"]).framed_by == ("https://portal.example",)
    monkeypatch.setenv("SPACE_ID", "someone/drafting")
    assert app._settings(None, []).framed_by == ("https://huggingface.co",)


def test_sharing_is_not_offered(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app.main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "--adapter" in told
    assert "share" not in told
