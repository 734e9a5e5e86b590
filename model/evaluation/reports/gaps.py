"""Gaps: text taken out of a report. The draw depends only on the seed, so every method fills the same gaps.

A word, a phrase of 2 to 5 words, a sentence or a section, or two, four or eight mixed ones at once; of reports that the
grammar wrote a sentence whose other section decides it, and any sentence. This module knows nothing of how gaps are
filled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from drafting.report import Report, Span
from model.engine.layout import GAP_IN_LINE
from model.evaluation.reading.indiana import REMOVED, SECTIONS, LaidReport, Part
from model.evaluation.reading.labeler import ACUTE, read, reading
from model.evaluation.reading.statements import called, denied
from model.evaluation.reports.studies import PICTURED, HeldOut, Labelled
from model.network.loading import DraftingModel
from model.synthetic.cases import Case
from model.synthetic.grammar import Sentence, WrittenReport, write_report
from model.training.small.hints import hint_of

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
_WORD = re.compile(r"\w+(?:[.'’/-]\w+)*")
# What an impression never leaves out.
_MAIN = frozenset(PICTURED) - {"device"}


@dataclass(frozen=True, slots=True)
class Hole:
    """`text[start:end]` of a report is taken out. `size`: one of the kinds."""

    start: int
    end: int
    section: str
    size: str


@dataclass(frozen=True)
class Gaps:
    """A report with holes, in order, of which no two touch.

    `decided`: whether the other section says what must stand in the hole. Without a `study` there is no image; without
    a `case` no truth. `hint`: what a person might say of the text taken out, '' where nobody would; the report holds it
    if `told`.
    """

    report: LaidReport
    holes: tuple[Hole, ...]
    study: Labelled | None = None
    case: Case | None = None
    decided: bool = False
    hint: str = ""
    told: bool = False

    @property
    def name(self) -> str:
        return self.report.name

    @property
    def original(self) -> str:
        """What was taken out of the first hole."""
        return self.originals[0]

    @property
    def section(self) -> str:
        """That of the first hole."""
        return self.holes[0].section

    def blank(self) -> Gaps:
        return replace(self, study=self.study.blank() if self.study else None)

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
            hint = self.hint if self.told and not number else ""
            spans.append(Span(f"g{number}", text, "open", "radiologist", hint=hint))
            if after:
                spans.append(Span(f"l{number + 1}", after, "locked", "radiologist"))
        return Report(tuple(spans))

    @property
    def standing(self) -> tuple[tuple[str, str], ...]:
        """The sentences that no hole touches, each with its section."""
        return tuple(
            (part.section, self.report.words_of(part))
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


def room_for_reports(model: DraftingModel) -> int:
    """How many tokens of locked text the canvas holds beside one gap of the usual width."""
    return model.canvas_length - len(model.before) - len(model.after) - GAP_IN_LINE


def tokens_of(model: DraftingModel, text: str) -> int:
    return len(model.tokenizer(text, add_special_tokens=False)["input_ids"])


def fits(model: DraftingModel, gaps: Gaps) -> bool:
    """Whether the canvas holds the locked text and a gap of the usual width."""
    return tokens_of(model, "".join(gaps.locked)) <= room_for_reports(model)


# In reports that the grammar wrote


def written_gaps(study: HeldOut, random: Random) -> list[Gaps]:
    """A gap whose sentence the other section decides, and one of any sentence, in a report of the study's case."""
    while True:
        written = write_report(study.case, random)
        if not {sentence.section for sentence in written.sentences} >= set(SECTIONS):
            continue
        open_to = [sentence for sentence in written.sentences if sentence.section in SECTIONS]
        decided = [sentence for sentence in open_to if _is_decided(written, sentence)]
        if decided:
            # As often a sentence that says what is there as one that says what is not.
            positive = [s for s in decided if called(read(written.text[s.start : s.end]))]
            first = random.choice(positive if positive and random.random() < 0.7 else decided)
            second = random.choice(open_to)
            hint = hint_of(written.text[second.start : second.end], [second], random)
            return [
                _written_gap(study, written, first, True),
                replace(_written_gap(study, written, second, False), hint=hint),
            ]


