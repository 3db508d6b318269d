"""The queue of outgoing audio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.agent.session import playout as module
from turnkit.agent.session.playout import Playout
from turnkit.agent.transport.opus import OPUS_RATE, OpusDecoder, OpusEncoder
from turnkit.audio import Samples
from turnkit.lab.caller.onset import find_sounds

RATE = 16_000


def ramp(n: int, start: int = 0) -> np.ndarray:
    return np.arange(start + 1, start + n + 1, dtype=np.float32)


@given(
    pieces=st.lists(st.integers(0, 50), max_size=8), pulls=st.lists(st.integers(1, 40), max_size=20)
)
def test_what_goes_in_comes_out_in_order(pieces: list[int], pulls: list[int]) -> None:
    playout = Playout(RATE)
    playout.open(1)
    playout.play(1)
    queued = 0
    for n in pieces:
        assert playout.add(1, ramp(n, queued)) == n / RATE
        queued += n
    out = np.concatenate([playout.pull(n) for n in pulls] or [np.zeros(0, dtype=np.float32)])
    sent = min(queued, len(out))
    assert np.array_equal(out[:sent], ramp(sent))
    assert not out[sent:].any()
    assert playout.played_s == sent / RATE
    assert playout.queued_s == (queued - sent) / RATE


def test_nothing_is_sent_before_play_and_while_held() -> None:
    playout = Playout(RATE)
    playout.open(1)
    playout.add(1, ramp(10))
    assert not playout.pull(5).any()
    playout.play(1)
    assert np.array_equal(playout.pull(5), ramp(5))
    playout.hold(1)
    assert playout.pull(5)[-1] == 0, "it fades out"
    assert not playout.pull(5).any()
    playout.play(1)
    assert np.array_equal(playout.pull(5), ramp(5, 5)), "it goes on where it was"


def test_a_closed_reply_is_gone_and_its_late_audio_refused() -> None:
    playout = Playout(RATE)
    playout.open(1)
    playout.play(1)
    playout.add(1, ramp(100))
    playout.close(1)
    assert playout.reply is None
    assert playout.add(1, ramp(10)) == 0
    assert not playout.pull(10).any()
    playout.open(2)
    playout.play(1)
    playout.add(2, ramp(10))
    assert not playout.pull(10).any(), "another reply's release does not count"
    playout.close(1)
    assert playout.reply == 2


def test_ducking_is_a_ramp_and_then_a_level() -> None:
    playout = Playout(RATE)
    playout.open(1)
    playout.play(1)
    playout.add(1, np.ones(30, dtype=np.float32))
    playout.duck(0.5)
    first, second = playout.pull(10), playout.pull(10)
    assert first[0] == 1.0
    assert np.all(np.diff(first) < 0)
    assert np.allclose(second, 0.5)
    playout.duck(1.0)
    assert playout.pull(10)[-1] == 1.0


FRAME = 320
FADE = 80
"""Samples of 5 ms."""


def sounding(level: float = 1.0, seconds: float = 1.0) -> Playout:
    playout = Playout(RATE)
    playout.open(1)
    playout.add(1, np.full(round(seconds * RATE), level, dtype=np.float32))
    playout.play(1)
    assert np.all(playout.pull(FRAME) == level)
    return playout


@pytest.mark.parametrize("way", ["close", "hold"])
def test_what_sounds_fades_out_in_the_next_frame_only(way: str) -> None:
    playout = sounding()
    queued, played = playout.queued_s, playout.played_s
    getattr(playout, way)(1)
    frame = playout.pull(FRAME)
    expected = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, FADE + 1) / FADE)
    assert frame[:FADE] == pytest.approx(expected, abs=1e-6)
    assert not frame[FADE:].any()
    assert not playout.pull(FRAME).any()
    if way == "hold":
        assert (playout.queued_s, playout.played_s) == (queued, played)
        playout.play(1)
        assert np.all(playout.pull(FRAME) == 1.0)
    else:
        assert (playout.queued_s, playout.played_s) == (0.0, 0.0)


def test_held_and_dropped_at_once_fades_out_once() -> None:
    playout = sounding()
    playout.hold(1)
    playout.close(1)
    assert playout.pull(FRAME)[:FADE].any()
    assert not playout.pull(FRAME).any()


def test_held_and_released_between_two_pulls_leaves_no_trace() -> None:
    playout = sounding()
    playout.hold(1)
    playout.play(1)
    assert np.all(playout.pull(FRAME) == 1.0)


@pytest.mark.parametrize("way", ["close", "hold"])
def test_what_does_not_sound_has_no_ramp(way: str) -> None:
    fresh = Playout(RATE)
    fresh.open(1)
    fresh.add(1, np.ones(FRAME, dtype=np.float32))
    fresh.play(1)
    dry = sounding(seconds=1.5 * FRAME / RATE)
    dry.pull(FRAME)
    dry.add(1, np.ones(FRAME, dtype=np.float32))
    for playout in (fresh, dry):
        getattr(playout, way)(1)
        assert not playout.pull(FRAME).any()


def test_the_ramp_has_the_level_that_was_heard_last() -> None:
    playout = sounding()
    playout.duck(0.25)
    playout.pull(FRAME)
    playout.close(1)
    playout.duck(1.0)
    frame = playout.pull(FRAME)
    assert frame[0] == pytest.approx(0.25, abs=1e-3)
    assert np.all(np.diff(frame) <= 0)


def test_the_ramp_ends_with_what_is_queued() -> None:
    playout = sounding(seconds=(FRAME + 40) / RATE)
    playout.close(1)
    frame = playout.pull(FRAME)
    assert frame[38] > 0
    assert not np.any(np.abs(frame[39:]) > 1e-6)


def test_the_next_reply_begins_beneath_the_ramp() -> None:
    playout = sounding()
    playout.close(1)
    playout.open(2)
    playout.add(2, np.full(FRAME, 0.5, dtype=np.float32))
    playout.play(2)
    frame = playout.pull(FRAME)
    assert frame[0] == pytest.approx(1.5, abs=1e-3)
    assert np.allclose(frame[FADE:], 0.5)


def vowel(pitch: float) -> Samples:
    at = np.arange(OPUS_RATE) / OPUS_RATE
    wave = sum(np.sin(2 * np.pi * pitch * k * at) / k for k in range(1, 12))
    return np.asarray(0.15 * wave, dtype=np.float32)


def ring_ms(pitch: float, ramp_s: float, monkeypatch: pytest.MonkeyPatch) -> float:
    """How long something is heard after a reply was dropped, decoded from Opus."""
    monkeypatch.setattr(module, "RAMP_S", ramp_s)
    frame, before = OPUS_RATE // 50, 30
    playout, encoder, decoder = Playout(OPUS_RATE), OpusEncoder(), OpusDecoder()
    playout.open(1)
    playout.add(1, vowel(pitch))
    parts = []
    for number in range(before + 30):
        if number == 10:
            playout.play(1)
        elif number == before:
            playout.close(1)
        part = decoder.decode(encoder.encode(playout.pull(frame)), frame)
        assert part is not None
        parts.append(part)
    (sound,) = find_sounds(np.concatenate(parts), OPUS_RATE)
    return (sound.end - before * 0.02) * 1000


def test_a_ramp_is_heard_no_longer_than_what_rings_after_a_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pitches = (95.0, 120.0, 151.0, 180.0, 233.0)
    cut = [ring_ms(pitch, 0.0, monkeypatch) for pitch in pitches]
    faded = [ring_ms(pitch, 0.005, monkeypatch) for pitch in pitches]
    assert np.mean(faded) <= np.mean(cut), (faded, cut)
    assert max(faded) < 33.0, "the codec's delay of 6.5 ms, and what rang on at most before"
