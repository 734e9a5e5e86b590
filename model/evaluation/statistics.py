"""Shares, medians, F1 and AUROC with 95 % bootstrap intervals, drawn over images (or reports): what was sampled.

This module knows nothing of what is measured. Percentile intervals (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 13): where every image agrees they have no width, so read them together with the count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
