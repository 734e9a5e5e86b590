"""Real reports laid out as drafts are, and those of the Indiana University chest X-ray collection (Open-i).

The latter are for evaluation alone: never to train, nor to ship. Demner-Fushman et al., J Am Med Inform Assoc
2016;23:304-310; CC BY-NC-ND 4.0. Only reports with an even number are read: the odd ones are kept back for an
independent check. This module knows nothing of findings and models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model.evaluation.record import EvaluationError
from model.sets.files import SetError
from model.sets.reports import SetReport, even_open_i, read_open_i
from model.sets.sections import Sections

SECTIONS = ("findings", "impression")
# What stands where names, dates and ages were taken out: Open-i's and MIMIC-CXR's.
REMOVED = re.compile(r"XXXX|_{3}")
_NUMBER = re.compile(r"(\d+)\.xml")
# A full stop ends a sentence where a new one begins; that of a list's number or of a measurement does not.
_BOUNDARY = re.compile(r"(?<=[^\W\d_][.?!])\s+(?=[A-Z0-9])|(?<=[)%\]\"][.?!])\s+(?=[A-Z0-9])|(?<=\d[.?!])\s+(?=[A-Z])")
_LIST_NUMBER = re.compile(r"\s*\d{1,2}[.)]\s*")


@dataclass(frozen=True, slots=True)
class Part:
    """A sentence of a report: `text[start:end]` of the whole. `section`: 'findings' or 'impression'."""

    start: int
    end: int
    section: str


@dataclass(frozen=True, slots=True)
class LaidReport:
    """A report laid out as drafts are, with its sentences. `name`: its own in its set; `indication`: '' for none.

    `sections`: for each that it has, where its words begin and end in `text`.
    """

    name: str
    indication: str
    text: str
    sections: Mapping[str, tuple[int, int]]
    parts: tuple[Part, ...]

    def words_of(self, part: Part) -> str:
        return self.text[part.start : part.end]


def laid_out(report: SetReport) -> LaidReport | None:
    """A set's report with its sentences; None where it has none."""
    text = Sections(report.findings, report.impression, "").text()
    sections: dict[str, tuple[int, int]] = {}
    parts: list[Part] = []
    at = 0
    for section, words in zip(SECTIONS, (report.findings, report.impression), strict=True):
        if not words:
            continue
        begin = text.index(f"{section.upper()}:\n{words}", at) + len(f"{section.upper()}:\n")
        at = begin + len(words)
        sections[section] = (begin, at)
        parts += [Part(begin + start, begin + end, section) for start, end in sentence_ranges(words)]
    return LaidReport(report.id, report.indication, text, sections, tuple(parts)) if parts else None


def read_report(path: Path) -> LaidReport | None:
    """The report of one file of the Indiana collection; None where it has no findings or no impression.

    Raises EvaluationError for a file that is no report of the collection, and for a report with an odd number.
    """
    named = _NUMBER.fullmatch(path.name)
    if not named:
        raise EvaluationError(f"The file name of {path} is not that of a report in the collection.")
    if int(named.group(1)) % 2:
        raise EvaluationError(f"Report {path.stem} is not read: odd-numbered reports are reserved.")
    try:
        read = read_open_i(path)
    except SetError as error:
        raise EvaluationError(f"{path} is not a report of the collection.") from error
    return laid_out(read) if read.findings and read.impression else None


def read_reports(folder: Path) -> list[LaidReport]:
    """All reports with an even number and both sections, by number. Raises EvaluationError where there is none."""
    return [report for path in even_files(folder) if (report := read_report(path))]


def even_files(folder: Path) -> list[Path]:
    """The files of the reports with an even number, by number. Raises EvaluationError where there is none."""
    try:
        return even_open_i(folder)
    except SetError as error:
        raise EvaluationError(str(error)) from error


def sentence_ranges(text: str) -> list[tuple[int, int]]:
    """Where a section's sentences begin and end. The number of a list's entry belongs to no sentence."""
    ends: list[tuple[int, int]] = []
    for found in _BOUNDARY.finditer(text):
        start = ends[-1][1] if ends else 0
        if not _LIST_NUMBER.fullmatch(text[start : found.end()]):
            ends.append((found.start(), found.end()))
    starts = [0, *(after for _, after in ends)]
    stops = [*(before for before, _ in ends), len(text)]
    ranges = []
    for start, stop in zip(starts, stops, strict=True):
        number = _LIST_NUMBER.match(text, start, stop)
        begin = number.end() if number else start
        if any(c.isalpha() for c in text[begin:stop]):
            ranges.append((begin, stop))
    return ranges
