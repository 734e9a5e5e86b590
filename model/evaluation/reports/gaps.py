"""`python -m model evaluate infill --set`: gaps of every size in a set's reports, filled by every method.

A word, a phrase of 2 to 5 words, a sentence or a section is taken out, or two, four or eight mixed ones at once, drawn
from a seed, so that every method fills the same. Reports come without their images. What a gap's text says is read in
the whole sentences that it stands in, with what stays locked there: of a single word nothing could be told. Of Open-i
only reports with an even number are opened, to measure, never to train.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TextIO

from drafting.engine import Draft, DraftSettings
from drafting.report import Report, Span, merge_draft
from model.engine.layout import GAP_IN_LINE
from model.evaluation.engine import EvaluationEngine
from model.evaluation.reading.indiana import SECTIONS, Part, even_files, sentence_ranges
from model.evaluation.reading.wording import REFERENCE_REPORTS, most_frequent_sentences, written_reports
from model.evaluation.record import EvaluationError, Row, done_together
from model.evaluation.reports.foreign import Score, scored
from model.evaluation.reports.infill import DIFFUSION, FREQUENT, ORIGINAL, SIBLINGS, Gap, contradicts, statements
from model.evaluation.reports.studies import finished
from model.evaluation.statistics import Estimate, f1, mean, pooled, share
from model.network.loading import DraftingModel
from model.sets.files import SetError, wanted_folder
from model.sets.reports import ReportSet, SetReport, load_reports, read_open_i, report_formats
from model.sets.sections import Sections

if TYPE_CHECKING:
    from model.evaluation.sibling import Sibling, Sides

FIXED = "diffusion, width of the text taken out"
REWRITTEN = "autoregressive, whole report rewritten"
# What is taken out of a report, and how many at once.
KINDS: Mapping[str, int] = {
    "a word": 1,
    "a phrase": 1,
    "a sentence": 1,
    "a section": 1,
    "2 gaps": 2,
    "4 gaps": 4,
    "8 gaps": 8,
}
_PHRASE = (2, 5)
# Largest first, so that there is room for each.
_MIXED = ("a sentence", "a phrase", "a word")
_PARTS = ("test", "validation", "all")
# What stands where names, dates and ages were taken out: Open-i's and MIMIC-CXR's.
_REMOVED = re.compile(r"XXXX|_{3}")
_WORD = re.compile(r"\w+(?:[.'’/-]\w+)*")


@dataclass(frozen=True, slots=True)
class GapsSettings:
    """`limit`: reports. `set`, `format`: where they lie and how. `scores`: of other packages, with commas between."""

    limit: int
    set: str
    format: str
    part: str
    scores: str = ""
    seed: int = 0
    steps: int | None = None
    together: int = 1


@dataclass(frozen=True, slots=True)
class RealReport:
    """A report laid out as drafts are. `sections`: for each that it has, where its words begin and end in `text`."""

    name: str
    indication: str
    text: str
    sections: Mapping[str, tuple[int, int]]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """`text[start:end]` of a report is taken out. `size`: one of the kinds."""

    start: int
    end: int
    section: str
    size: str


@dataclass(frozen=True)
class Gaps:
    """A report with holes, in order, of which no two touch."""

    report: RealReport
    holes: tuple[Hole, ...]

    @property
    def originals(self) -> tuple[str, ...]:
        return tuple(self.report.text[hole.start : hole.end] for hole in self.holes)

    @property
    def locked(self) -> tuple[str, ...]:
        """What stays before, between and behind the holes: one piece more than holes, the outer ones may be ''."""
        edges = [0, *(edge for hole in self.holes for edge in (hole.start, hole.end)), len(self.report.text)]
        return tuple(self.report.text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))

    @property
    def drafted_on(self) -> Report:
        return self._spans(("",) * len(self.holes))

    @property
    def as_it_was(self) -> Report:
        """The report with the text in its open spans that is to be taken out."""
        return self._spans(self.originals)

    def _spans(self, texts: Sequence[str]) -> Report:
        locked = self.locked
        spans = [Span("l0", locked[0], "locked", "radiologist")] if locked[0] else []
        for number, (text, after) in enumerate(zip(texts, locked[1:], strict=True)):
            spans.append(Span(f"g{number}", text, "open", "radiologist"))
            if after:
                spans.append(Span(f"l{number + 1}", after, "locked", "radiologist"))
        return Report(tuple(spans))

    @property
    def standing(self) -> tuple[tuple[str, str], ...]:
        """The sentences that no hole touches, each with its section."""
        return tuple(
            (part.section, self.report.text[part.start : part.end])
            for part in self.report.parts
            if not any(_overlap(part, hole) for hole in self.holes)
        )

    @property
    def touched(self) -> tuple[Part, ...]:
        """The sentences, or runs of them, that holes stand in."""
        runs: list[Part] = []
        for hole in self.holes:
            within = [part for part in self.report.parts if _overlap(part, hole)]
            start, end = min([hole.start, *(p.start for p in within)]), max([hole.end, *(p.end for p in within)])
            if runs and start < runs[-1].end:
                start, end = runs[-1].start, max(end, runs.pop().end)
            runs.append(Part(start, end, hole.section))
        return tuple(runs)

    def read_in(self, run: Part, texts: Sequence[str]) -> str:
        """A run of `touched` with `texts` in its holes."""
        pieces: list[str] = []
        at = run.start
        for hole, text in zip(self.holes, texts, strict=True):
            if run.start <= hole.start < run.end:
                pieces += [self.report.text[at : hole.start], text]
                at = hole.end
        return "".join([*pieces, self.report.text[at : run.end]])


@dataclass(frozen=True)
class Filled:
    """Gaps with the texts that a method put there.

    `texts`: None where they cannot be told, because the method did not keep what stands around them. `cut_off`: of each
    text, or of what was written as a whole; empty where it cannot be told. `written`: the report as the method gave it.
    """

    gaps: Gaps
    texts: tuple[str, ...] | None
    cut_off: tuple[bool, ...]
    written: str

    @property
    def unchanged(self) -> bool:
        """Whether all text but the gaps' is byte for byte what it was."""
        return kept_around(self.gaps.locked, self.written) is not None


