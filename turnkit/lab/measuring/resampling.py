"""Figures with 95 % intervals, by bootstrap over calls.

Turns of a call are not independent: whole calls are drawn with replacement (percentile
method, Efron & Tibshirani 1993, ch. 13; the field bootstraps over speakers likewise).
With fewer than `FEWEST_CALLS` calls that says nothing, and turns are drawn instead, which
makes intervals too narrow; `Resampler.unit` says which it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.metrics.bootstrap import RESAMPLES, interval, resample_speakers

Floats = NDArray[np.float64]

FEWEST_CALLS = 5

_BLOCK = 50


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Attributes
    ----------
    value : float
    n : int
        From how many turns, trials or calls.
    low, high : float or None
        95 % interval; None where there is none to give, as for counts.
    """

    value: float
    n: int
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


class Resampler:
    """Draws calls, always the same ones.

    Parameters
    ----------
    calls : int
        How many there are.
    seed : int
    """

    def __init__(self, calls: int, seed: int = 0) -> None:
        self.unit = "calls" if calls >= FEWEST_CALLS else "turns"
        self._seed = seed
        self._draws = resample_speakers(calls, seed=seed) if self.unit == "calls" else None

    def quantile(self, values: Sequence[float], calls: Sequence[int], q: float) -> Figure:
        """Quantile of values, each of a call.

        Parameters
        ----------
        values : sequence of float
            At least one.
        calls : sequence of int
            Place of each value's call among all calls.
        q : float
            In percent.
        """
        return self._figure(values, calls, lambda x, weights: weighted_quantile(x, weights, q))

    def mean(self, values: Sequence[float], calls: Sequence[int]) -> Figure:
        """Mean of values; of zeros and ones a rate. Arguments as for `quantile`."""

        def mean(x: Floats, weights: Floats) -> Floats:
            total = weights.sum(axis=1)
            sums = np.asarray((weights * x).sum(axis=1))
            return np.where(total > 0, sums / np.maximum(total, 1.0), np.nan)

        return self._figure(values, calls, mean)

    def _figure(
        self,
        values: Sequence[float],
        calls: Sequence[int],
        statistic: Callable[[Floats, Floats], Floats],
    ) -> Figure:
        order = np.argsort(np.asarray(values, dtype=np.float64), kind="stable")
        x = np.asarray(values, dtype=np.float64)[order]
        value = float(statistic(x, np.ones((1, len(x))))[0])
        if len(x) < 2:
            return Figure(value, len(x))
        found = np.concatenate([statistic(x, each) for each in self._weights(calls, order)])
        bounds = interval(found)
        if bounds is None:
            return Figure(value, len(x))
        return Figure(value, len(x), bounds.low, bounds.high)

    def _weights(self, calls: Sequence[int], order: NDArray[np.intp]) -> list[Floats]:
        """How often each value was drawn, a few resamples at a time."""
        draws = self._draws
        if draws is None:
            draws = resample_speakers(len(order), seed=self._seed)
            columns = np.arange(len(order))
        else:
            columns = np.asarray(calls)[order]
        return [draws[begin : begin + _BLOCK][:, columns] for begin in range(0, RESAMPLES, _BLOCK)]


def weighted_quantile(values: Floats, weights: Floats, q: float) -> Floats:
    """Quantile of values that are each there so many times, as `numpy.percentile` has it.

    Parameters
    ----------
    values : ndarray, shape (n,)
        In order.
    weights : ndarray, shape (r, n)
        Whole numbers; one row a resample.
    q : float
        In percent.

    Returns
    -------
    ndarray, shape (r,)
        NaN where nothing was drawn.
    """
    so_far = np.cumsum(weights, axis=1)
    at = (so_far[:, -1] - 1) * q / 100
    low = np.floor(at)
    first = np.sum(so_far <= low[:, None], axis=1)
    second = np.sum(so_far <= np.ceil(at)[:, None], axis=1)
    last = len(values) - 1
    below, above = values[np.minimum(first, last)], values[np.minimum(second, last)]
    found = below + (above - below) * (at - low)
    return np.where(so_far[:, -1] > 0, found, np.nan)
