"""Acoustic fingerprints, by which two copies of a recording are known.

Signs of energy differences along time and frequency, 32 bits a frame (Haitsma & Kalker,
"A highly robust audio fingerprinting system", ISMIR 2002). Level, a microphone's tilt,
telephone band, mu-law, a codec, moderate noise and a shift in time leave most bits as they
are. Another speed or pitch does not: such copies are not found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples, resample
from turnkit.corpus.schema import Turn
from turnkit.timing import to_samples

HOP_S = 0.016
WINDOW_S = 0.256
"""Sixteen times the hop, so that a shift by half a hop changes few bits."""

LOWEST_HZ, HIGHEST_HZ = 300.0, 3_000.0
"""Inside the telephone band."""

LOWEST_RATE, HIGHEST_RATE = 8_000, 16_000
"""Hz; other rates are brought there: all bands must exist, and more would only take memory."""

BITS = 32
_LAG = 4
"""Frames over which energies are compared: those of neighbours hardly differ."""

_SOUND_DB = 25.0
"""Frames further below the loudest are not compared: their bits are those of noise."""

_WEAKEST = 3
"""Bits nearest to their threshold: the first to change in a copy."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of one row.

    Attributes
    ----------
    bits : ndarray of uint32, shape (n,)
        A frame every `HOP_S`.
    weak : ndarray of uint32, shape (n, 3)
        Masks of the bits that are most likely to be others in a copy.
    sounding : ndarray of bool, shape (n,)
        Frames with speech in them.
    """

    bits: NDArray[np.uint32]
    weak: NDArray[np.uint32]
    sounding: NDArray[np.bool_]


def fingerprint(turn: Turn) -> Fingerprint:
    """Fingerprint of a turn."""
    rate = min(max(turn.sample_rate, LOWEST_RATE), HIGHEST_RATE)
    energies = _band_energies(resample(turn.samples, turn.sample_rate, rate), rate)
    if len(energies) <= _LAG:
        empty = np.zeros(0, dtype=np.uint32)
        return Fingerprint(empty, empty.reshape(0, _WEAKEST), np.zeros(0, dtype=bool))
    slope = np.diff(10.0 * np.log10(energies), axis=1)
    change = slope[_LAG:] - slope[:-_LAG]
    masks = np.uint32(1) << np.arange(BITS, dtype=np.uint32)
    bits = np.where(change > 0, masks, np.uint32(0)).sum(axis=1, dtype=np.uint32)
    weak = masks[np.argsort(np.abs(change), axis=1)[:, :_WEAKEST]]
    level = 10.0 * np.log10(energies.sum(axis=1)[_LAG:])
    sounding = level > np.quantile(level, 0.98) - _SOUND_DB
    middles = np.arange(_LAG, len(energies)) * HOP_S + WINDOW_S / 2
    for span in turn.spans:
        sounding &= ~((middles > span.start) & (middles < span.end))
    return Fingerprint(bits, weak, sounding)


def _band_energies(samples: Samples, rate: int) -> NDArray[np.float64]:
    """Energies in `BITS` + 1 bands, equally wide on a logarithmic axis."""
    size, hop = to_samples(WINDOW_S, rate), to_samples(HOP_S, rate)
    if len(samples) < size:
        return np.zeros((0, BITS + 1))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    edges_hz = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BITS + 2)
    edges = np.round(edges_hz * size / rate).astype(int)
    spectrum = np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)
    power = np.abs(spectrum[:, : edges[-1]]) ** 2
    energies = np.add.reduceat(power, edges[:-1], axis=1)
    return np.asarray(energies + 1e-10 * size, dtype=np.float64)
