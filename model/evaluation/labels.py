"""`python -m model evaluate labels`: whole drafts on held-out radiographs, read by rule and held against the truth.

With a blank image as control: what remains then comes from the request, the header and habit, not from the picture.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import TextIO

from drafting.engine import DraftSettings, Engine
from drafting.report import merge_draft, parse_markup
from model.data.radiographs import Radiographs
from model.evaluation.labeler import FINDINGS, SIDED, Finding, Mention, contradictions, read, reading
from model.evaluation.record import Row, with_progress
from model.evaluation.statistics import balanced, share
from model.evaluation.studies import HeldOut, adults, children, run, truth_of
from model.evaluation.wording import (
    REFERENCE_REPORTS,
    Pair,
    is_broken,
    is_empty,
    known_pairs,
    repeats,
    written_reports,
)

EMPTY_REPORT = "FINDINGS:\n[[]]\n\nIMPRESSION:\n[[]]"
CONTROL_REPORTS = 1000


@dataclass(frozen=True, slots=True)
class LabelsSettings:
    """How many pictures: of adults, of children, and of either the first so many again as a blank image."""

    limit: int = 150
    children: int = 60
    blank: int = 80
    seed: int = 0
    steps: int | None = None


@dataclass(frozen=True, eq=False)
class _Read:
    """A drafted report: the text of its sections and what they say."""

    study: HeldOut
    sections: tuple[str, ...]
    mentions: tuple[Mention, ...]


def evaluate_labels(
    engine: Engine, radiographs: Radiographs, settings: LabelsSettings, drafts: TextIO | None = None
) -> list[Row]:
    """The rows of the evaluation; every draft goes to `drafts` as a line of JSON."""
    known = known_pairs(written_reports(REFERENCE_REPORTS, Random(f"reference {settings.seed}")))
    grown = adults(radiographs, settings.limit, settings.seed)
    young = children(radiographs, settings.children, settings.seed)
    rows: list[Row] = []
    for images, studies, findings in (
        ("adults, findings painted in", grown, FINDINGS),
        ("adults, blank image", [study.blank() for study in grown[: settings.blank]], FINDINGS),
        ("children, real pictures", young, ("opacity",)),
        ("children, blank image", [study.blank() for study in young[: settings.blank]], ("opacity",)),
    ):
        if not studies:
            continue
        reads = [
            _drafted(engine, study, DraftSettings(settings.seed + number, settings.steps), images, drafts)
            for number, study in enumerate(with_progress(studies, images))
        ]
        for finding in findings:
            rows += _finding_rows(images, finding, reads)
        rows += [*_wording_rows(images, reads, known), *_section_rows(images, reads)]
    control = written_reports(CONTROL_REPORTS, Random(f"control {settings.seed}"))
    broken = share([is_broken(text, known) for text in control])
    return [*rows, Row("none: other reports of the grammar", "wording", "broken wording", broken)]


def _drafted(engine: Engine, study: HeldOut, settings: DraftSettings, images: str, drafts: TextIO | None) -> _Read:
    report = parse_markup(EMPTY_REPORT)
    draft = run(engine, study, report, settings).draft
    merged = merge_draft(report, draft.texts)
    if drafts:
        line = {"images": images, "name": study.name, "case": asdict(study.case), "report": merged.text}
        drafts.write(json.dumps(line | {"steps": draft.steps}, ensure_ascii=False) + "\n")
        drafts.flush()
    return _Read(study, tuple(span.text for span in merged.open_spans), read(merged.text))


def _finding_rows(images: str, finding: Finding, reads: Sequence[_Read]) -> list[Row]:
    truths = [truth_of(each.study.case, finding) for each in reads]
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


def _wording_rows(images: str, reads: Sequence[_Read], known: frozenset[Pair]) -> list[Row]:
    def of_drafts(measure: str, hits: list[bool]) -> Row:
        return Row(images, "wording", measure, share(hits))

    return [
        of_drafts("a sentence repeated", [any(map(repeats, each.sections)) for each in reads]),
        of_drafts("an empty section", [any(map(is_empty, each.sections)) for each in reads]),
        of_drafts("broken wording", [any(is_broken(text, known) for text in each.sections) for each in reads]),
        of_drafts("contradicts itself", [bool(contradictions(each.mentions, each.mentions)) for each in reads]),
    ]


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
