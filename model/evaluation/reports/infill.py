"""`python -m model evaluate infill`: one sentence taken out of a report and drafted again.

Reports that the grammar wrote of held-out painted radiographs, and, where their folder is given, real ones of the
Indiana collection, without their images. Three questions: where the rest of the report decides what the sentence must
say, is that what is drafted; does a drafted sentence contradict what stays locked; does it say what the one that was
taken out said. The same gaps are filled by baselines, and the sentence that was taken out is read in the same way:
what it seems to get wrong is the reader's error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Literal, TextIO

from drafting.engine import Draft, DraftSettings, Engine
from drafting.report import Report, Span, merge_draft
from drafting.study import Study
from model.engine.layout import GAP_IN_LINE
from model.evaluation.reading.indiana import REMOVED, SECTIONS, IndianaReport
from model.evaluation.reading.labeler import ACUTE, FINDINGS, SIDED, Finding, Mention, contradictions, read, reading
from model.evaluation.reading.labeler import sentences as sentences_of
from model.evaluation.reading.wording import (
    REFERENCE_REPORTS,
    broken_words,
    is_empty,
    known_words,
    most_frequent_sentences,
    written_reports,
)
from model.evaluation.record import Row, done_together
from model.evaluation.reports.studies import PICTURED, HeldOut, Labelled, adults, finished, truth_of
from model.evaluation.statistics import f1, median, paired_difference, share
from model.network.loading import DraftingModel
from model.synthetic.cases import Case, case_to_json
from model.synthetic.grammar import Sentence, WrittenReport, write_report
from model.synthetic.radiographs import Radiographs
from model.training.small.hints import hint_of

if TYPE_CHECKING:
    from model.network.sibling import Sibling

# What an impression never leaves out.
_MAIN = frozenset(PICTURED) - {"device"}

DIFFUSION = "diffusion"
FREQUENT = "most frequent sentence"
ORIGINAL = "the sentence taken out"
UNTOLD = "diffusion, without the hint"
TOLD = "diffusion, with the hint"
# As `Sibling.fill` calls them, and as the tables do.
SIBLINGS: tuple[tuple[Literal["left", "both"], str], ...] = (
    ("left", "autoregressive, text before the gap"),
    ("both", "autoregressive, both sides in the prompt"),
)


@dataclass(frozen=True, slots=True)
class InfillSettings:
    """`limit`: reports, each with a gap of either kind. `blank`: of these the first so many with a blank image.

    `real`: real reports, with one gap each. `together`: drafts under way at a time.
    """

    limit: int = 150
    blank: int = 80
    real: int = 300
    seed: int = 0
    steps: int | None = None
    together: int = 1


@dataclass(frozen=True, eq=False)
class Gap:
    """A report with one sentence, `text[start:end]`, to be drafted again.

    `standing`: the sentences that stay locked in findings and impression, each with its section. `decided`: whether the
    other section says what the sentence must say. Without a `study` there is no image; without a `case` no truth.
    `hint`: what a person might say of the sentence, empty where nobody would; the report holds it if `told`.
    """

    name: str
    text: str
    start: int
    end: int
    section: str
    standing: tuple[tuple[str, str], ...]
    study: Labelled | None = None
    case: Case | None = None
    decided: bool = False
    hint: str = ""
    told: bool = False

    @property
    def original(self) -> str:
        return self.text[self.start : self.end]

    @property
    def report(self) -> Report:
        pieces = (self.text[: self.start], "", self.text[self.end :])
        return Report(
            tuple(
                Span(f"s{number}", piece, "locked", "radiologist")
                if number != 1
                else Span("s1", piece, "open", "radiologist", hint=self.hint if self.told else "")
                for number, piece in enumerate(pieces)
                if piece or number == 1
            )
        )

    def blank(self) -> Gap:
        return replace(self, study=self.study.blank() if self.study else None)


@dataclass(frozen=True, eq=False)
class Filled:
    """A gap with the sentence that a method put there, and the draft where it has one."""

    gap: Gap
    text: str
    draft: Draft | None = None

    @property
    def unchanged(self) -> bool:
        """Whether all text but the gap's is what it was."""
        gap, report = self.gap, self.gap.report
        merged = merge_draft(report, {"s1": self.text})
        whole = gap.text[: gap.start] + self.text + gap.text[gap.end :]
        return merged.text == whole and merged.locked_text == report.locked_text


