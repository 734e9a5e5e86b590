"""Reports with their images: a simple form in JSON lines, MIMIC-CXR's folders and the XML of Open-i.

Read here and nowhere else. What a set's licence allows is for who uses it to know: Open-i's reports (CC BY-NC-ND 4.0)
are none that weights to be shipped may be trained on.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from drafting.study import StudyFacts
from model.sets.files import (
    SetError,
    is_there,
    read_lines,
    read_table,
    read_text,
    readable,
    sha256_of,
    text_at,
    unique,
    wanted_folder,
    written,
)
from model.sets.questions import ALL, PARTS
from model.sets.sections import Sections, sections_of

REPORT_FORMATS = ("jsonl", "mimic_cxr", "open_i")
_PART_NAMES = {"train": "train", "validate": "validation", "validation": "validation", "val": "validation"} | {
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}
_FRONTAL = ("PA", "AP")
_MIMIC_ROOTS = ("files", "mimic-cxr-reports/files")
_MIMIC_STUDIES = "p[0-9][0-9]/p*/s*.txt"
_MIMIC_SPLIT = "mimic-cxr-2.0.0-split.csv"
_MIMIC_METADATA = "mimic-cxr-2.0.0-metadata.csv"
_OPEN_I_FILE = re.compile(r"(?:CXR)?(\d+)\.xml")
_OPEN_I_FOLDERS = ("", "ecgen-radiology", "NLMCXR_reports/ecgen-radiology")
_OPEN_I_IMAGES = ("NLMCXR_png", "NLMCXR_dcm", "images", "")
_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class SetReport:
    """One report.

    `images`: their files, frontal ones first where the set tells, whether they are there or not. `text`: the report as
    it is trained on; of findings, impression and indication each is '' where the report has none. `part`: 'train',
    'validation' or 'test', 'all' where the set tells none. `facts`: what is told of the patient and the first image.
    """

    id: str
    images: tuple[Path, ...]
    text: str
    findings: str
    impression: str
    indication: str
    part: str
    facts: StudyFacts = field(default_factory=StudyFacts)


@dataclass(frozen=True)
class ReportSet:
    """All reports of a set, those without words too."""

    name: str
    reports: tuple[SetReport, ...]
    folder: Path

    def of(self, part: str) -> tuple[SetReport, ...]:
        return tuple(report for report in self.reports if report.part == part)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that have a report, training first."""
        held = {report.part for report in self.reports}
        return (*(part for part in PARTS if part in held), *sorted(held - set(PARTS)))

    @cached_property
    def sha256(self) -> str:
        """Of all reports with their parts and the names of their images; not of the images."""
        return sha256_of(
            (each.id, *map(self.image_name, each.images), each.text, each.indication, each.part, each.facts)
            for each in self.reports
        )

    def image_name(self, image: Path) -> str:
        """An image's path relative to the set's folder, or the whole one of an image elsewhere."""
        return (image.relative_to(self.folder) if image.is_relative_to(self.folder) else image).as_posix()

    def missing_images(self) -> tuple[str, ...]:
        """The images that reports name and that are not there."""
        named = {image for report in self.reports for image in report.images}
        return tuple(sorted(self.image_name(image) for image in named if not is_there(image)))


def load_reports(folder: Path, format: str | None = None) -> ReportSet:
    """The set that lies in `folder`.

    `format`: one of `REPORT_FORMATS`; by default it is told by the files' names. Raises SetError for a folder that
    holds none or several of them, and for a file that is broken.
    """
    wanted_folder(folder)
    if format is None:
        found = report_formats(folder)
        if len(found) != 1:
            names = " and ".join(found)
            raise SetError(
                f"{folder} holds {f'the files of {names}' if found else 'no set of reports that is known'}"
                f"; name the format ({', '.join(REPORT_FORMATS)})."
            )
        format = found[0]
    if format not in _LOADERS:
        raise SetError(f"Unknown format of reports: {format!r}. Available: {', '.join(REPORT_FORMATS)}.")
    loaded = _LOADERS[format](folder)
    if not loaded.reports:
        raise SetError(f"{folder} contains no report of {format}.")
    return loaded


