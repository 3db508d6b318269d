"""What is said in one turn, and where it pauses: what text hands on to speech."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from turnkit.corpus.schema import Message


class Boundary(StrEnum):
    """How a chunk of speech ends."""

    STATEMENT = "statement"
    """End of turn, falling."""
    QUESTION = "question"
    """End of turn, rising."""
    CLAUSE = "clause"
    """Hold where the turn could have ended."""
    PHRASE = "phrase"
    """Hold in the middle of a phrase."""
    FILLER = "filler"
    """Hold after a hesitation word or a lengthened last word."""
    GROUP = "group"
    """Hold between groups of digits, letters or items of a list."""
    BROKEN = "broken"
    """Hold after a word or phrase that was broken off: a repair follows."""

    @property
    def is_end(self) -> bool:
        """Whether the turn is over after it."""
        return self in (Boundary.STATEMENT, Boundary.QUESTION)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Words said in one go, what kind of boundary follows and how long its silence is.

    Attributes
    ----------
    text : str
        As a person would write it down, without the punctuation of its boundary.
    boundary : Boundary
    hold_s : float
        Seconds of silence that follow; 0 at the end of the turn.
    """

    text: str
    boundary: Boundary
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """One turn as text.

    Attributes
    ----------
    kind : str
        What sort of turn: the name of the grammar it came from.
    chunks : tuple of Chunk
        One or more; only the last one's boundary is an end.
    tags : frozenset of str
        See `turnkit.corpus.tags`.
    messages : tuple of Message
        What was said before, such as the question that this turn answers.
    """

    kind: str
    chunks: tuple[Chunk, ...]
    tags: frozenset[str] = frozenset()
    messages: tuple[Message, ...] = ()

    @property
    def transcript(self) -> str:
        """All words, as written."""
        return " ".join(chunk.text for chunk in self.chunks)

    @property
    def words(self) -> str:
        """Words in lower case without punctuation: what two turns are compared by."""
        return " ".join(re.findall(r"[a-z0-9']+", self.transcript.lower()))
