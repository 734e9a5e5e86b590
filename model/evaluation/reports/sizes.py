"""Gaps of every size in a set's reports, filled by every method: how much of what was taken out comes back.

Reports come without their images. What a gap's text says is read in the whole sentences that it stands in, with what
stays locked there: of a single word nothing could be told. Of Open-i only reports with an even number are opened, to
measure, never to train.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from model.evaluation.reading.indiana import even_files, laid_out
from model.evaluation.reading.statements import contradicts, statements
from model.evaluation.record import EvaluationError, Row
from model.evaluation.reports.foreign import Score, scored
from model.evaluation.reports.gaps import KINDS, Gaps, drawn_gaps, drawn_reports, words_of
from model.evaluation.reports.methods import (
    BY_ENGINE,
    DIFFUSION,
    FREQUENT,
    ORIGINAL,
    REWRITTEN,
    SIBLINGS,
    Fill,
    Filled,
)
from model.evaluation.statistics import Estimate, f1, mean, pooled, share
from model.evaluation.task import Context
from model.sets.files import SetError, wanted_folder
from model.sets.reports import ReportSet, load_reports, read_open_i, report_formats

_PARTS = ("test", "validation", "all")
EXACT, ROUGE, CONTRADICTS = "exactly the words taken out", "ROUGE-L", "contradicts locked text"
UNCHANGED, CUT_OFF, EMPTY = "locked text unchanged", "text cut off", "left empty"
STATEMENTS = "F1 of findings called or denied"


def read_set(folder: Path, format: str | None) -> ReportSet:
    """The reports of a set; of Open-i those with an even number, the others are not opened. Raises EvaluationError."""
    try:
        wanted_folder(folder)
        if format == "open_i" or (format is None and report_formats(folder) == ("open_i",)):
            return ReportSet("open_i", tuple(read_open_i(path, folder) for path in even_files(folder)), folder)
        return load_reports(folder, format)
    except SetError as error:
        raise EvaluationError(str(error)) from error


def part_of(reports: ReportSet) -> str:
    """The part to measure on: that for testing, else for validation, else all of a set that tells none."""
    for part in _PARTS:
        if part in reports.parts:
            return part
    raise EvaluationError(f"{reports.folder} contains reports for training only, none to measure on.")


def all_sizes(
    context: Context, held: ReportSet, part: str, limit: int, fills: Mapping[str, Fill], scores: Mapping[str, Score]
) -> Iterator[list[Row]]:
    """The rows of each kind of gap, as soon as they are there. Raises EvaluationError where no report has room."""
    laid = [report for each in held.of(part) if (report := laid_out(each))]
    reports = drawn_reports(laid, limit, context.settings.seed, context.model)
    if not reports:
        raise EvaluationError(f"Every report of {held.folder} is too long for the model.")
    measured = False
    for kind in KINDS:
        drawn = [gaps for report in reports if (gaps := drawn_gaps(report, kind, context.settings.seed))]
        if not drawn:
            continue
        measured = True
        images = f"{kind}, reports without their images"
        rows: list[Row] = []
        done: dict[str, list[Filled]] = {}
        for name, fill in fills.items():
            if name == FREQUENT and kind != "a sentence":
                continue
            done[name] = _filled(context, kind, name, fill, drawn)
            rows += _rows(images, name, done[name], scores)
            if name in [each for _, each in SIBLINGS]:
                rows += _differences(images, name, done[DIFFUSION], done[name])
        yield rows
    if not measured:
        raise EvaluationError(f"{held.folder} has no report with room for a gap.")


def _filled(context: Context, kind: str, name: str, fill: Fill, drawn: Sequence[Gaps]) -> list[Filled]:
    done: list[Filled] = []
    for filled in context.each(fill, drawn, f"{kind}: {name}", name in BY_ENGINE):
        done.append(filled)
        gaps, texts = filled.gaps, filled.texts or [None] * len(filled.gaps.holes)
        context.write_down(
            {
                "kind": kind,
                "method": name,
                "name": gaps.name,
                "report": gaps.report.text,
                "gaps": [
                    {**asdict(hole), "original": was, "drafted": text}
                    for hole, was, text in zip(gaps.holes, gaps.originals, texts, strict=True)
                ],
                "written": filled.written,
                "locked_text_unchanged": filled.unchanged,
                "cut_off": filled.cut_off,
            }
        )
    return done


def rouge_l(said: Sequence[str], wanted: Sequence[str]) -> float:
    """ROUGE-L of two word sequences (Lin, Text Summarization Branches Out 2004, section 3.1), recall and precision of
    their longest common subsequence weighed alike; 0 where either is empty."""
    longest = [0] * (len(wanted) + 1)
    for word in said:
        before = 0
        for at, other in enumerate(wanted, start=1):
            above = longest[at]
            longest[at] = before + 1 if word == other else max(above, longest[at - 1])
            before = above
    return 2 * longest[-1] / (len(said) + len(wanted)) if longest[-1] else 0.0


@dataclass(frozen=True)
class _Measured:
    """A method's figures, one a report."""

    exact: list[float] = field(default_factory=list)
    rouge: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)
    holes: list[int] = field(default_factory=list)
    contradicting: list[bool] = field(default_factory=list)
    hits: list[int] = field(default_factory=list)
    said: list[int] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)