def report_formats(folder: Path) -> tuple[str, ...]:
    """The formats whose files `folder` holds."""
    here = {
        "jsonl": any(folder.glob("*.jsonl")),
        "mimic_cxr": any(any((folder / root).glob(_MIMIC_STUDIES)) for root in _MIMIC_ROOTS),
        "open_i": bool(_open_i_files(folder)),
    }
    return tuple(name for name in REPORT_FORMATS if here[name])


def _jsonl(folder: Path) -> ReportSet:
    """`{"id", "images": [...], "report": ..., "split"?, "view"?, "age"?, "sex"?}` a line, in any *.jsonl of the folder.

    Instead of 'report' the keys 'findings' and 'impression' may stand. Without 'split' the file's name tells the part
    where it is that of one. Paths of images are relative to the folder.
    """
    reports: list[SetReport] = []
    ids: set[str] = set()
    for path in sorted(folder.glob("*.jsonl")):
        named = _PART_NAMES.get(path.stem.lower(), ALL)
        for place, line in read_lines(path):
            reports.append(_json_report(folder, place, line, named, ids))
    return ReportSet("jsonl", tuple(reports), folder)


def _json_report(folder: Path, place: str, line: str, part: str, ids: set[str]) -> SetReport:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SetError(f"{place} is not JSON.") from error
    if not isinstance(entry, dict):
        raise SetError(f"{place} is not an object with keys.")
    images = entry.get("images")
    if not isinstance(images, list) or not all(isinstance(name, str) and name and "\0" not in name for name in images):
        raise SetError(f"{place}: 'images' is not a list of file names.")
    sections, text = _written(place, entry)
    if "split" in entry:
        told = text_at(place, entry, "split")
        if told.lower() not in _PART_NAMES:
            raise SetError(f"{place}: {told!r} is not a split (train, validation or test).")
        part = _PART_NAMES[told.lower()]
    return SetReport(
        unique(ids, text_at(place, entry, "id")),
        tuple(folder / written(place, name) for name in images),
        text,
        sections.findings,
        sections.impression,
        sections.indication,
        part,
        _facts(place, entry),
    )


def _written(place: str, entry: Mapping[str, Any]) -> tuple[Sections, str]:
    held = dict(entry)
    indication = text_at(place, held, "indication") if "indication" in held else ""
    if "report" in held:
        text = text_at(place, held, "report")
        sections = sections_of(text)
        return Sections(sections.findings, sections.impression, indication or sections.indication), text
    if "findings" not in held and "impression" not in held:
        raise SetError(f"{place} has no key 'report'.")
    findings, impression = (text_at(place, held, key) if key in held else "" for key in ("findings", "impression"))
    sections = Sections(findings, impression, indication)
    return sections, sections.text()


def _facts(place: str, entry: dict[str, Any]) -> StudyFacts:
    view = text_at(place, entry, "view") if "view" in entry else None
    sex = text_at(place, entry, "sex").upper() if "sex" in entry else None
    if sex not in (None, "", "M", "F", "O"):
        raise SetError(f"{place}: 'sex' is {sex!r}, none of M, F and O.")
    age = entry.get("age")
    if age is not None and (isinstance(age, bool) or not isinstance(age, int) or not 0 <= age <= 150):
        raise SetError(f"{place}: 'age' is not a number of years.")
    return StudyFacts(age=age, sex=sex or None, view=view or None)


def _mimic_cxr(folder: Path) -> ReportSet:
    """MIMIC-CXR 2: the reports' folders, MIMIC-CXR-JPG's images in the same or beside, and its tables where they are.

    Without the metadata the images of a study are those that are there; without the split all is one part.
    """
    split = _table_at(folder, _MIMIC_SPLIT)
    metadata = _table_at(folder, _MIMIC_METADATA)
    parts = _mimic_parts(split) if split else {}
    listed = _mimic_images(metadata) if metadata else {}
    roots = [folder / root for root in _MIMIC_ROOTS if (folder / root).is_dir()]
    reports = []
    for path in sorted(path for root in roots for path in root.glob(_MIMIC_STUDIES)):
        study = path.stem.removeprefix("s")
        below = Path(*path.parts[-3:-1], path.stem)
        home = next((root / below for root in roots if (root / below).is_dir()), roots[0] / below)
        images = listed.get(study) if metadata else [(each.stem, "") for each in sorted(home.glob("*.jpg"))]
        sections = sections_of(read_text(path))
        reports.append(
            SetReport(
                path.stem,
                tuple(home / f"{name}.jpg" for name, _ in images or ()),
                sections.text(),
                sections.findings,
                sections.impression,
                sections.indication,
                parts.get(study, ALL),
                StudyFacts(view=images[0][1] or None if images else None),
            )
        )
    return ReportSet("mimic_cxr", tuple(reports), folder)


