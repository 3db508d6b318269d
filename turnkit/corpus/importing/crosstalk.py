"""Speech of the other side that leaked into a channel: echo of a line or a loudspeaker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.importing.floor import Run

ALIKE = 0.3
"""Normalised cross-correlation from which on two channels carry the same voice.

Two people who speak at the same time had 0.22 at most in calls; an echo by a line 0.99, one
by a room with 0.1 s of reverberation 0.31 at least and 0.48 mostly."""

_DELAY_S = 0.4
"""Longest delay of an echo that is looked for."""

_LONGEST_S = 4.0
"""Of a stretch so much is compared."""


def find_leaks(
    own: Samples, other: Samples, sample_rate: int, own_speech: Sequence[Run]
) -> list[Run]:
    """Find stretches of one channel that are an echo of the other.

    Parameters
    ----------
    own, other : ndarray of float32, shape (n,)
        Of one recording.
    sample_rate : int
        In Hz.
    own_speech : sequence of (float, float)
        Speech heard in `own`, in seconds.

    Returns
    -------
    list of (float, float)
        Those of `own_speech` in which the other channel, earlier by 0 to 0.4 s, is louder
        and correlates with it by `ALIKE` or more.
    """
    return [run for run in own_speech if _likeness(own, other, sample_rate, run) >= ALIKE]


def _likeness(own: Samples, other: Samples, rate: int, run: Run) -> float:
    begin = round(run[0] * rate)
    end = min(round(min(run[1], run[0] + _LONGEST_S) * rate), len(own))
    lag = min(round(_DELAY_S * rate), begin)
    echo = own[begin:end].astype(np.float64)
    source = other[begin - lag : end].astype(np.float64)
    if len(echo) == 0 or np.mean(source**2) <= np.mean(echo**2):
        return 0.0
    size = 1 << (len(source) + len(echo)).bit_length()
    spectrum = np.fft.rfft(source, size) * np.conj(np.fft.rfft(echo, size))
    products = np.fft.irfft(spectrum, size)[: lag + 1]
    sums = np.concatenate([[0.0], np.cumsum(source**2)])
    energy = (sums[len(echo) :] - sums[: len(sums) - len(echo)])[: lag + 1]
    scale = np.sqrt(energy * np.sum(echo**2))
    return float(np.max(np.abs(products) / np.maximum(scale, 1e-12)))
