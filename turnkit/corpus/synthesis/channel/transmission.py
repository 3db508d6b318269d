"""A dry turn through a channel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.augment import mu_law
from turnkit.corpus.schema import Span
from turnkit.corpus.synthesis.channel.channel import WIDE_RATE, Channel
from turnkit.corpus.synthesis.channel.noise import Talk, echo_voice, noise_floor, slow_changes
from turnkit.corpus.synthesis.channel.opus import through_opus
from turnkit.corpus.synthesis.channel.rooms import in_room
from turnkit.errors import InputError

LOWEST_FLOOR_DB = -72.0
"""About 8 steps of 16 bits: no quantised floor comes near a run of zeros."""

RECEIVER_DB = -75.0
"""Noise of whoever decodes packets: a codec may give zeros where little is heard."""

_PEAK = 0.98
_PIVOT_HZ = 1_000.0
_FLAT_BELOW_HZ = 100.0
_HIGH_EDGE_HZ = 300.0
_LOW_ORDER = 4
_RING_S = 0.1
_STOP_DB = -80.0
_BLOCK = 4_096


def transmit(
    dry: Samples,
    speech: Sequence[Span],
    channel: Channel,
    rng: np.random.Generator,
    talk: Talk,
) -> Samples:
    """Make what is heard of a turn at the far end of a channel.

    Parameters
    ----------
    dry : ndarray of float32, shape (n,)
        One turn at 16 kHz, at any level: lead, speech, holds and the tail after the end,
        zeros wherever nobody is heard.
    speech : sequence of Span
        Where the turn is speech, in seconds: what its level is measured over. Breath
        outside of it is carried along.
    channel : Channel
    rng : numpy Generator
        Draws noise, slow changes, lost packets and when the echo is heard.
    talk : callable
        ``talk(n, rng)`` gives `n` samples of others' dry speech at 16 kHz, for babble
        and for the agent's voice; called only if the channel has one of them.

    Returns
    -------
    ndarray of float32, shape (ceil(n * channel.sample_rate / 16000),)
        In [-1, 1], with the times of `dry`: delays of room, filters and codec are off.
        A floor runs through all of it.

    Raises
    ------
    InputError
        If there is no speech in `speech`.
    MissingDependencyError
        If a package of the extra ``synthesis`` is not installed.
    """
    active = _active(dry, speech)
    step = WIDE_RATE // channel.sample_rate
    n = len(dry)
    filtered = _Filter(n, channel)
    voice = filtered(_voice(dry, channel, rng))
    voice, level = _levelled(voice, active[::step], channel.level_db)
    floor = filtered(noise_floor(n, channel, rng, talk))
    wanted = max(level * _amplitude(-channel.snr_db), _amplitude(LOWEST_FLOOR_DB))
    mixed = voice + (floor * (wanted / _rms(floor))).astype(np.float32)
    if channel.echo is not None:
        echo = echo_voice(n, int(np.argmax(active)), channel.echo, rng, talk)
        mixed += filtered(echo) * np.float32(level * _amplitude(channel.echo.level_db))
    return np.clip(_coded(_clipped(mixed, channel.clip_db), channel, rng), -1.0, 1.0)


def _active(dry: Samples, speech: Sequence[Span]) -> NDArray[np.bool_]:
    """Whether each sample is speech."""
    active = np.zeros(len(dry), dtype=np.bool_)
    for span in speech:
        active[round(span.start * WIDE_RATE) : round(span.end * WIDE_RATE)] = True
    if not dry[active].any():
        raise InputError("dry: nothing but zeros where speech is said to be")
    return active


def _voice(dry: Samples, channel: Channel, rng: np.random.Generator) -> Samples:
    """Speech as it comes to the microphone."""
    voice = dry
    if channel.level_drift_db:
        voice = (voice * slow_changes(len(dry), channel.level_drift_db, rng)).astype(np.float32)
    return voice if channel.room is None else in_room(voice, channel.room)


class _Filter:
    """Microphone and band of the line; gives the channel's rate.

    Of minimum phase, as real ones nearly are: nothing is heard before it is said, and
    what is in the band is late by less than a millisecond or two.
    """

    def __init__(self, n: int, channel: Channel) -> None:
        self._n = n
        self._step = WIDE_RATE // channel.sample_rate
        # Of small factors only, for a quick transform.
        self._size = -(-(n + round(_RING_S * WIDE_RATE)) // _BLOCK) * _BLOCK
        hz = np.fft.rfftfreq(self._size, 1.0 / WIDE_RATE).astype(np.float64)
        self._response = _causal(_response(hz, channel.tilt_db, channel.band_hz))

    def __call__(self, samples: Samples) -> Samples:
        spectrum = np.fft.rfft(samples, self._size) * self._response
        whole = np.fft.irfft(spectrum, self._size)[: self._n]
        # Above the band nothing is left that could fold back.
        return np.ascontiguousarray(whole[:: self._step], dtype=np.float32)


def _response(
    hz: NDArray[np.float64], tilt_db: float, band_hz: tuple[float, float]
) -> NDArray[np.float64]:
    """Gain at each frequency: a slope about 1 kHz, a low cut, half a cosine at the top."""
    low, high = band_hz
    slope = tilt_db * np.log2(np.maximum(hz, _FLAT_BELOW_HZ) / _PIVOT_HZ)
    inside = np.clip((high - hz) / _HIGH_EDGE_HZ + 1.0, 0.0, 1.0)
    # Butterworth's: a steeper foot would ring on after the last word.
    squared = (hz / low) ** (2 * _LOW_ORDER) if low > 0.0 else np.full_like(hz, np.inf)
    foot = np.sqrt(1.0 / (1.0 + 1.0 / np.maximum(squared, 1e-12)))
    gain: NDArray[np.float64] = 10.0 ** (slope / 20.0) * foot
    return gain * (0.5 - 0.5 * np.cos(np.pi * inside))


def _causal(gain: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Response of minimum phase, by folding the cepstrum (Oppenheim & Schafer, ch. 13)."""
    cepstrum = np.fft.irfft(np.log(np.maximum(gain, _amplitude(_STOP_DB))))
    half = len(cepstrum) // 2
    cepstrum[1:half] *= 2.0
    cepstrum[half + 1 :] = 0.0
    return np.exp(np.fft.rfft(cepstrum)).astype(np.complex64)


