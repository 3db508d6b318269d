"""Silence spans with the scores that a detector gave inside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turnkit.detector.policy import FIRST_SCORE_S, TIMEOUTS_S
from turnkit.errors import InputError
from turnkit.timing import to_samples

GRID_S: NDArray[np.float64] = np.round(
    np.arange(FIRST_SCORE_S, float(TIMEOUTS_S[-1]) + 0.05, 0.1, dtype=np.float64), 1
)
"""Seconds after the end of speech at which scores are read: 0.2, 0.3 .. 3.5, 34 of them."""

MISS_S = 4.0
"""Seconds of silence after which a detector that has not decided has missed the end."""

_DURATION_DIGITS = 4
"""Corpora store seconds as float32; 0.1 ms is finer than a sample and coarser than that."""


@dataclass(frozen=True, slots=True)
class SpanScores:
    """The spans of a corpus and the scores read inside them.

    Attributes
    ----------
    duration_s : ndarray, shape (n,)
        Seconds that each span lasts.
    is_end : ndarray of bool, shape (n,)
        True for an end of turn, False for a hold that counts.
    speaker : ndarray of int, shape (n,)
        Index into `speakers`.
    speakers : tuple of str
        Names; those without a span are allowed.
    scores : ndarray, shape (n, 34)
        Score at each time of `GRID_S`, in 0 .. 1; NaN where there was none yet.
    row, span : ndarray of int, shape (n,)
        Which row of the corpus, and which of its spans.
    """

    duration_s: NDArray[np.float64]
    is_end: NDArray[np.bool_]
    speaker: NDArray[np.int64]
    speakers: tuple[str, ...]
    scores: NDArray[np.float64]
    row: NDArray[np.int64]
    span: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.duration_s)

    @property
    def has_scores(self) -> bool:
        """Whether there is any score at all: a VAD timeout has none."""
        return bool(np.any(~np.isnan(self.scores)))

    @property
    def holds(self) -> int:
        """Number of holds."""
        return int(np.count_nonzero(~self.is_end))

    @property
    def ends(self) -> int:
        """Number of ends of turn."""
        return int(np.count_nonzero(self.is_end))

    def rounded_duration_s(self) -> NDArray[np.float64]:
        """Durations without the noise of their storage, for comparing with the grid."""
        return np.round(self.duration_s, _DURATION_DIGITS)


def validate(spans: SpanScores) -> None:
    """Check that spans can be scored.

    Raises
    ------
    InputError
        If lengths disagree, a duration is not positive, a speaker index has no speaker,
        or a score lies outside 0 .. 1; the message names the first such span.
    """
    n = len(spans)
    for name in ("is_end", "speaker", "row", "span"):
        if getattr(spans, name).shape != (n,):
            raise InputError(f"spans: {name} has shape {getattr(spans, name).shape}, not ({n},)")
    if spans.scores.shape != (n, len(GRID_S)):
        raise InputError(f"spans: scores have shape {spans.scores.shape}, not ({n}, {len(GRID_S)})")
    _refuse(~(spans.duration_s > 0), "duration must be above 0")
    _refuse((spans.speaker < 0) | (spans.speaker >= len(spans.speakers)), "unknown speaker index")
    with np.errstate(invalid="ignore"):
        outside = (spans.scores < 0) | (spans.scores > 1)
    _refuse(outside.any(axis=1), "scores must lie in 0 .. 1")


def _refuse(bad: ArrayLike, problem: str) -> None:
    if np.any(bad):
        raise InputError(f"span {int(np.argmax(bad))}: {problem}")


def read_grid(
    at: NDArray[np.int64],
    score: NDArray[np.float64],
    start: int,
    end: int,
    sample_rate: int,
) -> NDArray[np.float64]:
    """Scores of one span on the grid.

    A grid time holds the last score decided at or before it and inside the span: what a
    policy could have known then.

    Parameters
    ----------
    at : ndarray of int, shape (m,)
        Samples consumed at each decision, rising.
    score : ndarray, shape (m,)
        Scores; NaN where a frame had none.
    start, end : int
        First sample of the span and the one after its last.
    sample_rate : int
        In Hz.

    Returns
    -------
    ndarray, shape (34,)
        NaN where there was no score yet, and from the end of the span on.
    """
    inside = (at > start) & (at <= end) & ~np.isnan(score)
    times, values = at[inside], np.append(np.nan, score[inside])
    moments = np.array([start + to_samples(t, sample_rate) for t in GRID_S])
    read = values[np.searchsorted(times, moments, side="right")]
    return np.where(moments <= end, read, np.nan)
