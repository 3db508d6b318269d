# ruff: noqa: RUF001
from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.stages.tts.g2p import EnglishG2P
from turnkit.stages.tts.letter_to_sound import VOWELS, LetterToSound
from turnkit.stages.tts.voice import default_voice, read_config


@cache
def g2p() -> EnglishG2P:
    plain = EnglishG2P()
    # a tenth of the dictionary will do to say anything somehow
    return EnglishG2P(plain.lexicon, LetterToSound.learn(plain.lexicon.alignments()[::10]))


@cache
def voiced_symbols() -> frozenset[str]:
    return frozenset(read_config(default_voice()).ids)


def ipa(text: str) -> str:
    return " ".join("".join(word.symbols) + word.pause for word in g2p()(text))


@pytest.mark.parametrize(
    ("text", "sounds"),
    [
        ("Hello there.", "hɛlˈoʊ ðˈɛɹ."),
        ("a table for four, on Friday", "ə tˈeɪbəl fɚ fˈɔːɹ, ɔːn fɹˈaɪdˌeɪ"),
        ("What is it for?", "wˈʌt ɪz ɪt fˈɔːɹ?"),
        ("water, attack, winter", "wˈɔːɾɚ, ətˈæk, wˈɪntɚ"),
        ("nurse her", "nˈɜːs hˈɜː"),
        ("um", "ˈʌm"),
    ],
)
def test_how_words_are_said(text: str, sounds: str) -> None:
    assert ipa(text) == sounds


@given(st.text(max_size=30))
def test_any_text_can_be_said(text: str) -> None:
    for word in g2p()(text):
        sounds = "".join(word.symbols)
        assert any(symbol in VOWELS for symbol in sounds), word
        assert set(sounds + word.pause) <= voiced_symbols()


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=16))
def test_no_word_is_silent(word: str) -> None:
    assert g2p()(word)
    assert g2p()(f"they said {word}")[-1].symbols


def test_nothing_to_say() -> None:
    assert g2p()("") == ()
    assert g2p()(" -- !") == ()
