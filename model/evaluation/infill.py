"""`python -m model evaluate infill`: one sentence taken out of a written report and drafted again.

The report is of a held-out painted radiograph. Two questions: where the rest of the report decides what the sentence
must say, is that what is drafted; and does any drafted sentence contradict what stays locked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import TextIO

from drafting.engine import DraftSettings
from drafting.report import Report, Span, merge_draft
from model.data.grammar import Sentence, WrittenReport, write_report
from model.data.radiographs import Radiographs
from model.evaluation.labeler import ACUTE, FINDINGS, SIDED, Finding, Mention, contradictions, read, reading
from model.evaluation.labeler import sentences as sentences_of
from model.evaluation.record import Row, with_progress
from model.evaluation.statistics import median, share
from model.evaluation.studies import HeldOut, adults, run, truth_of
from model.loading import DraftingModel
from model.local_engine import LocalEngine

_SECTIONS = ("findings", "impression")


@dataclass(frozen=True, slots=True)
class InfillSettings:
    """`limit`: reports, each with a gap of either kind. `blank`: of these the first so many with a blank image."""

    limit: int = 150
    blank: int = 80
    seed: int = 0
    steps: int | None = None


@dataclass(frozen=True, eq=False)
class _Gap:
    """A report with one sentence to be drafted again. `decided`: whether the other section says what it must say."""

    study: HeldOut
    written: WrittenReport
    sentence: Sentence
    decided: bool

    @property
    def original(self) -> str:
        return self.written.text[self.sentence.start : self.sentence.end]

    @property
    def report(self) -> Report:
        text = self.written.text
        pieces = (text[: self.sentence.start], "", text[self.sentence.end :])
        return Report(
            tuple(
                Span(f"s{number}", piece, "open" if number == 1 else "locked", "radiologist")
                for number, piece in enumerate(pieces)
                if piece or number == 1
            )
        )


@dataclass(frozen=True, eq=False)
class _Filled:
    """A drafted gap. `widened`: its slot came back full and was drafted again, wider; `full`: so did the widest."""

    gap: _Gap
    text: str
    widened: bool
    full: bool
    unchanged: bool
    seconds: float
    steps: int


def evaluate_infill(
    drafting_model: DraftingModel,
    radiographs: Radiographs,
    settings: InfillSettings,
    drafts: TextIO | None = None,
) -> list[Row]:
    """The rows of the evaluation; every drafted sentence goes to `drafts` as a line of JSON."""
    engine = LocalEngine(drafting_model)
    gaps = [
        gap
        for number, study in enumerate(adults(radiographs, settings.limit, settings.seed))
        for gap in _gaps(study, Random(f"infill {settings.seed} {number}"))
    ]
    decided = [gap for gap in gaps if gap.decided]
    control = [_Gap(gap.study.blank(), gap.written, gap.sentence, gap.decided) for gap in decided[: settings.blank]]
    rows: list[Row] = []
    filled: list[_Filled] = []
    seen, blank = "adults, findings painted in", "adults, blank image"
    for images, subject, chosen in (
        (seen, "decided by the other section", decided),
        (seen, "any sentence", [gap for gap in gaps if not gap.decided]),
        (blank, "decided by the other section", control),
    ):
        done = [
            _fill(engine, gap, DraftSettings(settings.seed + number, settings.steps), subject, images, drafts)
            for number, gap in enumerate(with_progress(chosen, f"{subject} ({images})"))
        ]
        if not done:
            continue
        rows += _decided_rows(images, done) if subject.startswith("decided") else _any_rows(images, done)
        if images == seen:
            filled += done
    return rows + _run_rows(seen, filled)


def _gaps(study: HeldOut, random: Random) -> list[_Gap]:
    """A gap whose sentence the other section decides, and one of any sentence, in a report of the study's case."""
    while True:
        written = write_report(study.case, random)
        if not {sentence.section for sentence in written.sentences} >= set(_SECTIONS):
            continue
        open_to = [sentence for sentence in written.sentences if sentence.section in _SECTIONS]
        decided = [sentence for sentence in open_to if _is_decided(written, sentence)]
        if decided:
            # As often a sentence that says what is there as one that says what is not.
            positive = [s for s in decided if _called(read(written.text[s.start : s.end]))]
            first = random.choice(positive if positive and random.random() < 0.7 else decided)
            return [_Gap(study, written, first, True), _Gap(study, written, random.choice(open_to), False)]


def _is_decided(written: WrittenReport, sentence: Sentence) -> bool:
    """Whether the other section names every finding of the sentence, with its sides, or rules out what it rules out."""
    own = read(written.text[sentence.start : sentence.end])
    other = read(
        " ".join(
            written.text[s.start : s.end]
            for s in written.sentences
            if s.section in _SECTIONS and s.section != sentence.section
        )
    )
    called = _called(own)
    if called:
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


