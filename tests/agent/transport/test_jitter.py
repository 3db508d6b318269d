from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from turnkit.agent.transport.jitter import (
    RTP_RATE,
    Given,
    JitterBuffer,
    JitterSettings,
    Lost,
    Output,
    Packet,
    Quiet,
    unwrap,
)
from turnkit.errors import ConfigError

FRAME = 960
STEP = 0.02


def packet(number: int, first_sequence: int = 0, first_timestamp: int = 0, ssrc: int = 1) -> Packet:
    return Packet(
        (first_sequence + number) % 65_536,
        (first_timestamp + number * FRAME) % (1 << 32),
        number.to_bytes(4, "big"),
        FRAME,
        ssrc,
    )


def number_of(output: Output) -> int:
    return int.from_bytes(output.packet.payload, "big") if isinstance(output, Given) else -1


@dataclass
class Driver:
    """Feeds arrivals, and ticks exactly at the deadlines, as a timer would."""

    buffer: JitterBuffer

    def __post_init__(self) -> None:
        self.outputs: list[Output] = []
        self.at: list[float] = []

    def until(self, now: float) -> None:
        while (deadline := self.buffer.deadline()) is not None and deadline <= now:
            made = self.buffer.tick(deadline)
            assert made, "a deadline at which nothing happens is a busy loop"
            self._take(made, deadline)

    def push(self, item: Packet, now: float) -> None:
        self.until(now)
        self._take(self.buffer.push(item, now), now)

    def _take(self, made: Sequence[Output], now: float) -> None:
        self.outputs += made
        self.at += [now] * len(made)
        assert sum(each.n_samples for each in self.outputs) == self.buffer.position


fates = st.lists(
    st.tuples(
        st.sampled_from([True] * 9 + [False]),  # whether it arrives
        st.one_of(
            st.just(0.0), st.floats(0.0, 0.03), st.sampled_from([0.05, 0.08, 0.15, 0.4])
        ),  # delay
        st.sampled_from([0, 0, 0, 1, 2]),  # copies more
    ),
    min_size=1,
    max_size=120,
)


@settings(max_examples=200, deadline=None)
@given(fates, st.sampled_from([0, 65_500]), st.sampled_from([0, (1 << 32) - 5000]))
@example([(True, 0.0, 0)] + [(False, 0.0, 0)] * 20 + [(True, 0.0, 0)], 65_535, (1 << 32) - 1)
def test_time_is_given_once_in_order_and_soon(
    fates: list[tuple[bool, float, int]], sequence: int, timestamp: int
) -> None:
    arrivals = sorted(
        (number * STEP + delay + copy * 0.007, number)
        for number, (arrives, delay, copies) in enumerate(fates)
        if arrives
        for copy in range(copies + 1)
    )
    if not arrivals:
        return
    driver = Driver(JitterBuffer())
    buffer, first = driver.buffer, arrivals[0][1]
    newest = 0
    for now, number in arrivals:
        driver.push(packet(number, sequence, timestamp), now)
        newest = max(newest, (number - first + 1) * FRAME)
        if buffer.position < newest and not buffer.counts.rebased:
            deadline = buffer.deadline()
            assert deadline is not None
            assert deadline - now <= 0.06 + 1e-9  # the lag ends soon
    end = arrivals[-1][0] + 0.0601
    driver.until(end)
    given_at = 0
    numbers = [number_of(each) for each in driver.outputs if isinstance(each, Given)]
    assert numbers == sorted(set(numbers))
    if buffer.counts.rebased:
        return
    for each in driver.outputs:
        if isinstance(each, Given):
            # What was given before is just the RTP time before: nothing twice, nothing skipped.
            number = number_of(each)
            assert given_at == (number - first) * FRAME + each.skip
        given_at += each.n_samples
    assert newest <= buffer.position <= max(newest, end * RTP_RATE + FRAME)
    counts = buffer.counts
    missed = len({number for _, number in arrivals if number >= first}) - counts.given
    assert 0 <= missed <= counts.late


@settings(max_examples=50, deadline=None)
@given(fates)
def test_lag_is_gone_after_a_disturbance(fates: list[tuple[bool, float, int]]) -> None:
    """Whatever happened, packets that come in time again are given at once again."""
    driver = Driver(JitterBuffer())
    arrivals = sorted(
        (number * STEP + delay, number) for number, (ok, delay, _) in enumerate(fates) if ok
    )
    for now, number in arrivals:
        driver.push(packet(number), now)
    calm = len(fates) + 30  # half a second later; the longest delay is 0.4 s
    for number in range(calm, calm + 60):
        driver.push(packet(number), number * STEP)
    for number in range(calm + 35, calm + 60):
        where = [i for i, each in enumerate(driver.outputs) if number_of(each) == number]
        assert len(where) == 1
        assert driver.at[where[0]] == pytest.approx(number * STEP)


def test_in_order_packets_are_given_at_once() -> None:
    buffer = JitterBuffer()
    for number in range(100):
        made = buffer.push(packet(number, 65_500, (1 << 32) - 7), number * STEP)
        assert [number_of(each) for each in made] == [number]


