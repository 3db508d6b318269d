from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from turnkit.corpus.synthesis.prosody.pitch import HIGHEST_HZ, LOWEST_HZ, track_pitch

RATE = 16_000
FRAME_S = 0.005


def harmonics(hertz: NDArray[np.float64], numbers: range) -> NDArray[np.float64]:
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    tone: NDArray[np.float64] = np.sum([np.cos(n * phase + n) / n for n in numbers], axis=0)
    return tone


def inner(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[10:-10]


@given(st.floats(70.0, 280.0))
def test_a_steady_tone(hertz: float) -> None:
    tone = harmonics(np.full(RATE // 2, hertz), range(1, 12))
    found, aperiodicity = track_pitch(tone, RATE, FRAME_S)
    assert np.all(np.abs(inner(found) / hertz - 1) < 0.015)
    assert np.all(inner(aperiodicity) < 0.2)


def test_the_fundamental_may_be_missing() -> None:
    tone = harmonics(np.full(RATE // 2, 95.0), range(2, 14))
    found, _ = track_pitch(tone, RATE, FRAME_S)
    assert np.all(np.abs(inner(found) / 95.0 - 1) < 0.015)


def test_a_glide_is_followed() -> None:
    hertz = 90.0 * 2.0 ** np.linspace(0.0, 1.0, RATE)
    found, _ = track_pitch(harmonics(hertz, range(1, 12)), RATE, FRAME_S)
    expected = hertz[np.minimum(np.arange(len(found)) * 80, RATE - 1)]
    assert np.all(np.abs(inner(found / expected) - 1) < 0.03)


def test_noise_is_less_periodic_than_a_tone_in_noise() -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.1, RATE // 2)
    tone = harmonics(np.full(RATE // 2, 120.0), range(1, 12))
    _, of_noise = track_pitch(noise, RATE, FRAME_S)
    _, of_tone = track_pitch(tone + noise, RATE, FRAME_S)
    assert np.median(of_tone) < 0.2 < 0.5 < np.median(of_noise)


@given(st.integers(1, 3_000))
def test_length_and_range_whatever_the_signal(n: int) -> None:
    signal = np.random.default_rng(n).normal(0.0, 1.0, n) * (n % 3)
    found, aperiodicity = track_pitch(signal, RATE, FRAME_S)
    assert len(found) == len(aperiodicity) == int(n / RATE / FRAME_S) + 1
    assert np.isfinite(found).all()
    assert np.all((found > LOWEST_HZ * 0.95) & (found < HIGHEST_HZ * 1.05))
    assert np.all(aperiodicity >= 0)
