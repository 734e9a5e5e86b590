"""`python -m model evaluate labels`: what the model sees on held-out radiographs.

Whole drafts, read by rule and held against the truth; and questions, see `model.evaluation.vqa.yes_or_no`.
With a blank image as control: what remains then comes from the request, the header and habit, not from the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from drafting.engine import DraftSettings
from drafting.report import merge_draft, parse_markup
from model.commands import argument
from model.evaluation.engine import EvaluationEngine
from model.evaluation.reading.labeler import FINDINGS, SIDED, Finding, Mention, contradictions, read, reading
from model.evaluation.reading.wording import (
    REFERENCE_REPORTS,
    Pair,
    broken_words,
    is_broken,
    is_empty,
    known_pairs,
    known_words,
    repeats,
    written_reports,
)
from model.evaluation.record import Row
from model.evaluation.reports.studies import PICTURED, UNPICTURED, HeldOut, adults, children, truth_of
from model.evaluation.statistics import balanced, share
from model.evaluation.task import DRAFTS, MODEL, PACK, REAL, Context, DraftedSettings, Task
from model.evaluation.vqa.yes_or_no import ask_labels
from model.synthetic.cases import case_to_json, visible

EMPTY_REPORT = "FINDINGS:\n[[]]\n\nIMPRESSION:\n[[]]"
CONTROL_REPORTS = 1000


@dataclass(frozen=True, slots=True)
class LabelsSettings(DraftedSettings):
    limit: int = argument(150, "radiographs of adults")
    children: int = argument(60, "radiographs of children")
    blank: int = argument(80, "of these once more with a blank image")
    questions: int = argument(200, "radiographs of each collection to ask about")


@dataclass(frozen=True, slots=True)
class _Reference:
    """What written reports have: pairs of neighbours, and words."""

    pairs: frozenset[Pair]
    words: frozenset[str]


@dataclass(frozen=True, eq=False)
class _Read:
    """A drafted report, the text of its sections and what they say."""

    study: HeldOut
    report: str
    sections: tuple[str, ...]
    mentions: tuple[Mention, ...]
    steps: int


def measure(context: Context[LabelsSettings]) -> Iterator[list[Row]]:
    """Every draft, and every picture's scores, are written down. A word of the real reports is no broken one."""
    settings, radiographs = context.settings, context.radiographs
    written = [one.text for one in written_reports(REFERENCE_REPORTS, Random(f"reference {settings.seed}"))]
    reference = _Reference(known_pairs(written), known_words([*written, *(report.text for report in context.real)]))
    grown = adults(radiographs, settings.limit, settings.seed)
    young = children(radiographs, settings.children, settings.seed)
    for images, studies, findings in (
        ("adults, findings painted in", grown, PICTURED),
        ("adults, blank image", [study.blank() for study in grown[: settings.blank]], PICTURED),
        ("children, real pictures", young, ("opacity",)),
        ("children, blank image", [study.blank() for study in young[: settings.blank]], ("opacity",)),
    ):
        if not studies:
            continue
        reads = []
        for one in context.each(partial(_drafted, context, context.engine), studies, images):
            reads.append(one)
            line = {"images": images, "name": one.study.name, "case": case_to_json(one.study.case)}
            context.write_down(line | {"report": one.report, "steps": one.steps})
        rows = [row for finding in findings for row in _finding_rows(images, finding, reads)]
        yield [*rows, *_wording_rows(images, reads, reference), *_section_rows(images, reads)]
    control = [one.text for one in written_reports(CONTROL_REPORTS, Random(f"control {settings.seed}"))]
    of_control = "none: other reports of the grammar"
    yield [
        Row(of_control, "wording", "broken wording", share([is_broken(text, reference.pairs) for text in control])),
        Row(of_control, "wording", "a broken word", share([bool(broken_words(t, reference.words)) for t in control])),
    ]
    yield from ask_labels(context, radiographs, settings.questions, settings.blank)