Fill = Callable[[Gap, DraftSettings], Filled]


@dataclass(frozen=True, slots=True)
class _Judge:
    """What the wording is held against, and where the filled gaps are written down."""

    words: frozenset[str]
    settings: InfillSettings
    drafts: TextIO | None


def evaluate_infill(
    engine: Engine,
    drafting_model: DraftingModel,
    radiographs: Radiographs,
    settings: InfillSettings,
    drafts: TextIO | None = None,
    sibling: Sibling | None = None,
    real: Sequence[IndianaReport] = (),
) -> list[Row]:
    """The rows of the evaluation; every filled gap goes to `drafts` as a line of JSON.

    `drafting_model`: the engine's, which tells the room for a report.
    """
    written = written_reports(REFERENCE_REPORTS, Random(f"reference {settings.seed}"))
    known = known_words([*(one.text for one in written), *(one.text for one in real)])
    judge = _Judge(known, settings, drafts)
    fills = _fills(engine, sibling, most_frequent_sentences(written))
    gaps = [
        gap
        for number, study in enumerate(adults(radiographs, settings.limit, settings.seed))
        for gap in written_gaps(study, Random(f"infill {settings.seed} {number}"))
    ]
    decided = [gap for gap in gaps if gap.decided]
    free = [gap for gap in gaps if not gap.decided]
    blank = [gap.blank() for gap in decided[: settings.blank]]
    taken = real_gaps(real, settings.real, settings.seed, lambda gap: _fits(drafting_model, gap))
    rows: list[Row] = []
    drafted: list[Filled] = []
    for images, chosen, names, rows_of in (
        ("gap decided by locked text, generated reports", decided, tuple(fills), _decided_rows),
        ("gap decided by locked text, generated reports, blank image", blank, (DIFFUSION,), _decided_rows),
        ("any sentence, generated reports", free, tuple(fills), _any_rows),
        ("any sentence, Indiana reports without their images", taken, tuple(fills), _real_rows),
    ):
        if not chosen:
            continue
        for name in names:
            # A baseline has nothing to learn from how the sentence that was taken out fills a decided gap.
            if name == ORIGINAL and rows_of is _decided_rows:
                continue
            filled = _filled(images, name, fills[name], chosen, judge)
            rows += rows_of(images, name, filled, judge)
            if name == DIFFUSION:
                drafted += filled
    hintable = [gap for gap in free if gap.hint and statements(gap.original)]
    if hintable and engine.heeds_hints:
        images = "any sentence of which a hint can be given, generated reports"
        untold, told = (
            _filled(images, name, fills[DIFFUSION], [replace(gap, told=name == TOLD) for gap in hintable], judge)
            for name in (UNTOLD, TOLD)
        )
        rows += _hint_rows(images, untold, told)
    return rows + _run_rows(drafted)


def written_gaps(study: HeldOut, random: Random) -> list[Gap]:
    """A gap whose sentence the other section decides, and one of any sentence, in a report of the study's case."""
    while True:
        written = write_report(study.case, random)
        if not {sentence.section for sentence in written.sentences} >= set(SECTIONS):
            continue
        open_to = [sentence for sentence in written.sentences if sentence.section in SECTIONS]
        decided = [sentence for sentence in open_to if _is_decided(written, sentence)]
        if decided:
            # As often a sentence that says what is there as one that says what is not.
            positive = [s for s in decided if _called(read(written.text[s.start : s.end]))]
            first = random.choice(positive if positive and random.random() < 0.7 else decided)
            second = random.choice(open_to)
            hint = hint_of(written.text[second.start : second.end], [second], random)
            return [
                _written_gap(study, written, first, True),
                replace(_written_gap(study, written, second, False), hint=hint),
            ]