def test_one_loss_costs_one_packet_and_no_lag() -> None:
    driver = Driver(JitterBuffer())
    for number in [0, 1, *range(3, 20)]:
        driver.push(packet(number), number * STEP)
    kinds = [type(each) for each in driver.outputs]
    assert kinds == [Given] * 2 + [Lost] + [Given] * 17
    # 3 arrived at 0.06 and waited 0.06 for 2; 6 comes at that very moment.
    assert driver.at[3] == pytest.approx(0.12)
    assert driver.at[-1] == pytest.approx(19 * STEP)


def test_a_pause_of_the_sender_is_quiet_and_not_waited_for() -> None:
    buffer = JitterBuffer()
    buffer.push(packet(0), 0.0)
    later = Packet(1, 6 * FRAME, b"x", FRAME, 1)
    assert buffer.push(later, 0.12) == [Quiet(5 * FRAME), Given(later)]


def test_a_long_pause_rebases() -> None:
    buffer = JitterBuffer()
    buffer.push(packet(0), 0.0)
    far = Packet(1, 5 * RTP_RATE, b"x", FRAME, 1)
    assert buffer.push(far, 0.02) == [Given(far)]
    assert buffer.counts.rebased == 1


def test_a_stall_is_filled_as_time_passes() -> None:
    driver = Driver(JitterBuffer())
    driver.push(packet(0), 0.0)
    for hundredth in range(100):
        now = hundredth / 100
        driver.until(now)
        behind = now - driver.buffer.position / RTP_RATE
        assert behind <= 0.2 + 1e-9
    # What was sent in the meantime is late where time was filled, and given where not.
    driver.until(1.0)
    filled = driver.buffer.position // FRAME
    for number in range(1, 51):
        driver.push(packet(number), 1.0)
    given = [number_of(each) for each in driver.outputs if isinstance(each, Given)]
    assert given == [0, *range(filled, 51)]
    assert driver.buffer.position == 51 * FRAME
    assert driver.buffer.counts.rebased == 0  # a burst is no clock that stood still


def test_a_stall_of_the_reader_costs_nothing() -> None:
    buffer = JitterBuffer()
    outputs = [each for n in range(10) for each in buffer.push(packet(n), n * STEP)]
    for number in range(10, 60):  # all read at once, a second late, without a tick
        outputs += buffer.push(packet(number), 1.2)
    assert [number_of(each) for each in outputs] == list(range(60))


def test_a_clock_that_stood_still_is_rebased() -> None:
    driver = Driver(JitterBuffer())
    driver.push(packet(0), 0.0)
    for number in range(1, 60):  # the sender paused for 3 s, and its timestamps with it
        driver.push(packet(number), 3.0 + number * STEP)
    assert driver.buffer.counts.late == 25
    assert driver.buffer.counts.rebased == 1
    given = [number_of(each) for each in driver.outputs if isinstance(each, Given)]
    assert given == [0, *range(25, 60)]
    assert driver.at[-1] == pytest.approx(3.0 + 59 * STEP)


def test_a_new_source_goes_on_at_once() -> None:
    buffer = JitterBuffer()
    buffer.push(packet(0), 0.0)
    buffer.push(packet(2), 0.04)  # waits
    other = packet(0, 30_000, 123_456_789, ssrc=2)
    made = buffer.push(other, 0.05)
    assert made == [Lost(FRAME), Given(packet(2)), Given(other)]


def test_time_passes_without_any_packet() -> None:
    driver = Driver(JitterBuffer())
    driver.buffer.begin(10.0)
    driver.until(11.0)
    assert driver.buffer.position == pytest.approx(0.8 * RTP_RATE, abs=FRAME)


def test_a_flood_does_not_run_the_clock_away() -> None:
    buffer = JitterBuffer()
    for number in range(3000):
        buffer.push(packet(number), number * 1e-4)
    assert buffer.position / RTP_RATE < 2.0 + 0.3 + 0.1
    assert buffer.counts.early > 2000
    jumping = JitterBuffer()
    for number in range(100):
        jumping.push(Packet(number, number * 90_000, b"x", FRAME, 1), number * STEP)
    assert jumping.position / RTP_RATE < 2.0 + 2.0 + 0.1


def test_overlapping_packets_are_cut() -> None:
    buffer = JitterBuffer()
    buffer.push(packet(0), 0.0)
    longer = Packet(1, FRAME // 2, b"x", 2 * FRAME, 1)
    assert buffer.push(longer, 0.02) == [Given(longer, FRAME // 2)]


def test_a_packet_that_lasts_nothing_is_dropped() -> None:
    buffer = JitterBuffer()
    assert buffer.push(Packet(0, 0, b"", 0, 1), 0.0) == []
    assert buffer.counts.unusable == 1


@given(st.integers(0, 1 << 40), st.integers(-30_000, 30_000))
def test_unwrap(near: int, step: int) -> None:
    assert unwrap((near + step) % 65_536, near, 16) == near + step


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_wait_s": 0.2},
        {"max_wait_s": -0.1},
        {"max_wait_s": math.nan},
        {"stall_s": 6.0},
        {"max_held": 0},
        {"max_fill_s": 100.0},
        {"rebase_after": 1},
    ],
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="jitter." + next(iter(wrong))):
        JitterSettings(**wrong)  # type: ignore[arg-type]
