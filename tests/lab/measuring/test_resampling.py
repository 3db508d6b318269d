from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from turnkit.lab.measuring.resampling import (
    FEWEST_CALLS,
    FEWEST_CLUSTERS,
    Figure,
    Origin,
    Resampler,
    plain_name,
    weighted_quantiles,
)


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


@given(st.lists(st.floats(0, 1e4), max_size=12), st.integers(0, 12), st.floats(0, 100))
def test_what_never_came_ranks_above_all(values: list[float], never: int, q: float) -> None:
    ordered = np.array(sorted(values) + [np.inf] * never)
    if not len(ordered):
        return
    (found,) = weighted_quantiles(ordered, np.ones((1, len(ordered))), [q])[0]
    oracle = np.percentile(np.where(np.isinf(ordered), 1e12, ordered), q)
    at = (len(ordered) - 1) * q / 100
    if oracle < 1e6 and np.ceil(at) < len(values):
        assert found == pytest.approx(oracle, abs=1e-6)
    else:
        assert np.isinf(found) or at - np.floor(at) < 1e-9


def origins(calls: int, each: int, rows: int) -> list[Origin]:
    """Turns of calls, the rows said again and again."""
    numbers = range(calls * each)
    names = [f"row-{k % rows}" + (f" #{k // rows + 1}" if k >= rows else "") for k in numbers]
    return [Origin(k // each, name) for k, name in zip(numbers, names, strict=True)]


def covered(items: list[Origin], groups: NDArray[np.int64], trials: int) -> float:
    """How often the interval of the median holds the true one, 0."""
    random = np.random.default_rng(7)
    resampler, hits = Resampler(items), 0
    for _ in range(trials):
        shared = random.normal(0, 1, groups.max() + 1)[groups]
        values = shared + random.normal(0, 0.3, len(groups))
        (found,) = resampler.quantiles(values.tolist(), items, [50])
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0 <= found.high
    return hits / trials


def test_intervals_cover_where_rows_are_said_again() -> None:
    items = origins(calls=40, each=4, rows=20)
    assert Resampler(items).unit == "rows"
    assert covered(items, np.arange(160) % 20, 120) >= 0.88


def test_intervals_cover_where_turns_of_a_call_are_alike() -> None:
    items = origins(calls=20, each=4, rows=80)
    assert Resampler(items).unit == "calls"
    assert covered(items, np.arange(80) // 4, 120) >= 0.88


@pytest.mark.parametrize(
    ("items", "groups"),
    [
        (origins(40, 4, 20), np.arange(160) % 20),
        (origins(20, 4, 80), np.arange(80) // 4),
    ],
    ids=["rows", "calls"],
)
def test_intervals_of_rates_cover(
    items: list[Origin], groups: NDArray[np.int64], request: pytest.FixtureRequest
) -> None:
    random = np.random.default_rng(11)
    resampler, hits, trials = Resampler(items), 0, 200
    assert request.node.callspec.id == resampler.unit
    for _ in range(trials):
        likely = random.beta(2, 6, groups.max() + 1)[groups]
        values = (random.random(len(groups)) < likely).astype(float)
        found = resampler.mean(values.tolist(), items)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.25 <= found.high
    assert hits / trials >= 0.88


def test_drawing_by_calls_would_not_cover_where_rows_are_said_again() -> None:
    """Why rows are drawn: calls as the unit take 160 turns of 20 rows for independent."""
    items = origins(calls=40, each=4, rows=20)
    as_if = [Origin(item.call, f"{k}") for k, item in enumerate(items)]
    assert Resampler(as_if).unit == "calls"
    assert covered(as_if, np.arange(160) % 20, 50) < 0.8


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 1000))
def test_the_interval_of_a_mean_covers_it(seed: int) -> None:
    values = np.random.default_rng(seed).normal(50, 10, 400)
    items = origins(400, 1, 400)
    found = Resampler(items).mean(values.tolist(), items)
    assert found.value == pytest.approx(float(np.mean(values)))
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * 10 / 20, rel=0.25)


def test_few_clusters_have_no_interval() -> None:
    items = origins(calls=30, each=2, rows=FEWEST_CLUSTERS - 1)
    found = Resampler(items).mean([float(k % 5) for k in range(60)], items)
    assert (found.low, found.high, found.n) == (None, None, 60)
    # One call of many has the values.
    items = origins(calls=FEWEST_CALLS, each=2, rows=2 * FEWEST_CALLS)
    assert Resampler(items).mean([1.0, 0.0], items[:2]) == Figure(0.5, 2)


def test_units() -> None:
    assert Resampler(origins(FEWEST_CALLS, 3, 3 * FEWEST_CALLS)).unit == "calls"
    assert Resampler(origins(FEWEST_CALLS - 1, 3, 3 * FEWEST_CALLS)).unit == "turns"
    assert Resampler(origins(FEWEST_CALLS, 3, 3 * FEWEST_CALLS - 1)).unit == "rows"
    assert Resampler(origins(2, 3, 2)).unit == "rows"
    assert Resampler(origins(2, 3, 2)).rows == 2
    assert Resampler([]).unit == "turns"
    assert plain_name("row #3 #12") == "row #3"
    one = origins(1, 1, 1)
    assert Resampler(one).quantiles([7.0], one, [50, 90]) == [Figure(7.0, 1)] * 2


def test_figures_as_plain_values() -> None:
    assert Figure(7.0, 1).as_dict() == {"value": 7.0, "n": 1, "low": None, "high": None}
    never = Figure(np.inf, 9, 300.0, np.inf).as_dict()
    assert never == {"value": None, "n": 9, "low": 300.0, "high": None, "censored": True}
    assert "censored" not in Figure(7.0, 9, 3.0, np.inf).as_dict()
