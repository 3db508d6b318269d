"""The policy: against a plain loop over frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from turnkit.errors import ConfigError

scores = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0, math.nan])), max_size=40
)
policies = st.builds(
    Policy,
    threshold=st.sampled_from(THRESHOLDS.tolist()),
    action_delay_s=st.sampled_from(ACTION_DELAYS_S.tolist()),
    timeout_s=st.sampled_from(TIMEOUTS_S.tolist()),
)


def loop_first_above(times: list[float], values: list[float], threshold: float) -> float:
    for time, value in zip(times, values, strict=True):
        if value > threshold:
            return time
    return math.inf


def grid(n: int) -> list[float]:
    return [round(0.2 + 0.1 * i, 1) for i in range(n)]


@given(scores)
def test_first_above_is_the_loop(values: list[float]) -> None:
    times = grid(len(values))
    got = first_above(np.array(times), np.array(values), THRESHOLDS)
    assert got.tolist() == [loop_first_above(times, values, t) for t in THRESHOLDS.tolist()]


@given(scores, policies)
def test_fire_time_is_the_loop(values: list[float], policy: Policy) -> None:
    """A clock that ticks each 0.1 s and acts on what it has heard so far."""
    times, heard = grid(len(values)), False
    fired = policy.timeout_s
    for tick in grid(60):
        if tick in times:
            heard = heard or values[times.index(tick)] > policy.threshold
        if tick >= policy.timeout_s or (heard and tick >= policy.action_delay_s):
            fired = min(tick, policy.timeout_s)
            break
    above = first_above(np.array(times), np.array(values), np.array([policy.threshold]))
    assert fire_time(above, policy.action_delay_s, policy.timeout_s).tolist() == [fired]


def test_no_scores() -> None:
    none = np.zeros(0)
    assert first_above(none, none, THRESHOLDS).tolist() == [math.inf] * len(THRESHOLDS)


def test_at_the_threshold_is_not_above() -> None:
    times, values = np.array([0.2, 0.3]), np.array([0.5, 0.51])
    assert first_above(times, values, np.array([0.49, 0.5, 0.51])).tolist() == [0.2, 0.3, math.inf]


def test_grids_are_the_protocols() -> None:
    assert THRESHOLDS.tolist() == [i / 100 for i in range(101)]
    assert ACTION_DELAYS_S.tolist() == [i / 10 for i in range(2, 11)]
    assert TIMEOUTS_S.tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert VAD_DELAYS_S.tolist() == [i / 10 for i in range(2, 36)]
    assert FIRST_SCORE_S == 0.2


@pytest.mark.parametrize(
    "values",
    [
        {"threshold": -0.01}, {"threshold": 1.01}, {"threshold": math.nan},
        {"action_delay_s": 0.19}, {"action_delay_s": math.inf}, {"action_delay_s": math.nan},
        {"timeout_s": 0.1}, {"timeout_s": 61.0}, {"timeout_s": math.nan},
    ],
)  # fmt: skip
def test_values_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"policy {next(iter(values))}.*expected"):
        Policy(**values)


@given(policies)
def test_round_trip(policy: Policy) -> None:
    assert Policy(**policy.as_dict()) == policy


def test_timeout_only_leaves_the_model_no_word() -> None:
    policy = Policy.timeout_only(0.7)
    above = first_above(np.array([0.2]), np.array([1.0]), np.array([policy.threshold]))
    assert fire_time(above, policy.action_delay_s, policy.timeout_s).tolist() == [0.7]
