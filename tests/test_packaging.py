"""The installed package: what the wheel carries, and that requirements, lock files and metadata agree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The one direct requirement that no lock file holds; the Makefile says why.
UNLOCKED = {"torch"}


def names_in(folder: str) -> list[str]:
    command = ["git", "ls-files", "-z", folder]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def requirements(path: Path) -> dict[str, str]:
    """Name and version of each line that pins a package."""
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    ended = subprocess.run([*command, "-w", str(folder), str(ROOT)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_carries_every_module_template_and_asset(wheel: Path) -> None:
    expected = {"app.py", *names_in("drafting"), *names_in("model")}
    for folder in ("default-model", "examples", "web/dist"):
        expected |= {name.replace("assets/", "drafting/data/", 1) for name in names_in(f"assets/{folder}")}
    with ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    assert expected - carried == set()
    assert {name.partition("/")[0] for name in carried} == {
        "app.py",
        "drafting",
        "model",
        f"radiology_drafting-{PROJECT['version']}.dist-info",
    }
    assert [name for name in carried if "node_modules" in name or name.startswith("drafting/data/web/src")] == []


def test_an_installed_package_finds_its_assets_and_opens_a_study(wheel: Path, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with ZipFile(wheel) as archive:
        archive.extractall(installed)
    script = (
        "import json\n"
        "from drafting.assets import asset\n"
        "from drafting.desk.examples import examples\n"
        "from drafting.imaging.open import open_study\n"
        "from drafting.ui.bundle import load_bundle\n"
        "load_bundle()\n"
        "example = examples()[0]\n"
        "pictures = open_study(example.path).pictures\n"
        "print(json.dumps([str(asset('default-model')), str(example.thumbnail), len(pictures)]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    model, thumbnail, pictures = json.loads(ended.stdout)
    data = installed / "drafting" / "data"
    assert Path(model) == data / "default-model"
    assert (Path(model) / "SHA256SUMS").is_file()
    assert Path(thumbnail).is_file()
    assert Path(thumbnail).is_relative_to(data)
    assert pictures == 1


def test_the_package_requires_what_requirements_txt_pins() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert PROJECT["dependencies"] == [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_the_lock_file_holds_every_requirement_with_its_hashes(name: str) -> None:
    locked = requirements(ROOT / f"{name}.lock")
    pinned = requirements(ROOT / "requirements.txt") | requirements(ROOT / f"{name}.txt")
    assert {package: version for package, version in pinned.items() if locked.get(package) != version} == {
        package: pinned[package] for package in UNLOCKED
    }
    entries = re.split(r"\n(?=\S)", (ROOT / f"{name}.lock").read_text(encoding="utf-8").strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in "".join(entries)


def test_both_lock_files_hold_the_same_versions() -> None:
    run, development = (requirements(ROOT / f"{name}.lock") for name in ("requirements", "requirements-dev"))
    assert {package: version for package, version in run.items() if development.get(package) != version} == {}


@pytest.mark.parametrize("extra", ["oauth", "mcp"])
def test_the_pins_satisfy_the_extras_of_gradio_that_a_space_installs(extra: str) -> None:
    assert extra in metadata.metadata("gradio").get_all("Provides-Extra", [])
    pins = requirements(ROOT / "requirements.txt") | requirements(ROOT / "requirements.lock")
    pins |= dict(line.split("==") for line in PROJECT["optional-dependencies"]["mcp"])
    wanted = [Requirement(line) for line in metadata.requires("gradio") or []]
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": extra})]
    assert [f"{one.name}{one.specifier}" for one in wanted if not _admits(one, pins)] == []


def _admits(wanted: Requirement, pins: dict[str, str]) -> bool:
    """Whether a requirement takes the pinned version of its package, if one is pinned."""
    version = pins.get(canonicalize_name(wanted.name))
    return version is None or version in wanted.specifier
