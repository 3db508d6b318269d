"""What a streaming network should say in each frame of a row.

Frame `k` is known at its end, ``(k + 1) * 20`` ms: that is the time at which its target
is read. Copies played at another speed are asked at the same moments of the row. The
silence after the end of a row is not trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.schema import Span, hold_counts
from turnkit.features import FRAME_S

Floats = NDArray[np.float32]

FIRST_S = 0.1
"""Seconds of silence from which on a frame is to tell a hold from an end of turn."""

FULL_WEIGHT_S = 0.7
"""Until here every frame counts the same; later ones, which are many, count less."""

OUTLOOK_S = 0.4
"""Seconds before a silence from which on its outcome is an auxiliary target."""

ONSET_SLACK_S = 0.1
"""Seconds before an onset in which a frame may be either."""

_ROUNDING_S = 1e-6
"""Times are compared with this slack: sums of frames are not exact in binary."""

HIDDEN_LATE = 4
"""Frames by which the encoder's frames are predicted late: it hears what follows."""


@dataclass(frozen=True, slots=True)
class FrameTargets:
    """Targets of the frames of a row, each of shape (t,); NaN where there is none.

    Attributes
    ----------
    label : ndarray
        1 in the silence of an end of turn, 0 in that of a hold.
    weight : ndarray
        Of `label` and `teacher`; 0 outside silences.
    teacher : ndarray
        Logit of the head that teaches.
    speech : ndarray
        1 in speech, 0 in a silence span.
    outlook : ndarray
        `label` of the silence that is about to begin.
    hidden : ndarray of int
        Encoder frame to be predicted.
    """

    label: Floats
    weight: Floats
    teacher: Floats
    speech: Floats
    outlook: Floats
    hidden: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TeacherScores:
    """Logits of the head that teaches, in one silence.

    Attributes
    ----------
    tau : ndarray, shape (q,)
        Rising seconds of silence.
    logit : ndarray, shape (q,)
    """

    tau: NDArray[np.float64]
    logit: NDArray[np.float64]


def frame_targets(
    frames: int,
    speed: float,
    spans: Sequence[Span],
    teacher: Mapping[int, TeacherScores],
    labels: bool = True,
    lead_s: float = 0.0,
    onset_s: float = 0.0,
) -> FrameTargets:
    """Targets of every frame of a row.

    Parameters
    ----------
    frames : int
    speed : float
        At which the copy plays the row.
    spans : sequence of Span
        Of the row; the last is the end of turn.
    teacher : mapping of int to TeacherScores
        By number of the span; interpolated in between and held constant beyond.
    labels : bool
        False where nobody knows which spans end a turn.
    lead_s : float
        Seconds of the copy before the row begins, in which nobody speaks.
    onset_s : float
        Second of the row at which speech begins, give or take `ONSET_SLACK_S` before it.
    """
    time = (np.arange(1, frames + 1, dtype=np.float64) * FRAME_S - lead_s) * speed
    nothing = np.full(frames, np.nan, dtype=np.float32)
    label, outlook, taught = nothing.copy(), nothing.copy(), nothing.copy()
    weight, speech = np.zeros(frames, dtype=np.float32), np.ones(frames, dtype=np.float32)
    # A VAD's onset is not exact: just before it nothing is known.
    speech[time <= onset_s] = np.nan
    speech[time <= max(FRAME_S * speed / 2, onset_s - ONSET_SLACK_S)] = 0.0
    for number, span in enumerate(spans):
        is_end = number == len(spans) - 1
        tau = time - span.start
        silent = (tau > FRAME_S / 2) & (time <= span.end + FRAME_S / 2)
        speech[silent] = 0.0
        if not is_end and not hold_counts(span.duration):
            continue
        judged = silent & (tau >= FIRST_S - _ROUNDING_S)
        weight[judged] = _weight(tau[judged])
        if labels:
            label[judged] = is_end
            outlook[(tau > _ROUNDING_S - OUTLOOK_S) & (tau <= FIRST_S + _ROUNDING_S)] = is_end
        if number in teacher:
            scores = teacher[number]
            taught[judged] = np.interp(tau[judged], scores.tau, scores.logit)
    # Beyond the last silence there is no speech either: nothing is known there.
    if spans:
        speech[time > spans[-1].end + FRAME_S / 2] = np.nan
    middle = (np.arange(frames) + 0.5 - lead_s / FRAME_S) * speed
    hidden = np.floor(middle).astype(np.int64) - HIDDEN_LATE
    return FrameTargets(label, weight, taught, speech, outlook, hidden)


def _weight(tau: NDArray[np.float64]) -> Floats:
    late = FULL_WEIGHT_S**2 / np.maximum(tau, FULL_WEIGHT_S)
    return np.where(tau < FULL_WEIGHT_S, 1.0, late).astype(np.float32)