def _written_gap(study: HeldOut, written: WrittenReport, sentence: Sentence, decided: bool) -> Gaps:
    parts = tuple(Part(s.start, s.end, s.section) for s in written.sentences if s.section in SECTIONS)
    report = LaidReport(study.name, study.case.indication or "", written.text, {}, parts)
    hole = Hole(sentence.start, sentence.end, sentence.section, "a sentence")
    return Gaps(report, (hole,), study.labelled, study.case, decided)


def _is_decided(written: WrittenReport, sentence: Sentence) -> bool:
    """Whether the other section names every finding of the sentence, with its sides, or rules out what it rules out.

    Not decided is a finding that another sentence of the same section names too, since nothing is missing without it,
    and a lesser one in the impression, which may pass over it.
    """
    own = read(written.text[sentence.start : sentence.end])
    standing = [s for s in written.sentences if s is not sentence and s.section in SECTIONS]
    other, same = (
        read(" ".join(written.text[s.start : s.end] for s in standing if (s.section == sentence.section) == within))
        for within in (False, True)
    )
    calls = called(own)
    if calls:
        if calls & called(same) or (sentence.section == "impression" and not calls <= _MAIN):
            return False
        return all(
            reading(other, finding).called and reading(other, finding).sides == reading(own, finding).sides
            for finding in calls
        )
    denies = denied(own)
    if "acute disease" in denies:
        return not called(other) & set(ACUTE) and len(denied(other) & set(ACUTE)) >= 2
    return bool(denies & set(ACUTE)) and "acute disease" in denied(other)


# In real reports


def real_gaps(
    reports: Sequence[LaidReport], limit: int, seed: int, fits: Callable[[Gaps], bool] = lambda gaps: True
) -> list[Gaps]:
    """At most `limit` gaps, one a report: a sentence drawn from those from which nothing was removed.

    Their indication is not told: those of the grammar's reports are worded otherwise.
    """
    shuffled = list(reports)
    Random(f"real {seed}").shuffle(shuffled)
    chosen: list[Gaps] = []
    for report in shuffled:
        random = Random(f"real {seed} {report.name}")
        whole = [part for part in report.parts if not REMOVED.search(report.words_of(part))]
        if not whole:
            continue
        part = random.choice(whole)
        hole = Hole(part.start, part.end, part.section, "a sentence")
        gaps = Gaps(replace(report, name=f"CXR{report.name}", indication=""), (hole,))
        if fits(gaps):
            chosen.append(gaps)
        if len(chosen) == limit:
            break
    return chosen


def drawn_reports(reports: Sequence[LaidReport], limit: int, seed: int, model: DraftingModel) -> list[LaidReport]:
    """At most `limit` reports, drawn, that the canvas holds with one more gap of the usual width."""
    shuffled = list(reports)
    Random(f"gaps {seed}").shuffle(shuffled)
    chosen: list[LaidReport] = []
    for report in shuffled:
        if len(chosen) == limit:
            break
        if tokens_of(model, report.text) <= room_for_reports(model):
            chosen.append(report)
    return chosen


def drawn_gaps(report: LaidReport, kind: str, seed: int) -> Gaps | None:
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


def _placed(report: LaidReport, sizes: Sequence[str], random: Random) -> list[Hole] | None:
    """A hole of each size, apart from each other; None where one finds no room among those before it."""
    taken: list[Hole] = []
    for size in sizes:
        free = [hole for hole in _candidates(report, size, random) if _apart(report.text, hole, taken)]
        if not free:
            return None
        taken.append(random.choice(free))
    return taken


def _candidates(report: LaidReport, size: str, random: Random) -> list[Hole]:
    if size == "a section":
        if len(report.sections) < len(SECTIONS):
            return []
        return [
            Hole(start, end, section, size)
            for section, (start, end) in report.sections.items()
            if not REMOVED.search(report.text[start:end]) and any(p.section == section for p in report.parts)
        ]
    holes: list[Hole] = []
    for part in report.parts:
        if REMOVED.search(report.text[part.start : part.end]):
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


def words_of(text: str) -> list[str]:
    """The words and numbers of a text in lower case, without the marks between them."""
    return [word.lower() for word in _WORD.findall(text)]
