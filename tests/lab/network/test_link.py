from __future__ import annotations

import math
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest, lognorm

from turnkit.lab.network import Link, Way
from turnkit.lab.network.link import HEADERS, HELD_BACK_S

SEEDS = st.integers(0, 1 << 40)

STEPS = st.lists(
    st.tuples(st.floats(0.0, 0.2, allow_subnormal=False), st.integers(0, 1500)),
    min_size=1,
    max_size=60,
)
"""Seconds since the packet before, and bytes."""


@st.composite
def ways(draw: st.DrawFn, reorder: bool = True) -> Way:
    burst = draw(st.floats(1.0, 20.0))
    return Way(
        delay_ms=draw(st.floats(0.0, 500.0)),
        jitter_ms=draw(st.floats(0.0, 100.0)),
        loss=draw(st.floats(0.0, burst / (burst + 1.0))),
        burst=burst,
        reorder=draw(st.floats(0.0, 1.0)) if reorder else 0.0,
        rate_kbps=draw(st.none() | st.floats(8.0, 10_000.0)),
        queue_ms=draw(st.floats(0.0, 500.0)),
    )


def times(steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
    at = np.cumsum([step for step, _ in steps])
    return [(float(when), size) for when, (_, size) in zip(at, steps, strict=True)]


def run(way: Way, steps: list[tuple[float, int]], seed: int = 0) -> list[tuple[float, ...]]:
    link = Link(way, seed)
    return [link.send(at, size) for at, size in times(steps)]


@given(ways(), STEPS, SEEDS)
def test_nothing_comes_before_its_time(way: Way, steps: list[tuple[float, int]], seed: int) -> None:
    for (at, _), came in zip(times(steps), run(way, steps, seed), strict=True):
        assert len(came) <= 1
        assert all(each >= at + way.delay_ms / 1e3 - 1e-9 for each in came)


@given(ways(reorder=False), STEPS, SEEDS)
def test_a_queue_does_not_overtake(way: Way, steps: list[tuple[float, int]], seed: int) -> None:
    came = [each[0] for each in run(way, steps, seed) if each]
    assert all(first <= second for first, second in pairwise(came))


@given(ways(), STEPS, SEEDS)
def test_the_same_seed_gives_the_same(way: Way, steps: list[tuple[float, int]], seed: int) -> None:
    came = run(way, steps, seed)
    assert run(way, steps, seed) == came
    half = len(steps) // 2
    assert run(way, steps[:half], seed) == came[:half]  # what comes later changes nothing


@given(STEPS, SEEDS)
def test_the_rate_is_kept(steps: list[tuple[float, int]], seed: int) -> None:
    way = Way(rate_kbps=100.0, queue_ms=50.0)
    sent = times(steps)
    free = 0.0
    for (at, size), came in zip(sent, run(way, steps, seed), strict=True):
        length = (size + HEADERS) * 8 / 100e3
        turn = max(at, free)
        # Dropped only if the wait is too long, and sent as soon as it can be.
        assert bool(came) == (turn - at <= 0.05)
        if came:
            free = turn + length
            assert came[0] == pytest.approx(free, abs=1e-9)


def test_a_full_queue_lets_the_rate_through_and_no_more() -> None:
    link = Link(Way(rate_kbps=64.0, queue_ms=100.0), 0)
    packets = [(k * 0.01, link.send(k * 0.01, 132)) for k in range(1000)]  # 128 kbit/s offered
    through = [(at, came[0]) for at, came in packets if came]
    carried = len(through) * 160 * 8 / through[-1][1]
    assert carried == pytest.approx(64e3, rel=0.02)
    assert 0.1 <= max(came - at for at, came in through) <= 0.1 + 0.02 + 1e-9


@pytest.mark.parametrize(
    ("loss", "burst"),
    [(0.0, 1.0), (0.01, 3.0), (0.05, 1.0), (0.05, 1 / 0.95), (0.3, 8.0), (1.0, 1.0)],
)
def test_losses_are_as_many_and_as_long_as_asked(loss: float, burst: float) -> None:
    link = Link(Way(loss=loss, burst=burst), seed=3)
    lost = [not link.send(k * 0.02, 100) for k in range(100_000)]
    # A burst's packets are lost together, which widens what chance does.
    spread = math.sqrt(loss * (1.0 - loss) * (2.0 * burst - 1.0) / len(lost))
    assert abs(np.mean(lost) - loss) <= 4.0 * spread
    if 0.0 < loss < 1.0:
        runs = [len(list(group)) for gone, group in groupby(lost) if gone]
        assert np.mean(runs) == pytest.approx(burst, rel=0.15)


def test_the_first_packet_is_lost_as_often_as_others() -> None:
    lost = [not Link(Way(loss=0.2, burst=5.0), seed).send(0.0, 100) for seed in range(4000)]
    assert np.mean(lost) == pytest.approx(0.2, abs=0.025)


def extra(way: Way, step_s: float, count: int) -> NDArray[np.float64]:
    link = Link(way, seed=1)
    sent = step_s * np.arange(count)
    came = np.array([link.send(float(at), 100)[0] for at in sent])
    return np.asarray(came - sent - way.delay_ms / 1e3, dtype=np.float64)


def test_jitter_has_the_spread_and_the_tail_it_should() -> None:
    waits = extra(Way(delay_ms=30.0, jitter_ms=10.0), step_s=2.0, count=20_000)
    assert np.std(waits) == pytest.approx(0.010, rel=0.15)
    # Log-normal of which the logarithm has a deviation of 1, and itself one of 10 ms.
    law = lognorm(s=1.0, scale=0.010 / lognorm(s=1.0).std())
    assert kstest(waits, law.cdf).pvalue > 0.01
    assert waits.min() > 0.0


def test_jitter_remembers_itself_as_queues_do() -> None:
    level = np.log(extra(Way(jitter_ms=0.5), step_s=0.02, count=20_000))
    assert np.corrcoef(level[:-1], level[1:])[0, 1] == pytest.approx(math.exp(-0.1), abs=0.02)
    assert abs(np.corrcoef(level[:-50], level[50:])[0, 1]) < 0.1


def test_reordered_packets_are_overtaken() -> None:
    link = Link(Way(reorder=0.1), seed=5)
    sent = 0.02 * np.arange(10_000)
    waits = np.array([link.send(float(at), 100)[0] for at in sent]) - sent
    held = waits > 0.001
    assert np.mean(held) == pytest.approx(0.1, abs=0.015)
    assert waits[held] == pytest.approx(HELD_BACK_S)
    assert HELD_BACK_S > 0.02  # a frame of audio passes


def test_one_fault_leaves_the_others_where_they_were() -> None:
    steps = [(0.02, 100)] * 500
    plain = run(Way(loss=0.1, burst=2.0), steps, seed=9)
    worse = run(Way(loss=0.1, burst=2.0, jitter_ms=20.0, reorder=0.1, delay_ms=5.0), steps, seed=9)
    assert [bool(each) for each in plain] == [bool(each) for each in worse]
    assert run(Way(loss=0.1, burst=2.0), steps, seed=10) != plain
