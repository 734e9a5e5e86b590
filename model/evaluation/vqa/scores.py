"""How right the answers to questions are, and who is better.

Exact match and token F1 of closed and of open questions and of every kind, and, where there is a judge, the share that
it finds right; intervals over images. Models are compared on the same questions: McNemar's exact test where an answer
is right or wrong, a paired bootstrap over images for F1 and for every difference. This module knows nothing of where
answers and verdicts come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from model.evaluation.judge.verdict import Answered, Verdict
from model.evaluation.reading.wordwise import is_same, token_f1
from model.evaluation.record import Row
from model.evaluation.statistics import Estimate, mcnemar, paired_difference, pooled, share
from model.evaluation.vqa.answers import Said
from model.evaluation.vqa.questions import CONTROLS, OWN, Asking, Group

EXACT, F1, JUDGED = "exact match", "token F1", "right by the judge"

Verdicts = Mapping[Answered, Verdict]
_Score = Callable[[Answered], float | None]


@dataclass(frozen=True, slots=True)
class _Paired:
    """Two models' answers to the same questions; `each` tells the questions."""

    each: Sequence[Asking]
    first: Sequence[Answered]
    second: Sequence[Answered]

    def where(self, keep: Callable[[Asking], bool]) -> _Paired:
        at = [number for number, one in enumerate(self.each) if keep(one)]
        return _Paired([self.each[n] for n in at], [self.first[n] for n in at], [self.second[n] for n in at])


def answered_of(groups: Sequence[Group], said: Said) -> list[Answered]:
    """Everything that a judge has to read."""
    by_id = {each.question.id: each.question for group in groups for each in group.asked}
    return [
        Answered(by_id[id].question, by_id[id].answer, text)
        for answers in said.values()
        for id, text in answers.items()
        if id in by_id
    ]


def group_rows(group: Group, labels: Sequence[str], said: Said, verdicts: Verdicts | None) -> list[Row]:
    """The table: every model, `labels`, with every control; then the comparisons of the first with the others."""
    images, asked = group.images, group.asked
    rows: list[Row] = []
    kinds = sorted({each.question.kind for each in asked} - {""})
    for label in labels:
        for control in CONTROLS:
            each, answers = _answers(asked, said, label, control)
            if not each:
                continue
            subject = _subject(control, label)
            rows += _rows(images, subject, each, answers, verdicts)
            for kind in kinds if control == OWN else ():
                at = [number for number, one in enumerate(each) if one.question.kind == kind]
                of_kind = [each[n] for n in at], [answers[n] for n in at]
                rows += _measured(f"{images}, {kind}", subject, "", *of_kind, verdicts)
    for label in labels:
        for control in CONTROLS[1:]:
            rows += _compared(
                images,
                f"{_subject(OWN, label)} less {control}",
                _paired(asked, said, (label, OWN), (label, control)),
                verdicts,
            )
    for label in labels[1:]:
        rows += _compared(
            images, f"first model less {label}", _paired(asked, said, (labels[0], OWN), (label, OWN)), verdicts
        )
    return rows


def _subject(control: str, label: str) -> str:
    return f"{control}, {label}" if label else control


def _answers(asked: Sequence[Asking], said: Said, label: str, control: str) -> tuple[list[Asking], list[Answered]]:
    answers = said.get((label, control), {})
    each = [one for one in asked if one.question.id in answers and one.is_asked(control)]
    return each, [Answered(one.question.question, one.question.answer, answers[one.question.id]) for one in each]


def _paired(asked: Sequence[Asking], said: Said, first: tuple[str, str], second: tuple[str, str]) -> _Paired:
    one, other = (dict(zip(*_answers(asked, said, *which), strict=True)) for which in (first, second))
    both = [each for each in asked if each in one and each in other]
    return _Paired(both, [one[each] for each in both], [other[each] for each in both])


def _scores(verdicts: Verdicts | None) -> Iterator[tuple[str, _Score]]:
    yield EXACT, lambda answered: float(is_same(answered.reference, answered.answer))
    yield F1, lambda answered: token_f1(answered.reference, answered.answer)
    if verdicts is not None:
        yield JUDGED, lambda answered: _right(verdicts[answered])


