"""Spans by VAD: those of the signal, a little later, and never an end inside a word."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkit.audio import Samples, resample
from turnkit.corpus.schema import MIN_SPAN_S, Span
from turnkit.corpus.synthesis.annotation import EARLY_S, RATE, heard_spans
from turnkit.stages.tts.piper import PiperTts


@lru_cache(maxsize=1)
def said() -> Samples:
    """A sentence from its first to its last loud sample."""
    voice = PiperTts()
    samples = resample(voice.synthesize("We would like a table by the window."), 22_050, RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    return samples[loud[0] : loud[-1] + 1]


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


def turn(hold_s: float, gain: float = 1.0) -> tuple[Samples, tuple[Span, ...]]:
    """Speech, a hold, speech and an end of two seconds, with the spans of the signal."""
    speech = np.concatenate(
        [silence(0.5), said(), silence(hold_s), np.float32(gain) * said(), silence(2.0)]
    )
    length = len(said()) / RATE
    begin, second = 0.5 + length, 0.5 + 2 * length + hold_s
    return speech, (Span(begin, begin + hold_s), Span(second, len(speech) / RATE))


@settings(max_examples=15, deadline=None)
@given(hold_s=st.floats(0.35, 3.0))
def test_silences_are_those_of_the_signal_and_begin_where_a_vad_lets_go(hold_s: float) -> None:
    speech, true = turn(hold_s)
    heard = heard_spans(speech, true)
    assert len(heard) == 2
    for mine, given_span in zip(heard, true, strict=True):
        assert -EARLY_S - 1e-9 <= mine.start - given_span.start <= 0.2
        assert abs(mine.end - given_span.end) <= 0.1
    assert heard[-1].end == true[-1].end


def test_short_gaps_of_the_signal_are_no_spans() -> None:
    speech, true = turn(0.06)
    assert len(heard_spans(speech, true)) == 1


def test_an_end_is_never_before_a_weak_last_word() -> None:
    speech, true = turn(1.0, gain=1e-3)
    heard = heard_spans(speech, true)
    assert heard[-1].start >= true[-1].start - EARLY_S
    # the hold is kept although nothing is heard behind it
    assert heard[0] == true[0]


def test_where_nothing_is_heard_the_spans_stay() -> None:
    speech, true = turn(1.0)
    assert heard_spans(np.zeros_like(speech), true) == true


def test_spans_are_in_order_and_long_enough() -> None:
    speech, true = turn(0.5)
    more = (*true[:-1], Span(true[-1].start - 0.02, true[-1].end))
    heard = heard_spans(speech, more)
    assert all(span.duration >= MIN_SPAN_S for span in heard)
    assert all(a.end <= b.start for a, b in pairwise(heard))
