"""Pauses that a voice makes of its own accord, at commas or in long stops, made short.

Where a turn pauses, and how it sounds there, is for the script and the prosody to say. A
voice that halts at a comma would add holds of its own length, with its own melody.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.schema import Span, Word
from turnkit.corpus.synthesis.prosody.activity import SAMPLE_RATE
from turnkit.corpus.synthesis.prosody.shaping import Shaped

KEPT_S = (0.04, 0.09)
"""What is left of a pause, at least and at most: less than a silence span."""

_FADE = SAMPLE_RATE // 200


def tightened(shaped: Shaped, rng: np.random.Generator) -> Shaped:
    """Cut the pauses inside a chunk down to less than a span.

    Parameters
    ----------
    shaped : Shaped
    rng : numpy Generator
        Draws how much of each pause is left.

    Returns
    -------
    Shaped
        Without pauses; words and the end of speech at their new times, within the speech.
    """
    cuts = [_middle(pause, float(rng.uniform(*KEPT_S))) for pause in shaped.pauses]
    end = _moved(shaped.speech_end_s, cuts)
    words = tuple(
        Word(w.word, *(min(_moved(at, cuts), end) for at in (w.start, w.end))) for w in shaped.words
    )
    return Shaped(_without(shaped.samples, cuts), words, (), end)


def _middle(pause: Span, kept_s: float) -> Span:
    """Choose what is cut out of a pause, on whole samples."""
    start, end = pause.start + kept_s / 2, pause.end - kept_s / 2
    return Span(round(start * SAMPLE_RATE) / SAMPLE_RATE, round(end * SAMPLE_RATE) / SAMPLE_RATE)


def _moved(at: float, cuts: Sequence[Span]) -> float:
    """Time of what was at `at` before the cuts."""
    return at - sum(min(max(at - cut.start, 0.0), cut.duration) for cut in cuts)


def _without(samples: Samples, cuts: Sequence[Span]) -> Samples:
    """Take the cuts out of samples, with soft joints."""
    parts, at = [], 0
    fade = np.linspace(0.0, 1.0, _FADE, dtype=np.float32)
    for cut in cuts:
        start, end = (round(edge * SAMPLE_RATE) for edge in (cut.start, cut.end))
        part = samples[at:start].copy()
        joint = min(_FADE, len(part), end)
        into = samples[end - joint : end]
        part[len(part) - joint :] *= fade[:joint][::-1]
        part[len(part) - joint :] += into * fade[:joint]
        parts.append(part)
        at = end
    return np.concatenate([*parts, samples[at:]])