def _drafted(context: Context, engine: EvaluationEngine, study: HeldOut, settings: DraftSettings) -> _Read:
    report = parse_markup(EMPTY_REPORT)
    seen = study.labelled.study
    indication = study.case.indication or ""
    draft = context.drafted(seen, lambda: engine.draft(seen, report, settings, indication))
    merged = merge_draft(report, draft.texts)
    return _Read(study, merged.text, tuple(span.text for span in merged.open_spans), read(merged.text), draft.steps)


def _finding_rows(images: str, finding: Finding, reads: Sequence[_Read]) -> list[Row]:
    # What no picture shows cannot be asked of a draft that has only the picture.
    truths = [truth_of(visible(each.study.case), finding) for each in reads]
    said = [reading(each.mentions, finding) for each in reads]
    there = [truth.there is True for truth in truths]
    absent = [truth.there is False for truth in truths]
    if not any(there) and not any(absent):
        return []
    called = [one.called for one in said]
    told = [index for index, truth in enumerate(truths) if truth.there is not None]
    rows = [
        Row(images, finding, "sensitivity", share(called, there)),
        Row(images, finding, "specificity", share([not call for call in called], absent)),
        Row(images, finding, "balanced accuracy", balanced([called[i] for i in told], [there[i] for i in told])),
    ]
    if finding in SIDED:
        sided = [
            truth.there is True and bool(truth.sides) and one.called and bool(one.sides)
            for truth, one in zip(truths, said, strict=True)
        ]
        right = [truth.sides == one.sides for truth, one in zip(truths, said, strict=True)]
        rows.append(Row(images, finding, "side right where said", share(right, sided)))
    return rows


def _wording_rows(images: str, reads: Sequence[_Read], reference: _Reference) -> list[Row]:
    def of_drafts(measure: str, hits: list[bool]) -> Row:
        return Row(images, "wording", measure, share(hits))

    twice = [any(map(repeats, each.sections)) for each in reads]
    empty = [any(map(is_empty, each.sections)) for each in reads]
    cut = [any(broken_words(text, reference.words) for text in each.sections) for each in reads]
    return [
        of_drafts("a sentence repeated, a broken word or an empty section", _any_of(twice, cut, empty)),
        of_drafts("a sentence repeated", twice),
        of_drafts("a broken word", cut),
        of_drafts("an empty section", empty),
        of_drafts("broken wording", [any(is_broken(text, reference.pairs) for text in e.sections) for e in reads]),
        of_drafts("contradicts itself", [bool(contradictions(each.mentions, each.mentions)) for each in reads]),
        of_drafts("calls what no picture shows", [_imagines(each) for each in reads]),
    ]


def _any_of(*faults: Sequence[bool]) -> list[bool]:
    return [any(each) for each in zip(*faults, strict=True)]


def _imagines(each: _Read) -> bool:
    return any(reading(each.mentions, finding).called for finding in UNPICTURED)


def _section_rows(images: str, reads: Sequence[_Read]) -> list[Row]:
    """Whether findings and impression are of one mind: 'contradicts itself' sees denials only."""
    sections = [tuple(read(text) for text in each.sections) for each in reads]
    return [
        Row(
            images, "findings and impression", "name different sides", share([_sides_differ(*two) for two in sections])
        ),
        Row(images, "findings and impression", "impression adds a finding", share([_adds(*two) for two in sections])),
    ]


def _sides_differ(findings: Sequence[Mention], impression: Sequence[Mention]) -> bool:
    pairs = [(reading(findings, finding), reading(impression, finding)) for finding in SIDED]
    return any(
        one.called and other.called and one.sides and other.sides and one.sides != other.sides for one, other in pairs
    )


def _adds(findings: Sequence[Mention], impression: Sequence[Mention]) -> bool:
    # Atelectasis beside fluid may be mentioned once.
    named = [finding for finding in FINDINGS if finding != "atelectasis"]
    return any(reading(impression, f).called and not reading(findings, f).called for f in named)


COMMAND = Task("labels", LabelsSettings, measure, (PACK, REAL, *MODEL, *DRAFTS)).command
