"""The rooms of the design: which module may know which, and what the repository may carry."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENTRY_POINTS = {"app.py", "drafting/__main__.py"}
TORCH_SIDE = {"torch", "transformers", "peft", "model"}
WEB_SIDE = {"gradio", "pydicom", "drafting.ui"}
TRITON_SIDE = {"model.network.kernels.experts", "model.network.kernels.reading"}
MEGABYTE = 1_000_000

# The values that cross between the two sides, and the protocol.
VALUES = {"drafting.report", "drafting.study"}
PROTOCOL_AND_VALUES = {"drafting.engine", *VALUES}
# The arrows of the design: which rooms each room may import from, besides itself. A name stands for all below it, but
# for what has a line of its own. What is not here may not be imported by anything that is.
ARROWS = {
    "app": {"drafting", "model.engine", "model.network"},
    "drafting.__main__": {"drafting", "model.engine", "model.network"},
    "drafting.ui": {
        "drafting.assets",
        "drafting.desk",
        "drafting.checks",
        "drafting.exports",
        "drafting.imaging",
        *PROTOCOL_AND_VALUES,
    },
    "drafting.desk": {"drafting.assets", "drafting.checks", *PROTOCOL_AND_VALUES},
    "drafting.reader_study": {"drafting.desk", *PROTOCOL_AND_VALUES},
    "drafting.checks": VALUES,
    "drafting.exports": VALUES,
    "drafting.imaging": VALUES,
    "drafting.engine": VALUES,
    "drafting.assets": set(),
    "drafting.study": set(),
    "drafting.report": set(),
    "model.__main__": {"model"},
    "model.evaluation": {
        "model.commands",
        "model.training",
        "model.sets",
        "model.synthetic",
        "model.engine",
        "model.network",
        *PROTOCOL_AND_VALUES,
    },
    "model.training": {
        "model.commands",
        "model.sets",
        "model.synthetic",
        "model.engine",
        "model.network",
        *VALUES,
    },
    "model.sets": {"model.commands", *VALUES},
    # Its reports are held against a set's real ones.
    "model.synthetic": {"model.sets", *VALUES},
    "model.commands": set(),
    "model.engine": {"model.network", *PROTOCOL_AND_VALUES},
    "model.network": {"drafting.assets", "drafting.study"},
}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it, relative imports made absolute."""
    package = path.relative_to(ROOT).parent.parts
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            modules |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return modules


def within(module: str, rooms: set[str]) -> bool:
    return any(f"{module}.".startswith(f"{room}.") for room in rooms)


def knows(path: Path, rooms: set[str]) -> set[str]:
    return {module for module in imported(path) if within(module, rooms)}


def module_names(folder: str) -> list[str]:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in python_files(folder)]
    return [name.removesuffix(".__init__") for name in names]


