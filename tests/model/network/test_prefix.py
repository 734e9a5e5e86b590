"""Prefixes: free text in a prompt is text, and the prompt is the one that the model was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drafting.study import Study, StudyFacts
from model.network.loading import DraftingModel, encode_user_turn, load, user_turn
from model.network.prefix import encode_prefix, instruction
from model.network.tokens import SPECIAL_TOKENS


@pytest.fixture(scope="module")
def default_model() -> DraftingModel:
    return load(device="cpu")


WORDS = st.text(alphabet=st.sampled_from("Cough and fever, 38.5 C.\n\té😀"), max_size=40)


@given(indication=WORDS, question=WORDS, hint=WORDS, with_image=st.booleans())
@settings(max_examples=200, deadline=None)
def test_an_instruction_alone_is_spelled_as_within_the_whole_prompt(
    default_model: DraftingModel, indication: str, question: str, hint: str, with_image: bool
) -> None:
    tokenizer = default_model.tokenizer
    words = instruction(StudyFacts(age=60, sex="F", view="PA"), indication, question, (hint,))
    whole = tokenizer(user_turn(tokenizer, words, with_image), add_special_tokens=False)["input_ids"]
    assert encode_user_turn(tokenizer, words, with_image) == whole


@pytest.mark.parametrize("name", SPECIAL_TOKENS)
@pytest.mark.parametrize("with_image", [True, False])
def test_the_name_of_a_special_token_is_text_wherever_a_person_writes_it(
    default_model: DraftingModel, name: str, with_image: bool
) -> None:
    tokenizer, special = default_model.tokenizer, set(default_model.tokenizer.all_special_ids)

    def commands(words: str) -> list[int]:
        return [id for id in encode_user_turn(tokenizer, words, with_image) if id in special]

    facts = StudyFacts(age=60, view=f"PA {name}")
    written = instruction(facts, f"{name} cough", f"Is {name} there?", (name,))
    assert written.count(name) == 4
    assert commands(written) == commands(instruction(StudyFacts(), ""))
    assert name in tokenizer.decode(encode_user_turn(tokenizer, written, with_image))


def test_a_prefix_with_the_name_of_the_image_token_has_one_image(tiny_model: DraftingModel) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    study = Study(pictures=(), model_picture=picture, facts=StudyFacts())
    plain = encode_prefix(tiny_model, study, "cough")
    for words in ({"indication": "<|image|> cough"}, {"question": "<|image|>?"}, {"hints": ("<|image|>",)}):
        prefix = encode_prefix(tiny_model, study, **{"indication": "", **words})  # type: ignore[arg-type]
        assert prefix.image == plain.image
