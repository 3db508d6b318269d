from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.checking.transcribing import spoken, word_error_rate
from turnkit.corpus.schema import Span, Turn, Word

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=7)


def make_turn(transcript: str | None, words: tuple[Word, ...] = ()) -> Turn:
    """Two seconds of speech around a hold, and the end."""
    x = np.zeros(4_000 * 8, np.float32)
    return Turn("a", "en", "s", x, 8_000, (Span(1.0, 1.5), Span(2.5, 4.0)), transcript, words)


@pytest.mark.parametrize(
    ("transcript", "fits"),
    [
        (None, True),
        ("[noise] {breath}", True),
        ("yes", True),
        ("could you tell me the way", True),
        ("one two three four five six seven eight nine ten eleven twelve thirteen so far", False),
        ("honorificabilitudinitatibus antidisestablishmentarianism incomprehensibilities", False),
    ],
)
def test_what_can_be_said_in_two_seconds(transcript: str | None, fits: bool) -> None:
    assert spoken(make_turn(transcript)).rate_fits is fits


def test_few_words_in_much_speech_do_not_fit() -> None:
    x = np.zeros(12 * 8_000, np.float32)
    turn = Turn("a", "en", "s", x, 8_000, (Span(11.0, 12.0),), "well then goodbye")
    assert not spoken(turn).rate_fits


def test_words_in_silences_are_counted() -> None:
    fine = (Word("a", 0.2, 0.9), Word("b", 1.5, 2.0), Word("c", 2.1, 2.55))
    assert spoken(make_turn("a b c", fine)).times_fit
    late = tuple(Word(w.word, w.start + 1.0, w.end + 1.0) for w in fine)
    found = spoken(make_turn("a b c", late))
    assert found.in_silence == pytest.approx(2 / 3)
    assert not found.times_fit


def test_a_word_that_outlasts_its_turn_is_measured() -> None:
    words = (Word("a", 0.2, 0.9), Word("b", 1.6, 2.9))
    assert spoken(make_turn("a b", words)).after_end_s == pytest.approx(0.4)
    assert spoken(make_turn("a b", words[:1])).after_end_s == 0.0


@pytest.mark.parametrize(
    ("reference", "heard", "rate"),
    [
        ("a b c", "a b c", 0.0),
        ("a b c", "", 1.0),
        ("a b c d", "a x c", 0.5),
        ("a", "b a b", 2.0),
        ("", "", 0.0),
        ("", "a", np.inf),
    ],
)
def test_word_error_rates_by_hand(reference: str, heard: str, rate: float) -> None:
    assert word_error_rate(reference.split(), heard.split()) == pytest.approx(rate)


@given(WORDS, WORDS)
def test_edit_distance_is_a_distance(a: list[str], b: list[str]) -> None:
    if not a or not b:
        return
    there, back = word_error_rate(a, b) * len(a), word_error_rate(b, a) * len(b)
    assert there == pytest.approx(back)
    assert (there == 0) == (a == b)
    assert abs(len(a) - len(b)) <= there + 1e-9 <= max(len(a), len(b)) + 1e-6
