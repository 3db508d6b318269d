"""Silence spans as a voice activity detector hears them in clean speech.

It is known exactly when a synthetic turn is silent, but corpora of people are annotated
by a VAD, which lets go of speech later the louder it ends: by a tenth of a second before
a hold, by half of that at the end of a turn. A network that learns from both kinds must
find silences to begin alike in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from turnkit.audio import Samples
from turnkit.corpus.schema import MIN_SPAN_S, Span
from turnkit.vad import Gate, SileroVad, speech_runs

RATE = 16_000
"""Hz of the speech."""

EARLY_S = 0.05
"""The end of a turn is never this much before the end of its signal: a VAD may miss a last
word that is weak, and a span may hold no word."""

SURE_S = 0.3
"""Of a silence in the signal that is longer, the VAD may move the edges by this much, but
not do away with it: a breath, or the same words said softly, must not hide a hold."""


def heard_spans(speech: Samples, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Silence spans of clean speech, by Silero VAD.

    Parameters
    ----------
    speech : ndarray of float32, shape (n,)
        16 kHz, without noise or breaths.
    spans : sequence of Span
        Silences of the signal itself; the last is the end of the turn.

    Returns
    -------
    tuple of Span
        Silences of 0.1 s and more after the first speech; the last is the end of the turn
        and ends where it did. The spans of the signal where no speech is heard at all.
    """
    vad = SileroVad(RATE)
    runs = speech_runs(vad.push(speech), Gate(), vad.hop / RATE)
    end = spans[-1]
    runs = [run for run in runs if run[0] < end.start]
    if not runs:
        return tuple(spans)
    gaps = [Span(a[1], b[0]) for a, b in pairwise(runs)]
    unheard = [
        span
        for span in spans[:-1]
        if span.duration >= SURE_S
        and span.start > runs[0][0]
        and not any(gap.start < span.end and gap.end > span.start for gap in gaps)
    ]
    begin = min(max(runs[-1][1], end.start - EARLY_S), end.end - MIN_SPAN_S)
    holds = (*gaps, *unheard)
    kept = [s for s in holds if s.duration >= MIN_SPAN_S and s.end < begin]
    return (*sorted(kept, key=lambda span: span.start), Span(begin, end.end))
