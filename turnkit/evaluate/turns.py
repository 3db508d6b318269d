"""A turn as evaluation sees it: spans in samples, audio until a miss, words as they arrive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples, continue_floor
from turnkit.corpus.schema import Turn, hold_counts
from turnkit.detector.protocol import TurnInput
from turnkit.metrics import MISS_S, CutoffKind
from turnkit.timing import to_samples

TRANSCRIPT_LAG_S = 0.5
"""Seconds after its end at which a word of the corpus reaches the detector (eot-bench)."""

KINDS = (CutoffKind.HOLD, CutoffKind.SPEECH, CutoffKind.OTHER_HOLD)
"""What the codes of `SpanMarks.classify` stand for."""

_HOLD, _SPEECH, _OTHER = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class SpanMarks:
    """Spans of a turn in samples.

    Attributes
    ----------
    starts, ends : ndarray of int, shape (n,)
        First sample of each span and the one after its last.
    duration_s : ndarray, shape (n,)
        Seconds as annotated, which samples can only round.
    counts : ndarray of bool, shape (n,)
        Whether it is a hold that counts; False for the last, the end of turn.
    limit : int
        Sample at which a detector that has not decided has missed the end.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    duration_s: NDArray[np.float64]
    counts: NDArray[np.bool_]
    limit: int

    @classmethod
    def of(cls, turn: Turn) -> SpanMarks:
        """Spans of `turn`."""
        rate = turn.sample_rate
        starts = np.array([to_samples(span.start, rate) for span in turn.spans], dtype=np.int64)
        return cls(
            starts,
            np.array([to_samples(span.end, rate) for span in turn.spans], dtype=np.int64),
            np.array([span.duration for span in turn.spans]),
            np.array([*(hold_counts(span.duration) for span in turn.pauses), False]),
            int(starts[-1]) + to_samples(MISS_S, rate),
        )

    @property
    def end_start(self) -> int:
        """First sample of the end of turn."""
        return int(self.starts[-1])

    def classify(self, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Say where decisions before the end of turn fell.

        Parameters
        ----------
        at : ndarray of int, shape (m,)
            Samples consumed at each decision. At the first sample of a hold only speech
            has been heard, so a hold lasts from the sample after it to its end.

        Returns
        -------
        code : ndarray of int, shape (m,)
            Index into `KINDS`.
        span : ndarray of int, shape (m,)
            Which span; -1 during speech.
        """
        span = np.searchsorted(self.starts, at, side="left") - 1
        inside = (span >= 0) & (at <= self.ends[np.maximum(span, 0)])
        code = np.where(self.counts[np.maximum(span, 0)], _HOLD, _OTHER)
        return np.where(inside, code, _SPEECH), np.where(inside, span, -1)


def audio_until_miss(turn: Turn) -> Samples:
    """Take the samples of a turn until 4 s after the start of its last span.

    A row that ends earlier goes on with the noise floor of its last span; of one that
    goes on longer the rest is left away.
    """
    marks = SpanMarks.of(turn)
    missing = marks.limit - len(turn.samples)
    if missing <= 0:
        return turn.samples[: marks.limit]
    floor = continue_floor(turn.samples[marks.end_start : int(marks.ends[-1])], missing)
    return np.concatenate([turn.samples, floor])


def words_as_inputs(turn: Turn, lag_s: float = TRANSCRIPT_LAG_S) -> list[TurnInput]:
    """Words of a turn as a recogniser with a lag would bring them.

    Parameters
    ----------
    turn : Turn
    lag_s : float
        Seconds from the end of a word to its arrival.

    Returns
    -------
    list of TurnInput
        In order of arrival; empty where the corpus has no word times.
    """
    rate = turn.sample_rate
    found = [
        TurnInput(to_samples(word.end + lag_s, rate), "words", word.word) for word in turn.words
    ]
    return sorted(found, key=lambda item: item.at)