def _written_gap(study: HeldOut, written: WrittenReport, sentence: Sentence, decided: bool) -> Gap:
    standing = tuple(
        (s.section, written.text[s.start : s.end])
        for s in written.sentences
        if s is not sentence and s.section in SECTIONS
    )
    return Gap(
        study.name,
        written.text,
        sentence.start,
        sentence.end,
        sentence.section,
        standing,
        study.labelled,
        study.case,
        decided,
    )


def real_gaps(
    reports: Sequence[IndianaReport], limit: int, seed: int, fits: Callable[[Gap], bool] = lambda gap: True
) -> list[Gap]:
    """At most `limit` gaps, one a report: a sentence drawn from those from which nothing was removed."""
    shuffled = list(reports)
    Random(f"real {seed}").shuffle(shuffled)
    gaps: list[Gap] = []
    for report in shuffled:
        random = Random(f"real {seed} {report.number}")
        whole = [part for part in report.parts if REMOVED not in report.words_of(part)]
        if not whole:
            continue
        part = random.choice(whole)
        standing = tuple((other.section, report.words_of(other)) for other in report.parts if other is not part)
        gap = Gap(f"CXR{report.number}", report.text, part.start, part.end, part.section, standing)
        if fits(gap):
            gaps.append(gap)
        if len(gaps) == limit:
            break
    return gaps


def _fits(drafting_model: DraftingModel, gap: Gap) -> bool:
    """Whether the canvas holds the locked text and a gap of the usual width."""
    locked = gap.text[: gap.start] + gap.text[gap.end :]
    tokens = len(drafting_model.tokenizer(locked, add_special_tokens=False)["input_ids"])
    room = drafting_model.canvas_length - len(drafting_model.before) - len(drafting_model.after)
    return tokens + GAP_IN_LINE <= room


def _fills(engine: Engine, sibling: Sibling | None, frequent: Mapping[str, str]) -> dict[str, Fill]:
    """The methods that fill a gap, by name."""

    def diffusion(gap: Gap, settings: DraftSettings) -> Filled:
        indication = gap.case.indication if gap.case else None
        with_image = gap.study.study if gap.study else None
        try:
            draft = finished(engine.draft(with_image, gap.report, settings, indication or ""))
        finally:
            if with_image:
                engine.release(with_image)
        return Filled(gap, draft.texts["s1"], draft)

    def autoregressive(sides: Literal["left", "both"], own: Sibling) -> Fill:
        def fill(gap: Gap, settings: DraftSettings) -> Filled:
            with_image: Study | None = gap.study.study if gap.study else None
            indication = gap.case.indication if gap.case else None
            return Filled(gap, own.fill(with_image, gap.report, sides, settings, indication or ""))

        return fill

    fills: dict[str, Fill] = {DIFFUSION: diffusion}
    if sibling:
        fills |= {name: autoregressive(sides, sibling) for sides, name in SIBLINGS}
    fills[FREQUENT] = lambda gap, _: Filled(gap, frequent[gap.section])
    fills[ORIGINAL] = lambda gap, _: Filled(gap, gap.original)
    return fills


