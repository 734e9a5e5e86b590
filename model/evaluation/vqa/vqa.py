"""`python -m model evaluate vqa`: questions about held-out radiographs, answered in words.

Questions from the painted truth, and those of VQA-RAD (Lau et al., Scientific Data 2018;5:180251) about its held-out
images. Two controls: a blank image, and the image of another study. Answers are compared after lower-casing, without
punctuation and articles, as is usual for this collection; no judge reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, TextIO

import numpy as np
from numpy.typing import NDArray

from drafting.engine import DraftSettings, Engine
from drafting.study import StudyFacts
from model.evaluation.reading.wordwise import is_same, token_f1
from model.evaluation.record import Row, done_together
from model.evaluation.reports.studies import Labelled, adults, finished
from model.evaluation.statistics import pooled
from model.synthetic.questions import YES_OR_NO, questions_of
from model.synthetic.radiographs import Radiographs

if TYPE_CHECKING:
    from model.network.sibling import Sibling

QUESTIONS_A_PICTURE = 4
BY_SIBLING = "its own image, autoregressive sibling"

Answer = Callable[[Labelled, str, DraftSettings], str]


@dataclass(frozen=True, slots=True)
class VqaSettings:
    """`limit`: painted pictures with some questions each. `blank`: pictures with their questions for each control."""

    limit: int = 150
    blank: int = 80
    seed: int = 0
    steps: int | None = None
    together: int = 1


@dataclass(frozen=True, eq=False)
class _Asked:
    """A picture with its questions, each with its answer and whether it is closed."""

    study: Labelled
    questions: tuple[tuple[str, str, bool], ...]

    def seeing(self, picture: NDArray[np.uint8]) -> _Asked:
        return replace(self, study=replace(self.study, picture=picture))


def evaluate_vqa(
    engine: Engine,
    radiographs: Radiographs,
    settings: VqaSettings,
    drafts: TextIO | None = None,
    sibling: Sibling | None = None,
) -> list[Row]:
    """The rows of the evaluation; every answer goes to `drafts` as a line of JSON."""

    def drafted(study: Labelled, question: str, chosen: DraftSettings) -> str:
        seen = study.study
        try:
            return "".join(finished(engine.answer(seen, question, chosen)).texts.values())
        finally:
            engine.release(seen)

    def by_sibling(study: Labelled, question: str, _: DraftSettings) -> str:
        assert sibling is not None
        return sibling.answer(study.study, question)

    rows: list[Row] = []
    for images, asked in (
        ("adults, findings painted in", _painted(radiographs, settings)),
        ("VQA-RAD, held-out chest radiographs", _collected(radiographs, chest=True)),
        ("VQA-RAD, held-out images of other parts", _collected(radiographs, chest=False)),
    ):
        if not asked:
            continue
        few = asked[: settings.blank]
        subjects: list[tuple[str, list[_Asked], Answer]] = [
            ("its own image", asked, drafted),
            ("blank image", [one.seeing(one.study.blank().picture) for one in few], drafted),
            ("another's image", [one.seeing(other.study.picture) for one, other in _shifted(few)], drafted),
        ]
        if sibling:
            subjects.append((BY_SIBLING, asked, by_sibling))
        for subject, chosen, answer in subjects:
            rows += _rows(images, subject, chosen, answer, settings, drafts)
    return rows


def _painted(radiographs: Radiographs, settings: VqaSettings) -> list[_Asked]:
    asked = []
    for number, one in enumerate(adults(radiographs, settings.limit, settings.seed)):
        random = Random(f"vqa {settings.seed} {number}")
        # The same question twice tells no more.
        pairs = dict(questions_of(one.case, random) for _ in range(QUESTIONS_A_PICTURE))
        questions = tuple((question, answer, answer in YES_OR_NO) for question, answer in pairs.items())
        asked.append(_Asked(one.labelled, questions))
    return asked


def _collected(radiographs: Radiographs, chest: bool) -> list[_Asked]:
    by_picture: dict[int, list[tuple[str, str, bool]]] = {}
    for one in radiographs.questions:
        if bool(radiographs.chest[one.picture]) == chest:
            by_picture.setdefault(one.picture, []).append((one.text, one.answer, one.closed))
    return [
        _Asked(
            Labelled(str(radiographs.names[row]), radiographs.images[row, 0].numpy(), StudyFacts(), {}),
            tuple(questions),
        )
        for row, questions in by_picture.items()
    ]


def _shifted(asked: Sequence[_Asked]) -> list[tuple[_Asked, _Asked]]:
    """Each with the next one; the last with the first."""
    return list(zip(asked, [*asked[1:], *asked[:1]], strict=True))


def _rows(
    images: str,
    subject: str,
    asked: Sequence[_Asked],
    answer: Answer,
    settings: VqaSettings,
    drafts: TextIO | None,
) -> list[Row]:
    flat = [(number, question) for number, one in enumerate(asked) for question in one.questions]

    def answered(at: int, each: tuple[int, tuple[str, str, bool]]) -> str:
        number, (question, _, _) = each
        return answer(asked[number].study, question, DraftSettings(settings.seed + at, settings.steps))

    # The engine batches; what computes in the thread that asks would only fight for the cores.
    together = 1 if subject == BY_SIBLING else settings.together
    said = list(done_together(answered, flat, together, f"{images}, {subject}"))
    if drafts:
        for (number, (question, wanted, _)), text in zip(flat, said, strict=True):
            line = {"images": images, "subject": subject, "name": asked[number].study.name, "question": question}
            drafts.write(json.dumps(line | {"wanted": wanted, "said": text}, ensure_ascii=False) + "\n")
        drafts.flush()

    def measured(measure: str, closed: bool, value: Callable[[str, str], float]) -> Row:
        sums, counts = [0.0] * len(asked), [0] * len(asked)
        for (number, (_, wanted, is_closed)), text in zip(flat, said, strict=True):
            if is_closed == closed:
                sums[number] += value(wanted, text)
                counts[number] += 1
        return Row(images, subject, measure, pooled(sums, counts))

    return [
        measured("closed, exact match", True, is_same),
        measured("open, token F1", False, token_f1),
        measured("open, exact match", False, is_same),
    ]