def _table_at(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _mimic_parts(path: Path) -> dict[str, str]:
    """The part of every study, by its number."""
    parts: dict[str, str] = {}
    for row in read_table(path, ("study_id", "split")):
        part = _PART_NAMES.get(row["split"].strip().lower())
        if part is None:
            raise SetError(f"{path}: {row['split']!r} is not a split (train, validate or test).")
        if parts.setdefault(row["study_id"].strip(), part) != part:
            raise SetError(f"{path}: the images of study {row['study_id']} are in two splits.")
    return parts


def _mimic_images(path: Path) -> dict[str, list[tuple[str, str]]]:
    """For every study its images and their views, frontal ones first and else as in the table."""
    images: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in read_table(path, ("dicom_id", "study_id", "ViewPosition")):
        images[row["study_id"].strip()].append((row["dicom_id"].strip(), row["ViewPosition"].strip()))
    return {study: sorted(held, key=lambda image: image[1] not in _FRONTAL) for study, held in images.items()}


def _open_i(folder: Path) -> ReportSet:
    return ReportSet("open_i", tuple(read_open_i(path, folder) for path in _open_i_files(folder)), folder)


def _open_i_files(folder: Path) -> list[Path]:
    """The reports of Open-i in a folder, or in those that its archive unpacks to, by number."""
    for below in _OPEN_I_FOLDERS:
        numbered = [
            (int(found.group(1)), path)
            for path in (folder / below).glob("*.xml")
            if (found := _OPEN_I_FILE.fullmatch(path.name))
        ]
        if numbered:
            return [path for _, path in sorted(numbered)]
    return []


def even_open_i(folder: Path) -> list[Path]:
    """The files NUMBER.xml of Open-i's reports in a folder, and below, with an even number, by number.

    The others are kept back for an independent check: they are not opened. Raises SetError where there is none.
    """
    numbered = [(int(path.stem), path) for path in folder.rglob("*.xml") if path.stem.isascii() and path.stem.isdigit()]
    if even := [path for number, path in sorted(numbered) if number % 2 == 0]:
        return even
    raise SetError(f"{folder} holds no report NUMBER.xml of Open-i with an even number.")


def read_open_i(path: Path, folder: Path | None = None) -> SetReport:
    """The report in one XML file of Open-i (Demner-Fushman et al., J Am Med Inform Assoc 2016), numbered by its name.

    `folder`: where images are sought, itself or a folder in it; by default that of the file. Raises SetError for a file
    that is no such report.
    """
    try:
        with readable(path):
            root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise SetError(f"{path} is not an XML report.") from error
    held = {str(node.get("Label")).lower(): " ".join((node.text or "").split()) for node in root.iter("AbstractText")}
    if not held:
        raise SetError(f"{path} is XML, but not a report of Open-i.")
    sections = Sections(held.get("findings", ""), held.get("impression", ""), held.get("indication", ""))
    names = [Path(name).name for node in root.iter("parentImage") if (name := node.get("id"))]
    return SetReport(
        path.stem,
        tuple(_open_i_image(folder or path.parent, name) for name in names),
        sections.text(),
        sections.findings,
        sections.impression,
        sections.indication,
        ALL,
    )


def _open_i_image(folder: Path, name: str) -> Path:
    """The file of an image; where there is none, the one that the owners' archive would unpack."""
    likely = (folder / below / f"{name}{suffix}" for below in _OPEN_I_IMAGES for suffix in _SUFFIXES)
    return next(filter(is_there, likely), folder / _OPEN_I_IMAGES[0] / f"{name}.png")


_LOADERS: Mapping[str, Callable[[Path], ReportSet]] = {
    "jsonl": _jsonl,
    "mimic_cxr": _mimic_cxr,
    "open_i": _open_i,
}
