"""Choosing a policy on fitting rows: every policy on the detector's own pauses.

Replaying thousands of policies would take days. What a policy does follows from one
trace: in each pause that the detector heard, it fires at the frame where its clock and
its scores say so. Frames and clock are the detector's own, so a chosen policy does in a
replay what it did here, up to what a reset after a false cutoff changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.detector.policy import FIRST_SCORE_S, Policy, first_above
from turnkit.evaluate.tracing import TurnTrace
from turnkit.evaluate.turns import KINDS
from turnkit.metrics import (
    DELAY_GRID,
    MISS_S,
    POINTS,
    SCORE_GRID,
    CutoffKind,
    PolicyGrid,
    SpeakerSums,
    choose,
)

_NEVER = np.iinfo(np.int64).max
"""Sample of a decision that does not come."""


@dataclass(frozen=True, slots=True)
class FittedPolicy:
    """A policy chosen for an operating point, and what it did on the fitting rows.

    Attributes
    ----------
    policy : Policy
    rate, mean_latency_s : float
    reached : bool
        False where no policy of the grid keeps the point's limit; this is the closest.
    """

    policy: Policy
    rate: float
    mean_latency_s: float
    reached: bool


def fire_samples(
    trace: TurnTrace, frames: NDArray[np.int64], grid: PolicyGrid
) -> NDArray[np.int64]:
    """Sample at which each policy ends the turn in one of the detector's own pauses.

    Parameters
    ----------
    trace : TurnTrace
    frames : ndarray of int, shape (m,)
        One of `TurnTrace.own_pauses`.
    grid : PolicyGrid

    Returns
    -------
    ndarray of int, shape (p,)
        The largest int64 where the pause is over before.
    """
    clock = trace.silence_s[frames]
    scores = np.where(clock >= FIRST_SCORE_S, trace.score[frames], np.nan)
    number = np.arange(len(frames), dtype=np.float64)
    above = first_above(number, scores, grid.thresholds)
    fire = grid.combine(
        above[None],
        np.searchsorted(clock, grid.delays_s).astype(np.float64),
        np.searchsorted(clock, grid.timeouts_s).astype(np.float64),
    )[0]
    at = np.append(trace.at[frames], _NEVER)
    return np.asarray(at[np.minimum(fire, len(frames)).astype(np.int64)], dtype=np.int64)


def simulate_turn(
    trace: TurnTrace, grid: PolicyGrid
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Score every policy of a grid on one turn, as `replay_turn` would.

    Returns
    -------
    cutoffs : ndarray of int, shape (p,)
        Holds cut plus cutoffs during speech.
    latency_s : ndarray, shape (p,)
        Seconds; 4 for a miss.
    """
    marks, policies = trace.marks, np.arange(len(grid))
    cut = np.zeros((len(marks.starts), len(grid)), dtype=np.bool_)
    in_speech = np.zeros(len(grid), dtype=np.int64)
    decided = np.full(len(grid), marks.limit, dtype=np.int64)
    for frames in trace.own_pauses():
        at = fire_samples(trace, frames, grid)
        early = at < marks.end_start
        code, span = marks.classify(at)
        hold = early & (code == KINDS.index(CutoffKind.HOLD))
        cut[span[hold], policies[hold]] = True
        in_speech += early & (code == KINDS.index(CutoffKind.SPEECH))
        decided = np.where(early, decided, np.minimum(decided, at))
    latency = np.minimum((decided - marks.end_start) / trace.sample_rate, MISS_S)
    return cut.sum(axis=0) + in_speech, latency


def fit_policies(traces: Sequence[TurnTrace]) -> dict[str, FittedPolicy]:
    """Choose a policy for each operating point on fitting rows.

    Parameters
    ----------
    traces : sequence of TurnTrace
        Of speakers that are neither those the weights were trained on nor those that
        will be tested. A detector without a single score is fitted as pure delay.

    Returns
    -------
    dict of str to FittedPolicy
        By the name of the point; empty where the rows have no holds or no ends.
    """
    scored = any(np.any(~np.isnan(trace.score)) for trace in traces)
    grid = SCORE_GRID if scored else DELAY_GRID
    cutoffs, latency = np.zeros((2, len(grid)))
    for trace in traces:
        one = simulate_turn(trace, grid)
        cutoffs += one[0]
        latency += one[1]
    holds = sum(int(trace.marks.counts.sum()) for trace in traces)
    sums = SpeakerSums(
        cutoffs[None], latency[None], np.array([float(holds)]), np.array([float(len(traces))])
    )
    found = {point.name: choose(point, sums) for point in POINTS}
    return {
        name: FittedPolicy(
            grid.policy(choice.index), choice.rate, choice.mean_latency_s, choice.reached
        )
        for name, choice in found.items()
        if choice is not None
    }
