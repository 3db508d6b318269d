"""The floor and the echo: what is in them, and that they know nothing of holds and ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import welch

from tests.corpus.synthesis.channel.sounds import RATE, no_talk, talk
from turnkit.audio import Samples
from turnkit.corpus.synthesis.channel.channel import Channel, Echo
from turnkit.corpus.synthesis.channel.noise import (
    BURST_S,
    BURSTS_PER_S,
    PROMPT_SHARE,
    echo_voice,
    noise_floor,
    slow_changes,
)

PLAIN = Channel(level_db=-20.0, snr_db=20.0)


def spectrum(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    hz, power = welch(samples, RATE, nperseg=8_000)
    return np.asarray(hz), np.asarray(power)


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_power_falls_as_the_colour_says(colour: float) -> None:
    floor = noise_floor(10 * RATE, replace(PLAIN, colour=colour), np.random.default_rng(1), no_talk)
    hz, power = spectrum(floor)
    band = (hz > 100) & (hz < 6_000)
    slope = np.polyfit(np.log10(hz[band]), np.log10(power[band]), 1)[0]
    assert slope == pytest.approx(-colour, abs=0.1)
    assert np.mean(floor**2) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_hum_stands_out_at_harmonics_of_the_mains(mains: float) -> None:
    rng = np.random.default_rng(2)
    hz, power = spectrum(noise_floor(10 * RATE, replace(PLAIN, hum_hz=mains), rng, no_talk))
    for harmonic in (1, 2, 3):
        at, beside = (
            float(power[int(np.argmin(np.abs(hz - place)))])
            for place in (mains * harmonic, mains * (harmonic + 0.5))
        )
        assert at > 30 * beside


def test_babble_is_made_of_as_many_voices_as_asked_for() -> None:
    asked: list[int] = []

    def counted(n: int, rng: np.random.Generator) -> Samples:
        asked.append(n)
        return talk(n, rng)

    rng = np.random.default_rng(3)
    floor = noise_floor(RATE, replace(PLAIN, talkers=5), rng, counted)
    assert asked == [RATE] * 5
    hz, power = spectrum(floor)
    low, high = power[(hz > 80) & (hz < 1_000)].mean(), power[hz > 6_000].mean()
    assert low > 5 * high


def test_silent_others_leave_the_noise() -> None:
    rng = np.random.default_rng(3)
    silent = noise_floor(
        RATE, replace(PLAIN, talkers=3), rng, lambda n, _: np.zeros(n, dtype=np.float32)
    )
    assert np.isfinite(silent).all()
    assert 0.1 < np.mean(silent**2) < 1.0


@pytest.mark.parametrize("amplitude", [0.5, 3.0])
def test_slow_changes_are_slow_and_as_big_as_asked_for(amplitude: float) -> None:
    db = 20 * np.log10(slow_changes(30 * RATE, amplitude, np.random.default_rng(4)))
    assert 0.8 * amplitude < np.max(np.abs(db)) <= 1.5 * amplitude + 1e-9
    # The faster sine of half the amplitude has periods of 2 s and more.
    assert np.max(np.abs(np.diff(db))) * RATE < amplitude * 2 * np.pi * (0.5 / 2 + 1 / 7) * 1.01


def test_the_agent_is_heard_as_often_at_any_time() -> None:
    """Its bursts must not tell a hold from an end, nor early from late."""
    steady = np.ones(8 * RATE, dtype=np.float32)
    heard = np.zeros(8)
    draws = 300
    for seed in range(draws):
        rng = np.random.default_rng([5, seed])
        voice = echo_voice(len(steady), 0, Echo(-20, 4_000), rng, lambda n, _: steady[:n])
        heard += (voice.reshape(8, RATE) > 0.5).mean(axis=1)
    # Once at least, however rarely on average.
    assert np.mean(heard) / draws > BURSTS_PER_S * np.mean(BURST_S)
    assert heard / draws == pytest.approx(np.full(8, np.mean(heard) / draws), abs=0.05)


def test_its_question_ends_before_the_turn_begins() -> None:
    steady = np.ones(2 * RATE, dtype=np.float32)
    begin, draws, before = RATE, 400, 0
    for seed in range(draws):
        rng = np.random.default_rng([6, seed])
        voice = echo_voice(len(steady), begin, Echo(-20, 4_000), rng, lambda n, _: steady[:n])
        before += bool(voice[begin - 2_400] > 0.9 and voice[begin - 80 : begin + 160].max() < 0.1)
    # Not counted: other bursts over the beginning of the turn.
    assert 0.8 * PROMPT_SHARE < before / draws < PROMPT_SHARE


def test_the_agent_sounds_dull() -> None:
    def brightness(cut: float) -> float:
        rng = np.random.default_rng(9)
        hz, power = spectrum(echo_voice(60 * RATE, 0, Echo(-20, cut), rng, talk))
        return float(power[hz > 5_000].sum() / power.sum())

    assert brightness(1_500.0) < 0.2 * brightness(4_000.0)