def loaded_by(modules: list[str]) -> set[str]:
    """All that a fresh interpreter has loaded after importing `modules`."""
    script = (
        "import importlib, json, sys\n"
        "for name in json.loads(sys.argv[1]): importlib.import_module(name)\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, json.dumps(modules)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(json.loads(ended.stdout.splitlines()[-1]))


def product_modules() -> dict[str, Path]:
    """Every module of the product by its name."""
    paths = [ROOT / "app.py", *python_files("drafting", "model")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return dict(zip(names, paths, strict=True))


def imported_modules(path: Path, modules: dict[str, Path]) -> set[str]:
    """The product's modules that a file imports. A name from a package that is a module is that module."""
    found = imported(path)
    return {name for name in found if name in modules and modules[name] != path}


def room_of(module: str) -> str | None:
    rooms = [room for room in ARROWS if within(module, {room})]
    return max(rooms, key=len, default=None)


@pytest.mark.parametrize("path", [ROOT / "app.py", *python_files("drafting", "model")], ids=name_of)
def test_imports_follow_the_arrows_of_the_design(path: Path) -> None:
    modules = product_modules()
    (name,) = [name for name, own in modules.items() if own == path]
    room = room_of(name)
    if room is None:
        assert path.name == "__init__.py", f"{name} stands in no room of the design"
        return
    # An empty package stands for nothing.
    wanted = [one for one in imported_modules(path, modules) if modules[one].read_text(encoding="utf-8").strip()]
    wrong = {one for one in wanted if not within(one, {room, *ARROWS[room]})}
    assert wrong == set(), f"{name} may not import {sorted(wrong)}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = product_modules()
    left = {name: imported_modules(path, modules) for name, path in modules.items()}
    while leaves := {name for name, wanted in left.items() if not wanted}:
        left = {name: wanted - leaves for name, wanted in left.items() if name not in leaves}
    assert sorted(left) == []


def test_importing_all_of_drafting_loads_nothing_of_the_models_side() -> None:
    modules = [name for name in module_names("drafting") if name != "drafting.__main__"]
    loaded = loaded_by(modules)
    assert set(modules) <= loaded
    assert not loaded & TORCH_SIDE


def test_importing_all_of_model_loads_neither_web_nor_dicom() -> None:
    # Triton comes with torch for CUDA alone. What these modules import is looked at below in any case.
    needs_triton = set() if find_spec("triton") else TRITON_SIDE
    modules = [name for name in module_names("model") if name not in needs_triton]
    loaded = loaded_by(modules)
    assert set(modules) <= loaded
    assert not loaded & WEB_SIDE


def test_importing_drafting_without_its_ui_loads_no_web_framework() -> None:
    modules = [
        name for name in module_names("drafting") if name != "drafting.__main__" and not name.startswith("drafting.ui")
    ]
    assert not loaded_by(modules) & {"gradio", "drafting.ui"}


@pytest.mark.parametrize("path", [p for p in python_files("drafting") if name_of(p) not in ENTRY_POINTS], ids=name_of)
def test_no_file_of_drafting_imports_the_models_side(path: Path) -> None:
    assert not knows(path, TORCH_SIDE)


@pytest.mark.parametrize("path", python_files("model"), ids=name_of)
def test_no_file_of_model_imports_web_or_dicom(path: Path) -> None:
    assert not knows(path, WEB_SIDE)


@pytest.mark.parametrize(
    "path", [p for p in python_files("drafting") if not p.is_relative_to(ROOT / "drafting" / "ui")], ids=name_of
)
def test_no_file_of_drafting_but_its_ui_imports_the_ui(path: Path) -> None:
    assert not knows(path, {"gradio", "drafting.ui"})


def test_only_the_entry_points_know_both_sides() -> None:
    def knows_drafting(path: Path) -> bool:
        beyond = {
            module
            for module in knows(path, {"drafting"}) - {"drafting"}
            if not within(module, {"drafting.assets", *PROTOCOL_AND_VALUES})
        }
        return path.is_relative_to(ROOT / "drafting") or bool(beyond)

    def knows_model(path: Path) -> bool:
        return path.is_relative_to(ROOT / "model") or bool(knows(path, TORCH_SIDE))

    product = [ROOT / "app.py", *python_files("drafting", "model")]
    assert {name_of(path) for path in product if knows_drafting(path) and knows_model(path)} == ENTRY_POINTS


def test_the_product_never_names_a_folder_beside_the_repository() -> None:
    beside = re.compile(rb"(?<![\w.])\.\.[\\/]shared\b")
    naming = [
        name_of(path)
        for path in tracked()
        if not path.is_relative_to(ROOT / "tests") and beside.search(path.read_bytes())
    ]
    assert naming == []


def test_no_tracked_file_is_over_16_megabytes_and_all_are_under_60() -> None:
    sizes = {name_of(path): path.stat().st_size for path in tracked()}
    assert {name for name, size in sizes.items() if size > 16 * MEGABYTE} == set()
    assert sum(sizes.values()) < 60 * MEGABYTE


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_to_one_version(name: str) -> None:
    lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    wanted = [line for line in lines if line and line != "-r requirements.txt"]
    assert wanted
    assert [line for line in wanted if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==\d+(\.\w+)*(\s*;.*)?", line)] == []