Fill = Callable[[Gaps, DraftSettings], Filled]


# The reports


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
    raise EvaluationError(f"{reports.folder} holds reports for training alone; there are none to measure on.")


def laid_out(report: SetReport) -> RealReport | None:
    """The report with its sentences; None where it has none."""
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
    return RealReport(report.id, report.indication, text, sections, tuple(parts)) if parts else None


def chosen_reports(reports: Sequence[SetReport], limit: int, seed: int, model: DraftingModel) -> list[RealReport]:
    """At most `limit` reports, drawn, that the canvas holds with one more gap of the usual width."""
    room = model.canvas_length - len(model.before) - len(model.after) - GAP_IN_LINE
    shuffled = list(reports)
    Random(f"gaps {seed}").shuffle(shuffled)
    chosen: list[RealReport] = []
    for each in shuffled:
        if len(chosen) == limit:
            break
        report = laid_out(each)
        if report and len(model.tokenizer(report.text, add_special_tokens=False)["input_ids"]) <= room:
            chosen.append(report)
    return chosen


# The gaps


def drawn_gaps(report: RealReport, kind: str, seed: int) -> Gaps | None:
    """Gaps of a kind in a report, always the same; None where it has no room for them."""
    random = Random(f"gaps {seed} {report.name} {kind}")
    if KINDS[kind] == 1:
        holes = _candidates(report, kind, random)
        return Gaps(report, (random.choice(holes),)) if holes else None
    sizes = [_MIXED[number % len(_MIXED)] for number in range(KINDS[kind])]
    if len(sizes) < len(_MIXED):
        sizes = random.sample(_MIXED, len(sizes))
    sizes.sort(key=_MIXED.index)
    while (taken := _placed(report, sizes, random)) is None:
        # Where there is no room for them all the largest become smaller, one at a time.
        if sizes[0] == _MIXED[-1]:
            return None
        last = max(at for at, size in enumerate(sizes) if size == sizes[0])
        sizes[last] = _MIXED[_MIXED.index(sizes[0]) + 1]
    return Gaps(report, tuple(sorted(taken, key=lambda hole: hole.start)))


