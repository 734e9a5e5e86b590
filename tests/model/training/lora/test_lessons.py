"""The lessons of LoRA runs: their order, their gaps, and what is held out."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sets.files import SetError, read_picture
from model.sets.questions import QuestionSet, load_questions
from model.training.lora.lessons import Course, Lesson, divided, fitting, gaps, question_lessons
from model.training.lora.recipe import TrainingError
from tests.model.lora import ANSWERS, tiny_recipe, write_questions


def letters(text: str) -> list[int]:
    return [ord(c) for c in text]


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> QuestionSet:
    return load_questions(write_questions(tmp_path_factory.mktemp("questions") / "set"))


@pytest.fixture(scope="module")
def lessons(questions: QuestionSet) -> list[Lesson]:
    return question_lessons(questions, tiny_recipe())


def test_lessons_are_the_owners_questions_with_answers_in_the_apps_wording(lessons: list[Lesson]) -> None:
    assert len(lessons) == 6 * len(ANSWERS)
    assert [lesson.text for lesson in lessons[:3]] == ["Yes.", "No.", "The heart is normal in size."]
    assert lessons[0].question == "Is the größe of finding 0 normal in 0?"
    assert lessons[0].picture is not None
    assert read_picture(lessons[0].picture).shape[:2] == (60, 90)


def test_every_lesson_comes_once_an_epoch_in_another_order(lessons: list[Lesson]) -> None:
    course = Course(lessons, tiny_recipe(), 0, letters, 90)
    epochs = [[course.exercise(at).lesson.id for at in range(e * 30, (e + 1) * 30)] for e in range(2)]
    assert all(Counter(epoch) == Counter(lesson.id for lesson in lessons) for epoch in epochs)
    assert epochs[0] != epochs[1]
    other = Course(lessons, tiny_recipe(), 1, letters, 90)
    assert [other.exercise(at).lesson.id for at in range(30)] != epochs[0]


def test_a_place_has_the_same_exercise_whenever_and_however_it_is_asked_for(lessons: list[Lesson]) -> None:
    recipe = tiny_recipe(infill=0.5, batch=2, accumulation=2)
    course, again = (Course(lessons, recipe, 3, letters, 90) for _ in range(2))
    for number in (40, 7, 0):
        course.step(number)
    assert course.step(9) == again.step(9)
    assert [exercise.place for exercise in again.step(9)] == [36, 37, 38, 39]


def test_the_share_of_gaps_is_the_recipes(lessons: list[Lesson]) -> None:
    long = [lesson for lesson in lessons if len(lesson.text.split()) > 2]
    for share in (0.0, 0.4, 1.0):
        course = Course(long, tiny_recipe(infill=share), 0, letters, 90)
        exercises = [course.exercise(place) for place in range(600)]
        cut = [exercise for exercise in exercises if any(span.locked for span in exercise.report.spans)]
        assert len(cut) / 600 == pytest.approx(share, abs=0.08)
        assert all(exercise.report.text == exercise.lesson.text for exercise in exercises)
        assert all(exercise.report.open_spans for exercise in exercises)


@given(st.text(max_size=80), st.integers(0, 50))
def test_gaps_lie_within_the_text_and_do_not_touch(text: str, seed: int) -> None:
    ranges = gaps(text, Random(seed))
    assert all(0 <= start < end <= len(text) for start, end in ranges)
    assert all(one[1] < other[0] for one, other in pairwise(ranges))


def test_reports_lose_sentences_and_paragraphs_too() -> None:
    text = "FINDINGS:\nThe heart is normal. The lungs are clear.\n\nIMPRESSION:\nNo acute disease."
    opened = {text[start:end] for seed in range(300) for start, end in gaps(text, Random(seed))}
    assert "The lungs are clear." in opened
    assert "IMPRESSION:\nNo acute disease." in opened
    assert any(" " not in part for part in opened)


def test_what_does_not_fit_is_left_out(lessons: list[Lesson]) -> None:
    kept = fitting(lessons, letters, 20)
    assert {lesson.text for lesson in kept} == {"Yes.", "No."}
    with pytest.raises(TrainingError, match="None of 30 texts fits into 9 positions"):
        fitting(lessons, letters, 9)


def test_no_image_that_is_held_out_is_trained_on(questions: QuestionSet) -> None:
    kept = question_lessons(questions, tiny_recipe(held_out=0.34))
    pictures = {lesson.picture for lesson in kept}
    assert 0 < len(pictures) < 6
    assert len(kept) == 5 * len(pictures)
    assert kept == question_lessons(questions, tiny_recipe(held_out=0.34))
    others = {
        frozenset(q.picture for q in question_lessons(questions, tiny_recipe(held_out=0.34, split_seed=s)))
        for s in range(6)
    }
    assert len(others) > 1


def test_images_held_out_by_name_are_never_trained_on(questions: QuestionSet) -> None:
    kept, out = divided(questions, tiny_recipe(held_out_images=["synpic0.jpg", "synpic4.jpg"]))
    assert {question.image for question in out.questions} == {"synpic0.jpg", "synpic4.jpg"}
    assert len(kept.questions) == 4 * len(ANSWERS)
    with pytest.raises(TrainingError, match=r"no image synpic9\.jpg, which the recipe holds out"):
        divided(questions, tiny_recipe(held_out_images=["synpic9.jpg"]))
    with pytest.raises(TrainingError, match="no image that the recipe does not hold out"):
        divided(questions, tiny_recipe(held_out_images=[f"synpic{number}.jpg" for number in range(6)]))


def test_a_part_an_image_or_a_picture_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    folder = write_questions(tmp_path / "set", broken=1)
    with pytest.raises(TrainingError, match="has no part 'validation'; it has train"):
        question_lessons(load_questions(folder), tiny_recipe(part="validation"))
    lessons = question_lessons(load_questions(folder), tiny_recipe())
    broken = lessons[5].picture
    assert broken is not None
    with pytest.raises(SetError, match=r"synpic1\.jpg cannot be read"):
        read_picture(broken)
    (folder / "images" / "synpic2.jpg").unlink()
    with pytest.raises(TrainingError, match=r"1 images are missing, synpic2\.jpg among them"):
        question_lessons(load_questions(folder), tiny_recipe())


def test_questions_without_an_answer_are_no_lessons(tmp_path: Path) -> None:
    folder = write_questions(tmp_path / "set", images=1)
    entries = json.loads((folder / "trainset.json").read_text(encoding="utf-8"))
    entries[0]["answer"] = " . "
    entries[1]["question"] = ""
    (folder / "trainset.json").write_text(json.dumps(entries), encoding="utf-8")
    assert [lesson.id for lesson in question_lessons(load_questions(folder), tiny_recipe())] == ["0-2", "0-3", "0-4"]
