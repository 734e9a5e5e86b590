"""Shares, medians, F1, AUROC and kappa with 95 % bootstrap intervals, drawn over images (or reports): what was sampled.

Beside them two tests of one model against another on the same questions. Percentile intervals (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 13): where every image agrees they have no width, so read them together
with the count. This module knows nothing of what is measured.

Written by hand although scipy and scikit-learn know most of these figures: their intervals draw single answers, here
whole images are drawn with all of their answers, and nothing else in the repository needs either package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_ENDS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the ends of its 95 % interval, and the number of images that it stands on; None where that is 0."""

    value: float | None
    low: float | None
    high: float | None
    count: int


def share(hits: Sequence[bool], of: Sequence[bool] | None = None) -> Estimate:
    """The share of hits among the images that count; `of` says which do, by default all."""
    counted = np.ones(len(hits)) if of is None else np.asarray(of, dtype=np.float64)
    right = np.asarray(hits, dtype=np.float64) * counted
    total = int(counted.sum())
    if not total:
        return Estimate(None, None, None, 0)
    return _estimate(right.sum() / total, _ratios(right, counted, _draws(len(counted))), total)


def balanced(called: Sequence[bool], there: Sequence[bool]) -> Estimate:
    """The mean of sensitivity and specificity; None unless both can be told."""
    call, truth = np.asarray(called, dtype=bool), np.asarray(there, dtype=bool)
    if truth.all() or not truth.any():
        return Estimate(None, None, None, 0)
    draws = _draws(len(truth))
    resampled = (
        _ratios((call & truth).astype(float), truth.astype(float), draws)
        + _ratios((~call & ~truth).astype(float), (~truth).astype(float), draws)
    ) / 2
    value = (call[truth].mean() + (~call[~truth]).mean()) / 2
    return _estimate(value, resampled, len(truth))


def median(values: Sequence[float]) -> Estimate:
    """The median of a number a draft."""
    if not values:
        return Estimate(None, None, None, 0)
    numbers = np.asarray(values, dtype=np.float64)
    chosen = np.random.default_rng(0).integers(len(numbers), size=(RESAMPLES, len(numbers)))
    return _estimate(float(np.median(numbers)), np.median(numbers[chosen], axis=1), len(numbers))


def mean(values: Sequence[float]) -> Estimate:
    """The mean of a number a draft, or of the difference between two."""
    if not values:
        return Estimate(None, None, None, 0)
    numbers = np.asarray(values, dtype=np.float64)
    chosen = np.random.default_rng(0).integers(len(numbers), size=(RESAMPLES, len(numbers)))
    return _estimate(float(numbers.mean()), numbers[chosen].mean(axis=1), len(numbers))


def pooled(sums: Sequence[float], counts: Sequence[int]) -> Estimate:
    """The mean over things of which an image has several, or none: per image their sum, and how many there are."""
    right, counted = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    total = int(counted.sum())
    if not total:
        return Estimate(None, None, None, 0)
    return _estimate(right.sum() / total, _ratios(right, counted, _draws(len(counted))), total)


