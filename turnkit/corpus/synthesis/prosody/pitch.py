"""Fundamental frequency of clean synthetic speech, for the vocoder.

YIN's normalised difference (de Cheveigne & Kawahara, "YIN, a fundamental frequency
estimator for speech and music", JASA 111, 2002) on a logarithmic grid of periods, and
the cheapest path through it by dynamic programming, as in pYIN (Mauch & Dixon 2014).

Why not WORLD's own DIO or Harvest: both look for the fundamental itself, which some
voices hardly have. On the default voice (66 to 125 Hz by pYIN) Harvest jumps an octave in
a fifth to a third of the frames, unless its range is cut to that very voice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ, HIGHEST_HZ = 55.0, 320.0
"""Usual range of the search."""

_STEPS_PER_OCTAVE = 24
_WINDOW_S = 0.025
_LEAP_COST = 3.0
"""Cost of moving the pitch by an octave from one frame to the next."""

_HIGH_PERIOD_COST = 0.08
"""Cost, per octave, of a longer period: two periods repeat as well as one."""

_BLOCK = 512
"""Frames handled at a time, to bound memory."""

Floats = NDArray[np.float64]


def track_pitch(
    samples: Floats, sample_rate: int, frame_s: float, *, highest_hz: float = HIGHEST_HZ
) -> tuple[Floats, Floats]:
    """Pitch and aperiodicity of each frame.

    Parameters
    ----------
    samples : ndarray of float64, shape (n,)
        Mono speech.
    sample_rate : int
        Hz.
    frame_s : float
        Seconds from one frame to the next; the first is centred on the first sample.
    highest_hz : float
        Upper end of the search.

    Returns
    -------
    hertz : ndarray of float64, shape (m,)
        ``m = floor(n / sample_rate / frame_s) + 1``. Given for every frame, voiced or not.
    aperiodicity : ndarray of float64, shape (m,)
        Share of the frame that does not repeat, from 0 up to about 1.
    """
    octaves = np.log2(highest_hz / LOWEST_HZ)
    states = int(octaves * _STEPS_PER_OCTAVE) + 1
    hertz = highest_hz * 2.0 ** (-np.arange(states) / _STEPS_PER_OCTAVE)
    count = int(len(samples) / sample_rate / frame_s) + 1
    centres = np.round(np.arange(count) * frame_s * sample_rate).astype(np.intp)
    difference = np.concatenate(
        [
            _difference(samples, centres[i : i + _BLOCK], sample_rate, sample_rate / hertz)
            for i in range(0, count, _BLOCK)
        ]
    )
    path = _cheapest(difference)
    offset = _vertex(difference, path)
    found = highest_hz * 2.0 ** (-(path + offset) / _STEPS_PER_OCTAVE)
    return found, difference[np.arange(count), path]


def _difference(samples: Floats, centres: NDArray[np.intp], rate: int, periods: Floats) -> Floats:
    """Cumulative mean normalised difference (equation 8 of YIN), shape (frames, periods)."""
    window = int(_WINDOW_S * rate)
    longest = int(np.ceil(periods.max())) + 1
    span = window + longest
    padded = np.pad(samples, (span, span))
    # the two windows compared lie around the centre of the frame
    starts = centres + span - span // 2
    frames = padded[starts[:, None] + np.arange(span)]
    size = 1 << (span + window - 1).bit_length()
    head = np.fft.rfft(frames[:, :window], size)
    cross = np.fft.irfft(np.conj(head) * np.fft.rfft(frames, size), size)[:, : longest + 1]
    power = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    energy = power[:, window : window + longest + 1] - power[:, : longest + 1]
    raw = np.maximum(energy[:, :1] + energy - 2.0 * cross, 0.0)
    lags = np.arange(1, longest + 1)
    # a frame of zeros repeats nothing: count it as aperiodic
    mean = np.cumsum(raw[:, 1:], axis=1) / lags
    normal = np.where(mean > 1e-12, raw[:, 1:] / np.maximum(mean, 1e-12), 1.0)
    below = periods.astype(np.intp)
    part = periods - below
    result: Floats = normal[:, below - 1] * (1.0 - part) + normal[:, below] * part
    return result


def _cheapest(difference: Floats) -> NDArray[np.intp]:
    """State of each frame on the path of least difference and least movement."""
    frames, states = difference.shape
    position = np.arange(states) / _STEPS_PER_OCTAVE
    leap = _LEAP_COST * np.abs(position[:, None] - position[None, :])
    local = np.minimum(difference, 1.0) + _HIGH_PERIOD_COST * position
    came_from = np.zeros((frames, states), dtype=np.intp)
    cost = local[0]
    for i in range(1, frames):
        total = cost[None, :] + leap
        came_from[i] = np.argmin(total, axis=1)
        cost = np.take_along_axis(total, came_from[i][:, None], axis=1)[:, 0] + local[i]
    path = np.zeros(frames, dtype=np.intp)
    path[-1] = int(np.argmin(cost))
    for i in range(frames - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path


def _vertex(difference: Floats, path: NDArray[np.intp]) -> Floats:
    """Distance in states from `path` to the vertex of the parabola through it."""
    rows = np.arange(len(path))
    inner = np.clip(path, 1, difference.shape[1] - 2)
    left, here, right = (difference[rows, inner + k] for k in (-1, 0, 1))
    bend = left - 2.0 * here + right
    shift = np.where(bend > 1e-9, 0.5 * (left - right) / np.maximum(bend, 1e-9), 0.0)
    return np.where(inner == path, np.clip(shift, -0.5, 0.5), 0.0)
