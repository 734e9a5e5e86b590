"""`python -m model data`: what a set holds, what it lacks, and what its parts have in common."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from model.commands import Command
from model.sets.files import SetError, wanted_folder
from model.sets.leaks import WAYS, Item, Leak, SetPart, leaks_against, leaks_within
from model.sets.pictures import Picture, look_at, same_picture_groups
from model.sets.questions import FORMATS, load_questions, question_formats
from model.sets.reports import REPORT_FORMATS, load_reports, report_formats

_EXAMPLES = 5


@dataclass(frozen=True)
class Held:
    """A part of a set, counted. `what`: 'questions' or 'reports'; `copies`: images that repeat another of the part."""

    part: str
    what: str
    count: int
    images: int
    missing: tuple[str, ...]
    broken: tuple[str, ...]
    copies: int
    counts: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Looked:
    """A set that was read, with its pictures looked at. `sha256`: of its questions or reports."""

    name: str
    folder: str
    sha256: str
    held: tuple[Held, ...]
    parts: tuple[SetPart, ...]


@dataclass(frozen=True)
class Findings:
    """All that the command tells. `sets`: the one asked about and, where given, the one it is held against."""

    sets: tuple[Looked, ...]
    leaks: tuple[Leak, ...]

    def text(self) -> str:
        return "\n".join(
            line for lines in (*map(_set_lines, self.sets), *map(_leak_lines, self._told())) for line in lines
        )

    def _told(self) -> Iterable[tuple[Leak, int]]:
        counts = {part.name: len(part.items) for looked in self.sets for part in looked.parts}
        return ((leak, counts[leak.other]) for leak in self.leaks)

    def save(self, path: Path) -> None:
        """Raises SetError where the file cannot be written; an older one stays as it was."""
        told = {
            "sets": [
                {
                    "name": looked.name,
                    "folder": looked.folder,
                    "sha256": looked.sha256,
                    "parts": [asdict(held) for held in looked.held],
                }
                for looked in self.sets
            ],
            "leaks": [asdict(leak) | {"shared_images": leak.shared(), "ways": _ways(leak)} for leak in self.leaks],
        }
        content = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
        beside = path.with_name(f"{path.name}.part")
        try:
            try:
                beside.write_text(content, encoding="utf-8")
                beside.replace(path)
            except OSError:
                beside.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise SetError(f"{path} cannot be written: {error.strerror or error}.") from error


def data(options: argparse.Namespace) -> Findings:
    """What the command line asks for; the file that it names is not written yet. Raises SetError."""
    if options.json is not None and not options.json.parent.is_dir():
        # Looking at all images may take long: what is sure to fail fails first.
        raise SetError(f"{options.json} cannot be written: {options.json.parent} is not a folder.")
    first = look_through(options.folder, options.format)
    if options.against is None:
        return Findings((first,), leaks_within(first.parts))
    second = look_through(options.against, None)
    ours, theirs = (_renamed(looked.parts, looked.folder) for looked in (first, second))
    leaks = (*leaks_within(ours), *leaks_within(theirs), *leaks_against(ours, theirs))
    return Findings((replace(first, parts=ours), replace(second, parts=theirs)), leaks)


def _renamed(parts: Sequence[SetPart], folder: str) -> tuple[SetPart, ...]:
    return tuple(SetPart(f"{folder} {part.name}", part.items, part.pictures) for part in parts)


def look_through(folder: Path, format: str | None) -> Looked:
    """Reads the set in `folder`, of questions or of reports, and looks at every image of it. Raises SetError."""
    wanted_folder(folder)
    known = (*FORMATS, *REPORT_FORMATS)
    found = (format,) if format else (*question_formats(folder), *report_formats(folder))
    if format and format not in known:
        raise SetError(f"Unknown format of a set: {format!r}. Available: {', '.join(known)}.")
    if len(found) != 1:
        names = " and ".join(found)
        raise SetError(
            f"{folder} holds {f'the files of {names}' if found else 'no set that is known'}"
            f"; name the format ({', '.join(known)})."
        )
    return _questions(folder, found[0]) if found[0] in FORMATS else _reports(folder, found[0])


def _questions(folder: Path, format: str) -> Looked:
    loaded = load_questions(folder, format)
    paths = {} if loaded.images is None else {each: loaded.picture(each) for each in loaded.questions}
    pictures = _pictures(paths.values())
    held, parts = [], []
    for name in loaded.parts:
        asked = loaded.of(name)
        images = {each.image: pictures[paths[each]] if paths else None for each in asked}
        closed = sum(each.closed for each in asked)
        counts = {"closed": closed, "open": len(asked) - closed}
        if unanswered := sum(not each.answer for each in asked):
            counts["unanswered"] = unanswered
        kinds = dict(Counter(each.kind for each in asked).most_common())
        held.append(_held(name, "questions", len(asked), images, counts, kinds))
        items = tuple(Item(each.id, f"{each.question}\n{each.answer}", (each.image,)) for each in asked)
        parts.append(SetPart(name, items, images))
    return Looked(loaded.name, str(folder), loaded.sha256, tuple(held), tuple(parts))


def _reports(folder: Path, format: str) -> Looked:
    loaded = load_reports(folder, format)
    pictures = _pictures(image for report in loaded.reports for image in report.images)
    held, parts = [], []
    for name in loaded.parts:
        told = loaded.of(name)
        images = {loaded.image_name(image): pictures[image] for report in told for image in report.images}
        counts = {
            "with findings": sum(bool(report.findings) for report in told),
            "with an impression": sum(bool(report.impression) for report in told),
            "without words": sum(not report.text for report in told),
            "without images": sum(not report.images for report in told),
        }
        held.append(_held(name, "reports", len(told), images, counts, {}))
        items = tuple(Item(each.id, each.text, tuple(map(loaded.image_name, each.images))) for each in told)
        parts.append(SetPart(name, items, images))
    return Looked(loaded.name, str(folder), loaded.sha256, tuple(held), tuple(parts))


def _pictures(paths: Iterable[Path]) -> dict[Path, Picture | None]:
    ordered = sorted(set(paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(ordered, pool.map(look_at, ordered), strict=True))


def _held(
    part: str,
    what: str,
    count: int,
    images: Mapping[str, Picture | None],
    counts: dict[str, int],
    kinds: dict[str, int],
) -> Held:
    there = {image: picture for image, picture in images.items() if picture is not None}
    groups = same_picture_groups({image: image for image in there}, there)
    return Held(
        part,
        what,
        count,
        len(images),
        missing=tuple(sorted(image for image in images if image not in there)),
        broken=tuple(sorted(image for image, picture in there.items() if picture.pixels is None)),
        copies=len(groups) - len(set(groups.values())),
        counts=counts,
        kinds=kinds,
    )


def _set_lines(looked: Looked) -> list[str]:
    lines = [f"{looked.name} in {looked.folder}"]
    for held in looked.held:
        counted = ", ".join(f"{count} {name}" for name, count in held.counts.items())
        lines.append(f"  {held.part}: {held.count} {held.what} ({counted})")
        if held.kinds:
            lines.append("    kinds: " + "; ".join(f"{kind or '(none)'} {count}" for kind, count in held.kinds.items()))
        lines.append(
            f"    images: {held.images}, of which {len(held.missing)} missing{_some(held.missing)}, "
            f"{len(held.broken)} broken{_some(held.broken)}, {held.copies} copies of others"
        )
    return lines


def _leak_lines(told: tuple[Leak, int]) -> list[str]:
    leak, count = told
    words = f"same words: {len(leak.texts)} of {count}, {len(leak.repeated)} of them with the same image"
    if not leak:
        return [f"{leak.one} and {leak.other}: no image is in both; {words}"]
    ways = ", ".join(f"{number} by {way}" for way, number in _ways(leak).items())
    lines = [
        f"LEAK: {leak.shared()} images of {leak.other} are in {leak.one} too ({ways}), "
        f"which {len(leak.touched)} of {count} of {leak.other} are about; {words}"
    ]
    lines += [f"  {pair.image} is {pair.other} ({pair.way})" for pair in leak.images[:_EXAMPLES]]
    return lines + ([f"  and {len(leak.images) - _EXAMPLES} more"] if len(leak.images) > _EXAMPLES else [])


def _ways(leak: Leak) -> dict[str, int]:
    """The number of shared images of `other`, by the surest way in which each was found."""
    surest: dict[str, str] = {}
    for pair in sorted(leak.images, key=lambda pair: WAYS.index(pair.way)):
        surest.setdefault(pair.other, pair.way)
    counted = Counter(surest.values())
    return {way: counted[way] for way in WAYS if counted[way]}


def _some(names: Sequence[str]) -> str:
    return f" ({', '.join(names[:_EXAMPLES])}{', …' if len(names) > _EXAMPLES else ''})" if names else ""


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of the set, as its owners lay it out")
    parser.add_argument("--against", type=Path, help="folder of a second set, to find what both hold")
    parser.add_argument("--format", help="format of the first set (default: recognised by its file names)")
    parser.add_argument("--json", type=Path, help="file for the counts and every shared image, question and report")


def _run(options: argparse.Namespace) -> int:
    findings = data(options)
    print(findings.text())
    if options.json:
        findings.save(options.json)
    return 0


COMMAND = Command(_declare, _run, (SetError,))
