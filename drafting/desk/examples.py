"""The example studies that come with the product, from `assets/examples/index.json`.

This module knows where they are and what they are called; opening one is `drafting.imaging.open.open_study`'s work, as
it is for any other file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from drafting.assets import asset

FOLDER = asset("examples")


@dataclass(frozen=True, slots=True)
class Example:
    """An example study: `path` can be opened as a study, `thumbnail` is a JPEG of at most 160 x 160 pixels.

    `title` says what kind of image it is and `description` what its data set says of it; their sources and licences
    are in `ATTRIBUTION.md` beside the files.
    """

    name: str
    path: Path
    title: str
    description: str
    thumbnail: Path


def examples() -> tuple[Example, ...]:
    """All example studies, in the order in which they are offered."""
    index = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    return tuple(
        Example(
            name=entry["name"],
            path=FOLDER / entry["file"],
            title=entry["title"],
            description=entry["description"],
            thumbnail=FOLDER / "thumbnails" / f"{entry['name']}.jpg",
        )
        for entry in index
    )
