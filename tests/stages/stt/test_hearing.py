from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stages.stt.helpers import RATE, silence, voiced
from turnkit.audio import Samples
from turnkit.stages.stt.hearing import LEAD_S, Hearing


def heard(*parts: Samples, keep_s: float = 30.0, chunk: int = 320) -> Hearing:
    hearing = Hearing(RATE, keep_s)
    signal = np.concatenate(parts)
    for start in range(0, len(signal), chunk):
        hearing.push(signal[start : start + chunk])
    return hearing


@pytest.mark.parametrize("chunk", [1, 160, 513, 100_000])
def test_where_somebody_spoke_whatever_the_chunks(chunk: int) -> None:
    hearing = heard(silence(0.5), voiced(0.4), silence(0.3), chunk=chunk)
    assert hearing.speech_start(0) == pytest.approx((0.5 - LEAD_S) * RATE, abs=320)
    assert hearing.speech_end == pytest.approx(0.9 * RATE, abs=320)
    assert hearing.speech_since(0) == pytest.approx(0.4, abs=0.041)
    assert hearing.speech_since(round(0.7 * RATE)) == pytest.approx(0.2, abs=0.041)


@pytest.mark.parametrize("level_db", [-100, -70, -50, -40])
def test_steady_noise_is_no_speech_once_it_is_known(level_db: int) -> None:
    noise = np.random.default_rng(0).standard_normal(3 * RATE) * 10 ** (level_db / 20)
    hearing = heard(noise.astype(np.float32))
    assert hearing.speech_start(0) is None
    assert hearing.speech_end == 0


def test_speech_over_noise_is_heard() -> None:
    noise = np.random.default_rng(0).standard_normal(2 * RATE) * 10 ** (-45 / 20)
    hearing = heard(noise.astype(np.float32), voiced(0.5))
    assert hearing.speech_end == pytest.approx(2.5 * RATE, abs=320)


def test_a_decoding_covers_speech_if_it_heard_a_little_more() -> None:
    hearing = heard(silence(0.4), voiced(0.4), silence(0.02))
    assert not hearing.covered_by(hearing.speech_end)
    assert hearing.covered_by(hearing.heard)
    hearing.push(silence(0.5))
    assert not hearing.covered_by(hearing.speech_end)
    assert hearing.covered_by(hearing.speech_end + round(0.06 * RATE))


@given(st.lists(st.integers(0, 700), max_size=30), st.integers(0, 8_000), st.integers(0, 8_000))
def test_audio_is_what_was_pushed(sizes: list[int], start: int, length: int) -> None:
    signal = np.arange(sum(sizes), dtype=np.float32)
    hearing = Hearing(RATE, 0.1)
    at = 0
    for size in sizes:
        hearing.push(signal[at : at + size])
        at += size
    assert hearing.heard == at
    assert min(at, round(0.1 * RATE)) <= at - hearing.first <= 0.1 * RATE + 700
    begin = max(start, hearing.first)
    np.testing.assert_array_equal(
        hearing.audio(start, start + length), signal[begin : max(begin, start + length)]
    )


def test_the_pushed_array_may_be_used_again() -> None:
    buffer = voiced(0.1)
    hearing = Hearing(RATE, 1.0)
    hearing.push(buffer)
    before = buffer.copy()
    buffer[:] = 0
    np.testing.assert_array_equal(hearing.audio(0, len(buffer)), before)
