"""Short sounds whose moments are known, for measuring ears."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.agent.transport.pacing import FRAME_S
from turnkit.audio import Samples
from turnkit.lab.caller.onset import OnsetSettings

SHAPES = ("tone", "soft tone", "noise", "voice", "chirp")
"""Shapes of bursts: soft tones and voices fade in, the others begin at once."""

CUT_EVERY = 4
"""One of so many bursts is cut off; the others fade out."""

_SETTLED_S = 1.3
_GAPS_S = (0.33, 0.45)
_LENGTHS_S = (0.1, 0.25)
_LEVELS_DB = (-36.0, -12.0)
_EDGES_S = (0.02, 0.05)
_NOISE_HZ = (300.0, 3_400.0)
_EARLY_S = 0.002


def is_cut(number: int) -> bool:
    """Whether a burst of this number is cut off."""
    return number % CUT_EVERY == CUT_EVERY - 1


class Bursts:
    """An `AudioSource` that plays bursts and knows when.

    A frame's moment is the slot for which it was pulled, as in its RTP timestamp. Pulls
    come in a slot or late, by what the event loop had to do; slots that were skipped never
    come back. So the earliest pull from each one on shows where its slot lies.

    Parameters
    ----------
    n : int
    seed : int
    clock : callable, optional
        Seconds, monotonic; the pacer's.
    """

    def __init__(self, n: int, seed: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.n = n
        self._clock = clock
        self._track, self._spans = _lay_out(n, np.random.default_rng(seed))
        self._position = 0
        self._pulls: list[float] = []

    @property
    def done(self) -> int:
        """How many bursts have been played."""
        return len([burst for burst in self._spans if burst.stop <= self._position])

    def pull(self, n: int) -> Samples:
        """Next `n` samples, zeros after the last burst; `n` is always a frame."""
        self._pulls.append(self._clock())
        part = self._track[self._position : self._position + n]
        self._position += n
        return np.pad(part, (0, n - len(part)))

    def slots(self) -> NDArray[np.float64]:
        """When each frame that was pulled was due, on the clock."""
        lags = np.array(self._pulls) - FRAME_S * np.arange(len(self._pulls))
        earliest = np.minimum.accumulate(lags[::-1])[::-1]
        skipped = np.floor((earliest - earliest[0] + _EARLY_S) / FRAME_S)
        return np.asarray(earliest[0] + FRAME_S * (np.arange(len(lags)) + skipped))

    @property
    def skipped(self) -> int:
        """Slots without a frame."""
        slots = self.slots()
        return round(float(slots[-1] - slots[0]) / FRAME_S) - (len(slots) - 1)

    def audible(self) -> list[tuple[float, float]]:
        """First and last audible moment of each burst, on the clock.

        Audible is what reaches the threshold of the ears in silence.
        """
        slots, frame = self.slots(), round(FRAME_S * OPUS_RATE)
        threshold = 10.0 ** (OnsetSettings().quietest_db / 20.0)
        spans = []
        for burst in self._spans:
            loud = burst.start + np.flatnonzero(np.abs(self._track[burst]) >= threshold)
            ends = np.array([loud[0], loud[-1]])
            start, end = slots[ends // frame] + ends % frame / OPUS_RATE
            spans.append((float(start), float(end)))
        return spans


def _lay_out(n: int, rng: np.random.Generator) -> tuple[Samples, list[slice]]:
    """Bursts between silences of random length; where each one lies."""
    parts, spans, at = [], [], 0
    for number in range(n):
        gap_s = _SETTLED_S if number == 0 else float(rng.uniform(*_GAPS_S))
        silence = np.zeros(round(gap_s * OPUS_RATE), dtype=np.float32)
        burst = make_burst(SHAPES[number % len(SHAPES)], is_cut(number), rng)
        at += len(silence)
        spans.append(slice(at, at + len(burst)))
        at += len(burst)
        parts += [silence, burst]
    return np.concatenate(parts), spans


def make_burst(shape: str, cut: bool, rng: np.random.Generator) -> Samples:
    """Make a short sound of random pitch, length and level, at 48 kHz.

    Parameters
    ----------
    shape : str
        One of `SHAPES`.
    cut : bool
        Whether it ends at once.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    seconds = float(rng.uniform(*_LENGTHS_S))
    at = np.arange(round(seconds * OPUS_RATE)) / OPUS_RATE
    pitch = float(rng.uniform(300.0, 3_000.0))
    if shape == "noise":
        wave = _noise(len(at), rng)
    elif shape == "voice":
        f0 = float(rng.uniform(90.0, 250.0))
        wave = np.sum([np.sin(2 * np.pi * k * f0 * at) / k for k in range(1, 16)], axis=0)
    elif shape == "chirp":
        wave = np.sin(2 * np.pi * (pitch + 500.0 * at / seconds) * at)
    else:
        wave = np.sin(2 * np.pi * pitch * at)
    edge = np.sin(np.pi / 2 * np.clip(at / float(rng.uniform(*_EDGES_S)), 0.0, 1.0)) ** 2
    level = 10.0 ** (float(rng.uniform(*_LEVELS_DB)) / 20.0)
    wave *= level / np.sqrt(np.mean(wave**2))
    if shape in ("soft tone", "voice"):
        wave *= edge
    if not cut:
        wave *= edge[::-1]
    return np.asarray(np.clip(wave, -1.0, 1.0), dtype=np.float32)


def _noise(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hertz = np.fft.rfftfreq(n, 1.0 / OPUS_RATE)
    spectrum[(hertz < _NOISE_HZ[0]) | (hertz > _NOISE_HZ[1])] = 0.0
    wave = np.fft.irfft(spectrum, n)
    return np.clip(wave, -3.0 * wave.std(), 3.0 * wave.std())
