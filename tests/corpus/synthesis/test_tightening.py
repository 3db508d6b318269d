from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.schema import MIN_SPAN_S, Span, Word
from turnkit.corpus.synthesis.prosody.activity import inner_silences, loud_frames
from turnkit.corpus.synthesis.prosody.shaping import Shaped
from turnkit.corpus.synthesis.tightening import tightened

RATE = 16_000


def chunk(talks: list[float], pauses: list[float]) -> Shaped:
    """Hums with pauses between them; each hum is a word that lasts into its pause."""
    parts, words, spans, at = [], [], [], 0.0
    for talk, pause in zip(talks, [*pauses, 0.0], strict=True):
        parts += [0.1 * np.sin(np.arange(round(talk * RATE)) * 0.1), np.zeros(round(pause * RATE))]
        words.append(Word("hum", at, at + talk + pause / 2))
        spans += [Span(at + talk, at + talk + pause)] if pause else []
        at += talk + pause
    return Shaped(np.concatenate(parts).astype(np.float32), tuple(words), tuple(spans), at)


@given(
    talks=st.lists(st.integers(20, 60).map(lambda n: n / 100), min_size=3, max_size=3),
    pauses=st.lists(st.integers(10, 60).map(lambda n: n / 100), min_size=2, max_size=2),
    seed=st.integers(0, 100),
)
def test_no_pause_is_left_that_is_a_span(
    talks: list[float], pauses: list[float], seed: int
) -> None:
    before = chunk(talks, pauses)
    after = tightened(before, np.random.default_rng(seed))
    assert after.pauses == ()
    assert inner_silences(loud_frames(after.samples)) == ()
    taken = before.speech_end_s - after.speech_end_s
    assert sum(pauses) - 2 * MIN_SPAN_S < taken < sum(pauses)
    assert len(before.samples) - len(after.samples) == pytest.approx(taken * RATE, abs=1)
    # all of the talk is there, where its words say
    energy = [float(np.sum(np.square(each.samples))) for each in (before, after)]
    assert energy[1] == pytest.approx(energy[0], rel=1e-6)
    for word, talk in zip(after.words, talks, strict=True):
        said = after.samples[round(word.start * RATE) : round((word.start + talk) * RATE)]
        assert np.sqrt(np.mean(said[:-160] ** 2)) > 0.05
        assert word.start + talk <= word.end + 0.01 <= after.speech_end_s + 0.02


def test_without_pauses_nothing_changes() -> None:
    before = chunk([0.5], [])
    after = tightened(before, np.random.default_rng(0))
    np.testing.assert_array_equal(after.samples, before.samples)
    assert (after.words, after.speech_end_s) == (before.words, before.speech_end_s)
