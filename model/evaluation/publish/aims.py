"""The default model's goals, compared with the rows of saved evaluations.

An aim is reached where the value itself is; the interval is shown beside it. Where it speaks of several findings, all
must reach it, and the one that is farthest off is shown. This module knows nothing of how anything was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.evaluation.record import Row
from model.evaluation.reports.methods import DIFFUSION, ORIGINAL

_PAINTED = "questions: adults, findings painted in"
_CHILDREN = "questions: children, real pictures"
_NIH = "questions: adults of ChestX-ray14, real pictures of 64 px"
_DECIDED = "gap decided by locked text, generated reports"
_REAL = "any sentence, Indiana reports without their images"
_DRAFTS = "adults, findings painted in"
_SIDES = "side right where one side has it"
_FAULTS = "a sentence repeated, a broken word or an empty section"
_F1 = "F1 of findings called or denied"


@dataclass(frozen=True, slots=True)
class Met:
    """An aim with the row that decides it, `None` where nothing was measured, and whether it is reached."""

    what: str
    aim: str
    row: Row | None
    reached: bool


@dataclass(frozen=True, slots=True)
class _Aim:
    """`wanted`: whether the aim speaks of a row; all that it speaks of must be at least, or at most, `bound`."""

    what: str
    bound: float
    at_least: bool
    wanted: Callable[[Row], bool]


def _is(images: str, subject: str, measure: str) -> Callable[[Row], bool]:
    return lambda row: (row.images, row.subject, row.measure) == (images, subject, measure)


def _all(images: str, measure: str) -> Callable[[Row], bool]:
    return lambda row: (row.images, row.measure) == (images, measure)


_AIMS = (
    _Aim(
        "gap decided by locked text: finding, side and negation agree",
        0.97,
        True,
        _is(_DECIDED, DIFFUSION, "finding, negation and side agree"),
    ),
    _Aim(
        "infilled sentence contradicts locked text, real reports",
        0.02,
        False,
        _is(_REAL, DIFFUSION, "contradicts locked text"),
    ),
    _Aim("whole drafts with a fault of wording", 0.01, False, _is(_DRAFTS, "wording", _FAULTS)),
    _Aim("simulated findings: AUROC", 0.95, True, _all(_PAINTED, "AUROC")),
    _Aim("simulated findings: side correct when present", 0.95, True, _all(_PAINTED, _SIDES)),
    _Aim("pneumonia of children: AUROC", 0.97, True, _is(_CHILDREN, "opacity", "AUROC")),
    _Aim("effusion, NIH adults: AUROC", 0.80, True, _is(_NIH, "effusion", "AUROC")),
    _Aim("cardiomegaly, NIH adults: AUROC", 0.85, True, _is(_NIH, "cardiomegaly", "AUROC")),
    _Aim("gaps cut off by their slot", 0.005, False, _is("all of these gaps", DIFFUSION, "text cut off by its slot")),
)


def held_against(rows: Sequence[Row]) -> list[Met]:
    """Every aim with what was measured."""
    met = [_met(aim, rows) for aim in _AIMS]
    return [*met, _above_baselines(rows), _blank_at_chance(rows)]


def _met(aim: _Aim, rows: Sequence[Row]) -> Met:
    told = f"at {'least' if aim.at_least else 'most'} {aim.bound:g}"
    found = [(row.estimate.value, row) for row in rows if aim.wanted(row) and row.estimate.value is not None]
    if not found:
        return Met(aim.what, told, None, False)
    value, row = (min if aim.at_least else max)(found, key=lambda each: each[0])
    return Met(aim.what, told, row, value >= aim.bound if aim.at_least else value <= aim.bound)


def _above_baselines(rows: Sequence[Row]) -> Met:
    """The diffusion model's interval must lie above that of every baseline; told with those that were measured."""
    of_all = {row.subject: row for row in rows if _all(_REAL, _F1)(row)}
    own = of_all.pop(DIFFUSION, None)
    of_all.pop(ORIGINAL, None)
    highs = [row.estimate.high for row in of_all.values() if row.estimate.high is not None]
    low = own.estimate.low if own else None
    aim = f"lower end above the upper end of: {'; '.join(of_all) or 'baselines'}"
    return Met(
        "finding-level F1 of the infilled sentence, real reports",
        aim,
        own,
        low is not None and bool(highs) and low > max(highs),
    )


def _blank_at_chance(rows: Sequence[Row]) -> Met:
    """With a blank image nine in ten intervals must hold one half: of many, one in twenty misses it by chance."""
    blank = [row for row in rows if row.images.endswith(", blank image") and row.measure == "AUROC"]
    told = [(row.estimate.value, row) for row in blank if row.estimate.value is not None]
    farthest = max(told, key=lambda each: abs(each[0] - 0.5))[1] if told else None
    at_chance = [(row.estimate.low or 0) <= 0.5 <= (row.estimate.high or 0) for _, row in told]
    return Met(
        "the same with a blank image: AUROC",
        f"9 of 10 intervals contain 0.5 ({sum(at_chance)} of {len(told)} do)",
        farthest,
        bool(told) and sum(at_chance) >= 0.9 * len(told),
    )
