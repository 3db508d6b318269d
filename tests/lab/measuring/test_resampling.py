from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkit.lab.measuring.resampling import FEWEST_CALLS, Figure, Resampler, weighted_quantiles


@given(
    st.lists(st.tuples(st.floats(-1e4, 1e4), st.integers(0, 4)), min_size=1, max_size=20),
    st.floats(0, 100),
)
def test_a_weighted_quantile_is_that_of_the_repeated_values(
    pairs: list[tuple[float, int]], q: float
) -> None:
    pairs.sort()
    values = np.array([value for value, _ in pairs])
    weights = np.array([weight for _, weight in pairs])
    (found,) = weighted_quantiles(values, weights[None].astype(float), [q])[0]
    if weights.sum() == 0:
        assert np.isnan(found)
    else:
        oracle = np.percentile(np.repeat(values, weights), q)
        assert found == pytest.approx(oracle, abs=1e-6)


def test_an_interval_over_calls_knows_that_turns_of_a_call_are_alike() -> None:
    random = np.random.default_rng(0)
    calls = np.repeat(np.arange(20), 10)
    values = random.normal(0, 100, 20)[calls] + random.normal(0, 1, 200)
    by_calls = Resampler(20).quantiles(values.tolist(), calls.tolist(), [50])[0]
    by_turns = Resampler(2).quantiles(values.tolist(), calls.tolist(), [50])[0]
    assert by_calls.value == by_turns.value == pytest.approx(float(np.median(values)))
    assert by_calls.n == 200
    assert None not in (by_calls.low, by_calls.high, by_turns.low, by_turns.high)
    assert by_calls.low is not None
    assert by_calls.high is not None
    assert by_turns.low is not None
    assert by_turns.high is not None
    assert by_calls.low <= by_calls.value <= by_calls.high
    assert by_calls.high - by_calls.low > 1.5 * (by_turns.high - by_turns.low)


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 1000))
def test_the_interval_of_a_mean_covers_it(seed: int) -> None:
    values = np.random.default_rng(seed).normal(50, 10, 400)
    found = Resampler(400).mean(values.tolist(), list(range(400)))
    assert found.value == pytest.approx(float(np.mean(values)))
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * 10 / 20, rel=0.25)


def test_a_rate_of_calls_that_are_rarely_drawn() -> None:
    """One call of six has the trials: in a third of the draws it is not there."""
    found = Resampler(6).mean([1.0, 0.0], [3, 3])
    assert found.value == 0.5
    assert (found.low, found.high) == (0.5, 0.5)


def test_units() -> None:
    assert Resampler(FEWEST_CALLS).unit == "calls"
    assert Resampler(FEWEST_CALLS - 1).unit == "turns"
    assert Resampler(0).unit == "turns"
    assert Resampler(9).quantiles([7.0], [0], [50, 90]) == [Figure(7.0, 1)] * 2
    assert Figure(7.0, 1).as_dict() == {"value": 7.0, "n": 1, "low": None, "high": None}
