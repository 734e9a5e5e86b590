"""The built editor and viewer that the page loads. Knows nothing of how they are served."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from drafting.assets import asset

FOLDER = asset("web/dist")


class BundleError(RuntimeError):
    """The bundle is not there; the message is one line for the person who installed the program."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of the bundle. `address`, from the page's root, changes with the content, so it may be cached for good."""

    address: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Bundle:
    script: BundleFile
    style: BundleFile


def load_bundle(folder: Path = FOLDER) -> Bundle:
    """Raises BundleError where the bundle is not built."""
    return Bundle(
        script=_file(folder / "workstation.js", "text/javascript"),
        style=_file(folder / "workstation.css", "text/css"),
    )


def _file(path: Path, media_type: str) -> BundleFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} is missing; build it with `make web`.") from error
    digest = hashlib.sha256(content).hexdigest()[:16]
    return BundleFile(f"workstation/{digest}/{path.name}", content, media_type)
