"""Ears that listen while a call goes on, against those that have the whole recording."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.transport.peers import tone
from turnkit.agent.transport.opus import OPUS_RATE, OpusEncoder
from turnkit.audio import Samples
from turnkit.lab.caller.ears import Ears
from turnkit.lab.caller.listening import Playout
from turnkit.lab.caller.onset import find_sounds

FRAME = 960
Spans = list[tuple[float, float]]


def track(seconds: float, spans: Spans, floor_db: float = -80.0) -> Samples:
    rng = np.random.default_rng(0)
    out = rng.standard_normal(round(seconds * OPUS_RATE), dtype=np.float32)
    out *= np.float32(10 ** (floor_db / 20))
    for start, end in spans:
        samples = tone(end - start, OPUS_RATE)
        at = round(start * OPUS_RATE)
        out[at : at + len(samples)] += samples
    return out


def listen(samples: Samples, chunk: int = FRAME, until: float = math.inf) -> Ears:
    ears = Ears()
    for at in range(0, len(samples), chunk):
        if at / OPUS_RATE < until:
            ears.hear(at / OPUS_RATE, samples[at : at + chunk])
    return ears


def packets(samples: Samples) -> list[RtpPacket]:
    encoder = OpusEncoder()
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return [
        RtpPacket(96, 0, i, i * FRAME, 1, encoder.encode(frame)) for i, frame in enumerate(frames)
    ]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.floats(0.3, 0.9), st.floats(0.06, 1.0)),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([-120.0, -80.0, -65.0]),
)
def test_they_hear_what_the_recording_shows(shape: Spans, floor_db: float) -> None:
    spans, at = [], 0.0
    for gap, length in shape:
        spans.append((at + gap, at + gap + length))
        at += gap + length
    samples = track(at + 0.5, spans, floor_db)
    found = listen(samples).sounds
    shown = find_sounds(samples, OPUS_RATE)
    assert len(found) == len(shown)
    for (start, end), sound in zip(found, shown, strict=True):
        assert start == pytest.approx(sound.start, abs=0.011)
        assert end == pytest.approx(sound.end, abs=0.011)


@pytest.mark.parametrize("chunk", [120, 480, 960, 2_880])
def test_packets_of_any_length_are_heard_alike(chunk: int) -> None:
    (sound,) = listen(track(2.0, [(1.0, 1.5)]), chunk).sounds
    assert sound == pytest.approx((1.0, 1.5), abs=0.011)


def test_how_long_it_spoke_and_was_silent() -> None:
    samples = track(6.0, [(1.0, 1.5), (1.8, 2.5), (4.0, 4.6)])
    assert listen(samples, until=0.9).silent_for(0.9) == math.inf
    assert listen(samples, until=0.9).audible_for(0.9) == 0.0
    assert not listen(samples, until=0.9).spoke_since(0.0)
    ears = listen(samples, until=2.0)
    assert ears.silent_for(2.0) == pytest.approx(0.0, abs=0.011)
    assert ears.audible_for(2.0) == pytest.approx(1.0, abs=0.011)  # over the break
    assert ears.audible_for(2.0, pause_s=0.1) == pytest.approx(0.2, abs=0.011)
    ears = listen(samples, until=3.0)
    assert ears.silent_for(3.0) == pytest.approx(0.5, abs=0.011)
    assert ears.audible_for(3.0) == 0.0
    assert ears.spoke_since(2.4)
    assert not ears.spoke_since(2.6)
    assert listen(samples, until=4.3).audible_for(4.3) == pytest.approx(0.3, abs=0.011)


def test_a_click_is_no_speech() -> None:
    samples = track(2.0, [])
    samples[OPUS_RATE : OPUS_RATE + 200] = 0.9
    ears = listen(samples)
    assert ears.sounds == []
    assert ears.silent_for(2.0) == math.inf


def test_a_noise_that_stays_is_no_speech_for_ever() -> None:
    ears = listen(track(8.0, [], floor_db=-42.0))
    assert ears.silent_for(8.0) > 3.0


@pytest.mark.parametrize("seed", range(5))
def test_what_is_played_does_not_depend_on_when_it_is_asked_for(seed: int) -> None:
    """Packets late, lost, doubled and out of order: decoded while they come, or at the end."""
    rng = np.random.default_rng(seed)
    arrivals = []
    for number, packet in enumerate(packets(track(3.0, [(0.5, 1.2), (1.6, 2.6)]))):
        delay = float(rng.choice([0.0, 0.005, 0.025, 0.028, 0.2], p=[0.5, 0.2, 0.15, 0.1, 0.05]))
        if number == 0:
            arrivals.append((0.0, packet))
        elif rng.random() > 0.05:
            arrivals.append((number * 0.02 + delay, packet))
        if rng.random() < 0.05:
            arrivals.append((number * 0.02 + delay + 0.004, packet))
    arrivals.sort(key=lambda each: each[0])
    watched, unwatched = Playout(settle_s=0.0), Playout(settle_s=0.0)
    for at, packet in arrivals:
        watched.advance(at - 1e-4)
        watched.take(packet, at)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(unwatched, "advance", lambda _: None)
            unwatched.take(packet, at)
    heard = watched.render(0.0, 3.2)
    assert np.abs(heard).max() > 0.1
    assert np.array_equal(heard, unwatched.render(0.0, 3.2))
    assert watched.ears.sounds == unwatched.ears.sounds
    assert watched.late == unwatched.late


def test_listening_costs_less_than_a_hundredth_of_a_core() -> None:
    seconds = 10.0
    coming = packets(track(seconds, [(at, at + 0.8) for at in np.arange(0.5, 9.0, 1.5)]))
    used, playout = [], Playout()
    for _ in range(3):
        playout, began = Playout(), time.process_time()
        for number, packet in enumerate(coming):
            playout.take(packet, number * 0.02)
            playout.ears.silent_for(number * 0.02)
        used.append(time.process_time() - began)
    assert len(playout.ears.sounds) > 4
    assert min(used) / seconds < 0.01
