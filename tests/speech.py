"""Speech made on the spot: voiced syllables with formants, which Silero takes for speech."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy.signal
from numpy.typing import NDArray

VOWELS = (
    (730.0, 1_090.0, 2_440.0, 3_400.0),
    (270.0, 2_290.0, 3_010.0, 3_700.0),
    (300.0, 870.0, 2_240.0, 3_300.0),
    (530.0, 1_840.0, 2_480.0, 3_500.0),
    (570.0, 840.0, 2_410.0, 3_300.0),
)
"""Formants in Hz (Peterson & Barney 1952, and a fourth)."""

_RATE = 16_000


def _vowel(
    f0: NDArray[np.float64], formants: tuple[float, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Glottal pulses, -12 dB an octave, through resonances (Klatt 1980)."""
    sound = np.diff(np.floor(np.cumsum(f0) / _RATE), prepend=0.0)
    sound = scipy.signal.lfilter([1.0, -1.0], [1.0, -1.6, 0.65], sound)
    sound = sound + 0.02 * rng.standard_normal(len(f0))
    for hz, bandwidth in zip(formants, (80.0, 100.0, 120.0, 160.0), strict=True):
        r = math.exp(-math.pi * bandwidth / _RATE)
        poles = [1.0, -2 * r * math.cos(2 * math.pi * hz / _RATE), r * r]
        sound = scipy.signal.lfilter([sum(poles)], poles, sound)
    shape = np.sqrt(np.sin(np.linspace(0.0, np.pi, len(f0))))
    return np.asarray(0.3 * shape * sound / np.abs(sound).max())


def _talk(seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    parts: list[NDArray[np.float64]] = []
    while sum(map(len, parts)) < seconds * _RATE:
        n = int(rng.uniform(0.1, 0.18) * _RATE)
        f0 = rng.uniform(100.0, 140.0) * np.linspace(1.1, 0.95, n)
        parts.append(_vowel(f0, VOWELS[rng.integers(len(VOWELS))], rng))
        parts.append(0.02 * rng.standard_normal(int(rng.uniform(0.02, 0.05) * _RATE)))
    return np.concatenate(parts)[: round(seconds * _RATE)]


@lru_cache(maxsize=32)
def talk(*plan: float, rate: int = 16_000, seed: int = 0) -> NDArray[np.float32]:
    """Speech and silence over a noise floor.

    Parameters
    ----------
    *plan : float
        Seconds: of speech where positive, of silence where negative.
    rate : int
        In Hz.
    seed : int

    Returns
    -------
    ndarray of float32, shape (n,)
        Read-only.
    """
    rng = np.random.default_rng(seed)
    parts = [_talk(s, rng) if s > 0 else np.zeros(round(-s * _RATE)) for s in plan]
    sound = np.concatenate(parts)
    if rate != _RATE:
        divisor = math.gcd(rate, _RATE)
        sound = scipy.signal.resample_poly(sound, rate // divisor, _RATE // divisor)
    samples = (sound + 1e-3 * rng.standard_normal(len(sound))).astype(np.float32)
    samples.flags.writeable = False
    return samples