def _placed(report: RealReport, sizes: Sequence[str], random: Random) -> list[Hole] | None:
    """A hole of each size, apart from each other; None where one finds no room among those before it."""
    taken: list[Hole] = []
    for size in sizes:
        free = [hole for hole in _candidates(report, size, random) if _apart(report.text, hole, taken)]
        if not free:
            return None
        taken.append(random.choice(free))
    return taken


def _candidates(report: RealReport, size: str, random: Random) -> list[Hole]:
    if size == "a section":
        if len(report.sections) < len(SECTIONS):
            return []
        return [
            Hole(start, end, section, size)
            for section, (start, end) in report.sections.items()
            if not _REMOVED.search(report.text[start:end]) and any(p.section == section for p in report.parts)
        ]
    holes: list[Hole] = []
    for part in report.parts:
        if _REMOVED.search(report.text[part.start : part.end]):
            continue
        if size == "a sentence":
            holes.append(Hole(part.start, part.end, part.section, size))
            continue
        found = [word.span() for word in _WORD.finditer(report.text, part.start, part.end)]
        count = 1 if size == "a word" else random.randint(*_PHRASE)
        # Something of the sentence stays.
        firsts = range(len(found) - count + 1 if count < len(found) else 0)
        holes += [Hole(found[first][0], found[first + count - 1][1], part.section, size) for first in firsts]
    return holes


def _apart(text: str, hole: Hole, taken: Sequence[Hole]) -> bool:
    """Whether at least a word stands between a hole and each of the others."""
    return all(
        not _overlap(hole, other)
        and _WORD.search(text, min(hole.end, other.end), max(hole.start, other.start)) is not None
        for other in taken
    )


def _overlap(one: Part | Hole, other: Part | Hole) -> bool:
    return one.start < other.end and other.start < one.end


# The methods


def fills_of(engine: EvaluationEngine, sibling: Sibling | None, frequent: Mapping[str, str]) -> dict[str, Fill]:
    """The methods by name."""

    def put(gaps: Gaps, texts: Mapping[str, str], cut_off: Sequence[bool]) -> Filled:
        merged = merge_draft(gaps.drafted_on, texts)
        own = tuple(texts[f"g{number}"] for number in range(len(gaps.holes)))
        return Filled(gaps, own, tuple(cut_off), merged.text)

    def drafted(gaps: Gaps, draft: Draft, told: bool) -> Filled:
        full = [f"g{number}" in draft.full for number in range(len(gaps.holes))]
        return put(gaps, draft.texts, full if told else ())

    def elastic(gaps: Gaps, settings: DraftSettings) -> Filled:
        draft = finished(engine.draft(None, gaps.drafted_on, settings, gaps.report.indication))
        return drafted(gaps, draft, told=True)

    def fixed(gaps: Gaps, settings: DraftSettings) -> Filled:
        widths = engine.widths_of(gaps.as_it_was)
        draft = finished(engine.draft_exactly(None, gaps.drafted_on, widths, settings, gaps.report.indication))
        return drafted(gaps, draft, told=False)

    def autoregressive(sides: Sides, own: Sibling) -> Fill:
        def fill(gaps: Gaps, settings: DraftSettings) -> Filled:
            fillings = own.fill_all(None, gaps.drafted_on, sides, settings, gaps.report.indication)
            cut_off = [fillings[f"g{number}"].cut_off for number in range(len(gaps.holes))]
            return put(gaps, {id: filling.text for id, filling in fillings.items()}, cut_off)

        return fill

    def rewritten(own: Sibling) -> Fill:
        def fill(gaps: Gaps, settings: DraftSettings) -> Filled:
            written, cut_off = own.rewrite(None, gaps.drafted_on, settings, gaps.report.indication)
            return Filled(gaps, kept_around(gaps.locked, written), (cut_off,), written)

        return fill

    fills: dict[str, Fill] = {DIFFUSION: elastic, FIXED: fixed}
    if sibling:
        fills |= {name: autoregressive(sides, sibling) for sides, name in SIBLINGS}
        fills[REWRITTEN] = rewritten(sibling)
    fills[FREQUENT] = lambda gaps, _: put(gaps, {"g0": frequent[gaps.holes[0].section]}, ())
    fills[ORIGINAL] = lambda gaps, _: put(gaps, {f"g{n}": text for n, text in enumerate(gaps.originals)}, ())
    return fills


