"""What a LoRA run learns from: lessons, and their order, which depends on data, recipe and seed and on no network.

A lesson is a picture, what is asked about it, and the wanted text. An exercise is a lesson as it is set at one place of
a run: all of its text is open, or a part of it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random

from drafting.report import Report
from drafting.study import StudyFacts
from model.engine.layout import Encode, Layout, lay_out
from model.sets.questions import QuestionSet, split_by_image
from model.sets.reports import ReportSet, SetReport
from model.synthetic.questions import as_answer
from model.training.lora.recipe import LoraRecipe, TrainingError
from model.training.small.tasks import Range, opened, phrase_ranges

# More gaps take a token or so each, because text is spelt in more pieces.
SPARE_TOKENS = 8
NO_FACTS = StudyFacts()


@dataclass(frozen=True, slots=True)
class Lesson:
    """`question` is empty where a report is wanted; `picture` is None where there is none to see."""

    id: str
    picture: Path | None
    question: str
    text: str
    facts: StudyFacts = NO_FACTS
    indication: str = ""


@dataclass(frozen=True, slots=True)
class Exercise:
    """`place`: where in the run it stands, from 0. The open spans of `report` hold the wanted text."""

    lesson: Lesson
    place: int
    report: Report


def question_lessons(questions: QuestionSet, recipe: LoraRecipe) -> list[Lesson]:
    """The questions of the recipe's part, less the images that it holds out.

    Raises TrainingError where there are none, and where an image is not there.
    """
    kept, _ = divided(questions, recipe)
    missing = kept.missing_images()
    if missing:
        raise TrainingError(f"{questions.name}: {len(missing)} images are missing, {missing[0]} among them.")
    return [
        Lesson(question.id, kept.picture(question), " ".join(question.question.split()), as_answer(question.answer))
        for question in kept.questions
        if question.question.strip() and question.answer.strip(" .")
    ]


def divided(questions: QuestionSet, recipe: LoraRecipe) -> tuple[QuestionSet, QuestionSet]:
    """The questions of the recipe's part: those that it trains on, and those about the images that it holds out.

    Raises TrainingError where it trains on none, or names an image that nothing is asked about.
    """
    of_part = tuple(question for question in questions.questions if question.part == recipe.part)
    if not of_part:
        raise TrainingError(f"{questions.name} has no part '{recipe.part}'; it has {', '.join(questions.parts)}.")
    whole = replace(questions, questions=of_part)
    if recipe.held_out:
        shares = {"kept": 1 - recipe.held_out, "held out": recipe.held_out}
        split = split_by_image(whole, shares, recipe.split_seed)
        return replace(whole, questions=split.of("kept")), replace(whole, questions=split.of("held out"))
    out = frozenset(recipe.held_out_images)
    _demand_known(questions.name, out, {question.image for question in of_part})
    kept = tuple(question for question in of_part if question.image not in out)
    return replace(whole, questions=kept), replace(whole, questions=tuple(q for q in of_part if q.image in out))


def _demand_known(name: str, out: frozenset[str], images: set[str]) -> None:
    if strange := sorted(out - images):
        raise TrainingError(f"{name} has no image {strange[0]}, which the recipe holds out.")
    if out and out == images:
        raise TrainingError(f"{name} has no image that the recipe does not hold out.")


def report_lessons(reports: ReportSet, recipe: LoraRecipe) -> list[Lesson]:
    """The reports of the recipe's part, each with its first image, less those whose images it holds out.

    Raises TrainingError as `question_lessons` does.
    """
    of_part = [report for report in reports.of(recipe.part) if report.text.strip()]
    if not of_part:
        raise TrainingError(f"{reports.name} has no report of part '{recipe.part}'; it has {', '.join(reports.parts)}.")
    if recipe.held_out:
        pictures = sorted({_seen(report) for report in of_part})
        Random(recipe.split_seed).shuffle(pictures)
        left_out = set(pictures[: round(recipe.held_out * len(pictures))])
        of_part = [report for report in of_part if _seen(report) not in left_out]
    elif recipe.held_out_images:
        out = frozenset(recipe.held_out_images)
        _demand_known(reports.name, out, {Path(_seen(report)).name for report in of_part})
        of_part = [report for report in of_part if Path(_seen(report)).name not in out]
    missing = [image for report in of_part for image in report.images[:1] if not image.is_file()]
    if missing:
        raise TrainingError(f"{reports.name}: {len(missing)} images are missing, {missing[0].name} among them.")
    return [
        Lesson(
            id=report.id,
            picture=next(iter(report.images), None),
            question="",
            text=report.text.strip(),
            facts=report.facts,
            indication=report.indication,
        )
        for report in of_part
    ]


def _seen(report: SetReport) -> str:
    """What a report is told apart by where whole images are held out: its first image, else itself."""
    return str(report.images[0]) if report.images else f"report {report.id}"


def fitting(lessons: Sequence[Lesson], encode: Encode, room: int) -> list[Lesson]:
    """The lessons whose text fits into `room` tokens, cut or not. Raises TrainingError where none does."""
    kept = [lesson for lesson in lessons if 0 < len(encode(lesson.text)) + SPARE_TOKENS <= room]
    if not kept:
        raise TrainingError(f"None of {len(lessons)} texts fits into {room} positions. 'canvas' must be larger.")
    return kept


class Course:
    """The exercises of a run in order: every lesson once an epoch, in an order that is drawn anew for each.

    `encode` and `room` decide which cuts fit; both siblings of a pair spell alike, so both get the same exercises.
    """

    def __init__(self, lessons: Sequence[Lesson], recipe: LoraRecipe, seed: int, encode: Encode, room: int) -> None:
        self._lessons = fitting(lessons, encode, room)
        self._recipe = recipe
        self._seed = seed
        self._encode = encode
        self._room = room

    def __len__(self) -> int:
        return len(self._lessons)

    def step(self, number: int) -> list[Exercise]:
        """The exercises of step `number`, from 0."""
        size = self._recipe.examples_a_step
        return [self.exercise(place) for place in range(number * size, (number + 1) * size)]

    def exercise(self, place: int) -> Exercise:
        epoch, at = divmod(place, len(self._lessons))
        lesson = self._lessons[_order(len(self._lessons), f"{self._seed} {epoch}")[at]]
        random = Random(f"{self._seed} {place}")
        report = opened(lesson.text, [(0, len(lesson.text))])
        if random.random() < self._recipe.infill:
            report = self._cut(lesson.text, random) or report
        return Exercise(lesson, place, report)

    def _cut(self, text: str, random: Random) -> Report | None:
        """A text with gaps; None where nothing of it could be given, or it would not fit."""
        ranges = gaps(text, random)
        if not ranges or ranges == [(0, len(text))]:
            return None
        report = opened(text, ranges)
        # Each gap ends with a blank where there are any.
        positions = len(laid(report, self._encode).ids) + len(ranges)
        return report if positions <= self._room else None


@lru_cache(maxsize=2)
def _order(count: int, seed: str) -> tuple[int, ...]:
    order = list(range(count))
    Random(seed).shuffle(order)
    return tuple(order)


def laid(report: Report, encode: Encode) -> Layout:
    """A report's layout with slots as wide as their text."""
    return lay_out(report, encode, 0, 1_000_000, lambda place: place.tokens)


def gaps(text: str, random: Random) -> list[Range]:
    """What is opened of a text: phrases, sentences, or a paragraph; empty where it has but one word."""
    if len(text.split()) < 2:
        return []
    kind = random.random()
    if kind < 0.5:
        return phrase_ranges(text, random)
    pieces = list(_sentences(text) if kind < 0.85 else _paragraphs(text))
    if len(pieces) < 2:
        return phrase_ranges(text, random)
    count = min(random.choice((1, 1, 1, 2, 2, 3, 4, 6)), len(pieces) - 1) if kind < 0.85 else 1
    return sorted(random.sample(pieces, count))


def _sentences(text: str) -> Iterator[Range]:
    """Runs up to a full stop, a question or exclamation mark that white space follows, within a line."""
    for found in re.finditer(r"\S(?:[^\n]*?[.!?](?=\s|$)|[^\n]*)", text):
        yield found.start(), found.start() + len(found.group().rstrip())


def _paragraphs(text: str) -> Iterator[Range]:
    for found in re.finditer(r"\S(?:(?!\n\s*\n).)*", text, re.DOTALL):
        yield found.start(), found.start() + len(found.group().rstrip())
