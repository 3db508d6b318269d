"""Numbers fitted on training rows before training: scales, and the encoder's main axes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

AXES = 64
"""Main axes of the encoder's frames that a network learns to predict."""

_FLAT = 1e-6
"""Standard deviation below which a column does not vary."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Standardisation of columns: ``(x - mean) * scale``.

    Attributes
    ----------
    mean, scale : ndarray of float32, shape (width,)
        A column that does not vary keeps its scale.
    """

    mean: Floats
    scale: Floats


def fit_scale(parts: Iterable[NDArray[np.floating]], width: int) -> Scale:
    """Mean and 1 / standard deviation of columns, from parts of shape (n, width)."""
    total, squares, count = np.zeros(width), np.zeros(width), 0
    for part in parts:
        wide = part.astype(np.float64)
        total += wide.sum(axis=0)
        squares += (wide**2).sum(axis=0)
        count += len(wide)
    mean = total / max(count, 1)
    deviation = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0.0))
    scale = np.where(deviation > _FLAT, 1.0 / np.maximum(deviation, _FLAT), 1.0)
    return Scale(mean.astype(np.float32), scale.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """Principal axes, scaled to unit variance.

    Attributes
    ----------
    mean : ndarray of float32, shape (width,)
    axes : ndarray of float32, shape (width, k)
    """

    mean: Floats
    axes: Floats

    def __call__(self, frames: NDArray[np.floating]) -> Floats:
        """Project frames (t, width) to (t, k)."""
        return np.asarray((frames.astype(np.float32) - self.mean) @ self.axes, dtype=np.float32)


def fit_whitening(parts: Iterable[NDArray[np.floating]], width: int, axes: int = AXES) -> Whitening:
    """Fit principal axes on parts of shape (n, width), by their covariance.

    Axes along which nothing varies are left out, so there may be fewer than asked for.
    """
    total, outer, count = np.zeros(width), np.zeros((width, width)), 0
    for part in parts:
        wide = part.astype(np.float64)
        total += wide.sum(axis=0)
        outer += wide.T @ wide
        count += len(wide)
    mean = total / max(count, 1)
    values, vectors = np.linalg.eigh(outer / max(count, 1) - np.outer(mean, mean))
    values, vectors = values[::-1][:axes], vectors[:, ::-1][:, :axes]
    kept = values > max(float(values[0]), 0.0) * 1e-6 + 1e-12
    # The sign of an axis is free: fix it, so that every machine has the same.
    signs = np.sign(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(vectors.shape[1])])
    scaled = (vectors * signs)[:, kept] / np.sqrt(values[kept])
    return Whitening(mean.astype(np.float32), scaled.astype(np.float32))
