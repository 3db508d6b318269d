"""Figures with 95 % intervals, by bootstrap over what is independent.

What depends on each other is drawn together, with replacement (percentile method, Efron &
Tibshirani 1993, ch. 13; clusters: Field & Welsh 2007):

- ``"rows"``, all turns in which the same thing was said, whenever things are said again:
  one that is hard to answer is hard each time;
- ``"calls"``, all turns of a call, where nothing is said twice and there are at least
  `FEWEST_CALLS` calls;
- ``"turns"`` otherwise: each is a row of its own. Turns of a call may be more alike than
  that, and the intervals somewhat too narrow.

With fewer than `FEWEST_CLUSTERS` of them there is no interval.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from turnkit.metrics.bootstrap import interval, resample_speakers

Floats = NDArray[np.float64]

FEWEST_CALLS = 12
FEWEST_CLUSTERS = 3

_BLOCK = 50
_REPEAT = re.compile(r" #\d+$")


class Origin(NamedTuple):
    """Where a value comes from: the number of its call, and the name of what was said."""

    call: int
    name: str


def plain_name(name: str) -> str:
    """Take the number of a repeat away from the name of what was said."""
    return _REPEAT.sub("", name)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Attributes
    ----------
    value : float
        Infinite where it falls on something that never happened.
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
        """Plain values, for JSON.

        Returns
        -------
        dict
            ``value`` is None and ``censored`` true where it is infinite; a bound that is
            infinite is None, and the other one, if finite, is there.
        """
        found = {
            "value": _finite(self.value),
            "n": self.n,
            "low": _finite(self.low),
            "high": _finite(self.high),
        }
        return found if math.isfinite(self.value) else found | {"censored": True}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class Resampler:
    """Draws what is independent, always the same.

    Parameters
    ----------
    origins : sequence of Origin
        Of all turns, or of all else that is said: they decide what is drawn.
    seed : int

    Attributes
    ----------
    unit : str
        ``"calls"``, ``"rows"`` or ``"turns"``; see the module's text.
    rows : int
        How many different things were said.
    """

    def __init__(self, origins: Sequence[Origin], seed: int = 0) -> None:
        self.rows = len({plain_name(origin.name) for origin in origins})
        calls = len({origin.call for origin in origins})
        if self.rows < len(origins):
            self.unit = "rows"
        else:
            self.unit = "calls" if calls >= FEWEST_CALLS else "turns"
        self._seed = seed
        self._draws: dict[int, Floats] = {}

    def quantiles(
        self, values: Sequence[float], origins: Sequence[Origin], qs: Sequence[float]
    ) -> list[Figure]:
        """Quantiles of values; of infinite ones, which never came, the order alone counts.

        Parameters
        ----------
        values : sequence of float
            At least one.
        origins : sequence of Origin
            Of each value.
        qs : sequence of float
            In percent.
        """

        def statistic(x: Floats, weights: Floats) -> Floats:
            return weighted_quantiles(x, weights, qs)

        return self._figures(values, origins, statistic)

    def mean(self, values: Sequence[float], origins: Sequence[Origin]) -> Figure:
        """Mean of values; of zeros and ones a rate. Arguments as for `quantiles`."""

        def statistic(x: Floats, weights: Floats) -> Floats:
            means: Floats = (weights @ x) / weights.sum(axis=1)
            return means[:, None]

        return self._figures(values, origins, statistic)[0]

    def _figures(
        self,
        values: Sequence[float],
        origins: Sequence[Origin],
        statistic: Callable[[Floats, Floats], Floats],
    ) -> list[Figure]:
        order = np.argsort(np.asarray(values, dtype=np.float64), kind="stable")
        x = np.asarray(values, dtype=np.float64)[order]
        found: list[float] = statistic(x, np.ones((1, len(x))))[0].tolist()
        keys = [self._cluster(origin) for origin in origins]
        places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        if len(places) < FEWEST_CLUSTERS:
            return [Figure(value, len(x)) for value in found]
        columns = np.array([places[key] for key in keys])[order]
        draws = self._drawn(len(places))
        blocks = [
            statistic(x, draws[begin : begin + _BLOCK][:, columns])
            for begin in range(0, len(draws), _BLOCK)
        ]
        figures = []
        for value, resampled in zip(found, np.concatenate(blocks).T, strict=True):
            bounds = interval(resampled) or (None, None)
            figures.append(Figure(value, len(x), *bounds))
        return figures

    def _cluster(self, origin: Origin) -> int | str:
        return origin.call if self.unit == "calls" else plain_name(origin.name)

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
        In order; infinity (it never came) is the last.
    weights : ndarray, shape (r, n)
        Whole numbers; one row a resample.
    qs : sequence of float
        In percent.

    Returns
    -------
    ndarray, shape (r, len(qs))
        NaN where nothing was drawn; infinite between a value and infinity.
    """
    found = np.full((len(weights), len(qs)), np.nan)
    for row, so_far in enumerate(np.cumsum(weights, axis=1)):
        if so_far[-1] == 0:
            continue
        at = (so_far[-1] - 1) * np.asarray(qs) / 100
        low = np.floor(at)
        below = values[np.searchsorted(so_far, low, side="right")]
        above = values[np.searchsorted(so_far, np.ceil(at), side="right")]
        # Not from infinity to infinity: that is no number.
        apart = np.where(above > below, above, 0.0) - np.where(above > below, below, 0.0)
        part = at - low
        found[row] = below + np.where(part > 0, apart, 0.0) * np.where(part > 0, part, 1.0)
    return found
