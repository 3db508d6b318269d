"""How good is an end-of-turn detector? Metrics on arrays; numpy is all they need.

Task
    A turn is cut by silence spans. Those before its last are *holds*: the same speaker
    goes on, and a detector that ends the turn there makes a *false cutoff*. The last is
    the *end of turn*: the detector should end it, and the seconds of silence until it
    does are its *latency*.

Conventions
    Times are seconds and rates are shares in 0 .. 1. A hold counts when it lasts 0.2 s to
    5 s. A policy cuts a hold that lasts longer than its fire time. Means are over spans,
    never over speakers; intervals are over speakers, because spans of one voice are not
    independent. Empty input gives NaN, never an exception; input that cannot be right
    raises `InputError`.

Source
    Policies, their sweep and the four operating points are those of the public benchmark
    ``eot-bench`` (LiveKit, 2026). Bootstrap: Efron & Tibshirani, *An Introduction to the
    Bootstrap* (1993). Calibration error: Naeini et al., AAAI 2015.
"""

from __future__ import annotations

from turnkit.metrics.bootstrap import (
    Interval,
    best_values,
    interval,
    policy_values,
    reduction,
    resample_speakers,
)
from turnkit.metrics.calibration import (
    Reliability,
    average_precision,
    expected_calibration_error,
    reliability,
    roc_auc,
)
from turnkit.metrics.outcomes import (
    Cutoff,
    CutoffKind,
    Summary,
    TurnOutcome,
    outcome_sums,
    summarise,
)
from turnkit.metrics.points import POINTS, OperatingPoint, PointKind, point_named
from turnkit.metrics.spans import GRID_S, MISS_S, SpanScores, read_grid, validate
from turnkit.metrics.sweep import (
    DELAY_GRID,
    SCORE_GRID,
    Choice,
    PolicyGrid,
    SpeakerSums,
    choose,
    frontier,
    pure_delay,
    sweep,
)

__all__ = [
    "DELAY_GRID",
    "GRID_S",
    "MISS_S",
    "POINTS",
    "SCORE_GRID",
    "Choice",
    "Cutoff",
    "CutoffKind",
    "Interval",
    "OperatingPoint",
    "PointKind",
    "PolicyGrid",
    "Reliability",
    "SpanScores",
    "SpeakerSums",
    "Summary",
    "TurnOutcome",
    "average_precision",
    "best_values",
    "choose",
    "expected_calibration_error",
    "frontier",
    "interval",
    "outcome_sums",
    "point_named",
    "policy_values",
    "pure_delay",
    "read_grid",
    "reduction",
    "reliability",
    "resample_speakers",
    "roc_auc",
    "summarise",
    "sweep",
    "validate",
]
