from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from turnkit.detector.policy import Policy
from turnkit.errors import InputError
from turnkit.metrics import (
    DELAY_GRID,
    GRID_S,
    POINTS,
    SCORE_GRID,
    PolicyGrid,
    SpanScores,
    choose,
    frontier,
    point_named,
    pure_delay,
    read_grid,
    sweep,
    validate,
)


def spans_of(
    holds: list[float],
    ends: int,
    scores: np.ndarray | None = None,
    speaker: list[int] | None = None,
    speakers: int = 1,
) -> SpanScores:
    n = len(holds) + ends
    return SpanScores(
        duration_s=np.array([*holds, *[1.0] * ends], dtype=np.float64),
        is_end=np.arange(n) >= len(holds),
        speaker=np.array(speaker if speaker is not None else [0] * n, dtype=np.int64),
        speakers=tuple(f"s{i}" for i in range(speakers)),
        scores=np.full((n, len(GRID_S)), np.nan) if scores is None else scores,
        row=np.arange(n),
        span=np.zeros(n, dtype=np.int64),
    )


def brute_force(spans: SpanScores, grid: PolicyGrid) -> list[tuple[list[float], list[float]]]:
    """Cutoffs and summed latency of each speaker under each policy, with plain loops."""
    result = []
    products = itertools.product(grid.thresholds, grid.delays_s, grid.timeouts_s)
    for threshold, delay, timeout in products:
        cutoffs, latency = [0.0] * len(spans.speakers), [0.0] * len(spans.speakers)
        for i in range(len(spans)):
            fire = timeout
            for t, score in zip(GRID_S, spans.scores[i], strict=True):
                if score > threshold:
                    fire = min(timeout, max(delay, t))
                    break
            if spans.is_end[i]:
                latency[spans.speaker[i]] += fire
            elif spans.duration_s[i] > fire:
                cutoffs[spans.speaker[i]] += 1
        result.append((cutoffs, latency))
    return result


SMALL = PolicyGrid(
    np.array([0.0, 0.25, 0.5, 0.99, 1.0]), np.array([0.2, 0.4, 1.0]), np.array([1.0, 2.5])
)


@st.composite
def random_spans(draw: st.DrawFn) -> SpanScores:
    n = draw(st.integers(0, 12))
    # Hundredths, so that scores often equal a threshold and durations a grid time.
    hundredths = st.integers(0, 100).map(lambda x: x / 100)
    scores = draw(
        hnp.arrays(np.float64, (n, len(GRID_S)), elements=hundredths | st.just(float("nan")))
    )
    tenths = st.integers(2, 50).map(lambda x: x / 10)
    return SpanScores(
        duration_s=np.array(draw(st.lists(tenths, min_size=n, max_size=n))),
        is_end=np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool),
        speaker=np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), dtype=np.int64),
        speakers=("a", "b", "c"),
        scores=scores,
        row=np.arange(n),
        span=np.zeros(n, dtype=np.int64),
    )


@given(random_spans())
def test_sweep_equals_plain_loops(spans: SpanScores) -> None:
    sums = sweep(spans, SMALL)
    for p, (cutoffs, latency) in enumerate(brute_force(spans, SMALL)):
        assert sums.cutoffs[:, p] == pytest.approx(cutoffs)
        assert sums.latency_s[:, p] == pytest.approx(latency)


def test_grid_order_names_the_policy_that_was_swept() -> None:
    products = itertools.product(SMALL.thresholds, SMALL.delays_s, SMALL.timeouts_s)
    for i, (threshold, delay, timeout) in enumerate(products):
        assert SMALL.policy(i) == Policy(threshold, delay, timeout)
    assert (len(SCORE_GRID), len(DELAY_GRID), len(GRID_S)) == (101 * 9 * 6, 34, 34)
    assert GRID_S[0] == 0.2
    assert GRID_S[-1] == 3.5


def test_a_score_fires_at_its_time_and_a_hold_as_long_as_that_is_not_cut() -> None:
    scores = np.full((3, len(GRID_S)), np.nan)
    scores[:, 1] = 0.6  # at 0.3 s
    spans = spans_of([0.3, 0.301], 1, scores)
    one = PolicyGrid(np.array([0.5]), np.array([0.2]), np.array([2.0]))
    sums = sweep(spans, one)
    assert sums.rate()[0] == 0.5  # only the hold of 0.301 s lasts longer than 0.3 s
    assert sums.mean_latency_s()[0] == pytest.approx(0.3)
    at_threshold = PolicyGrid(np.array([0.6]), np.array([0.2]), np.array([2.0]))
    assert sweep(spans, at_threshold).mean_latency_s()[0] == 2.0  # above, not equal


def test_pure_delay_by_hand() -> None:
    sums = pure_delay(spans_of([0.3, 0.5, 0.7, 2.0], 2))
    delays = DELAY_GRID.timeouts_s.tolist()
    assert sums.mean_latency_s() == pytest.approx(delays)
    assert sums.rate()[delays.index(0.2)] == 1.0
    assert sums.rate()[delays.index(0.3)] == 0.75
    assert sums.rate()[delays.index(2.0)] == 0.0
    found = {point.name: choose(point, sums) for point in POINTS}
    assert [(c.rate, c.mean_latency_s) for c in found.values() if c] == [
        (0.75, 0.3),
        (0.5, 0.5),  # a tie goes to the lower latency
        (0.0, 2.0),
        (0.0, 2.0),
    ]


