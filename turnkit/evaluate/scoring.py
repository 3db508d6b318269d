"""From replays and sweeps to the figures of a detector, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from turnkit.detector.policy import Policy
from turnkit.evaluate.claims import bounds
from turnkit.evaluate.fitting import FittedPolicy
from turnkit.evaluate.results import BestPoint, Diagnostics, FrozenPoint
from turnkit.metrics import (
    GRID_S,
    POINTS,
    PolicyGrid,
    SpanScores,
    SpeakerSums,
    TurnOutcome,
    average_precision,
    best_values,
    choose,
    expected_calibration_error,
    outcome_sums,
    policy_values,
    reliability,
    roc_auc,
    summarise,
)

Weights: TypeAlias = NDArray[np.float64]

_MOMENTS_S = (0.2, 0.5)
"""Seconds after the end of speech at which scores are looked at by themselves."""


def frozen_point(
    name: str,
    policy: Policy,
    outcomes: tuple[TurnOutcome, ...],
    fitted: FittedPolicy | None,
    speakers: Sequence[str],
    weights: Weights,
) -> FrozenPoint:
    """Bring the replays of one policy together.

    Parameters
    ----------
    name : str
        Of an operating point; any other for the policy that a detector comes with.
    policy : Policy
    outcomes : tuple of TurnOutcome
    fitted : FittedPolicy or None
    speakers : sequence of str
        In the order of the columns of `weights`.
    weights : ndarray, shape (r, s)
        Draws of `resample_speakers`.
    """
    point = next((point for point in POINTS if point.name == name), None)
    summary, sums = summarise(outcomes), outcome_sums(outcomes, speakers)
    rates, latencies = policy_values(sums, 0, weights)
    return FrozenPoint(
        point=point,
        policy=policy,
        fitted=fitted,
        summary=summary,
        outcomes=outcomes,
        sums=sums,
        rate_interval=bounds(rates, weights),
        latency_interval=bounds(latencies, weights),
        missed=point is not None and point.missed(summary.rate, summary.mean_latency_s),
    )


def best_points(sums: SpeakerSums, grid: PolicyGrid, weights: Weights) -> dict[str, BestPoint]:
    """Choose the best policy of a sweep at every operating point, with intervals.

    Returns
    -------
    dict of str to BestPoint
        By point; empty where there are no holds or no ends.
    """
    found = {}
    for point in POINTS:
        choice = choose(point, sums)
        if choice is not None:
            found[point.name] = BestPoint(
                point,
                grid.policy(choice.index),
                choice.rate,
                choice.mean_latency_s,
                choice.reached,
                bounds(best_values(point, sums, weights), weights),
            )
    return found


def diagnose(spans: SpanScores) -> dict[str, Diagnostics]:
    """Look at scores by themselves: at fixed moments, and the first of each span.

    Returns
    -------
    dict of str to Diagnostics
        By moment; empty where no span has a score.
    """
    if not spans.has_scores:
        return {}
    scored = ~np.isnan(spans.scores)
    first = np.take_along_axis(spans.scores, scored.argmax(axis=1)[:, None], axis=1)[:, 0]
    read = {"first score": (first, np.ones(len(spans), dtype=np.bool_))}
    for moment in _MOMENTS_S:
        column = int(np.argmin(np.abs(GRID_S - moment)))
        lasting = spans.is_end | (spans.rounded_duration_s() >= moment)
        read[f"{moment:g} s"] = (spans.scores[:, column], lasting)
    return {
        label: _diagnostics(spans.is_end[lasting], scores[lasting])
        for label, (scores, lasting) in read.items()
    }


def _diagnostics(is_end: NDArray[np.bool_], scores: NDArray[np.float64]) -> Diagnostics:
    return Diagnostics(
        spans=len(scores),
        scored=int(np.count_nonzero(~np.isnan(scores))),
        auc=roc_auc(is_end, scores),
        average_precision=average_precision(is_end, scores),
        calibration_error=expected_calibration_error(is_end, scores),
        reliability=reliability(is_end, scores),
    )