def kept_around(locked: Sequence[str], written: str) -> tuple[str, ...] | None:
    """What stands between the pieces of `locked` in a text that has all of them in order and nothing beside.

    None where it has not. Of several ways to part the text that of the earliest pieces is taken.
    """
    first, last = locked[0], locked[-1]
    at, stop = len(first), len(written) - len(last)
    if at > stop or not (written.startswith(first) and written.endswith(last)):
        return None
    texts: list[str] = []
    for piece in locked[1:-1]:
        found = written.find(piece, at, stop)
        if found < 0:
            return None
        texts.append(written[at:found])
        at = found + len(piece)
    return (*texts, written[at:stop])


# What is measured


def words_of(text: str) -> list[str]:
    """The words and numbers of a text in lower case, without the marks between them."""
    return [word.lower() for word in _WORD.findall(text)]


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
        all_of.contradicting.append(
            any(
                contradicts(Gap(gaps.report.name, gaps.report.text, run.start, run.end, run.section, standing), text)
                for run, text, _ in runs
            )
        )
        all_of.candidates.append(" ".join(text for _, text, _ in runs))
        all_of.references.append(" ".join(was for _, _, was in runs))
    return all_of


EXACT, ROUGE, CONTRADICTS = "exactly the words taken out", "ROUGE-L", "contradicts locked text"
UNCHANGED, CUT_OFF, EMPTY = "locked text unchanged", "text cut off", "left empty"
STATEMENTS = "F1 of findings called or denied"


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
    print(f"{called} cannot be told: {got}", file=sys.stderr, flush=True)
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


def evaluate_gaps(
    engine: EvaluationEngine,
    reports: Sequence[RealReport],
    settings: GapsSettings,
    drafts: TextIO | None = None,
    sibling: Sibling | None = None,
    scores: Mapping[str, Score] | None = None,
) -> Iterator[list[Row]]:
    """The rows of each kind of gap, as soon as they are there; every fill goes to `drafts` as a line of JSON."""
    frequent = most_frequent_sentences(written_reports(REFERENCE_REPORTS, Random(f"reference {settings.seed}")))
    fills = fills_of(engine, sibling, frequent)
    for kind in KINDS:
        drawn = [gaps for report in reports if (gaps := drawn_gaps(report, kind, settings.seed))]
        if not drawn:
            continue
        images = f"{kind}, reports without their images"
        rows: list[Row] = []
        done: dict[str, list[Filled]] = {}
        for name, fill in fills.items():
            if name == FREQUENT and kind != "a sentence":
                continue
            done[name] = _filled(kind, name, fill, drawn, settings, drafts)
            rows += _rows(images, name, done[name], scores or {})
            if name in [each for _, each in SIBLINGS]:
                rows += _differences(images, name, done[DIFFUSION], done[name])
        yield rows


def _filled(
    kind: str, name: str, fill: Fill, drawn: Sequence[Gaps], settings: GapsSettings, drafts: TextIO | None
) -> list[Filled]:
    done: list[Filled] = []
    for filled in done_together(
        lambda number, gaps: fill(gaps, DraftSettings(settings.seed + number, settings.steps)),
        drawn,
        # The engine batches; what computes in the thread that asks would only fight for the cores.
        settings.together if name in (DIFFUSION, FIXED) else 1,
        f"{kind}: {name}",
    ):
        done.append(filled)
        if drafts:
            _write_down(kind, name, filled, drafts)
    return done


def _write_down(kind: str, name: str, filled: Filled, drafts: TextIO) -> None:
    gaps = filled.gaps
    texts = filled.texts or [None] * len(gaps.holes)
    line = {
        "kind": kind,
        "method": name,
        "name": gaps.report.name,
        "report": gaps.report.text,
        "gaps": [
            {**asdict(hole), "original": was, "drafted": text}
            for hole, was, text in zip(gaps.holes, gaps.originals, texts, strict=True)
        ],
        "written": filled.written,
        "locked_text_unchanged": filled.unchanged,
        "cut_off": filled.cut_off,
    }
    try:
        drafts.write(json.dumps(line, ensure_ascii=False) + "\n")
        drafts.flush()
    except OSError as error:
        raise EvaluationError(f"The drafts cannot be written: {error.strerror}.") from error
