"""Batches for training: which pictures, what is painted on them, what is asked of each. Made by worker processes.

Of every picture that has a case a report is asked for, cut in several ways, and of every picture a question. Painting
and seeing a picture is over half of the arithmetic of a step with one report of each (on a CPU 0.64 of 1.05 s); with
two cuts and a question, which share the picture, and the cuts its encoded prefix too, a step is 1.4 times as long and
has three times as many examples. This module knows nothing of networks; how a task becomes arrays is the objective's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerFast

from drafting.study import StudyFacts
from model.network.prefix import instruction
from model.synthetic.cases import (
    LABELS,
    REPORTED,
    SIDES,
    SOURCES,
    Case,
    Lung,
    case_to_array,
    labels_of,
    sample_case,
    visible,
)
from model.synthetic.grammar import write_report
from model.synthetic.questions import NO, YES, Asked, as_answer, question_of_labels, questions_of
from model.synthetic.radiographs import Question, Radiographs, labelled_case, source_case
from model.synthetic.strange import frontal_question
from model.training.sight.readings import WHOLE, Readings, completed
from model.training.small.fresh import fresh_tokenizer
from model.training.small.tasks import Task, Words, facts_of, not_frontal_task, question_task, report_task, told_task

Arrays: TypeAlias = Mapping[str, "NDArray[Any]"]
Lay: TypeAlias = Callable[[Sequence[Task], Words, Random], "Arrays | None"]
"""(tasks that share their user's turn, words, random) -> their arrays; None where one does not fit."""

# Tries to lay out a task before the batch is given up: each fails seldom, so that so many in a row mean a fault.
MOST_TRIES = 200


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a batch is made of, as shares of its pictures; the rest are adults with painted findings.

    `real`: real pictures of adults as they are, whose reports say what is known of them. `children`: real pictures of
    children, as they are. `strange`: pictures that are no frontal chest radiographs, half of them of nothing at all,
    whose reports say so. `labelled`: real pictures of which labels or answers are known, asked about only. Of the
    tasks, `without_image`: those whose image is not given; `hinted`: those whose gaps have hints; `told`: painted
    pictures that show less than their report, which a locked sentence tells; `projection`: how often it is asked
    whether a picture is a frontal chest radiograph.
    """

    real: float = 0.34
    children: float = 0.07
    strange: float = 0.05
    labelled: float = 0.06
    without_image: float = 0.05
    hinted: float = 0.2
    told: float = 0.2
    projection: float = 0.04


A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class HostBatch(Generic[A]):
    """A batch as the workers hand it over, all arrays with the batch first.

    `index` (pictures,) chooses radiographs and `cases` (painted, fields) says what to paint on the first of them;
    `empty` (pictures,) bool. `labels`: (pictures, len(LABELS)) probabilities, or -1 where unknown. `reports` and
    `questions` are the objective's arrays, a row a picture: reports of the first pictures, a question of every picture.
    """

    index: A
    cases: A
    empty: A
    labels: A
    reports: Mapping[str, A]
    questions: Mapping[str, A]

    def each(self, change: Callable[[A], B]) -> HostBatch[B]:
        """The same with every array changed."""
        return HostBatch(
            change(self.index),
            change(self.cases),
            change(self.empty),
            change(self.labels),
            {name: change(array) for name, array in self.reports.items()},
            {name: change(array) for name, array in self.questions.items()},
        )

    def arrays(self) -> list[A]:
        """Every array, always in the same order."""
        return [
            *(self.index, self.cases, self.empty, self.labels),
            *(group[name] for group in (self.reports, self.questions) for name in sorted(group)),
        ]


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is known of the radiographs, less their pixels: sources, labels, facts and questions, by picture.

    `labels`: (count, len(LABELS)) int8, what reports and questions say, 1, 0 or -1 where unknown; `soft`: the same as
    the label head learns it, probabilities, or -1. `chest`: (count,) whether the picture is a chest radiograph.
    """

    sources: NDArray[np.int64]
    labels: NDArray[np.int8]
    soft: NDArray[np.float32]
    chest: NDArray[np.bool_]
    facts: tuple[StudyFacts, ...]
    questions: tuple[Question, ...]

    @classmethod
    def of(cls, radiographs: Radiographs, readings: Readings | None = None) -> Pictures:
        """`readings`: what completes the collections' labels."""
        if readings is None:
            labels, soft = radiographs.labels, radiographs.labels.astype(np.float32)
        else:
            labels, soft = completed(radiographs, readings)
        return cls(radiographs.sources, labels, soft, radiographs.chest, radiographs.facts, radiographs.questions)

    @property
    def asked_about(self) -> dict[int, tuple[Question, ...]]:
        """The collections' own questions, by picture."""
        asked: dict[int, list[Question]] = {}
        for question in self.questions:
            asked.setdefault(question.picture, []).append(question)
        return {picture: tuple(own) for picture, own in asked.items()}


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One picture of a batch.

    `case`: what its report says, None where there is none to say; `shown`: what is painted; `labels`: what is known of
    the picture; `empty`: nothing is shown; `strange`: it is no frontal chest radiograph.
    """

    picture: int
    case: Case | None
    labels: NDArray[np.float32]
    shown: Case | None = None
    empty: bool = False
    strange: bool = False


class Examples(IterableDataset["HostBatch[NDArray[Any]]"]):
    """Endless batches of `size` pictures; the same seed and first batch give the same ones, with any workers.

    `cuts`: in how many ways a picture's report is cut. `process` of so many `processes` takes of every step the batch
    that is its own; `first`: the first step. Raises ValueError where there are no radiographs of adults to paint on.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        pictures: Pictures,
        mixture: Mixture,
        size: int,
        cuts: int,
        lay_report: Lay,
        lay_question: Lay,
        seed: int,
        first: int,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self._tokenizer = tokenizer
        self._pictures = pictures
        self._mixture = mixture
        self._lay_report = lay_report
        self._lay_question = lay_question
        self._cuts = cuts
        self._seed = seed
        self._first = first
        self._process, self._processes = process, processes
        words = Words(tokenizer)
        self._asked = {
            picture: fitting
            for picture, own in pictures.asked_about.items()
            if (
                fitting := [
                    each for each in own if lay_question([self._own(picture, each)], words, Random(0)) is not None
                ]
            )
        }
        self._adults = self._of("adult_normal")
        self._children = [self._of("child_normal"), self._of("child_pneumonia")]
        others = [self._of(source) for source in SOURCES if source not in REPORTED]
        self._labelled = [[picture for picture in own if self._can_be_asked(picture)] for own in others]
        self._real, self._real_sums = self._reportable()
        self._strange = [picture for picture in self._of("vqa_rad") if not pictures.chest[picture]]
        self._beside = {number: self._of(source) for number, source in enumerate(SOURCES)}
        if not self._adults:
            raise ValueError("The pack has no radiographs of adults to paint on.")
        # Of each kind as many in every batch, so that which pictures are painted on is known ahead.
        self._counts = {
            "real": round(size * mixture.real) if self._real else 0,
            "children": round(size * mixture.children) if any(self._children) else 0,
            "strange": round(size * mixture.strange),
            "labelled": round(size * mixture.labelled) if any(self._labelled) else 0,
        }
        self._counts = {"painted": size - sum(self._counts.values()), **self._counts}

    def __iter__(self) -> Iterator[HostBatch[NDArray[Any]]]:
        worker = get_worker_info()
        # A step has a batch for every process, of which this one's own is taken.
        number = ((worker.id if worker else 0) + self._first) * self._processes + self._process
        stride = (worker.num_workers if worker else 1) * self._processes
        words = Words(self._tokenizer)
        while True:
            yield self.batch(words, Random(self._seed * 1_000_003 + number))
            number += stride

    def batch(self, words: Words, random: Random) -> HostBatch[NDArray[Any]]:
        drawn: list[_Drawn] = []
        reports: list[Arrays] = []
        questions: list[Arrays] = []
        # In this order: what is painted first, what has no report last.
        draw = {
            "painted": self._painted_drawn,
            "real": self._real_drawn,
            "children": self._child_drawn,
            "strange": self._strange_drawn,
            "labelled": self._labelled_drawn,
        }
        for kind in (kind for kind, count in self._counts.items() for _ in range(count)):
            one = draw[kind](random)
            drawn.append(one)
            if kind != "labelled":
                reports.append(self._laid(partial(self._reports, one, random), self._lay_report, words, random))
            questions.append(self._laid(partial(self._question, one, random), self._lay_question, words, random))
        return HostBatch(
            index=np.array([one.picture for one in drawn]),
            cases=case_to_array([one.shown for one in drawn if one.shown is not None]),
            empty=np.array([one.empty for one in drawn]),
            labels=np.stack([one.labels for one in drawn]),
            reports=_stacked(reports),
            questions=_stacked(questions),
        )

    def _of(self, source: str) -> list[int]:
        return [int(row) for row in np.flatnonzero(self._pictures.sources == SOURCES.index(source))]

    def _can_be_asked(self, picture: int) -> bool:
        return picture in self._asked or bool((self._pictures.labels[picture] >= 0).any())

    def _sees(self, random: Random) -> bool:
        return random.random() >= self._mixture.without_image

    def _reportable(self) -> tuple[list[int], list[float]]:
        """The real pictures of which enough is known for a report, and sums of how often each is drawn.

        Rare findings are drawn more often, by the root of how rare they are.
        """
        own = [row for source in SOURCES if source not in REPORTED for row in self._of(source)]
        rows = [row for row in own if labelled_case(self._pictures.labels[row]) is not None]
        there = self._pictures.labels[rows][:, _WHOLE] == 1
        counts = there.sum(axis=0).clip(1)
        nothing = ~there.any(axis=1)
        weights = (there / np.sqrt(counts)).sum(axis=1) + nothing / max(float(nothing.sum()), 1.0) ** 0.5
        return rows, np.cumsum(weights).tolist()

    def _painted_drawn(self, random: Random) -> _Drawn:
        case = sample_case(random)
        told = case.has_finding and random.random() < self._mixture.told
        shown = _shown_of(case, random) if told else case
        return _Drawn(random.choice(self._adults), case, labels_of([shown])[0], shown=shown)

    def _real_drawn(self, random: Random) -> _Drawn:
        picture = random.choices(self._real, cum_weights=self._real_sums)[0]
        return _Drawn(picture, self._real_case(picture, random), self._pictures.soft[picture])

    def _child_drawn(self, random: Random) -> _Drawn:
        picture = random.choice(random.choice([kind for kind in self._children if kind]))
        case = source_case(int(self._pictures.sources[picture]), random)
        return _Drawn(picture, case, labels_of([case])[0])

    def _strange_drawn(self, random: Random) -> _Drawn:
        empty = not self._strange or random.random() < 0.5
        picture = random.choice(self._adults if empty else self._strange)
        return _Drawn(picture, None, _NOTHING_KNOWN, empty=empty, strange=True)

    def _real_case(self, picture: int, random: Random) -> Case:
        case = labelled_case(self._pictures.labels[picture])
        assert case is not None
        facts = self._header(picture, random)
        return replace(case, age=facts.age, sex=facts.sex, view=facts.view)

    def _header(self, picture: int, random: Random) -> StudyFacts:
        """What the header of another picture of the collection tells.

        Who is old, and taken in bed, is ill more often: with the picture's own header its findings would be guessed
        without a look.
        """
        return self._pictures.facts[random.choice(self._beside[int(self._pictures.sources[picture])])]

    def _labelled_drawn(self, random: Random) -> _Drawn:
        """A picture of a collection with labels or questions."""
        picture = _of_any(self._labelled, random)
        return _Drawn(picture, None, self._pictures.soft[picture])

    def _reports(self, one: _Drawn, random: Random) -> list[Task]:
        if one.case is None:
            facts = self._header(random.choice(self._adults), random)
            return [not_frontal_task(facts, random) for _ in range(self._cuts)]
        if one.shown is not None and one.shown is not one.case:
            return [told_task(one.case, one.shown, random) for _ in range(self._cuts)]
        sees = self._sees(random)
        if random.random() < self._mixture.hinted:
            # The cuts of a picture share their prefix, and hints stand in it: one cut, with other widths and noise.
            return [report_task(one.case, sees, random, with_hints=True)] * self._cuts
        return [report_task(one.case, sees, random) for _ in range(self._cuts)]

    def _question(self, one: _Drawn, random: Random) -> list[Task]:
        if one.strange:
            own = self._asked.get(one.picture, ())
            if own and not one.empty and random.random() < 0.3:
                return [self._own(one.picture, random.choice(own))]
            return [question_task(StudyFacts(), "", (frontal_question(random), NO), sees=True)]
        if one.case is not None:
            told = facts_of(one.case)
            if random.random() < self._mixture.projection:
                return [question_task(told, "", (frontal_question(random), YES), sees=True)]
            indication = one.case.indication or "" if random.random() < 0.5 else ""
            asked = questions_of(visible(one.shown or one.case), random)
            return [question_task(told, indication, asked, self._sees(random))]
        own = self._asked.get(one.picture, ())
        of_labels = question_of_labels(self._pictures.labels[one.picture], random)
        if of_labels is None or (own and random.random() < 0.8):
            return [self._own(one.picture, random.choice(own))]
        return [question_task(self._header(one.picture, random), "", of_labels, sees=True)]

    def _own(self, picture: int, question: Question) -> Task:
        """A collection's own question about a picture."""
        asked = question.text, as_answer(question.answer)
        return question_task(self._pictures.facts[picture], "", asked, sees=True)

    def _laid(self, make: Callable[[], list[Task]], lay: Lay, words: Words, random: Random) -> Arrays:
        for _ in range(MOST_TRIES):
            laid = lay(make(), words, random)
            if laid is not None:
                return laid
        raise ValueError(f"None of {MOST_TRIES} questions about a picture fits: {make()}")


_WHOLE = [LABELS.index(finding) for finding in WHOLE]
_NOTHING_KNOWN = np.full(len(LABELS), -1, dtype=np.float32)


def _shown_of(case: Case, random: Random) -> Case:
    """The case without one or more of its findings, as a picture that does not show what is known otherwise."""
    lungs = {}
    for side in SIDES:
        lung = case.lung(side)
        kept = {name: value for name in _LUNG_FIELDS if (value := getattr(lung, name)) and random.random() < 0.5}
        lungs[side] = Lung(**kept)
    heart = case.cardiomegaly if random.random() < 0.5 else 0
    edema = case.edema if random.random() < 0.5 else 0
    return replace(case, right=lungs["right"], left=lungs["left"], cardiomegaly=heart, edema=edema)


_LUNG_FIELDS = ("effusion", "pneumothorax", "atelectasis", "opacities", "nodules")


def _of_any(collections: Sequence[Sequence[int]], random: Random) -> int:
    """A picture of one of the collections, which weigh as the roots of their sizes."""
    kinds = [kind for kind in collections if kind]
    return random.choice(random.choices(kinds, [len(kind) ** 0.5 for kind in kinds])[0])


def _stacked(rows: Sequence[Arrays]) -> Arrays:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def learn_tokenizer(vocabulary: int, reports: int, seed: int, questions: Sequence[Question]) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `vocabulary` tokens, learned from so many written reports, from questions about their
    cases, the instructions that go with both, and a collection's own questions."""
    random = Random(seed)
    texts: list[str] = []
    for _ in range(reports):
        case = sample_case(random)
        told, indication = facts_of(case), case.indication or ""
        asked: Asked = questions_of(visible(case), random)
        texts += [write_report(case, random).text, instruction(told, indication)]
        texts += [instruction(told, indication, asked[0]), asked[1]]
    for question in questions:
        # As often as they are asked: one of ten questions is of a collection's own.
        texts += [instruction(StudyFacts(), "", question.text), as_answer(question.answer)]
    return fresh_tokenizer(texts, vocabulary)
