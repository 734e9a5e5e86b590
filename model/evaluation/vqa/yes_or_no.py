"""Yes-or-no questions about held-out radiographs: how well the likelihoods of 'Yes.' and 'No.' tell who has a finding.

The score of a picture is the difference of the two. Real labels beside painted findings, and each with a blank image
as control. This module knows nothing of reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from drafting.engine import DraftSettings
from model.evaluation.engine import EvaluationEngine
from model.evaluation.record import Row
from model.evaluation.reports.studies import HeldOut, Labelled, adults, children, labelled
from model.evaluation.statistics import auroc, share
from model.evaluation.task import Context, DraftedSettings
from model.synthetic.cases import LABELS, SIDES
from model.synthetic.questions import YES_OR_NO, canonical_question
from model.synthetic.radiographs import Radiographs

# With fewer pictures of either answer the interval tells nothing.
LEAST_OF_EITHER = 5
_SIDED = tuple(label.removesuffix("_right") for label in LABELS if label.endswith("_right"))
WHOLE_CHEST = tuple(label for label in LABELS if label.removesuffix("_right").removesuffix("_left") == label)

Scores = Mapping[str, float]


def ask_labels(
    context: Context[DraftedSettings], radiographs: Radiographs, limit: int, blank: int
) -> Iterator[list[Row]]:
    """AUROC of every finding and how often the side is right; the scores are written down, a line a picture.

    `limit`: painted pictures, and real ones of each collection; `blank`: of each the first so many once more.
    """
    seed = context.settings.seed
    painted: list[HeldOut] = adults(radiographs, limit, seed)
    young = children(radiographs, limit, seed)
    for images, studies in (
        ("adults, findings painted in", [one.labelled for one in painted]),
        ("children, real pictures", [one.labelled for one in young]),
        ("adults of ChestX-ray14, real pictures of 64 px", labelled(radiographs, "nih_labelled", limit, 0)),
        ("adults of the COVID-19 collection, real pictures", labelled(radiographs, "covid", limit, 0)),
    ):
        for seen, chosen in (
            (f"questions: {images}", studies),
            (f"questions: {images}, blank image", [study.blank() for study in studies[:blank]]),
        ):
            asked = [label for label in WHOLE_CHEST if _told(label, chosen)]
            scores = list(context.each(partial(_scored, context.engine, asked), chosen, seen))
            for study, score in zip(chosen, scores, strict=True):
                context.write_down({"images": seen, "name": study.name, "labels": study.labels, "scores": score})
            yield _rows(seen, asked, chosen, scores)


def _told(label: str, studies: Sequence[Labelled]) -> bool:
    """Whether enough pictures of either answer are there."""
    known = [study.labels[label] for study in studies if label in study.labels]
    return min(sum(known), len(known) - sum(known)) >= LEAST_OF_EITHER


def _scored(engine: EvaluationEngine, asked: Sequence[str], study: Labelled, _: DraftSettings) -> Scores:
    """The scores of these findings, and of either side where one side alone has a finding."""
    seen = study.study
    try:
        labels = [label for label in asked if label in study.labels]
        labels += [f"{label}_{side}" for label in _SIDED if _one_side(study, label) for side in SIDES]
        scores: dict[str, float] = {}
        for label in labels:
            no, yes = engine.likelihoods(seen, canonical_question(label), YES_OR_NO)
            scores[label] = yes - no
        return scores
    finally:
        engine.release(seen)


def _one_side(study: Labelled, label: str) -> bool:
    answers = [study.labels.get(f"{label}_{side}") for side in SIDES]
    return None not in answers and answers[0] != answers[1]


def _rows(images: str, asked: Sequence[str], studies: Sequence[Labelled], scores: Sequence[Scores]) -> list[Row]:
    rows = []
    for label in asked:
        known = [
            (score[label], study.labels[label]) for study, score in zip(studies, scores, strict=True) if label in score
        ]
        values, there = zip(*known, strict=True)
        rows.append(Row(images, _spoken(label), "AUROC", auroc(values, there)))
    for label in _SIDED:
        right, left = (f"{label}_{side}" for side in SIDES)
        one_sided = [(study, score) for study, score in zip(studies, scores, strict=True) if right in score]
        if not one_sided:
            continue
        # Equal scores name no side, which is not right.
        hits = [
            score[right] > score[left] if study.labels[right] else score[left] > score[right]
            for study, score in one_sided
        ]
        rows.append(Row(images, f"side of {_spoken(label)}", "side right where one side has it", share(hits)))
    return rows


def _spoken(label: str) -> str:
    return label.replace("_", " ")
