"""Intervals by bootstrap over speakers.

Speakers are drawn with replacement, as many as there are, and the statistic is computed
anew; the interval holds the middle 95 % of what comes out (percentile method, Efron &
Tibshirani 1993, ch. 13). Two detectors are compared on the same draws, which makes their
difference a paired one.

Best-on-test statistics re-choose the policy in every resample, because the statistic *is*
the best of a sweep. Frozen policies stay what they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turnkit.metrics.points import OperatingPoint, PointKind
from turnkit.metrics.sweep import SpeakerSums

Floats = NDArray[np.float64]

RESAMPLES = 1_000
"""Resamples by default: the bounds then vary by about a tenth of the interval's width."""

_BLOCK = 128
"""Resamples taken at a time: 128 x 5454 policies are 6 MB."""


class Interval(NamedTuple):
    """Bounds of a 95 % interval; infinite where the statistic was out of reach."""

    low: float
    high: float


def resample_speakers(speakers: int, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Draw speakers with replacement.

    Parameters
    ----------
    speakers : int
        How many there are.
    resamples : int
    seed : int
        The same seed gives the same draws, which pairs detectors.

    Returns
    -------
    ndarray, shape (resamples, speakers)
        How often each speaker was drawn; rows sum to `speakers`.
    """
    if speakers == 0:
        return np.zeros((resamples, 0))
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(speakers, np.full(speakers, 1.0 / speakers), size=resamples)
    return draws.astype(np.float64)


def interval(values: ArrayLike, level: float = 0.95) -> Interval | None:
    """Return the middle `level` of resampled values.

    Parameters
    ----------
    values : array_like, shape (r,)
        The statistic in each resample. NaN (not defined there, such as a rate without
        holds) is left out; infinity (out of reach there) is kept.
    level : float
        In 0 .. 1.

    Returns
    -------
    Interval or None
        None where the statistic is defined in fewer than half of the resamples.
    """
    array = np.asarray(values, dtype=np.float64)
    defined = array[~np.isnan(array)]
    if len(defined) == 0 or 2 * len(defined) < len(array):
        return None
    tails = [(1 - level) / 2, (1 + level) / 2]
    # A method that returns values of the sample: between infinities nothing can be drawn.
    low, high = np.quantile(defined, tails, method="closest_observation")
    return Interval(float(low), float(high))


def policy_values(sums: SpeakerSums, index: int, weights: Floats) -> tuple[Floats, Floats]:
    """Rate and mean latency of one policy in each resample, shapes (r,)."""
    one = SpeakerSums(
        sums.cutoffs[:, index : index + 1],
        sums.latency_s[:, index : index + 1],
        sums.holds,
        sums.ends,
    )
    return one.rate(weights)[:, 0], one.mean_latency_s(weights)[:, 0]


def best_values(point: OperatingPoint, sums: SpeakerSums, weights: Floats) -> Floats:
    """Value of an operating point with its policy chosen anew in each resample.

    Returns
    -------
    ndarray, shape (r,)
        Share of holds cut, or mean latency in seconds; infinite where no policy keeps
        the limit, NaN where there are no holds or no ends.
    """
    values = np.empty(len(weights))
    for begin in range(0, len(weights), _BLOCK):
        block = weights[begin : begin + _BLOCK]
        rate, latency = sums.rate(block), sums.mean_latency_s(block)
        wanted, limited = (rate, latency) if point.kind is PointKind.CUTOFFS else (latency, rate)
        best = np.where(limited <= point.limit + 1e-9, wanted, np.inf).min(axis=1)
        defined = ~(np.isnan(rate[:, 0]) | np.isnan(latency[:, 0]))
        values[begin : begin + _BLOCK] = np.where(defined, best, np.nan)
    return values


def reduction(ours: ArrayLike, baseline: ArrayLike) -> Floats:
    """Share of the baseline's false cutoffs that ours avoids: ``1 - ours / baseline``.

    Returns
    -------
    ndarray
        Of the common shape; NaN where the baseline makes none.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        below = np.asarray(baseline, dtype=np.float64)
        return 1.0 - np.asarray(ours, dtype=np.float64) / np.where(below == 0, np.nan, below)
