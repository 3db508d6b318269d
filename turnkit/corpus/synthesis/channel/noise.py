"""The floor: coloured noise, hum of the mains, others talking."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.augment import coloured_noise
from turnkit.corpus.synthesis.channel.channel import WIDE_RATE, Channel, Echo
from turnkit.corpus.synthesis.channel.rooms import draw_room, in_room

Talk = Callable[[int, np.random.Generator], Samples]
"""``talk(n, rng)``: `n` samples of others' dry speech at 16 kHz."""

BURST_S = (0.4, 1.6)
"""Seconds that the agent's voice lasts when it comes back."""

BURSTS_PER_S = 0.12
"""How often it does, anywhere in a turn: its density must not tell holds from ends."""

PROMPT_SHARE = 0.5
"""Share of the echoes in which the agent is heard until the turn begins, too."""

_HUM_HARMONICS = 24
_HUM_SHARE = (0.2, 0.6)
_BABBLE_SHARE = (0.6, 0.9)
_BABBLE_SPREAD_DB = 3.0
_BABBLE_ROOM: tuple[tuple[float, float], tuple[float, float]] = ((0.4, 0.6), (1.5, 2.5))
_FADE_S = 0.03
_PROMPT_GAP_S = 0.05


def slow_changes(n: int, amplitude_db: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Factors that drift slowly about 1, at 16 kHz.

    Two sines, the slower one (7 to 14 s) of `amplitude_db`, the other (2 to 5 s) of half.
    """
    seconds = np.arange(n) / WIDE_RATE
    slow, fast = (
        np.sin(2.0 * np.pi * (seconds / rng.uniform(*period) + rng.random()))
        for period in ((7.0, 14.0), (2.0, 5.0))
    )
    factors: NDArray[np.float64] = 10.0 ** (amplitude_db * (slow + 0.5 * fast) / 20.0)
    return factors


def noise_floor(n: int, channel: Channel, rng: np.random.Generator, talk: Talk) -> Samples:
    """One floor from the first sample to the last, before the microphone.

    Parameters
    ----------
    n : int
        Number of samples at 16 kHz.
    channel : Channel
        Whose colour, hum, talkers and drift are used.
    rng : numpy Generator
    talk : callable
        Gives the speech that babble is made of.

    Returns
    -------
    ndarray of float32, shape (n,)
        Of about unit power; noise of the channel's colour is always in it.

    Raises
    ------
    MissingDependencyError
        If there is babble and ``pyroomacoustics`` is not installed.
    """
    floor = coloured_noise(n, WIDE_RATE, channel.colour, rng)
    if channel.hum_hz:
        floor = _blend(floor, _hum(n, channel.hum_hz, rng), rng.uniform(*_HUM_SHARE))
    if channel.talkers:
        floor = _blend(floor, _babble(n, channel.talkers, rng, talk), rng.uniform(*_BABBLE_SHARE))
    if channel.floor_drift_db:
        floor = (floor * slow_changes(n, channel.floor_drift_db, rng)).astype(np.float32)
    return floor


def echo_voice(
    n: int, first_speech: int, echo: Echo, rng: np.random.Generator, talk: Talk
) -> Samples:
    """Bursts of the agent's voice as it comes back, of unit power while it talks.

    Apart from the first one, which may last until just before the turn begins, bursts
    come at any time, as likely in speech as in a hold or after the end. One is heard at
    least.

    Parameters
    ----------
    n : int
        Number of samples at 16 kHz.
    first_speech : int
        Sample at which the turn begins.
    echo : Echo
    rng : numpy Generator
    talk : callable
        Gives the agent's speech.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    gate = np.zeros(n, dtype=np.float32)
    until = first_speech - round(_PROMPT_GAP_S * WIDE_RATE)
    if rng.random() < PROMPT_SHARE and until > 0:
        _open(gate, max(0, until - round(rng.uniform(*BURST_S) * WIDE_RATE)), until)
    # From before the first sample on, or else bursts would be rarer at the beginning.
    reach = round(BURST_S[1] * WIDE_RATE)
    bursts = int(rng.poisson(BURSTS_PER_S * (n + reach) / WIDE_RATE))
    while bursts > 0 or not gate.any():
        bursts -= 1
        start = int(rng.integers(-reach, n))
        _open(gate, start, start + round(rng.uniform(*BURST_S) * WIDE_RATE))
    voice = _low_passed(unit(talk(n, rng)), echo.cut_hz)
    return voice * gate


def unit(samples: Samples) -> Samples:
    """Bring to unit power; silence stays silence."""
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return samples / np.float32(np.sqrt(max(power, 1e-12)))


def _open(gate: Samples, start: int, stop: int) -> None:
    """Open a gate in place, with soft edges."""
    start, stop = max(start, 0), min(stop, len(gate))
    if stop <= start:
        return
    at = np.arange(stop - start)
    edge = np.minimum(at + 1, at[::-1] + 1) / (_FADE_S * WIDE_RATE)
    gate[start:stop] = np.maximum(gate[start:stop], np.minimum(edge, 1.0))


def _blend(base: Samples, other: Samples, share: float) -> Samples:
    """Mix so that `share` of the power is the other's."""
    mixed = base * np.sqrt(1.0 - share) + unit(other) * np.sqrt(share)
    return np.asarray(mixed, dtype=np.float32)


def _hum(n: int, hz: float, rng: np.random.Generator) -> Samples:
    """Hum and buzz: harmonics of the mains that fall by 3 to 9 dB an octave."""
    harmonics = np.arange(1, _HUM_HARMONICS + 1)
    fall = rng.uniform(3.0, 9.0) / 6.0
    weights = harmonics**-fall * rng.uniform(0.3, 1.0, len(harmonics))
    # The mains are steady: one period is laid again and again.
    period = round(WIDE_RATE / hz * 10)
    phase = 2.0 * np.pi * 10.0 * np.arange(period)[:, None] / period
    phases = rng.uniform(0.0, 2.0 * np.pi, len(harmonics))
    wave = np.sin(phase * harmonics + phases) @ weights
    return np.resize(wave, n).astype(np.float32)


def _babble(n: int, talkers: int, rng: np.random.Generator, talk: Talk) -> Samples:
    """Several voices from across a room."""
    mixed = np.zeros(n, dtype=np.float32)
    for _ in range(talkers):
        weight = 10.0 ** (rng.normal(0.0, _BABBLE_SPREAD_DB) / 20.0)
        mixed += unit(talk(n, rng)) * np.float32(weight)
    bank = np.random.default_rng([int(rng.integers(8)), 23])
    return in_room(mixed, draw_room(*_BABBLE_ROOM, bank))


def _low_passed(samples: Samples, cut_hz: float) -> Samples:
    """Two poles, by the bilinear transform: dull, as from a small loudspeaker."""
    from scipy.signal import butter, sosfilt

    return np.asarray(sosfilt(butter(2, cut_hz, fs=WIDE_RATE, output="sos"), samples), np.float32)
