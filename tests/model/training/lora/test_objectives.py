"""What the two families learn from an exercise: canvases and sequences, and that batching changes nothing."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from drafting.report import parse_markup
from model.network.tokens import BLANK_TOKEN
from model.training.lora.autoregressive import sequence_of
from model.training.lora.diffusion import DiffusionObjective, canvas_of
from model.training.lora.lessons import Course, Exercise, Lesson
from model.training.lora.objective import Prompts
from model.training.lora.recipe import TrainingError
from tests.model.lora import (
    FAMILIES,
    student_of,
    tiny_recipe,
    without_blank,
)


def test_both_families_get_the_same_exercises(checkpoints: dict[str, Path], lessons: list[Lesson]) -> None:
    recipe = tiny_recipe(infill=0.5)
    students = [student_of(checkpoints[family], recipe) for family in FAMILIES]
    courses = [Course(lessons, recipe, 7, student.encode, 90) for student in students]
    told = [[course.exercise(place) for place in range(100)] for course in courses]
    assert told[0] == told[1]
    assert any(len(exercise.report.spans) > 1 for exercise in told[0])


def gap_exercise(lessons: list[Lesson]) -> Exercise:
    return Exercise(lessons[2], 0, parse_markup("The heart is [[normal]] in size."))


def test_given_words_are_pinned_and_gaps_have_blanks(checkpoints: dict[str, Path], lessons: list[Lesson]) -> None:
    student = student_of(checkpoints["diffusion"], tiny_recipe())
    ids, pinned = canvas_of(gap_exercise(lessons), student, 96, Random(0))
    decode = student.tokenizer.decode
    assert decode([id for id, is_pinned in zip(ids, pinned, strict=True) if is_pinned]) == (
        "The heart is in size.<turn|>"
    )
    assert (
        decode([id for id, is_pinned in zip(ids, pinned, strict=True) if not is_pinned]).replace(BLANK_TOKEN, "")
        == " normal"
    )
    widths = {len(canvas_of(gap_exercise(lessons), student, 96, Random(seed))[0]) for seed in range(20)}
    assert len(widths) > 2


def test_without_blanks_a_whole_text_ends_itself_and_a_gap_keeps_its_width(
    checkpoints: dict[str, Path], lessons: list[Lesson]
) -> None:
    student = without_blank(student_of(checkpoints["diffusion"], tiny_recipe()))
    whole = Exercise(lessons[0], 0, parse_markup("[[Yes.]]"))
    ids, pinned = canvas_of(whole, student, 96, Random(0))
    own = student.encode("Yes.")
    assert ids == [*own, *student.after, *[student.pad_id] * (96 - len(own) - 1)]
    assert not any(pinned)
    ids, pinned = canvas_of(gap_exercise(lessons), student, 96, Random(0))
    assert len(ids) == 96
    assert pinned.count(False) == len(student.encode(" normal"))


def test_the_sibling_writes_the_same_gaps_from_the_left_or_from_both_sides(
    checkpoints: dict[str, Path], lessons: list[Lesson]
) -> None:
    student = student_of(checkpoints["autoregressive"], tiny_recipe())
    decode = student.tokenizer.decode
    prompts = Prompts(student)
    for show in (False, True):
        ids, wanted, asked = sequence_of(gap_exercise(lessons), student, prompts, show)
        assert decode([id for id, counted in zip(ids, wanted, strict=True) if counted]) == " normal<blank>"
        text = decode(ids)
        assert ("Fill in what is missing:\nThe heart is<blank> in size.<turn|>" in text) == show
        assert text.endswith("model\n normal<blank>" if show else "The heart is normal<blank>")
        assert len(ids) > len(asked.ids) + 2
    bare = without_blank(student)
    ids, wanted, _ = sequence_of(gap_exercise(lessons), bare, prompts, True)
    assert decode([id for id, counted in zip(ids, wanted, strict=True) if counted]) == " normal<turn|>"
    assert "The heart is[[]] in size." in decode(ids)


def test_a_batch_of_different_pictures_and_lengths_gives_what_each_gives_alone(
    checkpoints: dict[str, Path], lessons: list[Lesson]
) -> None:
    recipe = tiny_recipe(infill=0.3, encoder_loss=1.0, believing=1.0)
    student = student_of(checkpoints["diffusion"], recipe)
    objective = DiffusionObjective(student, recipe)
    course = Course([*lessons[:4], Lesson("blind", None, "Is it there?", "No.")], recipe, 0, student.encode, 90)
    exercises = [course.exercise(place) for place in range(5)]
    assert any(exercise.lesson.picture is None for exercise in exercises)
    with torch.no_grad():
        together, right = objective.module(objective.batch(exercises, 0))
        alone = [objective.module(objective.batch([exercise], 0)) for exercise in exercises]
    lengths = {len(objective.batch([exercise], 0)["canvas"][0]) for exercise in exercises}
    assert len(lengths) > 1
    assert together.tolist() == pytest.approx(torch.stack([sums for sums, _ in alone]).sum(dim=0).tolist(), rel=1e-4)
    assert int(right) == sum(int(hits) for _, hits in alone)


def test_a_canvas_longer_than_the_checkpoints_is_refused(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(TrainingError, match=r"'canvas' is 200, and .* has canvases of up to 96"):
        student_of(checkpoints["diffusion"], tiny_recipe(canvas=200))
