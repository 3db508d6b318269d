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
_TAPS = 161
"""Length of the band filter, at the line's rate: enough for slopes 150 Hz wide."""

_KAISER_BETA = 4.6
"""About 50 dB of stopband (Kaiser's formula in Oppenheim & Schafer, ch. 7)."""

_SLOPE_HZ = 75.0
"""Half the width of the band filter's slopes, which lie outside of the pass band."""

_LEAST = 10.0 ** (-70.0 / 20.0)
"""Magnitude below which the band filter need not go: its logarithm must be finite."""

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
    """Band pass at `LINE_RATE`: the minimum-phase twin of a windowed sinc.

    A filter of linear phase would ring for milliseconds before every onset, and be 10 ms
    behind. The twin has the same magnitude and rings afterwards only; it comes from the
    folded cepstrum (Oppenheim & Schafer, ch. 13).
    """
    at = np.arange(_TAPS) - _TAPS // 2
    low, high = TELEPHONE_BAND_HZ[0] - _SLOPE_HZ, TELEPHONE_BAND_HZ[1] + _SLOPE_HZ
    edges = (2.0 * hz / LINE_RATE for hz in (high, low))
    wide, narrow = (edge * np.sinc(edge * at) for edge in edges)
    size = 1 << 13
    magnitude = np.abs(np.fft.rfft((wide - narrow) * np.kaiser(_TAPS, _KAISER_BETA), size))
    cepstrum = np.fft.irfft(np.log(np.maximum(magnitude, _LEAST)), size)
    cepstrum[1 : size // 2] *= 2.0
    cepstrum[size // 2 + 1 :] = 0.0
    taps = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)[:_TAPS]
    return np.asarray(taps, dtype=np.float64)


_BAND = _band_filter()


def _band_delay() -> float:
    """Group delay of the band filter in seconds, at 1 kHz."""
    turns = _BAND * np.exp(-2j * np.pi * 1_000.0 / LINE_RATE * np.arange(_TAPS))
    return float((np.sum(np.arange(_TAPS) * turns) / np.sum(turns)).real) / LINE_RATE


def _through_band(samples: Samples) -> Samples:
    """Filter samples that begin with the ``_TAPS - 1`` that came before."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _TAPS)
    # Row by row, which gives the same bits however long the chunks are.
    return np.asarray(np.einsum("ij,j->i", windows, _BAND[::-1]), dtype=np.float32)


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
        By how much `speak` is behind: what its filters look ahead, and the band filter's
        group delay (0.2 ms at 1 kHz). `hear` is behind by the latter only.
    """

    delay_s: ClassVar[float] = _RESAMPLING / SPEAK_RATE + _band_delay()

    def __init__(self) -> None:
        self._down = Resampler(SPEAK_RATE, LINE_RATE)
        self._up = Resampler(LINE_RATE, SPEAK_RATE)
        self._tail = np.zeros(_TAPS - 1, dtype=np.float32)
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
            self._tail = longer[len(longer) - len(self._tail) :]
            wide = self._up.push(g711_mu_law(_through_band(longer)))
            self._ready = np.concatenate([self._ready, wide])
        out, self._ready = self._ready[: len(samples)], self._ready[len(samples) :]
        return out

    def hear(self, samples: Samples) -> Samples:
        """Tell what comes out at the line's other end; onsets stay where they are, within 1 ms.

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
        narrow = resample(samples, HEAR_RATE, LINE_RATE)
        heard = g711_mu_law(
            _through_band(np.concatenate([np.zeros(_TAPS - 1, dtype=np.float32), narrow]))
        )
        return resample(heard, LINE_RATE, HEAR_RATE)[: len(samples)]
