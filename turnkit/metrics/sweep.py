"""Every policy of a grid on every span, and the best of them at an operating point.

What a policy did is kept as sums per speaker, from which rates and means follow for the
corpus as it is and, with weights, for any resampling of its speakers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.detector.policy import (
    ACTION_DELAYS_S,
    FIRST_SCORE_S,
    THRESHOLDS,
    TIMEOUTS_S,
    VAD_DELAYS_S,
    Policy,
    fire_time,
    first_above,
)
from turnkit.metrics.points import OperatingPoint, PointKind
from turnkit.metrics.spans import GRID_S, SpanScores, validate

Floats = NDArray[np.float64]

_BLOCK = 256
"""Spans taken at a time: 256 x 5454 policies are 11 MB."""

_DIGITS = 9
"""Decimals to which means are compared: sums of tenths are not exact in binary."""


@dataclass(frozen=True, slots=True, eq=False)
class PolicyGrid:
    """All policies of some thresholds, action delays and timeouts, in that order.

    Attributes
    ----------
    thresholds, delays_s, timeouts_s : ndarray, shapes (k,), (d,), (t,)
    """

    thresholds: Floats
    delays_s: Floats
    timeouts_s: Floats

    def __len__(self) -> int:
        return len(self.thresholds) * len(self.delays_s) * len(self.timeouts_s)

    def policy(self, index: int) -> Policy:
        """Return policy number `index` of the grid."""
        shape = (len(self.thresholds), len(self.delays_s), len(self.timeouts_s))
        k, d, t = np.unravel_index(index, shape)
        return Policy(
            threshold=float(self.thresholds[k]),
            action_delay_s=float(self.delays_s[d]),
            timeout_s=float(self.timeouts_s[t]),
        )

    def combine(self, above: Floats, delays: Floats, timeouts: Floats) -> Floats:
        """Fire times of all policies.

        Parameters
        ----------
        above : ndarray, shape (n, k)
            When each threshold is first exceeded.
        delays, timeouts : ndarray, shapes (d,), (t,)
            The grid's delays and timeouts in the unit of `above`: seconds, or frames.

        Returns
        -------
        ndarray, shape (n, k * d * t)
        """
        each = [fire_time(above, float(d), float(t)) for d in delays for t in timeouts]
        return np.stack(each, axis=-1).reshape(len(above), -1)


SCORE_GRID = PolicyGrid(THRESHOLDS, ACTION_DELAYS_S, TIMEOUTS_S)
"""The sweep of a detector that has scores: 101 x 9 x 6 policies."""

DELAY_GRID = PolicyGrid(np.array([1.0]), np.array([FIRST_SCORE_S]), VAD_DELAYS_S)
"""The sweep of pure delay, for detectors without scores: 34 policies."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerSums:
    """What each policy did with each speaker.

    Attributes
    ----------
    cutoffs : ndarray, shape (s, p)
        False cutoffs of speaker `s` under policy `p`.
    latency_s : ndarray, shape (s, p)
        Summed latency of the ends of turn.
    holds, ends : ndarray, shape (s,)
        How many of each the speaker has.
    """

    cutoffs: Floats
    latency_s: Floats
    holds: Floats
    ends: Floats

    def rate(self, weights: Floats | None = None) -> Floats:
        """Cutoffs per hold of each policy.

        Parameters
        ----------
        weights : ndarray, shape (r, s), optional
            How often each speaker was drawn in each resample.

        Returns
        -------
        ndarray, shape (p,) or (r, p)
            NaN where there is no hold.
        """
        return _ratio(self.cutoffs, self.holds, weights)

    def mean_latency_s(self, weights: Floats | None = None) -> Floats:
        """Mean latency of each policy; shapes as in `rate`, NaN where there is no end."""
        return _ratio(self.latency_s, self.ends, weights)


def _ratio(sums: Floats, counts: Floats, weights: Floats | None) -> Floats:
    over = np.ones(len(counts)) if weights is None else weights
    below = over @ counts
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((over @ sums) / np.asarray(below)[..., None], dtype=np.float64)


