"""Kept prefixes: every page has its own, and nothing of a study outlives it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from drafting.desk.session import Limits
from drafting.study import Study, StudyFacts
from model.engine import prefixes
from model.engine.prefixes import KEPT_STUDIES, PREFIXES_A_STUDY, Prefixes
from model.network.loading import DraftingModel
from model.network.prefix import Prefix, VisionFeatures


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each picture and each prefix was encoded, by the study's or the words' name."""
    counts = Counter[str]()

    def encode_picture(model: DraftingModel, picture: np.ndarray) -> VisionFeatures:  # type: ignore[type-arg]
        counts[f"picture {picture[0, 0]}"] += 1
        return VisionFeatures(None, 1, 1)  # type: ignore[arg-type]

    def encode_prefix(
        model: DraftingModel,
        study: Study | None,
        indication: str,
        question: str,
        hints: tuple[str, ...],
        vision: VisionFeatures | None,
    ) -> Prefix:
        assert (vision is None) == (study is None)
        counts[f"{indication}{question}{''.join(hints)}"] += 1
        return Prefix((), 1)

    monkeypatch.setattr(prefixes, "encode_picture", encode_picture)
    monkeypatch.setattr(prefixes, "encode_prefix", encode_prefix)
    return counts


def a_study(number: int) -> Study:
    return Study(pictures=(), model_picture=np.full((2, 2), number, np.uint8), facts=StudyFacts())


def test_as_many_pages_as_the_desk_takes_draft_in_turns_and_none_encodes_twice(
    tiny_model: DraftingModel, encoded: Counter[str]
) -> None:
    kept, studies = Prefixes(tiny_model), [a_study(number) for number in range(Limits().sessions)]
    for _ in range(3):
        for number, study in enumerate(studies):
            kept.find(study, f"Cough {number}")
            kept.find(study, f"Cough {number}", hints=(" size",))
    assert set(encoded.values()) == {1}


def test_a_page_with_many_questions_pushes_nobody_elses_prefix_out(
    tiny_model: DraftingModel, encoded: Counter[str]
) -> None:
    kept, quiet, busy = Prefixes(tiny_model), a_study(1), a_study(2)
    kept.find(quiet, "Fever")
    for number in range(200):
        kept.find(busy, "", f"Question {number}")
    kept.find(quiet, "Fever")
    kept.find(busy, "", f"Question {200 - PREFIXES_A_STUDY}")
    assert encoded["Fever"] == encoded["picture 1"] == encoded["picture 2"] == 1
    assert encoded[f"Question {200 - PREFIXES_A_STUDY}"] == 1
    kept.find(busy, "", "Question 0")
    assert encoded["Question 0"] == 2


def test_nothing_of_a_study_outlives_it(tiny_model: DraftingModel, encoded: Counter[str]) -> None:
    kept, study = Prefixes(tiny_model), a_study(1)
    for patient in (study, None):
        kept.find(patient, "Ms Doe's cough")
        kept.find(patient, "", "Is Ms Doe well?")
        kept.find(patient, "", hints=("Ms Doe's heart",))
        kept.release(patient)
    assert "Doe" not in repr(kept._studies)
    assert "Doe" not in repr(kept._without_study)
    kept.find(study, "Ms Doe's cough")
    assert encoded["Ms Doe's cough"] == 3
    assert encoded["picture 1"] == 2


def test_studies_that_nobody_released_make_room(tiny_model: DraftingModel, encoded: Counter[str]) -> None:
    kept = Prefixes(tiny_model)
    for number in range(KEPT_STUDIES + 5):
        kept.find(a_study(number), "")
        kept.find(None, f"Words {number}")
    assert len(kept._studies) == len(kept._without_study.prefixes) == KEPT_STUDIES