def _fill(
    engine: LocalEngine,
    gap: _Gap,
    settings: DraftSettings,
    subject: str,
    images: str,
    drafts: TextIO | None,
) -> _Filled:
    report = gap.report
    done = run(engine, gap.study, report, settings)
    merged = merge_draft(report, done.draft.texts)
    text = done.draft.texts["s1"]
    before, after = gap.written.text[: gap.sentence.start], gap.written.text[gap.sentence.end :]
    filled = _Filled(
        gap=gap,
        text=text,
        widened=done.draft.widenings > 0,
        full=bool(done.draft.full),
        unchanged=merged.text == before + text + after and merged.locked_text == report.locked_text,
        seconds=done.draft.seconds,
        steps=done.draft.steps,
    )
    if drafts:
        line = {
            "images": images,
            "kind": subject,
            "name": gap.study.name,
            "case": asdict(gap.study.case),
            "report": gap.written.text,
            "original": gap.original,
            "drafted": text,
            "widened": filled.widened,
            "full": filled.full,
        }
        drafts.write(json.dumps(line, ensure_ascii=False) + "\n")
        drafts.flush()
    return filled


def _decided_rows(images: str, done: Sequence[_Filled]) -> list[Row]:
    """What the drafted sentence says, against the one that was taken out."""
    rows: list[Row] = []
    there = [filled for filled in done if _called(read(filled.gap.original))]
    wanted = [_called(read(filled.gap.original)) for filled in there]
    said = [read(filled.text) for filled in there]
    named = [want <= _called(mentions) for want, mentions in zip(wanted, said, strict=True)]
    denied = [bool(want & _denied(mentions)) for want, mentions in zip(wanted, said, strict=True)]
    sided = [bool(want & set(SIDED)) for want in wanted]
    right = [
        all(reading(mentions, f).sides == reading(read(filled.gap.original), f).sides for f in want & set(SIDED))
        for filled, want, mentions in zip(there, wanted, said, strict=True)
    ]
    subject = "sentence that says what is there"
    rows += [
        Row(images, subject, "names every finding", share(named)),
        Row(images, subject, "denies one of them", share(denied)),
        Row(
            images,
            subject,
            "side right where named",
            share(right, [a and b for a, b in zip(named, sided, strict=True)]),
        ),
        Row(
            images,
            subject,
            "finding, negation and side right",
            share(
                [
                    name and not deny and (side or not needed)
                    for name, deny, side, needed in zip(named, denied, right, sided, strict=True)
                ]
            ),
        ),
    ]
    free = [filled for filled in done if not _called(read(filled.gap.original))]
    calls = [_called(read(filled.text)) for filled in free]
    rows += [
        Row(images, "sentence that says what is not there", "calls nothing", share([not call for call in calls])),
        Row(
            images,
            "sentence that says what is not there",
            "denies something too",
            share([not call and bool(_denied(read(filled.text))) for filled, call in zip(free, calls, strict=True)]),
        ),
        Row(
            images,
            "either sentence",
            "calls what the case has not",
            share([_invents(filled) for filled in done]),
        ),
    ]
    return rows


def _invents(filled: _Filled) -> bool:
    case = filled.gap.study.case
    return any(truth_of(case, finding).there is False for finding in _called(read(filled.text)))


def _any_rows(images: str, done: Sequence[_Filled]) -> list[Row]:
    subject = "any sentence"
    return [
        Row(images, subject, "contradicts locked text", share([_contradicts(f, f.text) for f in done])),
        Row(images, subject, "the original read the same way", share([_contradicts(f, f.gap.original) for f in done])),
        Row(images, subject, "repeats a locked sentence", share([_repeats(f) for f in done])),
        Row(images, subject, "calls what the case has not", share([_invents(f) for f in done])),
    ]


def _contradicts(filled: _Filled, text: str) -> bool:
    """Whether a sentence denies what locked text says is there, the other way round, or names the other side."""
    written, own = filled.gap.written, filled.gap.sentence
    others = [s for s in written.sentences if s is not own and s.section in _SECTIONS]
    locked = read(" ".join(written.text[s.start : s.end] for s in others))
    said = read(text)
    if contradictions(said, locked):
        return True
    # Of one section's findings the other may not name only the other side.
    across = read(" ".join(written.text[s.start : s.end] for s in others if s.section != own.section))
    return any(
        mine and theirs and not mine & theirs
        for mine, theirs in (
            (reading(said, finding).sides, reading(across, finding).sides)
            for finding in SIDED
            if reading(said, finding).called and reading(across, finding).called
        )
    )


def _repeats(filled: _Filled) -> bool:
    """Whether a drafted sentence stands in its section already, word for word."""
    written, own = filled.gap.written, filled.gap.sentence
    section = [s for s in written.sentences if s is not own and s.section == own.section]
    standing = {_plain(one) for s in section for one in sentences_of(written.text[s.start : s.end])}
    return any(_plain(one) in standing for one in sentences_of(filled.text))


def _plain(sentence: str) -> str:
    return sentence.lower().rstrip(".")


def _run_rows(images: str, done: Sequence[_Filled]) -> list[Row]:
    subject = "all gaps"
    return [
        Row(images, subject, "locked text unchanged", share([f.unchanged for f in done])),
        Row(images, subject, "slot came back full and was widened", share([f.widened for f in done])),
        Row(images, subject, "slot full at the last", share([f.full for f in done])),
        Row(images, subject, "does not end as a sentence", share([not f.text.endswith((".", "!", "?")) for f in done])),
        Row(images, subject, "exactly the sentence taken out", share([f.text == f.gap.original for f in done])),
        Row(images, subject, "seconds a draft (median)", median([f.seconds for f in done])),
        Row(images, subject, "steps a draft (median)", median([f.steps for f in done])),
    ]
