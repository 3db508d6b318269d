"""Creak: the last of the voice at half its pitch or less, each pulse as it comes.

Low, irregular in time (jitter) and in strength (shimmer), and weaker than the voice before
it; see Keating, Garellek & Kreiman, "Acoustic properties of different kinds of creaky
voice", Proc. ICPhS 2015, for low and irregular pitch as its marks.
"""

from __future__ import annotations

import numpy as np

from turnkit.corpus.synthesis.prosody.vocoder import FRAME_S, Floats

_LENGTH_S = (0.1, 0.25)
"""The creaky stretch for the least and for the most creak, in seconds."""

_ONSET_S = 0.03
_PULSES_HZ = (36.0, 80.0)
"""Lowest and highest rate of its pulses."""

_JITTER = (0.08, 0.22)
"""Spread of the periods, as a natural logarithm."""

_SHIMMER_DB = (1.5, 4.0)
_WEAKER_DB = 3.0


def creaky(f0: Floats, amount: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Let the last of the voice creak.

    Parameters
    ----------
    f0 : ndarray of float64, shape (n,)
        Hz in frames of 5 ms; 0 without voice.
    amount : float
        0 to 1: how long and how irregular.
    rng : numpy Generator

    Returns
    -------
    f0 : ndarray of float64, shape (n,)
        Hz.
    gain_db : ndarray of float64, shape (n,)
        Change of level.
    """
    gain = np.zeros_like(f0)
    voiced = np.flatnonzero(f0 > 0)
    if not len(voiced) or amount <= 0:
        return f0.copy(), gain
    wanted = round(_between(_LENGTH_S, amount) / FRAME_S)
    # at least a third of what is said keeps its voice
    where = voiced[-min(wanted, max(1, 2 * len(voiced) // 3)) :]
    onset = np.clip((np.arange(len(where)) + 1) * FRAME_S / _ONSET_S, 0.0, 1.0)
    low = np.clip(0.5 * f0[where], *_PULSES_HZ)
    periods, strengths = _per_pulse(low, amount, rng)
    pulses = np.clip(low * np.exp(periods), 0.8 * _PULSES_HZ[0], 1.5 * _PULSES_HZ[1])
    result = f0.copy()
    result[where] = f0[where] ** (1.0 - onset) * pulses**onset
    gain[where] = onset * (strengths - _WEAKER_DB * amount)
    return result, gain


def _per_pulse(low: Floats, amount: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Deviation of period and of level, in dB, that stay the same through each pulse."""
    pulse = np.floor(np.cumsum(low * FRAME_S)).astype(np.intp)
    drawn = rng.standard_normal((2, int(pulse[-1]) + 1))
    return _between(_JITTER, amount) * drawn[0][pulse], _between(_SHIMMER_DB, amount) * drawn[1][
        pulse
    ]


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + share * (ends[1] - ends[0])
