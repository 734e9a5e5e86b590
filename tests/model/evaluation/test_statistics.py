"""Tests of one model against another, and agreement beyond chance, against figures worked out by hand."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from model.evaluation.statistics import kappa, mcnemar, paired_difference, rank_correlation


def test_mcnemar_is_the_exact_binomial_test_of_the_discordant() -> None:
    first = [True] * 10 + [False] * 2 + [True] * 50
    second = [False] * 10 + [True] * 2 + [True] * 50
    tail = Fraction(sum(comb(12, hits) for hits in range(3)), 2**12)
    assert mcnemar(first, second) == (10, 2, pytest.approx(float(2 * tail)))
    assert mcnemar([True, False], [True, False]) == (0, 0, 1.0)
    assert mcnemar([], []) == (0, 0, 1.0)
    assert mcnemar([True, False], [False, True])[2] == 1.0
    assert 0 < mcnemar([True] * 5000, [False] * 5000)[2] < 1e-300 or mcnemar([True] * 5000, [False] * 5000)[2] == 0.0


def test_a_paired_difference_uses_that_both_saw_the_same_images() -> None:
    # The images differ far more than the models do; the second is always a little worse.
    first = [float(number % 10) for number in range(60)]
    second = [score - 0.1 for score in first]
    tested = paired_difference(first, second, [1] * 60)
    assert tested.difference.value == pytest.approx(0.1)
    assert tested.difference.low == pytest.approx(0.1)
    assert tested.p == pytest.approx(2 / 2001)
    same = paired_difference(first, first, [1] * 60)
    assert (same.difference.value, same.p) == (0.0, 1.0)
    assert paired_difference([], [], []).p is None
    assert paired_difference([0.0], [0.0], [0]).difference.value is None


def test_a_paired_difference_counts_questions_and_draws_images() -> None:
    # One image of nine questions for the first, three of one for the second.
    tested = paired_difference([9, 0, 0, 0], [0, 1, 1, 1], [9, 1, 1, 1])
    assert tested.difference.value == pytest.approx(0.5)
    assert tested.difference.count == 12
    assert tested.difference.low == -1.0
    assert tested.p > 0.3


def test_kappa_of_a_known_table() -> None:
    # Both yes 20, the first alone 5, the second alone 10, neither 15: agreement 0.7, by chance 0.5.
    first = [True] * 25 + [False] * 25
    second = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    found = kappa(first, second)
    assert found.value == pytest.approx(0.4)
    assert found.low < 0.4 < found.high
    assert kappa([True] * 4, [True] * 4).value is None
    assert kappa([], []).value is None
    # Ten answers to one question are no ten things.
    grouped = kappa(first, second, [str(number // 10) for number in range(50)])
    assert grouped.value == pytest.approx(0.4)
    assert grouped.high - grouped.low > found.high - found.low
    with pytest.raises(ValueError):
        kappa([True], [True, False])


def test_rank_correlation_knows_ties_and_what_does_not_vary() -> None:
    assert rank_correlation([1, 2, 3, 40], [10, 20, 30, 31]).value == 1.0
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]).value == -1.0
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4.
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]).value == pytest.approx(0.9487, abs=1e-4)
    assert rank_correlation([1, 1, 1], [1, 2, 3]).value is None
    assert rank_correlation([], []).value is None
