"""Known offsets are found again, through noise, losses and lines; else there is no clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab.measuring.synthetic import frames, pings, speech
from turnkit.audio import Samples
from turnkit.lab.measuring.clocks import AudioClock, audio_clock, wall_clock
from turnkit.lab.measuring.levels import AgentLevels, read_levels
from turnkit.lab.records import RATE, Ping

SENT = speech(20, (2, 4.5), (8, 9.5), (13, 16))


def levels_of(sent: Samples, offset: float) -> AgentLevels:
    levels = read_levels(message for _, message in frames(sent, offset))
    assert levels is not None
    return levels


def found(levels: AgentLevels, sent: Samples = SENT) -> AudioClock:
    clock = audio_clock(levels, sent)
    assert clock is not None
    return clock


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 5_000).map(lambda ms: ms / 1000))
def test_the_microphone_is_found_in_what_the_agent_heard(offset: float) -> None:
    clock = found(levels_of(SENT, offset))
    for at in (9.5, 16.0):
        assert clock.offset_s(at) == pytest.approx(offset, abs=0.002)


@pytest.mark.parametrize("gain_db", [-18.0, -3.0, 4.0])
def test_a_line_that_changes_the_level_changes_nothing(gain_db: float) -> None:
    levels = levels_of(SENT, 1.234)
    clock = found(replace(levels, heard=np.clip(levels.heard + gain_db, -100, -9)))
    assert clock.offset_s(9.5) == pytest.approx(1.234, abs=0.002)


def test_noise_and_lost_frames_change_nothing() -> None:
    random = np.random.default_rng(1)
    levels = levels_of(SENT, 0.777)
    noisy = np.maximum(levels.heard, -55) + random.normal(0, 1.5, len(levels.heard))
    lost = random.random(len(noisy)) < 0.15
    clock = found(replace(levels, heard=np.where(lost, -90.0, noisy)))
    for at in (4.5, 9.5, 16.0):
        assert clock.offset_s(at) == pytest.approx(0.777, abs=0.002)


def test_time_that_a_jitter_buffer_adds_counts_from_there_on() -> None:
    levels = levels_of(SENT, 0.5)
    gap = int(np.searchsorted(levels.ends, 6.0))
    heard = np.concatenate([levels.heard[:gap], np.full(5, -100.0), levels.heard[gap:-5]])
    clock = found(replace(levels, heard=heard))
    assert clock.offset_s(4.5) == pytest.approx(0.5, abs=0.002)
    assert clock.offset_s(9.5) == pytest.approx(0.4, abs=0.002)
    assert clock.offset_s(16.0) == pytest.approx(0.4, abs=0.002)


def test_pings_narrow_the_search_to_what_can_be() -> None:
    """Said twice, word for word: only one of the two had been said when it was heard."""
    once = speech(9, (2, 4))
    sent = np.concatenate([once, once])
    heard = levels_of(sent, 9.0)
    wall = wall_clock(pings(9.06, 18))
    clock = audio_clock(heard, sent, wall)
    assert clock is not None
    assert clock.offset_s(13.0) == pytest.approx(9.0, abs=0.002)


def test_what_does_not_fit_is_no_clock() -> None:
    assert audio_clock(None, SENT) is None
    assert audio_clock(levels_of(np.zeros_like(SENT), 1.0), SENT) is None
    assert audio_clock(levels_of(speech(20, (3, 18), seed=7), 1.0), SENT) is None
    assert audio_clock(levels_of(SENT, 1.0), np.zeros_like(SENT)) is None
    assert audio_clock(levels_of(speech(20, (3, 3.2)), 1.0), SENT) is None
    assert audio_clock(levels_of(SENT, 1.0), SENT[: RATE // 10]) is None


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0, 20),
    st.floats(0.001, 0.6),
    st.lists(st.floats(0, 0.4), min_size=25, max_size=25),
    st.integers(0, 2**32 - 1),
)
def test_pings_tell_the_wall_clock(
    offset: float, trip: float, late: list[float], seed: int
) -> None:
    """Most are held up on one of both ways; a few clocks are read quite wrong."""
    random = np.random.default_rng(seed)
    known = list(pings(offset, offset + 26, trip))
    for index, extra in enumerate(late):
        each = known[index]
        if index % 2:
            known[index] = replace(each, came=each.came + extra)
        elif index % 4:
            known[index] = replace(each, sent=each.sent - extra)
    known[int(random.integers(20))] = Ping(3.0, 3.0 + trip, 900.0)
    clock = wall_clock(known)
    assert clock is not None
    assert clock.offset_s(12.0) == pytest.approx(offset, abs=0.002)
    assert clock.round_trip_s(12.0) == pytest.approx(trip, abs=0.002)
    assert clock.to_recording(12.0) == pytest.approx(offset + 12, abs=0.002)


def test_a_clock_that_jumps_is_read_nearby() -> None:
    known = (*pings(1.0, 41), *(replace(p, agent=p.agent + 38.0) for p in pings(3.0, 41)))
    clock = wall_clock(known)
    assert clock is not None
    assert clock.offset_s(10.0) == pytest.approx(1.0, abs=0.002)
    assert clock.offset_s(70.0) == pytest.approx(3.0 - 38.0, abs=0.002)


def test_without_pings_there_is_no_wall_clock() -> None:
    assert wall_clock(()) is None
    assert wall_clock((Ping(2.0, 1.0, 0.5),)) is None
    one = wall_clock((Ping(2.0, 1.0, 0.5), Ping(2.0, 2.5, 0.5)))
    assert one is not None
    assert one.offset_s(100.0) == pytest.approx(1.75)


def test_levels_are_read_in_order() -> None:
    first, second = (message for _, message in frames(SENT[: RATE // 2], 0.0)[:2])
    levels = read_levels([second, {"type": "words"}, first])
    assert levels is not None
    assert levels.ends.tolist() == pytest.approx(np.arange(1, 11) * 0.02)
    assert levels.heard.tolist() == [*first["caller"], *second["caller"]]
    assert read_levels([{"type": "words"}]) is None


def test_when_the_agent_became_audible() -> None:
    own = np.zeros(RATE, np.float32)
    own[round(0.4 * RATE) :] = 0.1
    levels = read_levels(message for _, message in frames(np.zeros_like(own), 0.0, own))
    assert levels is not None
    assert levels.first_audible(0.3) == pytest.approx(0.4)
    assert levels.first_audible(0.41) == pytest.approx(0.41)
    assert levels.first_audible(0.1, within_s=0.2) is None
