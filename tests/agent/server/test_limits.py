from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.agent.server.limits import REMEMBERED_CLIENTS, AdmissionControl, Load, RateLimit
from turnkit.agent.server.load import LoopLag
from turnkit.agent.server_settings import ServiceLimits

LIMITS = ServiceLimits(calls=2, loop_lag_s=0.1, detector_load=0.7)


@pytest.mark.parametrize(
    ("load", "cause"),
    [
        (Load(), None),
        (Load(calls=1, loop_lag_s=0.1, detector_load=0.7), None),
        (Load(calls=2), "calls"),
        (Load(calls=1, loop_lag_s=0.11), "lag"),
        (Load(calls=0, loop_lag_s=0.11), "lag"),
        (Load(calls=1, detector_load=0.71), "detector"),
        # What the last call left behind is no reason to refuse the next.
        (Load(calls=0, detector_load=5.0), None),
        (Load(warm=False), "warming"),
        (Load(calls=2, closing=True, warm=False), "closing"),
    ],
)
def test_one_more_call_is_refused_for_its_first_reason(load: Load, cause: str | None) -> None:
    refusal = AdmissionControl(LIMITS).decide(load)
    assert (refusal and refusal.cause) == cause
    if refusal is not None:
        assert refusal.reason
        assert refusal.retry_after_s > 0


loads = st.builds(
    Load,
    calls=st.integers(0, 5),
    loop_lag_s=st.floats(0, 1),
    detector_load=st.floats(0, 3),
    warm=st.booleans(),
    closing=st.booleans(),
)


@given(loads, st.integers(0, 3), st.floats(0, 1))
def test_more_load_never_opens_the_door(load: Load, calls: int, lag: float) -> None:
    control = AdmissionControl(LIMITS)
    busier = Load(
        load.calls + calls, load.loop_lag_s + lag, load.detector_load, load.warm, load.closing
    )
    if control.decide(load) is not None:
        assert control.decide(busier) is not None


@given(
    st.integers(1, 60),
    st.lists(st.floats(0, 30), min_size=1, max_size=200),
)
def test_a_client_gets_its_rate_and_no_more(per_minute: int, gaps: list[float]) -> None:
    rate, now, taken = RateLimit(per_minute), 0.0, 0
    for gap in gaps:
        now += gap
        wait = rate.wait_s("a", now)
        assert rate.take("a", now) == wait
        taken += wait == 0
        # After the time told, one more may come.
        assert rate.wait_s("a", now + rate.wait_s("a", now)) == 0
    assert taken <= per_minute * (1 + now / 60) + 1e-6


def test_clients_do_not_share_a_rate_and_a_clock_that_steps_back_gives_nothing() -> None:
    rate = RateLimit(1)
    assert rate.take("a", 100.0) == 0
    assert rate.take("b", 100.0) == 0
    assert rate.take("a", 50.0) == 60
    assert rate.take("a", 160.0) == 0


def test_only_so_many_clients_are_remembered() -> None:
    rate = RateLimit(1)
    for number in range(REMEMBERED_CLIENTS + 100):
        rate.take(str(number), 0.0)
    assert len(rate._buckets) == REMEMBERED_CLIENTS
    assert rate.wait_s(str(REMEMBERED_CLIENTS + 99), 0.0) > 0


def test_a_loop_that_is_held_up_shows() -> None:
    async def body() -> tuple[float, float]:
        lag = LoopLag()
        assert lag.seconds == 0.0
        lag.start()
        time.sleep(0.25)
        await asyncio.sleep(0.05)
        assert lag.seconds == 0.0
        for _ in range(7):
            time.sleep(0.25)
            await asyncio.sleep(0.01)
        held_up = lag.seconds
        lag.stop()
        seen = len(lag._late)
        await asyncio.sleep(0.25)
        assert len(lag._late) == seen
        return held_up, lag.seconds

    held_up, after = asyncio.run(body())
    assert held_up > 0.1
    assert after == held_up
