"""Words of a transcript, as checks compare them."""

from __future__ import annotations

import re

from turnkit.corpus.schema import Turn

_ANNOTATION = re.compile(r"\[[^\]]*\]|\{[^}]*\}|<[^>]*>")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")

SLACK_S = 0.05
"""A word may begin this long before a silence and still be said after it: rounding."""


def words_of(transcript: str | None) -> list[str]:
    """Words of a transcript in lower case, bracketed annotations left out."""
    found = _WORD.findall(_ANNOTATION.sub(" ", transcript or ""))
    return [word.lower().replace("\u2019", "'") for word in found]


def words_before(turn: Turn, second: float) -> list[str]:
    """Words with times that began before a moment, in the order they were said."""
    timed = sorted(turn.words, key=lambda word: word.start)
    heard = (word.word for word in timed if word.start < second - SLACK_S)
    return [word for text in heard for word in words_of(text)]
