"""Opening a file: the guarded process, its limits, and the sentence for each file that cannot be shown."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import (
    RLELossless,
)

from drafting.imaging import open as imaging
from drafting.imaging.open import Limits, open_study
from drafting.study import Study, StudyError
from tests.drafting.imaging.files import (
    dicom_dataset,
    opened_or_refused,
    ramp,
    refusal,
    saved,
)

FULL = Path("/dev/full")


def test_other_formats_are_refused_by_name(tmp_path: Path) -> None:
    image = Image.new("L", (4, 4))
    for name in ("GIF", "TIFF", "WebP", "BMP", "PDF"):
        image.save(tmp_path / "Doe^Jane", name)
        assert f"{name} file; only DICOM, PNG and JPEG" in refusal(tmp_path / "Doe^Jane")
    (tmp_path / "Doe^Jane").write_text('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')
    assert "SVG" in refusal(tmp_path / "Doe^Jane")


def test_what_is_no_image_file_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.dcm").write_text("The heart is not enlarged. " * 50)
    assert refusal(tmp_path / "notes.dcm") == "This file is neither DICOM, PNG nor JPEG."
    (tmp_path / "bare").write_bytes(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + b"\x08\x00\x60\x00CS\x02\x00CR")
    assert refusal(tmp_path / "bare") == "This file is neither DICOM, PNG nor JPEG."
    (tmp_path / "Poe^Jane").touch()
    assert refusal(tmp_path / "Poe^Jane") == "This file is empty."
    assert refusal(tmp_path) == "This is a folder or a device, not a file."
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "This is a folder or a device, not a file."
    assert refusal(tmp_path / "missing") == "This file cannot be opened: No such file or directory."


def test_size_is_judged_by_the_header_before_any_decoding(tmp_path: Path) -> None:
    path = tmp_path / "Doe^Jane"
    assert (
        refusal(saved(dicom_dataset(ramp(), Rows=40000, Columns=40000), path))
        == "The image is too large: 40000 x 40000 pixels need 3,200 MB. The limit is 269 MB."
    )
    sentence = refusal(saved(dicom_dataset(ramp(shape=(40, 16, 20))), path), Limits(decoded_bytes=20_000))
    assert sentence == "The image is too large: 40 frames of 20 x 16 pixels need 1 MB. The limit is 1 MB."
    assert "too many frames" in refusal(path, Limits(frames=39))
    Image.new("1", (20000, 20000)).save(path, "PNG")
    assert "20000 x 20000 pixels" in refusal(path)
    assert "This file is too large" in refusal(path, Limits(file_bytes=100))


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("import time; time.sleep(60)", "Opening this file took longer than 0.5 seconds and was stopped."),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)",
            "Opening this file took longer than 0.5 seconds and was stopped.",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "The operating system stopped the decoder, probably because memory ran out.",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "The image decoder failed. The file is probably damaged.",
        ),
        (f"raise SystemExit({imaging.EXIT_DISK_FULL})", imaging.DISK_FULL),
        ("raise SystemExit(3)", "The image decoder failed. The file is probably damaged."),
        ("print('nothing to say')", "The image decoder returned no usable result for this file."),
    ],
)
def test_a_worker_that_fails_gives_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, sentence: str
) -> None:
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    monkeypatch.setattr(imaging, "WORKER", (sys.executable, "-c", program))
    assert refusal(path, Limits(seconds=0.5)) == sentence


def test_a_disk_that_is_full_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    if not FULL.exists():
        pytest.skip("this system has no device that is always full")
    # The result of the decoding process goes to a device without room.
    with monkeypatch.context() as full:
        full.setattr(imaging, "TemporaryFile", lambda: FULL.open("r+b", buffering=0))
        assert refusal(path) == imaging.DISK_FULL
    # What arrived does not get into its file.
    with suppress(OSError), FULL.open("wb") as arrived:
        arrived.write(path.read_bytes())
        with pytest.raises(StudyError, match="server's disk is full"):
            open_study(arrived)


def test_an_open_file_opens_as_one_with_a_name(tmp_path: Path) -> None:
    path = saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    with TemporaryFile() as file:
        file.write(path.read_bytes())
        assert np.array_equal(open_study(file).pictures[0].values, ramp())


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    good = saved(dicom_dataset(ramp()), tmp_path / "good")
    (tmp_path / "bad").write_text("not an image")
    descriptors = len(list(Path("/dev/fd").iterdir()))
    open_study(good)
    refusal(tmp_path / "bad")
    refusal(good, Limits(seconds=0.01))
    assert list(scratch.iterdir()) == []
    assert len(list(Path("/dev/fd").iterdir())) == descriptors


def test_a_study_opens_from_any_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(dicom_dataset(ramp()), tmp_path / "Doe^Jane")
    monkeypatch.chdir(tmp_path)
    assert len(open_study(Path("Doe^Jane")).pictures) == 1


damage = st.tuples(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.one_of(st.just(1.0), st.floats(0.2, 1)),
)


def damaged(content: bytes, changes: list[tuple[float, int]], kept: float) -> bytes:
    mutable = bytearray(content[: max(1, int(len(content) * kept))])
    for position, value in changes:
        mutable[int(position * len(mutable))] = value
    return bytes(mutable)


@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage)
@pytest.mark.parametrize("kind", ["DICOM", "PNG"])
def test_damage_gives_a_study_or_a_sentence(
    tmp_path: Path, kind: str, how: tuple[list[tuple[float, int]], float]
) -> None:
    path = tmp_path / "Doe^Jane"
    if kind == "DICOM":
        dataset = dicom_dataset(ramp(shape=(8, 8)), WindowCenter=2000, WindowWidth=3000, RescaleSlope=1)
        dataset.compress(RLELossless, generate_instance_uid=False)
        saved(dataset, path)
    else:
        Image.fromarray(ramp("uint8", 0, 255)).save(path, "PNG")
    path.write_bytes(damaged(path.read_bytes(), *how))
    (result,) = opened_or_refused([path]).values()
    assert isinstance(result, Study) or result.endswith(".")