def _measured(done: Sequence[Filled]) -> _Measured:
    """The figures of those whose texts are known."""
    all_of = _Measured()
    for filled in done:
        if filled.texts is None:
            continue
        gaps, texts = filled.gaps, filled.texts
        pairs = [(words_of(text), words_of(was)) for text, was in zip(texts, gaps.originals, strict=True)]
        all_of.exact.append(sum(said == wanted for said, wanted in pairs))
        all_of.rouge.append(sum(rouge_l(said, wanted) for said, wanted in pairs))
        all_of.empty.append(sum(not said for said, _ in pairs))
        all_of.holes.append(len(pairs))
        runs = [(run, gaps.read_in(run, texts), gaps.read_in(run, gaps.originals)) for run in gaps.touched]
        sayings = [(statements(text), statements(was)) for _, text, was in runs]
        all_of.hits.append(sum(len(said & wanted) for said, wanted in sayings))
        all_of.said.append(sum(len(said) for said, _ in sayings))
        all_of.wanted.append(sum(len(wanted) for _, wanted in sayings))
        standing = gaps.standing
        all_of.contradicting.append(any(contradicts(text, run.section, standing) for run, text, _ in runs))
        all_of.candidates.append(" ".join(text for _, text, _ in runs))
        all_of.references.append(" ".join(was for _, _, was in runs))
    return all_of


def _rows(images: str, name: str, done: Sequence[Filled], scores: Mapping[str, Score]) -> list[Row]:
    if name == ORIGINAL:
        return [Row(images, name, CONTRADICTS, share(_measured(done).contradicting))]
    of_run = [Row(images, name, UNCHANGED, share([filled.unchanged for filled in done]))]
    if told := [filled.cut_off for filled in done if filled.cut_off]:
        of_run.append(Row(images, name, CUT_OFF, pooled([sum(cut) for cut in told], [len(cut) for cut in told])))
    # How well a report was filled whose locked text is another now is a question without an answer.
    if name == REWRITTEN:
        return of_run
    own = _measured(done)
    return [
        Row(images, name, EXACT, pooled(own.exact, own.holes)),
        Row(images, name, ROUGE, pooled(own.rouge, own.holes)),
        Row(images, name, STATEMENTS, f1(own.hits, own.said, own.wanted)),
        Row(images, name, CONTRADICTS, share(own.contradicting)),
        Row(images, name, EMPTY, pooled(own.empty, own.holes)),
        *of_run,
        *(Row(images, name, called, _foreign(called, score, own)) for called, score in scores.items()),
    ]


def _foreign(called: str, score: Score, own: _Measured) -> Estimate:
    """A score of the sentences that the gaps stand in; told and left out where its package fails."""
    got = scored(score, own.candidates, own.references)
    if isinstance(got, Estimate):
        return got
    # What else was measured is not lost with it.
    print(f"{called} cannot be computed: {got}", file=sys.stderr, flush=True)
    return Estimate(None, None, None, 0)


def _differences(images: str, name: str, first: Sequence[Filled], second: Sequence[Filled]) -> list[Row]:
    """Diffusion less another method on the same reports, report by report."""
    one, other = _measured(first), _measured(second)

    def shares(sums: Sequence[float], holes: Sequence[int]) -> list[float]:
        return [each / count for each, count in zip(sums, holes, strict=True)]

    figures = (
        (EXACT, shares(one.exact, one.holes), shares(other.exact, other.holes)),
        (ROUGE, shares(one.rouge, one.holes), shares(other.rouge, other.holes)),
        (CONTRADICTS, list(map(float, one.contradicting)), list(map(float, other.contradicting))),
    )
    return [
        Row(images, f"{DIFFUSION} less {name}", measure, mean([a - b for a, b in zip(mine, its, strict=True)]))
        for measure, mine, its in figures
    ]
