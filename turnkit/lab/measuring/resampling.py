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

from turnkit.metrics.bootstrap import interval, resample_speakers

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
        self._calls, self._seed = calls, seed
        self._draws: dict[int, Floats] = {}

    def quantiles(
        self, values: Sequence[float], calls: Sequence[int], qs: Sequence[float]
    ) -> list[Figure]:
        """Quantiles of values, each of a call.

        Parameters
        ----------
        values : sequence of float
            At least one.
        calls : sequence of int
            Place of each value's call among all calls.
        qs : sequence of float
            In percent.
        """

        def statistic(x: Floats, weights: Floats) -> Floats:
            return weighted_quantiles(x, weights, qs)

        return self._figures(values, calls, statistic)

    def mean(self, values: Sequence[float], calls: Sequence[int]) -> Figure:
        """Mean of values; of zeros and ones a rate. Arguments as for `quantiles`."""

        def statistic(x: Floats, weights: Floats) -> Floats:
            total = weights.sum(axis=1)
            sums = (weights * x).sum(axis=1)
            return np.where(total > 0, sums / np.maximum(total, 1.0), np.nan)[:, None]

        return self._figures(values, calls, statistic)[0]

    def _figures(
        self,
        values: Sequence[float],
        calls: Sequence[int],
        statistic: Callable[[Floats, Floats], Floats],
    ) -> list[Figure]:
        order = np.argsort(np.asarray(values, dtype=np.float64), kind="stable")
        x = np.asarray(values, dtype=np.float64)[order]
        (found,) = statistic(x, np.ones((1, len(x)))).tolist()
        if len(x) < 2:
            return [Figure(value, len(x)) for value in found]
        columns = np.asarray(calls)[order] if self.unit == "calls" else np.arange(len(x))
        draws = self._drawn(self._calls if self.unit == "calls" else len(x))
        blocks = [
            statistic(x, draws[begin : begin + _BLOCK][:, columns])
            for begin in range(0, len(draws), _BLOCK)
        ]
        figures = []
        for value, resampled in zip(found, np.concatenate(blocks).T, strict=True):
            bounds = interval(resampled) or (None, None)
            figures.append(Figure(value, len(x), *bounds))
        return figures

    def _drawn(self, units: int) -> Floats:
        """How often each unit was drawn, shape (resamples, units)."""
        if units not in self._draws:
            self._draws[units] = resample_speakers(units, seed=self._seed)
        return self._draws[units]


def weighted_quantiles(values: Floats, weights: Floats, qs: Sequence[float]) -> Floats:
    """Quantiles of values that are each there so many times, as `numpy.percentile` has it.

    Parameters
    ----------
    values : ndarray, shape (n,)
        In order.
    weights : ndarray, shape (r, n)
        Whole numbers; one row a resample.
    qs : sequence of float
        In percent.

    Returns
    -------
    ndarray, shape (r, len(qs))
        NaN where nothing was drawn.
    """
    found = np.full((len(weights), len(qs)), np.nan)
    for row, so_far in enumerate(np.cumsum(weights, axis=1)):
        if so_far[-1] == 0:
            continue
        at = (so_far[-1] - 1) * np.asarray(qs) / 100
        low = np.floor(at)
        below = values[np.searchsorted(so_far, low, side="right")]
        above = values[np.searchsorted(so_far, np.ceil(at), side="right")]
        found[row] = below + (above - below) * (at - low)
    return found