def test_float32_seconds_do_not_move_a_hold_across_the_grid() -> None:
    start, end = np.float32(9.1), np.float32(9.4)
    stored = float(end) - float(start)
    assert stored != 0.3
    sums = pure_delay(spans_of([stored], 1))
    assert sums.rate()[DELAY_GRID.timeouts_s.tolist().index(0.3)] == 0.0


@given(random_spans())
def test_choice_is_the_best_of_all_policies(spans: SpanScores) -> None:
    sums = sweep(spans, SMALL)
    rate, latency = sums.rate(), sums.mean_latency_s()
    for point in POINTS:
        choice = choose(point, sums)
        if choice is None:
            assert spans.holds == 0 or spans.ends == 0
            continue
        wanted, limited = (rate, latency) if point.kind == "cutoffs" else (latency, rate)
        inside = [i for i in range(len(SMALL)) if limited[i] <= point.limit + 1e-9]
        assert choice.reached == bool(inside)
        if inside:
            best = min(round(wanted[i], 9) for i in inside)
            assert round(wanted[choice.index], 9) == best
            ties = [i for i in inside if round(wanted[i], 9) == best]
            assert round(limited[choice.index], 9) == min(round(limited[i], 9) for i in ties)
            assert choice.index == min(
                i for i in ties if round(limited[i], 9) == round(limited[choice.index], 9)
            )
        else:
            assert round(limited[choice.index], 9) == min(round(x, 9) for x in limited)


def test_a_point_out_of_reach_gives_the_closest_policy_marked() -> None:
    sums = sweep(spans_of([4.5] * 3, 1), DELAY_GRID)  # no delay of the grid spares 4.5 s
    choice = choose(point_named("L@5%"), sums)
    assert choice is not None
    assert not choice.reached
    assert choice.rate == 1.0
    assert choice.mean_latency_s == 0.2


def test_empty_input_gives_nan_and_no_choice() -> None:
    for spans in (spans_of([], 0), spans_of([1.0], 0), spans_of([], 3)):
        sums = sweep(spans)
        assert np.isnan(sums.rate()).all() == (spans.holds == 0)
        assert np.isnan(sums.mean_latency_s()).all() == (spans.ends == 0)
        assert all(choose(point, sums) is None for point in POINTS)
        assert len(frontier(sums)[0]) == 0


def test_frontier_holds_what_nothing_beats() -> None:
    rng = np.random.default_rng(3)
    spans = spans_of([0.4, 0.9, 1.4, 2.2], 5, rng.random((9, len(GRID_S))))
    sums = sweep(spans, SMALL)
    latency, rate = frontier(sums)
    assert (np.diff(latency) > 0).all()
    assert (np.diff(rate) < 0).all()
    for a, b in zip(sums.mean_latency_s(), sums.rate(), strict=True):
        assert ((latency <= a + 1e-9) & (rate <= b + 1e-9)).any()


def test_seven_hundred_spans_take_well_under_a_second() -> None:
    rng = np.random.default_rng(0)
    spans = spans_of(rng.uniform(0.2, 5, 700).tolist(), 400, rng.random((1100, len(GRID_S))))
    begin = time.process_time()
    sweep(spans)
    assert time.process_time() - begin < 1.0


def test_read_grid_takes_the_last_score_decided_by_then_inside_the_span() -> None:
    rate, start, end = 1000 * 8, 8000, 8000 + 4000  # a span of 0.5 s
    at = np.array([7000, 8000, 9600, 9601, 10_400, 12_000, 12_001])
    score = np.array([0.9, 0.8, 0.1, 0.2, np.nan, 0.5, 0.7])
    read = read_grid(at, score, start, end, rate)
    # 0.2 s is sample 9600; what was decided at the very start heard speech alone.
    assert read[:4].tolist() == [0.1, 0.2, 0.2, 0.5]
    assert np.isnan(read[4:]).all()


def test_read_grid_has_nothing_before_the_first_score() -> None:
    read = read_grid(np.array([9700]), np.array([0.5]), 8000, 80_000, 8000)
    assert np.isnan(read[0])
    assert (read[1:] == 0.5).all()
    empty = read_grid(np.array([], dtype=np.int64), np.array([]), 8000, 80_000, 8000)
    assert np.isnan(empty).all()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("duration_s", np.array([0.5, 0.0]), "span 1: duration"),
        ("speaker", np.array([0, 7]), "span 1: unknown speaker"),
        ("is_end", np.array([True]), "is_end has shape"),
        ("scores", np.full((2, len(GRID_S)), 1.5), "span 0: scores must lie"),
        ("scores", np.zeros((2, 3)), "scores have shape"),
    ],
)
def test_spans_that_cannot_be_right_are_refused(
    field: str, value: np.ndarray, message: str
) -> None:
    changes: dict[str, Any] = {field: value}
    with pytest.raises(InputError, match=message):
        validate(replace(spans_of([0.5], 1), **changes))


def test_an_unknown_point_is_refused() -> None:
    with pytest.raises(InputError, match="FC@300, FC@600"):
        point_named("FC@900")