def _right(verdict: Verdict) -> float | None:
    return None if verdict.right is None else float(verdict.right)


def _rows(
    images: str, subject: str, each: Sequence[Asking], answers: Sequence[Answered], verdicts: Verdicts | None
) -> list[Row]:
    rows: list[Row] = []
    for name, closed in (("closed, ", True), ("open, ", False)):
        at = [number for number, one in enumerate(each) if one.question.closed == closed]
        if at:
            rows += _measured(images, subject, name, [each[n] for n in at], [answers[n] for n in at], verdicts)
    rows += _measured(images, subject, "all, ", each, answers, verdicts)
    if verdicts is not None:
        asked = [verdicts[answered].source == "judge" for answered in answers]
        lacking = [verdicts[answered].right is None for answered in answers]
        rows.append(Row(images, subject, "read by the judge", share(asked)))
        rows.append(Row(images, subject, "of these without a verdict", share(lacking, asked)))
    return rows


def _measured(
    images: str,
    subject: str,
    name: str,
    each: Sequence[Asking],
    answers: Sequence[Answered],
    verdicts: Verdicts | None,
) -> list[Row]:
    rows = []
    for measure, score in _scores(verdicts):
        scores = [score(answered) for answered in answers]
        rows.append(Row(images, subject, f"{name}{measure}", pooled(*_by_image(each, scores))))
        if None in scores:
            # What no verdict tells could be either: the least that is right, and the most.
            for bound, value in (("at least", 0.0), ("at most", 1.0)):
                filled = [value if one is None else one for one in scores]
                rows.append(Row(images, subject, f"{name}{measure}, {bound}", pooled(*_by_image(each, filled))))
    return rows


def _by_image(each: Sequence[Asking], scores: Sequence[float | None]) -> tuple[list[float], list[int]]:
    """Per image the sum of its questions' scores, and how many have one."""
    number = {image: at for at, image in enumerate(dict.fromkeys(one.image for one in each))}
    sums, counts = [0.0] * len(number), [0] * len(number)
    for one, score in zip(each, scores, strict=True):
        if score is not None:
            sums[number[one.image]] += score
            counts[number[one.image]] += 1
    return sums, counts


def _compared(images: str, subject: str, paired: _Paired, verdicts: Verdicts | None) -> list[Row]:
    rows: list[Row] = []
    for name, of_name in (
        ("closed, ", paired.where(lambda one: one.question.closed)),
        ("open, ", paired.where(lambda one: not one.question.closed)),
        ("all, ", paired),
    ):
        for measure, score in _scores(verdicts):
            scored = [
                (each, a, b)
                for each, one, other in zip(of_name.each, of_name.first, of_name.second, strict=True)
                if (a := score(one)) is not None and (b := score(other)) is not None
            ]
            if scored:
                each_of, first, second = zip(*scored, strict=True)
                rows += _tested(images, subject, f"{name}{measure}", each_of, first, second, measure != F1)
    return rows


def _tested(
    images: str,
    subject: str,
    measure: str,
    each: Sequence[Asking],
    first: Sequence[float],
    second: Sequence[float],
    binary: bool,
) -> list[Row]:
    sums, counts = _by_image(each, first)
    tested = paired_difference(sums, _by_image(each, second)[0], counts)
    told = [(f"{measure}: difference", tested.difference), (f"{measure}: paired bootstrap, p", _p(tested.p, len(each)))]
    if binary:
        only_first, only_second, p = mcnemar([bool(one) for one in first], [bool(one) for one in second])
        told += [
            (f"{measure}: the first alone", Estimate(float(only_first), None, None, len(each))),
            (f"{measure}: the second alone", Estimate(float(only_second), None, None, len(each))),
            (f"{measure}: McNemar, p", _p(p, len(each))),
        ]
    return [Row(images, subject, name, estimate) for name, estimate in told]


def _p(value: float | None, count: int) -> Estimate:
    # Four significant digits: no p is ever rounded to 0.
    return Estimate(None if value is None else float(f"{value:.4g}"), None, None, count)
