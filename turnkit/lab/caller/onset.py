"""When a recorded track becomes audible, and when it falls silent.

Method: levels of frames of 10 ms (RMS, dBFS) are held against a threshold that lies
`above_db` over the noise floor, the lowest decile of the levels within two seconds on
either side, and is kept within `quietest_db` .. `loudest_db`. A sound is a run of at
least `shortest_s` over the threshold in which no gap is as long as `hangover_s`. Its
onset is the first sample of its first frames that reaches the threshold as an amplitude,
which is finer than a frame. The end is found in the same way from behind, except that
what is `masked_db` below the loudest of the five frames before it is no part of the sound:
a codec rings on after a sudden end, and forward masking hides that (Moore, An Introduction
to the Psychology of Hearing, ch. 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.errors import InputError

_FRAME_S = 0.01
_WINDOW = 400
_DECILE = 10.0
_MASKING = 5
_LOWEST_DB = -120.0


@dataclass(frozen=True)
class Sound:
    """A stretch of audible audio; times in seconds from the beginning of the track."""

    start: float
    end: float


@dataclass(frozen=True)
class OnsetSettings:
    """Thresholds in dB, durations in seconds; see the module's text for the method."""

    above_db: float = 15.0
    quietest_db: float = -55.0
    loudest_db: float = -35.0
    shortest_s: float = 0.03
    hangover_s: float = 0.25
    masked_db: float = 30.0


def find_sounds(
    samples: Samples, rate: int = 16_000, settings: OnsetSettings | None = None
) -> list[Sound]:
    """Find the audible stretches of a track.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
    rate : int, optional
        In Hz.
    settings : OnsetSettings, optional

    Returns
    -------
    list of Sound
        In order; empty for silence.

    Raises
    ------
    InputError
        If the rate has no whole frames of 10 ms.
    """
    settings = settings or OnsetSettings()
    frame = round(rate * _FRAME_S)
    if abs(frame - rate * _FRAME_S) > 1e-9:
        raise InputError(f"sample rate {rate}: expected a multiple of 100 Hz")
    levels = _levels(samples, frame)
    threshold = np.clip(
        _floor(levels) + settings.above_db, settings.quietest_db, settings.loudest_db
    )
    sounds = []
    for first, last in _runs(levels > threshold, settings):
        start = _first_at(samples, first * frame, frame, 1, float(threshold[first]))
        before = max(first, last - _MASKING)
        end_db = max(levels[before : last + 1].max() - settings.masked_db, threshold[last])
        behind = len(samples) - (last + 1) * frame
        end = _first_at(samples[::-1], behind, frame, last + 1 - before, float(end_db))
        sounds.append(Sound(start / rate, (len(samples) - end) / rate))
    return sounds


def _levels(samples: Samples, frame: int) -> NDArray[np.float64]:
    count = len(samples) // frame
    blocks = samples[: count * frame].reshape(count, frame).astype(np.float64)
    power = np.mean(blocks * blocks, axis=1)
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (_LOWEST_DB / 10.0))))


def _floor(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lowest decile of the levels around each frame; the window stops at the ends."""
    if len(levels) <= _WINDOW:
        low = np.percentile(levels, _DECILE) if len(levels) else _LOWEST_DB
        return np.full(len(levels), low)
    windows = np.lib.stride_tricks.sliding_window_view(levels, _WINDOW)
    lows = np.percentile(windows, _DECILE, axis=1)
    centre = np.clip(np.arange(len(levels)) - _WINDOW // 2, 0, len(lows) - 1)
    return np.asarray(lows[centre])


def _runs(loud: NDArray[np.bool_], settings: OnsetSettings) -> list[tuple[int, int]]:
    """First and last frame of each run of loud frames, gaps of the hangover closed."""
    hangover = round(settings.hangover_s / _FRAME_S)
    runs: list[tuple[int, int]] = []
    for index in np.flatnonzero(loud).tolist():
        if runs and index - runs[-1][1] <= hangover:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    shortest = round(settings.shortest_s / _FRAME_S)
    return [run for run in runs if run[1] - run[0] + 1 >= shortest]


def _first_at(samples: Samples, begin: int, frame: int, frames: int, threshold_db: float) -> int:
    """First sample that reaches the threshold in some frames, looked for a frame early."""
    early = max(0, begin - frame)
    reached = np.abs(samples[early : begin + frames * frame]) >= 10.0 ** (threshold_db / 20.0)
    return early + int(np.argmax(reached)) if reached.any() else begin
