"""Fillers, trailing words, repetitions and words broken off."""

from __future__ import annotations

import re
from bisect import bisect
from itertools import accumulate

import numpy as np


class Choice:
    """A weighted choice that costs one random number."""

    def __init__(self, weights: dict[str, float]) -> None:
        self._names = tuple(weights)
        self._sums = tuple(accumulate(weights.values()))

    def draw(self, rng: np.random.Generator) -> str:
        """Draw one of the names."""
        at = rng.random() * self._sums[-1]
        return self._names[min(bisect(self._sums, at), len(self._names) - 1)]


FILLERS = Choice({"um": 0.48, "uh": 0.42, "like": 0.02, "you know": 0.04, "let's see": 0.04})
"""What is said in the middle of a phrase while looking for words."""

OPENERS = Choice(
    {"um": 0.4, "uh": 0.3, "well": 0.1, "so": 0.08, "I mean": 0.05, "yeah": 0.04, "hmm": 0.03}
)
"""What a chunk begins with, after a hold or at the start of a turn."""

MID_TRAILERS = Choice(
    {"um": 0.33, "uh": 0.2, "you know": 0.12, "I think": 0.12, "I guess": 0.08, "and": 0.06,
     "like": 0.04, "maybe": 0.05}
)  # fmt: skip
"""What trails after a phrase that could be the last."""

LATE_TRAILERS = Choice(
    {"so": 0.22, "um": 0.1, "uh": 0.06, "and": 0.08, "but": 0.08, "so um": 0.08, "and um": 0.08,
     "but uh": 0.04, "you know": 0.08, "or": 0.04, "yeah": 0.06, "and uh": 0.05, "so yeah": 0.03}
)  # fmt: skip
"""What trails after a whole sentence."""

CONJUNCTIONS = frozenset({"and", "but", "so", "or", "because"})
"""After these at the start of a clause people hesitate, and some leave it at that."""

HESITANT = frozenset({"um", "uh", "hmm", "so", "and", "but", "or", "like", "well", "because"})
"""Last words of a chunk that make its hold one after a filler."""

_REPEATED = frozenset(
    (
        "i",
        "i'd",
        "i'm",
        "it's",
        "my",
        "the",
        "a",
        "to",
        "we",
        "for",
        "in",
        "on",
        "with",
        "you",
        "he",
        "she",
        "at",
        "is",
        "if",
        "they",
        "can",
        "from",
    )
)
_SYLLABLE = re.compile(r"[^aeiouy]*[aeiouy]+[^aeiouy]")


def repeats(word: str) -> bool:
    """Whether it is a word that people say twice: a short one that opens a phrase."""
    return word.lower() in _REPEATED


def broken(word: str) -> str:
    """Its first syllable with a hyphen: "reservation" is "res-"; empty for short words."""
    match = _SYLLABLE.match(word.lower())
    if len(word) < 6 or not word.isalpha() or match is None or match.end() > len(word) - 3:
        return ""
    return word[: match.end()] + "-"