def _filled(images: str, name: str, fill: Fill, gaps: Sequence[Gap], judge: _Judge) -> list[Filled]:
    settings, done = judge.settings, []
    for filled in done_together(
        lambda number, gap: fill(gap, DraftSettings(settings.seed + number, settings.steps)),
        gaps,
        # The engine batches; what computes in the thread that asks would only fight for the cores.
        settings.together if name in (DIFFUSION, UNTOLD, TOLD) else 1,
        f"{images}: {name}",
    ):
        done.append(filled)
        if judge.drafts:
            gap, draft = filled.gap, filled.draft
            line = {
                "images": images,
                "method": name,
                "name": gap.name,
                "case": case_to_json(gap.case) if gap.case else None,
                "report": gap.text,
                "original": gap.original,
                "drafted": filled.text,
                "widened": draft.widenings if draft else None,
                "full": bool(draft.full) if draft else None,
            }
            judge.drafts.write(json.dumps(line, ensure_ascii=False) + "\n")
            judge.drafts.flush()
    return done


# What the sentences say


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
    called = _called(own)
    if called:
        if called & _called(same) or (sentence.section == "impression" and not called <= _MAIN):
            return False
        return all(
            reading(other, finding).called and reading(other, finding).sides == reading(own, finding).sides
            for finding in called
        )
    denied = _denied(own)
    if "acute disease" in denied:
        return not _called(other) & set(ACUTE) and len(_denied(other) & set(ACUTE)) >= 2
    return bool(denied & set(ACUTE)) and "acute disease" in _denied(other)


def _called(mentions: Sequence[Mention]) -> set[Finding]:
    return {finding for finding in FINDINGS if reading(mentions, finding).called}


def _denied(mentions: Sequence[Mention]) -> set[Finding]:
    return {finding for finding in FINDINGS if reading(mentions, finding).presence == "absent"}


def statements(text: str) -> set[tuple[Finding, bool]]:
    """The findings of which a text says something, each with whether it is called."""
    mentions = read(text)
    return {(finding, True) for finding in _called(mentions)} | {(finding, False) for finding in _denied(mentions)}


def contradicts(gap: Gap, text: str) -> bool:
    """Whether a sentence denies what locked text says is there, the other way round, or names the other side."""
    said = read(text)
    if contradictions(said, read(" ".join(sentence for _, sentence in gap.standing))):
        return True
    # Of one section's findings the other may not name only the other side.
    across = read(" ".join(sentence for section, sentence in gap.standing if section != gap.section))
    return any(
        mine and theirs and not mine & theirs
        for mine, theirs in (
            (reading(said, finding).sides, reading(across, finding).sides)
            for finding in SIDED
            if reading(said, finding).called and reading(across, finding).called
        )
    )


def _repeats(filled: Filled) -> bool:
    """Whether a sentence stands in its section already, word for word."""
    gap = filled.gap
    standing = {_plain(one) for section, text in gap.standing if section == gap.section for one in sentences_of(text)}
    return any(_plain(one) in standing for one in sentences_of(filled.text))


def _plain(sentence: str) -> str:
    return sentence.lower().rstrip(".")


def _invents(filled: Filled) -> bool:
    case = filled.gap.case
    return case is not None and any(truth_of(case, f).there is False for f in _called(read(filled.text)))


# Rows


def _decided_rows(images: str, name: str, done: Sequence[Filled], judge: _Judge) -> list[Row]:
    """What the sentences say, against those that were taken out."""
    wanted = [read(filled.gap.original) for filled in done]
    said = [read(filled.text) for filled in done]
    calls = [_called(want) for want in wanted]
    positive = [bool(call) for call in calls]
    negative = [not each for each in positive]
    named = [call <= _called(have) for call, have in zip(calls, said, strict=True)]
    denied = [bool(call & _denied(have)) for call, have in zip(calls, said, strict=True)]
    sided = [bool(call & set(SIDED)) for call in calls]
    right = [
        all(reading(have, finding).sides == reading(want, finding).sides for finding in call & set(SIDED))
        for call, want, have in zip(calls, wanted, said, strict=True)
    ]
    silent = [not _called(have) for have in said]
    rules_out = [quiet and bool(_denied(have)) for quiet, have in zip(silent, said, strict=True)]
    agrees = [
        (name_ and not deny and side) if there else out
        for there, name_, deny, side, out in zip(positive, named, denied, right, rules_out, strict=True)
    ]
    return [
        Row(images, name, "finding, negation and side agree", share(agrees)),
        Row(images, name, "... where something is there", share(agrees, positive)),
        Row(images, name, "names every finding", share(named, positive)),
        Row(images, name, "denies one of them", share(denied, positive)),
        Row(
            images,
            name,
            "side right where named",
            share(right, [all(each) for each in zip(positive, named, sided, strict=True)]),
        ),
        Row(images, name, "calls nothing where nothing is there", share(silent, negative)),
        Row(images, name, "... and denies something too", share(rules_out, negative)),
        Row(images, name, "calls what the case has not", share([_invents(filled) for filled in done])),
    ]


