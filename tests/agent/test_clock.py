from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from turnkit.agent.clock import MOST_AHEAD, CallClock


class Watch:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@given(st.lists(st.tuples(st.floats(0, 0.1), st.integers(0, 2_000)), max_size=60))
def test_it_never_goes_back_and_never_runs_far_ahead(steps: list[tuple[float, int]]) -> None:
    watch = Watch()
    clock = CallClock(watch)
    told, received = [0], 0
    for waited, samples in steps:
        watch.seconds += waited
        told.append(clock.now())
        assert received <= told[-1] <= received + MOST_AHEAD
        if samples:
            clock.advance(samples)
            received += samples
            told.append(clock.now())
        assert clock.received == received
    assert told == sorted(told)


@given(st.lists(st.floats(0.0001, 0.0199), min_size=1, max_size=20))
def test_frames_in_time_leave_no_trace_of_it(waits: list[float]) -> None:
    watch = Watch()
    clock = CallClock(watch)
    for number, waited in enumerate(waits):
        clock.advance(320)
        came = watch.seconds
        assert clock.now() == 320 * (number + 1)
        watch.seconds = came + waited
        assert abs(clock.now() - (320 * (number + 1) + waited * 16_000)) <= 1
        watch.seconds = came + 0.02


def test_it_stands_still_where_nothing_comes() -> None:
    watch = Watch()
    clock = CallClock(watch)
    watch.seconds += 5.0
    assert clock.now() == 0  # nothing has come yet at all
    clock.advance(320)
    watch.seconds += 0.5
    assert clock.now() == 640
    watch.seconds += 5.0
    assert clock.now() == 640
    clock.advance(160)  # a short frame does not turn it back
    assert clock.now() == 640
    clock.advance(320)
    assert clock.now() == 800


def test_a_watch_that_goes_back_does_not_turn_it_back() -> None:
    watch = Watch()
    clock = CallClock(watch)
    clock.advance(320)
    watch.seconds += 0.01
    before = clock.now()
    watch.seconds -= 1.0
    assert clock.now() == before
