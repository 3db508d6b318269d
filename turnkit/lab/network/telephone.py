"""A telephone line: 300 .. 3400 Hz at 8 kHz, in the 8 bits of mu-law."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Resampler, Samples, resample
from turnkit.augment import TELEPHONE_BAND_HZ

LINE_RATE = 8_000
"""Rate in Hz of a telephone line (ITU-T G.711)."""

SPEAK_RATE = 48_000
"""Rate in Hz of what `TelephoneLine.speak` takes and gives: a microphone's."""

HEAR_RATE = 16_000
"""Rate in Hz of what `TelephoneLine.hear` takes and gives: a recording's."""

_UP = SPEAK_RATE // LINE_RATE
_HALF_TAPS = 80
"""Delay of the band filter in samples of the line: 10 ms buy slopes 150 Hz wide."""

_KAISER_BETA = 4.6
"""About 50 dB of stopband (Kaiser's formula in Oppenheim & Schafer, ch. 7)."""

_SLOPE_HZ = 75.0
"""Half the width of the band filter's slopes, which lie outside of the pass band."""

_FULL_SCALE = 8_192.0
"""Amplitude of 1.0 in the units of G.711's tables, which are 14 bits wide."""


def _g711_tables() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Levels of the 128 positive codes, and where one gives way to the next."""
    segment, step = np.divmod(np.arange(128), 16)
    levels = ((2 * step + 33) << segment) - 33
    decisions = levels - (1 << segment)
    return levels / _FULL_SCALE, decisions[1:] / _FULL_SCALE


_LEVELS, _DECISIONS = _g711_tables()


def g711_mu_law(samples: Samples) -> Samples:
    """Encode in mu-law and decode again (ITU-T G.711, tables 2a and 2b).

    `turnkit.augment.mu_law` is the smooth curve that these fifteen straight pieces stand
    for; their levels differ by up to half a step.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        Levels beyond 0.98 are clipped.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    codes = np.searchsorted(_DECISIONS, np.abs(samples).astype(np.float64), side="right")
    return np.copysign(_LEVELS[codes], samples).astype(np.float32)


def _band_filter() -> NDArray[np.float64]:
    """Linear-phase band pass at `LINE_RATE`: a windowed sinc of unit gain at 1 kHz."""
    at = np.arange(-_HALF_TAPS, _HALF_TAPS + 1)
    low, high = TELEPHONE_BAND_HZ[0] - _SLOPE_HZ, TELEPHONE_BAND_HZ[1] + _SLOPE_HZ
    edges = (2.0 * hz / LINE_RATE for hz in (high, low))
    wide, narrow = (edge * np.sinc(edge * at) for edge in edges)
    taps = (wide - narrow) * np.kaiser(len(at), _KAISER_BETA)
    gain = np.sum(taps * np.cos(2.0 * np.pi * 1_000.0 / LINE_RATE * at))
    return np.asarray(taps / gain, dtype=np.float64)


_BAND = _band_filter()


def _through_band(samples: NDArray[np.float64]) -> Samples:
    """Filter samples that have the filter's length, less one, too many."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, len(_BAND))
    # Row by row, which gives the same bits however long the chunks are. The filter is even.
    return np.asarray(np.einsum("ij,j->i", windows, _BAND), dtype=np.float32)


def _resampling_delay() -> int:
    """Count the samples by which going down to the line's rate and up again is behind."""
    down, up = Resampler(SPEAK_RATE, LINE_RATE), Resampler(LINE_RATE, SPEAK_RATE)
    counts = range(1, 64 * _UP)
    return max(down.inputs_needed(up.inputs_needed(count)) - count for count in counts)


_RESAMPLING = _resampling_delay()


class TelephoneLine:
    """One call's telephone line; for each call a new one.

    Attributes
    ----------
    delay_s : float
        By how much `speak` is behind: its filters must look ahead. `hear` is not.
    """

    delay_s: ClassVar[float] = (_RESAMPLING + _HALF_TAPS * _UP) / SPEAK_RATE

    def __init__(self) -> None:
        self._down = Resampler(SPEAK_RATE, LINE_RATE)
        self._up = Resampler(LINE_RATE, SPEAK_RATE)
        self._tail = np.zeros(2 * _HALF_TAPS)
        self._ready = np.zeros(_RESAMPLING, dtype=np.float32)

    def speak(self, samples: Samples) -> Samples:
        """Send samples down the line, in chunks of any length.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)
            At 48 kHz.

        Returns
        -------
        ndarray of float32, shape (n,)
            What comes out meanwhile, `delay_s` behind.
        """
        narrow = self._down.push(samples)
        if len(narrow):
            longer = np.concatenate([self._tail, narrow])
            self._tail = longer[len(narrow) :]
            wide = self._up.push(g711_mu_law(_through_band(longer)))
            self._ready = np.concatenate([self._ready, wide])
        out, self._ready = self._ready[: len(samples)], self._ready[len(samples) :]
        return out

    def hear(self, samples: Samples) -> Samples:
        """Tell what comes out of the line's other end; everything stays at its place.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)
            A whole signal at 16 kHz.

        Returns
        -------
        ndarray of float32, shape (n,)
        """
        if not len(samples):
            return samples
        narrow = resample(samples, HEAR_RATE, LINE_RATE).astype(np.float64)
        heard = g711_mu_law(_through_band(np.pad(narrow, _HALF_TAPS)))
        return resample(heard, LINE_RATE, HEAR_RATE)[: len(samples)]
