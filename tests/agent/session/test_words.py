"""Words and the conversation as a language model reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.agent.session.settings import BACKCHANNELS
from turnkit.agent.session.words import dropped, interrupts, plain_words, same_words


def test_transcripts_are_compared_without_case_and_punctuation() -> None:
    assert same_words("Hello, there.", "hello there")
    assert not same_words("Hello there", "Hello their")
    assert plain_words("Don\u2019t \u2014 it's 5:30!") == ["don't", "it's", "5", "30"]


@pytest.mark.parametrize("text", ["", "Mm-hm.", "Yeah, yeah.", "Uh huh.", "Okay. Right."])
def test_signs_of_listening_do_not_interrupt(text: str) -> None:
    assert not interrupts(text, BACKCHANNELS)


@pytest.mark.parametrize("text", ["No.", "Yeah but", "okay stop", "wait"])
def test_words_do(text: str) -> None:
    assert interrupts(text, BACKCHANNELS)


@given(st.integers(0, 200), st.integers(0, 40))
def test_the_front_of_a_conversation_seldom_changes(pairs: int, turns: int) -> None:
    most = 2 * turns
    cut = dropped(2 * pairs, most)
    assert 0 <= cut <= 2 * pairs
    assert cut % 2 == 0
    kept = 2 * pairs - cut
    assert kept <= most
    if pairs > turns > 1:
        assert kept >= most // 2 - 1
    cuts = {dropped(2 * n, most) for n in range(pairs + 1)}
    assert len(cuts) <= 2 + 2 * pairs // max(2, most // 4 * 2)
