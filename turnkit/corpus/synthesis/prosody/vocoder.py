"""What is done to the frames of a vocoder: warped, tilted, stretched, put on a new clock.

Frames are those of WORLD (Morise, Yokomori & Ozawa, "WORLD: a vocoder-based high-quality
speech synthesis system for real-time applications", IEICE Trans. E99-D(7), 2016).
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import MissingDependencyError

FRAME_S = 0.005
"""Frame period of the analysis, WORLD's default, in seconds."""

Floats = NDArray[np.float64]


def open_world() -> ModuleType:
    """Import WORLD, or say what brings it."""
    try:
        import pyworld
    except ImportError as error:
        raise MissingDependencyError("pyworld-prebuilt", "embedded", "shaping prosody") from error
    return pyworld


def warp(frames: Floats, ratio: float) -> Floats:
    """Stretch the frequency axis of a spectrogram by `ratio`."""
    bins = frames.shape[1]
    source = np.minimum(np.arange(bins) / ratio, bins - 1.0)
    below = np.minimum(source.astype(np.intp), bins - 2)
    part = source - below
    warped: Floats = frames[:, below] * (1.0 - part) + frames[:, below + 1] * part
    return warped


def tilt_gain(bins: int, sample_rate: int, tilt_db: float) -> Floats:
    """Power gain of each bin for a tilt around 1 kHz, flat below 100 Hz."""
    hertz = np.maximum(np.linspace(0.0, sample_rate / 2, bins), 100.0)
    gain: Floats = 10.0 ** (tilt_db * np.log2(hertz / 1_000.0) / 10.0)
    return gain


def stretched(at: Floats, start: float, end: float, stretch: float) -> Floats:
    """Source position, in frames, of each frame of the stretched chunk."""
    ends = np.array([0.0, start, end, max(end, float(at[-1]))])
    lengths = np.diff(ends) * np.array([1.0, stretch, 1.0])
    new_ends = np.concatenate([[0.0], np.cumsum(lengths)])
    count = int(new_ends[-1] / FRAME_S) + 1
    source = np.interp(np.arange(count) * FRAME_S, new_ends, ends) / FRAME_S
    clipped: Floats = np.clip(source, 0.0, len(at) - 1.0)
    return clipped


def rows(frames: Floats, at: Floats) -> Floats:
    """Frames at fractional positions."""
    below = np.minimum(at.astype(np.intp), len(frames) - 2)
    part = (at - below)[:, None]
    mixed: Floats = frames[below] * (1.0 - part) + frames[below + 1] * part
    return mixed


def resampled_pitch(f0: Floats, at: Floats) -> Floats:
    """Pitch at fractional frames; a frame next to an unvoiced one is not averaged with it."""
    below = np.minimum(at.astype(np.intp), len(f0) - 2)
    part = at - below
    left, right = f0[below], f0[below + 1]
    nearest = np.where(part < 0.5, left, right)
    both = (left > 0) & (right > 0)
    pitch: Floats = np.where(both, left * (1.0 - part) + right * part, nearest)
    return pitch


def progress_of(at: Floats, start: float, end: float) -> Floats:
    """0 before `start`, 1 after `end`, straight between."""
    straight: Floats = np.clip((at - start) / (end - start), 0.0, 1.0)
    return straight
