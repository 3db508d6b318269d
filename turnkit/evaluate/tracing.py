"""Score traces: what a detector thought at every frame, and in which pauses of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.schema import Turn
from turnkit.detector.policy import FIRST_SCORE_S, Policy
from turnkit.detector.protocol import Trace, TurnDetector, TurnInput
from turnkit.evaluate.replaying import check_detector_rate
from turnkit.evaluate.turns import SpanMarks, audio_until_miss, words_as_inputs
from turnkit.metrics import GRID_S, SpanScores, read_grid

NEVER = Policy(threshold=1.0, action_delay_s=FIRST_SCORE_S, timeout_s=60.0)
"""A policy that no pause of a corpus lasts long enough for."""

_CLOCK_GAP_S = 0.15
"""Time that passed without the silence clock, above which a new pause has begun. Frames
that come in blocks are known late by less than this; speech that counts lasts longer
together with the silence that its end hides."""


@dataclass(frozen=True, slots=True, eq=False)
class TurnTrace:
    """A detector's frames over one turn that it was not allowed to end.

    Attributes
    ----------
    turn, speaker : str
    sample_rate : int
        In Hz.
    marks : SpanMarks
        The annotated spans.
    at : ndarray of int, shape (m,)
        Samples consumed at each frame's decision.
    silence_s : ndarray, shape (m,)
        The detector's own clock; 0 where it heard no pause.
    score : ndarray, shape (m,)
        NaN where it had none.
    """

    turn: str
    speaker: str
    sample_rate: int
    marks: SpanMarks
    at: NDArray[np.int64]
    silence_s: NDArray[np.float64]
    score: NDArray[np.float64]

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """`at`, `silence_s` and `score`, as `Trace.arrays` has them."""
        return self.at, self.silence_s, self.score

    def own_pauses(self) -> list[NDArray[np.int64]]:
        """Frames of each pause that the detector heard, in order.

        Returns
        -------
        list of ndarray of int
            Indices of frames at which it would have decided; bursts too short to be
            speech leave gaps in a pause, on through which its clock runs.
        """
        judged = np.flatnonzero(self.silence_s > 0)
        clock, elapsed = np.diff(self.silence_s[judged]), np.diff(self.at[judged])
        fresh = (clock <= 0) | (elapsed / self.sample_rate - clock > _CLOCK_GAP_S)
        if len(judged) == 0:
            return []
        return np.split(judged, np.flatnonzero(fresh) + 1)


def trace_turn(
    detector: TurnDetector, turn: Turn, inputs: Sequence[TurnInput] | None = None
) -> TurnTrace:
    """Run a detector through a turn without letting it decide.

    Parameters
    ----------
    detector : TurnDetector
        Reset first; its policy and trace are put back afterwards.
    turn : Turn
    inputs : sequence of TurnInput, optional
        By default the words of the corpus, 0.5 s late.

    Returns
    -------
    TurnTrace
        Until 4 s after the start of the last span.

    Raises
    ------
    InputError
        If the detector was opened at another rate than the turn's.
    """
    check_detector_rate(detector, turn)
    samples = audio_until_miss(turn)
    given = words_as_inputs(turn) if inputs is None else inputs
    policy, before = detector.policy, detector.trace
    detector.reset()
    detector.policy, detector.trace = NEVER, Trace()
    try:
        detector.push(samples, [item for item in given if item.at <= len(samples)])
        at, silence_s, score = detector.trace.arrays()
    finally:
        detector.policy, detector.trace = policy, before
    return TurnTrace(
        turn=turn.id,
        speaker=turn.speaker or turn.id,
        sample_rate=turn.sample_rate,
        marks=SpanMarks.of(turn),
        at=at,
        silence_s=silence_s,
        score=score,
    )


def span_scores(traces: Sequence[TurnTrace], speakers: Sequence[str]) -> SpanScores:
    """Read traces on the grid of the annotated spans.

    Parameters
    ----------
    traces : sequence of TurnTrace
        One a row, in the order of the corpus.
    speakers : sequence of str
        Every trace's speaker is among them.

    Returns
    -------
    SpanScores
        Holds that count and ends of turn, row by row.
    """
    place = {speaker: i for i, speaker in enumerate(speakers)}
    found: list[tuple[float, bool, int, int, int]] = []
    scores: list[NDArray[np.float64]] = []
    for row, trace in enumerate(traces):
        marks, last = trace.marks, len(trace.marks.starts) - 1
        for span in range(last + 1):
            if span < last and not marks.counts[span]:
                continue
            start, end = int(marks.starts[span]), int(marks.ends[span])
            seconds = float(marks.duration_s[span])
            found.append((seconds, span == last, place[trace.speaker], row, span))
            # The end of turn goes on as long as the row is continued.
            until = marks.limit if span == last else end
            scores.append(read_grid(trace.at, trace.score, start, until, trace.sample_rate))
    duration, is_end, speaker, rows, spans = zip(*found, strict=True) if found else ([],) * 5
    return SpanScores(
        duration_s=np.array(duration, dtype=np.float64),
        is_end=np.array(is_end, dtype=np.bool_),
        speaker=np.array(speaker, dtype=np.int64),
        speakers=tuple(speakers),
        scores=np.array(scores, dtype=np.float64).reshape(-1, len(GRID_S)),
        row=np.array(rows, dtype=np.int64),
        span=np.array(spans, dtype=np.int64),
    )
