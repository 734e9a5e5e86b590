"""The documents: one page of README, links that lead somewhere, and names of files that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# Those that tell a newcomer where things are.
GUIDES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/api.md",
    "docs/architecture.md",
    "docs/deployment.md",
    "docs/usage.md",
]
# Files that the reader makes.
READERS_OWN = {"REPORT.txt", "space.py"}
NAMED_FILE = re.compile(r"`((?:[\w.-]+/)*(?:[\w.-]+\.(?:py|js|md|json|txt|lock)|[\w-]+/))`")


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name]


DOCUMENTS = [name for name in tracked() if name.endswith(".md")]


def anchors(path: Path) -> set[str]:
    """The anchors of a Markdown file's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_one_page_and_says_first_that_this_is_a_gradio_app() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.split()) <= 900
    _, front, body = text.split("---\n", 2)
    assert "sdk: gradio" in front
    first = body.strip().split("\n\n")[1]
    assert "Gradio" in first.splitlines()[0]


def test_the_readme_names_the_version_of_gradio_that_is_installed_with_it() -> None:
    pinned = re.search(r"^gradio==(.+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned
    assert f"sdk_version: {pinned[1]}\n" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(name: str) -> None:
    path = ROOT / name
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        found = path.parent / file if file else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("name", GUIDES)
def test_every_file_that_a_guide_names_exists(name: str) -> None:
    files = tracked()
    known = {f"/{file}" for file in files} | {f"/{parent}/" for file in files for parent in Path(file).parents}
    named = set(NAMED_FILE.findall((ROOT / name).read_text(encoding="utf-8"))) - READERS_OWN
    assert [file for file in sorted(named) if not any(one.endswith(f"/{file}") for one in known)] == []
