from __future__ import annotations

import numpy as np
import pytest

from turnkit.metrics import (
    DELAY_GRID,
    POINTS,
    Interval,
    SpeakerSums,
    best_values,
    choose,
    interval,
    point_named,
    policy_values,
    reduction,
    resample_speakers,
)


def sums_of(cut: np.ndarray, holds: np.ndarray) -> SpeakerSums:
    """One policy; every speaker has one end at 0.25 s."""
    ones = np.ones(len(cut))
    return SpeakerSums(cut[:, None].astype(float), 0.25 * ones[:, None], holds.astype(float), ones)


def test_draws_are_whole_speakers_and_the_seed_fixes_them() -> None:
    weights = resample_speakers(7, 50, seed=1)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert np.array_equal(weights, resample_speakers(7, 50, seed=1))
    assert not np.array_equal(weights, resample_speakers(7, 50, seed=2))
    assert resample_speakers(0, 5).shape == (5, 0)


def test_weighted_rate_equals_the_rate_of_the_drawn_rows() -> None:
    rng = np.random.default_rng(0)
    holds = rng.integers(0, 6, 9)
    cut = rng.integers(0, holds + 1)
    weights = resample_speakers(9, 20, seed=4)
    rates, latency = policy_values(sums_of(cut, holds), 0, weights)
    for draw, rate in zip(weights, rates, strict=True):
        drawn = np.repeat(np.arange(9), draw.astype(int))
        assert rate == pytest.approx(cut[drawn].sum() / holds[drawn].sum())
    assert latency == pytest.approx(0.25)


def test_best_values_choose_anew_in_every_resample() -> None:
    rng = np.random.default_rng(5)
    p, s = len(DELAY_GRID), 6
    sums = SpeakerSums(
        rng.integers(0, 4, (s, p)).astype(float),
        rng.uniform(0.1, 0.9, (s, p)),
        np.full(s, 4.0),
        np.ones(s),
    )
    weights = resample_speakers(s, 200, seed=0)
    for point in POINTS:
        values = best_values(point, sums, weights)
        for draw, value in zip(weights, values, strict=True):
            rate, latency = (draw @ sums.cutoffs) / 24, (draw @ sums.latency_s) / 6
            wanted, limited = (rate, latency) if point.kind == "cutoffs" else (latency, rate)
            inside = wanted[limited <= point.limit + 1e-9]
            assert value == pytest.approx(inside.min() if len(inside) else np.inf)


def test_the_point_itself_is_the_value_under_equal_weights() -> None:
    rng = np.random.default_rng(6)
    sums = SpeakerSums(
        rng.integers(0, 3, (4, 34)).astype(float),
        rng.uniform(0.1, 0.5, (4, 34)),
        np.full(4, 3.0),
        np.ones(4),
    )
    for point in POINTS:
        choice = choose(point, sums)
        assert choice is not None
        value = choice.rate if point.kind == "cutoffs" else choice.mean_latency_s
        once = best_values(point, sums, np.ones((1, 4)))[0]
        assert once == pytest.approx(value if choice.reached else np.inf)


def test_interval_bounds_are_quantiles_and_keep_infinity() -> None:
    assert interval(np.arange(1, 1001)) == Interval(25.0, 975.0)
    assert interval([3.0] * 10) == Interval(3.0, 3.0)
    assert interval([]) is None
    assert interval([np.nan] * 6 + [1.0] * 5) is None
    assert interval([np.nan] * 5 + [1.0] * 5) == Interval(1.0, 1.0)
    assert interval([1.0] * 90 + [np.inf] * 10) == Interval(1.0, np.inf)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    truth, speakers, trials, covered = 0.3, 60, 200, 0
    for trial in range(trials):
        # Speakers differ, so that spans of one are not independent.
        own = rng.beta(3, 7, speakers)
        holds = rng.integers(3, 9, speakers)
        sums = sums_of(rng.binomial(holds, own), holds)
        bounds = interval(policy_values(sums, 0, resample_speakers(speakers, 300, trial))[0])
        assert bounds is not None
        covered += bounds.low <= truth <= bounds.high
    assert 0.88 <= covered / trials <= 0.99


def test_pairing_narrows_the_interval_of_a_difference() -> None:
    rng = np.random.default_rng(8)
    holds = np.full(40, 10)
    own = rng.beta(1, 1, 40)  # speakers differ much more than the detectors do
    a = rng.binomial(10, own)
    b = np.minimum(a + rng.binomial(1, 0.3, 40), 10)
    weights, other = resample_speakers(40, 1000, 0), resample_speakers(40, 1000, 1)
    first = policy_values(sums_of(a, holds), 0, weights)[0]
    paired = interval(first - policy_values(sums_of(b, holds), 0, weights)[0])
    apart = interval(first - policy_values(sums_of(b, holds), 0, other)[0])
    assert paired is not None
    assert apart is not None
    assert paired.high < 0 < apart.high
    assert paired.high - paired.low < 0.3 * (apart.high - apart.low)


def test_reduction() -> None:
    assert reduction(0.3, 0.6) == pytest.approx(0.5)
    assert reduction(0.9, 0.6) == pytest.approx(-0.5)
    assert np.isnan(reduction(0.0, 0.0))
    assert reduction(np.array([0.0, np.inf]), np.array([0.5, 0.5])).tolist() == [1.0, -np.inf]


def test_one_speaker_gives_no_spread() -> None:
    sums = sums_of(np.array([2]), np.array([5]))
    bounds = interval(policy_values(sums, 0, resample_speakers(1))[0])
    assert bounds == Interval(0.4, 0.4)


def test_no_speakers_give_no_interval() -> None:
    sums = SpeakerSums(np.zeros((0, 34)), np.zeros((0, 34)), np.zeros(0), np.zeros(0))
    values = best_values(point_named("FC@300"), sums, resample_speakers(0))
    assert interval(values) is None