def _levelled(speech: Samples, active: NDArray[np.bool_], level_db: float) -> tuple[Samples, float]:
    """Bring active speech to a level, or as near to it as peaks allow; return it, too."""
    loudness = _rms(speech[active])
    highest = float(np.max(np.abs(speech)))
    gain = min(_amplitude(level_db) / loudness, _PEAK / highest)
    return speech * np.float32(gain), loudness * gain


def _clipped(samples: Samples, clip_db: float) -> Samples:
    """Cut off what lies less than `clip_db` below the highest peak."""
    if not clip_db:
        return samples
    ceiling = float(np.max(np.abs(samples))) * _amplitude(-clip_db)
    return np.clip(samples, -ceiling, ceiling)


def _coded(samples: Samples, channel: Channel, rng: np.random.Generator) -> Samples:
    if channel.telephone:
        return mu_law(samples)
    if channel.opus is None:
        return samples
    line = channel.opus
    decoded = through_opus(samples, line.bit_rate, line.loss, line.burst, rng)
    receiver = rng.standard_normal(len(decoded), dtype=np.float32)
    return np.asarray(decoded + receiver * _amplitude(RECEIVER_DB), dtype=np.float32)


def _amplitude(decibels: float) -> float:
    return float(10.0 ** (decibels / 20.0))


def _rms(samples: Samples) -> float:
    power = float(np.mean(samples.astype(np.float64) ** 2))
    return math.sqrt(max(power, 1e-16))
