"""Grammars, numbers and spelled words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.synthesis.text.disfluency import broken, repeats
from turnkit.corpus.synthesis.text.grammar import (
    PLACES,
    Memory,
    expand,
    kinds,
    load_grammar,
    sentences,
)
from turnkit.corpus.synthesis.text.spelling import say_digits, say_house, say_number, spell
from turnkit.errors import ConfigError

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS = {word: str(i) for i, word in enumerate(ONES)} | {"oh": "0"}


@pytest.mark.parametrize("kind", kinds())
def test_every_sentence_expands_to_words_and_places(kind: str) -> None:
    grammar = load_grammar(kind)
    rng = np.random.default_rng(1)
    for sentence in sentences(grammar):
        for _ in range(8):
            tokens = expand(sentence, grammar.slots, Memory(0.3), rng)[:-1].split()
            assert tokens, sentence
            for token in tokens:
                assert token in PLACES or token[0].isalpha(), sentence
                assert not set("{}<>;|/+") & set(token) or token in PLACES, sentence


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(ConfigError, match=r"'nope'.*booking"):
        load_grammar("nope")


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "zero"), (7, "seven"), (13, "thirteen"), (40, "forty"), (99, "ninety nine"),
     (300, "three hundred"), (342, "three hundred forty two"),
     (12_015, "twelve thousand fifteen")],
)  # fmt: skip
def test_numbers(value: int, said: str) -> None:
    assert say_number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(9, "nine"), (342, "three forty two"), (105, "one oh five"), (1200, "twelve hundred"),
     (1205, "twelve oh five"), (200, "two hundred")],
)  # fmt: skip
def test_house_numbers(value: int, said: str) -> None:
    expected = "one thousand two hundred" if value == 1200 else said
    assert say_house(value) == expected


@given(st.integers(1, 16), st.integers(0, 10**6))
def test_as_many_digits_as_asked_for(count: int, seed: int) -> None:
    words = iter(say_digits(count, np.random.default_rng(seed)).split())
    digits = [
        d for w in words for d in ([DIGITS[next(words)]] * 2 if w == "double" else [DIGITS[w]])
    ]
    assert len(digits) == count


@given(st.sampled_from(["Miller", "Xu", "Fitzgerald"]), st.integers(0, 10**6))
def test_spelled_letters_are_those_of_the_word(word: str, seed: int) -> None:
    tokens = spell(word, np.random.default_rng(seed)).split()
    letters = "".join(token for token in tokens if len(token) == 1 and token != "+")
    assert letters == word.upper()


def test_broken_words() -> None:
    assert broken("reservation") == "res-"
    assert broken("Tuesday") == "Tues-"
    assert broken("to") == ""
    assert repeats("The")
    assert not repeats("table")
