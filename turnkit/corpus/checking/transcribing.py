"""Transcripts and words that do not fit the audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turnkit.corpus.checking.words import words_of
from turnkit.corpus.schema import Span, Turn

SLOWEST, FASTEST = 0.6, 7.0
"""Words a second of speech, pauses left out, that people say: spelling is slow."""

MOST_LETTERS_S = 30.0
"""Letters and digits a second of speech: twice of what fluent speech has."""

FEWEST_WORDS = 3
"""Words below which a rate says nothing."""

SLACK_S = 0.15
"""Words may reach so far into a silence: a recogniser's times are no better."""

MOST_IN_SILENCE = 0.2
"""Share of words with times that may lie in silences."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a transcript lies on its audio.

    Attributes
    ----------
    words : int
        Of the transcript; 0 where there is none.
    speech_s : float
        Seconds outside the silence spans.
    letters : int
    in_silence : float
        Share of the words with times that are said inside a silence span, in 0 .. 1.
    after_end_s : float
        Seconds that the last word goes on after the turn should be over; 0 without times.
    """

    words: int
    speech_s: float
    letters: int
    in_silence: float = 0.0
    after_end_s: float = 0.0

    @property
    def rate_fits(self) -> bool:
        """Whether somebody can have said so much in the time, and taken so long for it."""
        if self.words == 0:
            return True
        if self.letters > MOST_LETTERS_S * max(self.speech_s, 0.1):
            return False
        rate = self.words / max(self.speech_s, 1e-3)
        return self.words < FEWEST_WORDS or SLOWEST <= rate <= FASTEST

    @property
    def times_fit(self) -> bool:
        """Whether words with times are said outside the silences."""
        return self.in_silence <= MOST_IN_SILENCE


def spoken(turn: Turn) -> Spoken:
    """Lay the transcript of a turn on its audio.

    Parameters
    ----------
    turn : Turn

    Returns
    -------
    Spoken
    """
    words = words_of(turn.transcript)
    silent = [_inside(word.start, word.end, turn.spans) for word in turn.words]
    last = max((word.end for word in turn.words if word.start < turn.end.start), default=0.0)
    return Spoken(
        words=len(words),
        speech_s=max(0.0, turn.duration - sum(span.duration for span in turn.spans)),
        letters=sum(len(word) for word in words),
        in_silence=float(np.mean(silent)) if silent else 0.0,
        after_end_s=max(0.0, last - turn.end.start),
    )


def word_error_rate(reference: Sequence[str], heard: Sequence[str]) -> float:
    """Count insertions, deletions and substitutions per word of the reference.

    The edit distance of Levenshtein 1966.

    Parameters
    ----------
    reference, heard : sequence of str

    Returns
    -------
    float
        0 or more; infinite for words heard where the reference has none.
    """
    if not reference:
        return 0.0 if not heard else float("inf")
    row = np.arange(len(heard) + 1)
    for count, word in enumerate(reference, start=1):
        keep = row[:-1] + np.array([word != other for other in heard], dtype=np.int64)
        best = np.minimum(keep, row[1:] + 1)
        found = [count]
        for cost in best.tolist():
            found.append(min(cost, found[-1] + 1))
        row = np.array(found)
    return float(row[-1]) / len(reference)


def _inside(start: float, end: float, spans: Sequence[Span]) -> bool:
    return any(
        start >= span.start - 1e-3 and end > span.start + SLACK_S and end <= span.end + 1e-3
        for span in spans
    )