def _any_rows(images: str, name: str, done: Sequence[Filled], judge: _Judge) -> list[Row]:
    return [
        Row(images, name, "contradicts locked text", share([contradicts(f.gap, f.text) for f in done])),
        *_wording_rows(images, name, done, judge),
        Row(images, name, "calls what the case has not", share([_invents(f) for f in done])),
    ]


def _hint_rows(images: str, untold: Sequence[Filled], told: Sequence[Filled]) -> list[Row]:
    """Does a sentence speak of what the one that was taken out speaks of, more often with a hint of it?"""

    def matters(text: str) -> set[Finding]:
        return {finding for finding, _ in statements(text)}

    without, hinted = ([bool(matters(f.text) & matters(f.gap.original)) for f in done] for done in (untold, told))
    measure = "speaks of a matter of the sentence taken out"
    difference = paired_difference(hinted, without, [1] * len(told)).difference
    return [
        Row(images, UNTOLD, measure, share(without)),
        Row(images, TOLD, measure, share(hinted)),
        Row(images, "more often with the hint", measure, difference),
    ]


def _real_rows(images: str, name: str, done: Sequence[Filled], judge: _Judge) -> list[Row]:
    pairs = [(statements(f.text), statements(f.gap.original)) for f in done]
    called = [({s for s in said if s[1]}, {s for s in wanted if s[1]}) for said, wanted in pairs]

    def agreement(measure: str, both: Sequence[tuple[set[tuple[Finding, bool]], set[tuple[Finding, bool]]]]) -> Row:
        hits = [len(said & wanted) for said, wanted in both]
        return Row(images, name, measure, f1(hits, [len(said) for said, _ in both], [len(want) for _, want in both]))

    return [
        Row(images, name, "contradicts locked text", share([contradicts(f.gap, f.text) for f in done])),
        agreement("F1 of findings called or denied", pairs),
        agreement("F1 of findings called", called),
        *_wording_rows(images, name, done, judge),
    ]


def _wording_rows(images: str, name: str, done: Sequence[Filled], judge: _Judge) -> list[Row]:
    return [
        Row(images, name, "repeats a locked sentence", share([_repeats(f) for f in done])),
        Row(images, name, "a broken word", share([bool(broken_words(f.text, judge.words)) for f in done])),
        Row(images, name, "no word at all", share([is_empty(f.text) for f in done])),
    ]


def _run_rows(done: Sequence[Filled]) -> list[Row]:
    images, subject = "all of these gaps", DIFFUSION
    drafts = [f.draft for f in done if f.draft]
    return [
        Row(images, subject, "locked text unchanged", share([f.unchanged for f in done])),
        Row(images, subject, "slot came back full and was widened", share([d.widenings > 0 for d in drafts])),
        Row(images, subject, "text cut off by its slot", share([bool(d.full) for d in drafts])),
        Row(images, subject, "does not end as a sentence", share([not f.text.endswith((".", "!", "?")) for f in done])),
        Row(images, subject, "exactly the sentence taken out", share([f.text == f.gap.original for f in done])),
        Row(images, subject, "steps a draft (median)", median([d.steps for d in drafts])),
    ]
