"""Questions about radiographs: every answer is what the case says, nothing unknown is asked, all labels are."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from random import Random
from typing import get_args

import numpy as np
import pytest

from model.synthetic.cases import (
    LABELS,
    Case,
    Lung,
    Nodule,
    Opacity,
    Unplaced,
    case_from_labels,
    case_of_answers,
    labels_of,
    sample_case,
)
from model.synthetic.questions import as_answer, canonical_question, question_of_labels, questions_of
from model.synthetic.radiographs import answers_of

MANY = 3000


def asked_of(case: Case, times: int = 400) -> dict[str, set[str]]:
    """Every question that was asked of a case, and the answers that it was given."""
    answers: dict[str, set[str]] = {}
    random = Random(0)
    for _ in range(times):
        question, answer = questions_of(case, random)
        answers.setdefault(question, set()).add(answer)
    return answers


def test_every_label_has_one_question_of_its_own() -> None:
    questions = [canonical_question(label) for label in LABELS]
    assert len(set(questions)) == len(LABELS)
    for label, question in zip(LABELS, questions, strict=True):
        assert question.startswith(("Is there ", "Are there "))
        assert question.endswith("?")
        assert "<" not in question
        assert ("right" in question, "left" in question) == (label.endswith("_right"), label.endswith("_left"))


def test_questions_are_agreed_with_those_who_ask_them() -> None:
    assert canonical_question("effusion") == "Is there a pleural effusion?"
    assert canonical_question("effusion_right") == "Is there a right pleural effusion?"
    with pytest.raises(KeyError):
        canonical_question("left foot")


def test_the_same_question_about_a_case_always_has_the_same_answer() -> None:
    for seed in range(25):
        random = Random(seed)
        case = sample_case(random)
        for question, answers in asked_of(case, 200).items():
            assert len(answers) == 1, (question, answers)


def test_questions_and_answers_are_whole_sentences() -> None:
    random = Random(1)
    for _ in range(MANY):
        question, answer = questions_of(sample_case(random), random)
        assert question[0].isupper()
        assert question.endswith(("?", "."))
        assert answer.endswith(".")
        assert answer[0].isupper()
        assert not set("[]|<>") & set(question + answer)
        assert "  " not in question + answer


def test_answers_say_where_how_large_and_how_many() -> None:
    case = Case(
        right=Lung(effusion=2, nodules=(Nodule("upper", 16),)),
        left=Lung(opacities=(Opacity("mid", 2),)),
        cardiomegaly=1,
        pacemaker=True,
    )
    said = {question: answers.pop() for question, answers in asked_of(case, 4000).items()}
    assert said["On which side is the pleural effusion?"] == "Right."
    assert said["Where is the opacity?"] == "Left mid zone."
    assert said["How large is the right pleural effusion?"] == "Moderate."
    assert said["How large is the nodule in the right lung?"] == "About 15 mm."
    assert said["How large is the heart?"] == "Mildly enlarged."
    assert said["Is the heart of normal size?"] == "No."
    assert said["How many nodules or masses are there?"] == "One."
    assert said["Which devices are seen?"] == "Pacemaker."
    assert said["Is the chest normal?"] == "No."
    assert said["Are the lungs clear?"] == "No."
    assert said["Is there a right pleural effusion?"] == "Yes."
    assert said["Is there a left pleural effusion?"] == "No."
    assert said["Is there an opacity in the left mid zone?"] == "Yes."
    assert said["Is there an opacity in the right mid zone?"] == "No."


def test_both_sides_are_told() -> None:
    case = Case(right=Lung(effusion=1), left=Lung(effusion=3), cardiomegaly=None)
    said = {question: answers.pop() for question, answers in asked_of(case, 2000).items()}
    assert said["On which side is the pleural effusion?"] == "Both sides."
    assert said["How large is the left pleural effusion?"] == "Large."
    assert not any("heart" in question or "cardiom" in question for question in said)


def test_of_a_child_with_pneumonia_only_what_is_known_is_asked() -> None:
    case = case_from_labels("child_pneumonia", Random(0))
    known = {label: int(value) for label, value in zip(LABELS, labels_of([case])[0], strict=True) if value >= 0}
    said = {question: answers.pop() for question, answers in asked_of(case, 2000).items()}
    for label in LABELS:
        if label not in known:
            assert canonical_question(label) not in said
        elif canonical_question(label) in said:
            assert said[canonical_question(label)] == ("Yes." if known[label] else "No.")
    assert said["Is there an airspace opacity?"] == "Yes."
    assert said["Is this a normal chest radiograph?"] == "No."
    where = {answer for question, answer in said.items() if question.startswith(("Where", "How", "What", "Which"))}
    assert where <= {"There is none."}


def test_about_as_many_answers_are_yes_as_no() -> None:
    random = Random(2)
    counts = Counter(questions_of(sample_case(random), random)[1] for _ in range(MANY))
    assert 0.6 < counts["Yes."] / counts["No."] < 1.5
    assert counts["Yes."] + counts["No."] < 0.85 * MANY
    assert len(counts) > 60


def test_labels_of_a_real_picture_are_asked_as_they_are() -> None:
    row = np.full(len(LABELS), -1, dtype=np.int8)
    random = Random(0)
    assert question_of_labels(row, random) is None
    row[LABELS.index("cardiomegaly")] = 1
    row[LABELS.index("effusion_right")] = 0
    asked = [question_of_labels(row, random) for _ in range(400)]
    answers = {answer for _, answer in filter(None, asked)}
    assert answers == {"Yes.", "No."}
    assert 150 < sum(answer == "Yes." for _, answer in filter(None, asked)) < 250
    for question, answer in filter(None, asked):
        assert ("right" in question.lower()) == (answer == "No.")
    assert len({question for question, _ in filter(None, asked)}) > 30


def test_nothing_is_asked_of_a_case_of_which_nothing_is_known() -> None:
    unknown = Lung(effusion=None, pneumothorax=None, atelectasis=None, opacities=None, nodules=None)
    child = case_from_labels("child_pneumonia", Random(0))
    nothing = replace(child, right=unknown, left=unknown, unplaced=frozenset())
    with pytest.raises(ValueError, match="asked"):
        questions_of(nothing, Random(0))


@pytest.mark.parametrize("finding", get_args(Unplaced))
def test_a_finding_without_a_place_is_not_passed_over(finding: Unplaced) -> None:
    case = case_of_answers(
        dict(zip(LABELS, answers_of({each: each == finding for each in get_args(Unplaced)}), strict=True))
    )
    for seed in range(300):
        question, answer = questions_of(case, Random(seed))
        assert answer != "No abnormality.", question
        clear = re.search(r"lungs (clear|free|normal)", question)
        assert not clear or answer == "No." or finding == "cardiomegaly", question
        normal = re.search(r"\bnormal (radiograph|chest)|(radiograph|chest|picture) normal", question)
        assert not normal or answer == "No.", question


def test_the_same_random_numbers_give_the_same_question() -> None:
    case = sample_case(Random(5))
    assert questions_of(case, Random(6)) == questions_of(case, Random(6))


@pytest.mark.parametrize(
    ("text", "answer"), [("yes ", "Yes."), ("Right lower lobe.", "Right lower lobe."), ("X-ray\n of", "X-ray of.")]
)
def test_answers_of_a_collection_are_written_as_ours(text: str, answer: str) -> None:
    assert as_answer(text) == answer
