"""Words in the place of a word: shares that add up, whatever the order in which beginnings are found."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from model.engine.words import Tokens, likeliest_words, log_probability

BLANK, VOCABULARY, WIDTH = 0, 5, 3


def belief_of(seed: int) -> dict[Tokens, Tensor]:
    """A belief about every beginning shorter than the slot; no blank may stand first."""
    generator = torch.Generator().manual_seed(seed)
    beginnings = [beginning for n in range(WIDTH) for beginning in itertools.product(range(1, VOCABULARY), repeat=n)]
    table = {beginning: torch.randn(VOCABULARY, generator=generator) for beginning in beginnings}
    table[()][BLANK] = -torch.inf
    return {beginning: logits.log_softmax(dim=-1) for beginning, logits in table.items()}


def believing(table: dict[Tokens, Tensor]) -> object:
    def believe(beginnings: Sequence[Tokens]) -> Tensor:
        return torch.stack([table[beginning] for beginning in beginnings])

    return believe


def keep_all(texts: Sequence[Tokens]) -> list[float]:
    return [0.0] * len(texts)


def by_hand(table: dict[Tokens, Tensor], text: Tokens) -> float:
    ended = (*text, BLANK)
    return math.exp(sum(table[text[:at]][token].item() for at, token in enumerate(ended)))


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_those_among_all_words_as_reckoned_by_hand(seed: int) -> None:
    table = belief_of(seed)

    def is_word(tokens: Tokens) -> bool:
        return tokens.count(4) == 0

    shares = likeliest_words(believing(table), keep_all, WIDTH, BLANK, is_word, (1,))  # type: ignore[arg-type]
    words = [text for n in (1, 2) for text in itertools.product((1, 2, 3), repeat=n)]
    whole = sum(by_hand(table, word) for word in words)
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) <= set(words)
    # What is left out is a thousandth of the likeliest word at the most.
    for word in words:
        assert shares.get(word, 0.0) == pytest.approx(by_hand(table, word) / whole, abs=2e-3)


def test_the_word_that_stands_there_is_always_among_them() -> None:
    table = belief_of(1)
    table[()][3] = -40.0
    shares = likeliest_words(believing(table), keep_all, WIDTH, BLANK, lambda tokens: 4 not in tokens, (3, 2))  # type: ignore[arg-type]
    assert 0 <= shares[3, 2] < 1e-9


def test_without_a_blank_words_are_as_long_as_the_slot() -> None:
    table = belief_of(2)
    shares = likeliest_words(believing(table), keep_all, 2, None, lambda tokens: BLANK not in tokens, (1, 2))  # type: ignore[arg-type]
    assert {len(tokens) for tokens in shares} == {2}
    assert sum(shares.values()) == pytest.approx(1)
    alone = log_probability(believing(table), (1, 2), 2, None)  # type: ignore[arg-type]
    assert alone == pytest.approx((table[()][1] + table[1,][2]).item())


def test_what_the_network_would_take_back_is_left_out_but_for_the_word_that_stands_there() -> None:
    table = belief_of(3)

    def keep(texts: Sequence[Tokens]) -> list[float]:
        return [math.log(0.9 if text == (2,) else 0.1) for text in texts]

    shares = likeliest_words(believing(table), keep, WIDTH, BLANK, lambda tokens: 4 not in tokens, (3,))  # type: ignore[arg-type]
    assert set(shares) == {(2,), (3,)}
    assert shares[2,] == pytest.approx(by_hand(table, (2,)) / (by_hand(table, (2,)) + by_hand(table, (3,))))