def sweep(spans: SpanScores, grid: PolicyGrid | None = None) -> SpeakerSums:
    """Every policy of a grid on annotated spans.

    Parameters
    ----------
    spans : SpanScores
    grid : PolicyGrid, optional
        By default `SCORE_GRID`, or `DELAY_GRID` where no span has a score.

    Returns
    -------
    SpeakerSums
        With as many policies as the grid has, in its order.

    Raises
    ------
    InputError
        As `validate` does.
    """
    validate(spans)
    if grid is None:
        grid = SCORE_GRID if spans.has_scores else DELAY_GRID
    speakers = len(spans.speakers)
    cutoffs, latency = np.zeros((2, speakers, len(grid)))
    duration = spans.rounded_duration_s()
    order = np.argsort(spans.speaker, kind="stable")
    for begin in range(0, len(spans), _BLOCK):
        rows = order[begin : begin + _BLOCK]
        above = np.array([first_above(GRID_S, spans.scores[i], grid.thresholds) for i in rows])
        fire = grid.combine(above, grid.delays_s, grid.timeouts_s)
        end = spans.is_end[rows]
        _add(latency, spans.speaker[rows[end]], fire[end])
        cut = duration[rows[~end], None] > fire[~end]
        _add(cutoffs, spans.speaker[rows[~end]], cut.astype(np.float64))
    return SpeakerSums(
        cutoffs,
        latency,
        np.bincount(spans.speaker[~spans.is_end], minlength=speakers).astype(np.float64),
        np.bincount(spans.speaker[spans.is_end], minlength=speakers).astype(np.float64),
    )


def _add(sums: Floats, speaker: NDArray[np.int64], values: Floats) -> None:
    """Add rows of `values` to the rows of their (sorted) speakers."""
    if len(speaker):
        present, first = np.unique(speaker, return_index=True)
        sums[present] += np.add.reduceat(values, first, axis=0)


def pure_delay(spans: SpanScores) -> SpeakerSums:
    """Sweep the VAD baseline: pure delay (`DELAY_GRID`) on the annotated spans."""
    return sweep(spans, DELAY_GRID)


@dataclass(frozen=True, slots=True)
class Choice:
    """The policy chosen for an operating point.

    Attributes
    ----------
    index : int
        In the grid.
    rate, mean_latency_s : float
        What it did on the rows it was chosen on.
    reached : bool
        False where no policy meets the point's limit; then this is the closest one.
    """

    index: int
    rate: float
    mean_latency_s: float
    reached: bool


def choose(point: OperatingPoint, sums: SpeakerSums) -> Choice | None:
    """Find the best policy for an operating point.

    Ties go to the lower value of the other quantity, then to the first in the grid.
    Where no policy keeps the limit, the closest to it is returned, marked.

    Returns
    -------
    Choice or None
        None where there are no holds or no ends.
    """
    rate, latency = np.round(sums.rate(), _DIGITS), np.round(sums.mean_latency_s(), _DIGITS)
    if np.isnan(rate).any() or np.isnan(latency).any():
        return None
    wanted, limited = (rate, latency) if point.kind is PointKind.CUTOFFS else (latency, rate)
    allowed = np.flatnonzero(limited <= point.limit)
    if len(allowed):
        index = int(allowed[np.lexsort((limited[allowed], wanted[allowed]))[0]])
    else:
        index = int(np.lexsort((wanted, limited))[0])
    return Choice(index, float(rate[index]), float(latency[index]), bool(len(allowed)))


def frontier(sums: SpeakerSums) -> tuple[Floats, Floats]:
    """Policies that no other policy beats in both cutoffs and latency.

    Returns
    -------
    mean_latency_s, rate : ndarray, shape (m,)
        Latency rising, rate falling; empty where there are no holds or no ends.
    """
    rate, latency = np.round(sums.rate(), _DIGITS), np.round(sums.mean_latency_s(), _DIGITS)
    if np.isnan(rate).any() or np.isnan(latency).any():
        return np.zeros(0), np.zeros(0)
    order = np.lexsort((rate, latency))
    falling = np.minimum.accumulate(rate[order])
    better = np.append(True, falling[1:] < falling[:-1])
    return latency[order][better], rate[order][better]
