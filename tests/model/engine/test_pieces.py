"""Pieces: how a slot's text is spelled, and how it goes back between its neighbours."""

from __future__ import annotations

import pytest

from model.engine.layout import Slot
from model.engine.pieces import decode_pieces, fitted
from model.network.loading import DraftingModel


def test_pieces_spell_characters_of_several_tokens_as_one(tiny_model: DraftingModel) -> None:
    ids = tiny_model.tokenizer("The 😀 heart", add_special_tokens=False)["input_ids"]
    pieces = decode_pieces([*ids, tiny_model.blank_id], tiny_model.tokenizer, tiny_model.blank_id)
    assert "".join(text for text, _ in pieces) == "The 😀 heart"
    assert sorted(index for _, indices in pieces for index in indices) == list(range(len(ids)))
    assert any(text.strip() == "😀" for text, _ in pieces)


@pytest.mark.parametrize(
    ("texts", "follows_space", "glue", "expected"),
    [
        ([" The", " heart"], True, "", "The heart"),
        ([" The", " heart"], False, "", " The heart"),
        ([" ", "The", " heart", " "], True, "", "The heart"),
        (["Clear."], True, "No effusion", "Clear. "),
        (["Clear"], True, ".", "Clear"),
        (["pneumo"], True, "thorax", "pneumo"),
        (["a\n", "b"], True, "", "a\r\nb"),
    ],
)
def test_a_slots_text_fits_between_its_neighbours(
    texts: list[str], follows_space: bool, glue: str, expected: str
) -> None:
    assert "".join(fitted(texts, Slot("s1", 0, 9, follows_space, glue), "\r\n")) == expected