def rate(amounts: Sequence[float], seconds: Sequence[float]) -> Estimate:
    """All amounts over all seconds, both above 0."""
    amount, time = np.asarray(amounts, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if not len(amount):
        return Estimate(None, None, None, 0)
    draws = _draws(len(amount))
    return _estimate(amount.sum() / time.sum(), (draws @ amount) / (draws @ time), len(amount))


def f1(hits: Sequence[int], said: Sequence[int], wanted: Sequence[int]) -> Estimate:
    """Micro-averaged F1: per report how many statements are right, how many were made, and how many were wanted."""
    both = (np.asarray(said, dtype=np.float64) + np.asarray(wanted, dtype=np.float64)) / 2
    right = np.asarray(hits, dtype=np.float64)
    if not both.sum():
        return Estimate(None, None, None, 0)
    return _estimate(right.sum() / both.sum(), _ratios(right, both, _draws(len(both))), len(both))


def auroc(scores: Sequence[float], there: Sequence[bool]) -> Estimate:
    """The area under the ROC curve: how often a picture with the finding scores above one without; ties count half.

    The Mann-Whitney statistic (Hanley and McNeil, Radiology 1982;143:29-36). None unless there are pictures of both.
    """
    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(there, dtype=bool)
    if truth.all() or not truth.any():
        return Estimate(None, None, None, 0)
    positive, negative = score[truth][:, None], score[~truth][None, :]
    # (with the finding, without it)
    above = (positive > negative) + 0.5 * (positive == negative)
    draws = _draws(len(truth))
    with_it, without = draws[:, truth], draws[:, ~truth]
    compared = with_it.sum(axis=1) * without.sum(axis=1)
    won = ((with_it @ above) * without).sum(axis=1)
    resampled = np.where(compared > 0, won / np.maximum(compared, 1), np.nan)
    return _estimate(above.mean(), resampled, len(truth))


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much higher the first of two models scores than the second, and how likely so much would be by chance.

    `p`: two-sided, of the hypothesis that neither is better; None where there is nothing to compare.
    """

    difference: Estimate
    p: float | None


def paired_difference(first: Sequence[float], second: Sequence[float], counts: Sequence[int]) -> PairedDifference:
    """Two models on the same images: per image the sum of either's scores, and how many there are of either.

    The images are drawn again and both models' scores with them (Efron and Tibshirani, chapter 8 and section 15.4).
    `p` is twice the smaller share of resamples in which the difference is not above, or not below, 0; one is added to
    either count, so that it is never 0 (Davison and Hinkley, Bootstrap Methods and Their Application, 1997, 4.2.1).
    """
    ahead = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    counted = np.asarray(counts, dtype=np.float64)
    total = int(counted.sum())
    if not total:
        return PairedDifference(Estimate(None, None, None, 0), None)
    resampled = _ratios(ahead, counted, _draws(len(counted)))
    known = resampled[~np.isnan(resampled)]
    # Sums of the same scores in another order differ in their last bits.
    tail = min(int((known <= 1e-12).sum()), int((known >= -1e-12).sum()))
    p = min(1.0, 2 * (tail + 1) / (len(known) + 1))
    return PairedDifference(_estimate(ahead.sum() / total, resampled, total), p)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> tuple[int, int, float]:
    """McNemar's test (Psychometrika 1947;12:153-157) of two models on the same questions, exact and two-sided.

    How many questions the first alone has right, how many the second alone, and the probability of a split at least so
    uneven where either is as likely. Questions count as independent: several about one image are not quite.
    """
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    discordant = only_first + only_second
    tail = sum(comb(discordant, hits) for hits in range(min(only_first, only_second) + 1))
    # Whole numbers until the last division: 2 ** discordant is soon more than a float can hold.
    return only_first, only_second, min(1.0, 2 * tail / 2**discordant)


def kappa(first: Sequence[bool], second: Sequence[bool], groups: Sequence[str] | None = None) -> Estimate:
    """Cohen's kappa (Educ Psychol Meas 1960;20:37-46) of two readers who say yes or no: agreement beyond chance.

    `groups`: things of one group (answers to one question) are drawn together; by default each is its own. None where
    both readers say the same of everything, so that all agreement may be chance.
    """
    one, other = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if one.shape != other.shape:
        raise ValueError("Both readers must have read the same items.")
    if not len(one):
        return Estimate(None, None, None, 0)
    # (things, 4): both yes, the first alone, the second alone, neither
    cells = np.stack([one & other, one & ~other, ~one & other, ~one & ~other], axis=1).astype(np.float64)
    if groups is not None:
        _, group = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
        summed = np.zeros((int(group.max()) + 1, 4))
        np.add.at(summed, group, cells)
        cells = summed
    value = float(_kappas(cells.sum(axis=0)[None])[0])
    if np.isnan(value):
        return Estimate(None, None, None, len(one))
    return _estimate(value, _kappas(_draws(len(cells)) @ cells), len(one))


def _kappas(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kappa of each (both, first, second, neither): (tables, 4) -> (tables,); NaN where chance explains all."""
    both, first, second, neither = tables.T
    total = np.maximum(tables.sum(axis=1), 1)
    observed = (both + neither) / total
    chance = ((both + first) * (both + second) + (neither + first) * (neither + second)) / total**2
    return np.where(chance < 1, (observed - chance) / np.where(chance < 1, 1 - chance, 1), np.nan)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Spearman's rank correlation (Am J Psychol 1904;15:72-101); ties share the mean of their ranks.

    Resamples keep the ranks of the whole. None where either does not vary.
    """
    if len(first) != len(second):
        raise ValueError("Each item needs a pair of numbers.")
    x, y = _ranks(first), _ranks(second)
    if not len(x) or x.std() == 0 or y.std() == 0:
        return Estimate(None, None, None, len(x))
    value = float(np.corrcoef(x, y)[0, 1])
    weights = _draws(len(x)) / len(x)
    mean_x, mean_y = weights @ x, weights @ y
    spread = np.sqrt((weights @ x**2 - mean_x**2).clip(0) * (weights @ y**2 - mean_y**2).clip(0))
    shared = weights @ (x * y) - mean_x * mean_y
    return _estimate(value, np.where(spread > 1e-9, shared / np.maximum(spread, 1e-9), np.nan), len(x))


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks


def _draws(count: int) -> NDArray[np.float64]:
    """How often each image is drawn in each resample: (RESAMPLES, count)."""
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return drawn.astype(np.float64)


def _ratios(
    right: NDArray[np.float64], counted: NDArray[np.float64], draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    total = draws @ counted
    # A resample without a single image that counts tells nothing.
    return np.where(total > 0, draws @ right / np.maximum(total, 1), np.nan)


def _estimate(value: float, resampled: NDArray[np.float64], count: int) -> Estimate:
    low, high = np.nanpercentile(resampled, _ENDS)
    return Estimate(round(float(value), 4), round(float(low), 4), round(float(high), 4), count)
