"""The engine of evaluations: likelihoods of given answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from drafting.engine import EngineError
from drafting.study import Study, StudyFacts
from model.engine.bench import NOISES
from model.engine.layout import ANSWER_WIDTH
from model.engine.sampler import Run, draws
from model.evaluation.engine import EvaluationEngine
from model.network.decoder import DecoderInput, DecoderSlot, PackedDecoder, bar, barred_tokens, capped_logits
from model.network.loading import DraftingModel, load
from model.network.prefix import encode_prefix
from model.network.reading import State


@pytest.fixture(scope="module")
def engine(tiny_model: DraftingModel) -> EvaluationEngine:
    return EvaluationEngine(tiny_model)


@pytest.fixture(scope="module", params=["tiny", "default"])
def any_engine(request: pytest.FixtureRequest, engine: EvaluationEngine) -> EvaluationEngine:
    return engine if request.param == "tiny" else EvaluationEngine(load(device="cpu"))


@pytest.fixture(scope="module")
def study() -> Study:
    picture = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    return Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60, sex="F", view="PA"))


def test_the_question_reaches_the_likelihoods(engine: EvaluationEngine, study: Study) -> None:
    answers = ["Yes.", "No."]
    one, other = (engine.likelihoods(study, f"Is there {thing}?", answers) for thing in ("air", "fluid in the left"))
    assert one != other
    assert engine.likelihoods(study, "Is there air?", answers) == one


def test_the_image_reaches_the_likelihoods(engine: EvaluationEngine, study: Study) -> None:
    white = Study(pictures=(), model_picture=np.full((90, 70), 255, dtype=np.uint8), facts=study.facts)
    asked = "Is there a pleural effusion?"
    assert engine.likelihoods(study, asked, ["Yes."]) != engine.likelihoods(white, asked, ["Yes."])


def test_likelihoods_are_the_mean_log_probabilities_of_answers_and_of_the_blank_after_them(
    tiny_model: DraftingModel, engine: EvaluationEngine, study: Study
) -> None:
    question, answers = "Is there a pleural effusion?", ["No.", "The heart is normal in size."]
    prefix = encode_prefix(tiny_model, study, question=question)
    blank = tiny_model.blank_id
    expected = []
    for answer in answers:
        own = tiny_model.tokenizer(answer, add_special_tokens=False)["input_ids"]
        draws_of_noise = []
        for seed in range(NOISES):
            settings_of_run = Run(ANSWER_WIDTH, tiny_model.vocabulary_size, engine.settings, seed, 0)
            noise = draws(settings_of_run, 0)[1]
            state = State(0, noise, None, torch.zeros(ANSWER_WIDTH, dtype=torch.bool), 0, settled=False, anchor=None)
            ids = torch.tensor([*tiny_model.before, *own, *[blank] * (ANSWER_WIDTH - len(own)), *tiny_model.after])
            free = torch.arange(len(tiny_model.before), len(tiny_model.before) + ANSWER_WIDTH)
            opening = torch.arange(ANSWER_WIDTH) == 0
            slot = DecoderSlot(prefix, ids, free, opening)
            decoder = PackedDecoder(tiny_model, torch.float32)
            with torch.inference_mode():
                hidden = decoder._forward([DecoderInput(slot, state, 1.0, torch.zeros(ANSWER_WIDTH))])
                logits = capped_logits(tiny_model.network, hidden)
            logits = bar(logits, barred_tokens(tiny_model), opening, blank).log_softmax(-1)
            wanted = [*own, blank]
            draws_of_noise.append(logits[range(len(wanted)), wanted].mean().item())
        expected.append(sum(draws_of_noise) / NOISES)
    assert engine.likelihoods(study, question, answers) == pytest.approx(expected, abs=2e-2)


def test_answers_of_any_length_and_number_are_compared(any_engine: EvaluationEngine, study: Study) -> None:
    answers = ["Yes.", "No.", "There is a small left pleural effusion " * 4]
    likelihoods = any_engine.likelihoods(study, "What is seen?", answers)
    assert len(likelihoods) == 3
    assert all(nats < 0 for nats in likelihoods)
    assert any_engine.likelihoods(study, "What is seen?", []) == []


def test_without_blanks_answers_are_compared(tiny_model: DraftingModel, study: Study) -> None:
    without_blanks = EvaluationEngine(replace(tiny_model, blank_id=None))
    assert all(nats < 0 for nats in without_blanks.likelihoods(study, "Is there air?", ["Yes.", "No."]))


def test_an_empty_answer_is_not_compared(engine: EvaluationEngine, study: Study) -> None:
    with pytest.raises(EngineError, match="is empty"):
        engine.likelihoods(study, "Is there air?", ["Yes.", ""])
