"""`python -m model evaluate looked`: the share of the map of where the model looks on a painted finding's side.

Every report is the same and names no side, and every picture is taken once more as its mirror image, so a map that
does not depend on the picture has one half on either side. A sentence on something else is the control. This module
knows nothing of how maps are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drafting.engine import Engine
from drafting.report import Report, Span
from model.commands import argument
from model.evaluation.reading.labeler import Finding
from model.evaluation.record import Row, with_progress
from model.evaluation.reports.studies import HeldOut, adults, truth_of
from model.evaluation.statistics import mean, share
from model.evaluation.task import MODEL, PACK, Context, SeededSettings, Task
from model.synthetic.cases import Side

IMAGES = "adults, findings painted in, and their mirror images"
SENTENCES: Mapping[Finding, str] = {
    "effusion": "There is a pleural effusion.",
    "pneumothorax": "There is a pneumothorax.",
    "opacity": "There is an airspace opacity.",
    "nodule": "There is a pulmonary nodule.",
}
BEFORE = "The cardiac silhouette is normal in size."
AFTER = "The bones are intact."


@dataclass(frozen=True, slots=True)
class LookedSettings(SeededSettings):
    limit: int = argument(300, "painted radiographs to look at")


@dataclass(frozen=True, slots=True)
class _Shares:
    """Shares of the map on the finding's side, of the sentence on the finding and of the one on the heart."""

    finding: Finding
    own: float
    control: float


def measure(context: Context[LookedSettings]) -> Iterator[list[Row]]:
    """The share of the map on the finding's side, by finding and of all; chance is one half.

    Of each picture every finding of `SENTENCES` that one side alone has is looked for.
    """
    studies = adults(context.radiographs, context.settings.limit, context.settings.seed)
    shares = [found for study in with_progress(studies, "looked") for found in _looked(context.engine, study)]
    for subject, chosen in (
        *((finding, [one for one in shares if one.finding == finding]) for finding in SENTENCES),
        ("all of these", shares),
    ):
        yield [
            Row(IMAGES, subject, "map on the finding's side, its sentence", mean([one.own for one in chosen])),
            Row(IMAGES, subject, "map on that side, sentence on the heart", mean([one.control for one in chosen])),
            Row(IMAGES, subject, "more than half of the map there", share([one.own > 0.5 for one in chosen])),
        ]


def _looked(engine: Engine, study: HeldOut) -> Sequence[_Shares]:
    sides = {finding: side for finding in SENTENCES if (side := _only_side(study, finding))}
    if not sides:
        return ()
    mirror = replace(study, picture=np.ascontiguousarray(study.picture[:, ::-1]))
    # (of the study, of its mirror image) by finding and sentence: the share on the patient's right
    right = [_right_shares(engine, picture, tuple(sides)) for picture in (study, mirror)]
    found = []
    for finding, side in sides.items():
        own, control = (
            # In the mirror image the finding is on the other side.
            (straight if side == "right" else 1 - straight, 1 - turned if side == "right" else turned)
            for straight, turned in zip(*(shares[finding] for shares in right), strict=True)
        )
        found.append(_Shares(finding, sum(own) / 2, sum(control) / 2))
    return found


def _only_side(study: HeldOut, finding: Finding) -> Side | None:
    """The side that alone has the finding, None where none or both have, or nobody knows."""
    truth = truth_of(study.case, finding)
    return next(iter(truth.sides)) if truth.there and len(truth.sides) == 1 else None


def _right_shares(engine: Engine, study: HeldOut, findings: Sequence[Finding]) -> dict[Finding, tuple[float, float]]:
    """By finding, the share of the map on the patient's right: of the sentence on the finding, of that on the heart."""
    seen = study.labelled.study
    try:
        shares = {}
        for finding in findings:
            text = f"{BEFORE} {SENTENCES[finding]} {AFTER}"
            report = Report((Span("heading", "FINDINGS:\n", "locked", "template"), Span("text", text, "open", "model")))
            after = len(BEFORE) + 1
            own = engine.looked(seen, report, "text", (after, after + len(SENTENCES[finding])))
            control = engine.looked(seen, report, "text", (0, len(BEFORE)))
            shares[finding] = (right_share(own.weights), right_share(control.weights))
        return shares
    finally:
        engine.release(seen)


def right_share(weights: NDArray[np.float32]) -> float:
    """The share of a map on the patient's right, which is the picture's left; a middle column is shared."""
    columns = weights.shape[1]
    on_it = np.clip(columns / 2 - np.arange(columns), 0, 1)
    return float((weights * on_it).sum() / weights.sum())


COMMAND = Task("looked", LookedSettings, measure, (PACK, *MODEL)).command
