"""What the pseudo-speakers of the embedded corpus say, and where they pause.

Turns come from the templates of `turnkit.corpus.embedded_templates`. They may end early, and
so the same words stand before holds in some turns and before ends in others ("I'd like
to book a table" / "for four"), and what tells them apart is how they are said. For the
same reason hesitation words also close some turns ("... on Friday I think").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Literal

import numpy as np

from turnkit.corpus.embedded_templates import LONG, SHORT, SLOTS

Split = Literal["train", "test"]

TEST_SHARE = 0.4
"""Share of all possible transcripts that only the test split may use."""

HOLD_MEDIAN_S, HOLD_SPREAD = 0.5, 0.6
"""Log-normal hold lengths, as pauses within turns are distributed (Campione & Veronis,
"A large-scale multilingual study of silent pause duration", Speech Prosody 2002)."""

MIN_HOLD_S, MAX_HOLD_S = 0.2, 2.5
"""Hold lengths are redrawn until they lie in this range, in seconds."""

_HOLDS = (0.2, 0.25, 0.3, 0.25)
"""Probability that a turn has 0, 1, 2, 3 holds (as far as its template has places)."""

_CUT_SHORT = {True: 0.3, False: 0.8}
"""Probability that a turn ends at an earlier place where it could, with and without
holds. Turns without any are short and holds come late (see `_draw_turn`), so that the
time since the turn began tells little about whether it is over."""

_HESITATES = 0.45
"""Probability that a hold comes with a hesitation word; half of them after the silence."""

_TRAILS = 0.2
"""Probability that a statement is closed by a word that is also said before holds."""

FILLERS = ("um", "uh", "um", "so", "like", "you know", "I think", "maybe", "well", "or", "and")
_TRAILERS = ("I think", "you know", "maybe", "so", "or something", "um", "and so on", "well")


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
    """Hold after a hesitation word."""

    @property
    def is_end(self) -> bool:
        """Whether the turn is over after it."""
        return self in (Boundary.STATEMENT, Boundary.QUESTION)


@dataclass(frozen=True)
class Chunk:
    """Words said in one go, what kind of boundary follows and how long its silence is.

    `hold_s` is 0 at the end of the turn.
    """

    text: str
    boundary: Boundary
    hold_s: float


_SHORT_SHARE = 0.35
_ANSWER_WORDS = 4
_WH = ("what", "where", "how", "when", "why", "who")


def plan_turns(split: Split, count: int, seed: int) -> tuple[tuple[Chunk, ...], ...]:
    """Draw the turns of one split.

    Parameters
    ----------
    split : {"train", "test"}
        No transcript of one split can be drawn for the other.
    count : int
        Number of turns.
    seed : int
        The same seed gives the same turns, and more turns begin with the same ones.

    Returns
    -------
    tuple of tuple of Chunk
        No two turns of more than four words have the same words.
    """
    rng = np.random.default_rng([seed, 1 if split == "test" else 0, 7])
    turns: list[tuple[Chunk, ...]] = []
    used: set[str] = set()
    while len(turns) < count:
        chunks = _draw_turn(rng)
        words = transcript(chunks)
        # short answers come again, as they do in life: without them large corpora would
        # consist of long turns
        fresh = words not in used or len(words.split()) <= _ANSWER_WORDS
        if split_of(words) == split and fresh:
            used.add(words)
            turns.append(chunks)
    return tuple(turns)


def transcript(chunks: Sequence[Chunk]) -> str:
    """Words of a turn, lower case, without punctuation."""
    return " ".join(re.findall(r"[a-z']+", " ".join(c.text for c in chunks).lower()))


def split_of(words: str) -> Split:
    """Split that a transcript belongs to, by a hash of its words."""
    share = int.from_bytes(sha256(words.encode()).digest()[:4], "big") / 2**32
    return "test" if share < TEST_SHARE else "train"


def hold_length(rng: np.random.Generator) -> float:
    """Draw the length of a hold, in seconds."""
    while True:
        length = HOLD_MEDIAN_S * float(np.exp(rng.normal(0.0, HOLD_SPREAD)))
        if MIN_HOLD_S <= length <= MAX_HOLD_S:
            return round(length, 3)


def _draw_turn(rng: np.random.Generator) -> tuple[Chunk, ...]:
    pieces, marks, question = _fill(rng)
    # The place where the turn ends: the last piece, or an earlier one before a "/".
    ends = [i for i, mark in enumerate(marks) if mark == "/"]
    last = len(pieces) - 1
    wanted = int(rng.choice(len(_HOLDS), p=_HOLDS))
    if ends and rng.random() < _CUT_SHORT[wanted > 0]:
        last = int(rng.choice(ends))
    late = np.arange(1, last + 1) / max(1, last * (last + 1) // 2)
    wanted = min(wanted, last)
    holds = set(rng.choice(last, size=wanted, replace=False, p=late)) if wanted else set()
    chunks: list[Chunk] = []
    said = ""
    for i in range(last):
        said = f"{said} {pieces[i]}".strip()
        if i in holds:
            chunk, said = _hold(said, marks[i], rng)
            chunks.append(chunk)
    said = f"{said} {pieces[last]}".strip()
    return (*chunks, _end(said, chunks, question, rng))


def _fill(rng: np.random.Generator) -> tuple[list[str], list[str], bool]:
    """Draw a template and its slots: pieces, the marks between them, ends with "?"."""
    templates = SHORT if rng.random() < _SHORT_SHARE else LONG
    template = str(rng.choice(templates))
    left = {name: list(values) for name, values in SLOTS.items()}

    def draw(slot: re.Match[str]) -> str:
        values = left[slot.group(1)]
        return values.pop(int(rng.integers(len(values))))  # nothing is said twice in a turn

    filled = re.sub(r"{(\w+)}", draw, template)
    parts = re.split(r"\s*([|/])\s*", filled[:-1])
    return parts[::2], parts[1::2], filled.endswith("?")


def _hold(said: str, mark: str, rng: np.random.Generator) -> tuple[Chunk, str]:
    """Close a chunk with a hold; also what the next chunk begins with."""
    boundary = Boundary.CLAUSE if mark == "/" else Boundary.PHRASE
    length = hold_length(rng)
    if rng.random() >= _HESITATES:
        return Chunk(said, boundary, length), ""
    filler = str(rng.choice(FILLERS))
    if rng.random() < 0.5:
        return Chunk(said, boundary, length), filler
    return Chunk(f"{said} {filler}", Boundary.FILLER, length), ""


def _end(said: str, before: list[Chunk], question: bool, rng: np.random.Generator) -> Chunk:
    opening = (before[0].text if before else said).split()[0].lower()
    trails = not question and rng.random() < _TRAILS
    if trails:
        said = f"{said} {rng.choice(_TRAILERS)}"
    # "what time ..." falls as statements do, most of the time
    rises = question and (opening not in _WH or rng.random() < 0.3)
    return Chunk(said, Boundary.QUESTION if rises else Boundary.STATEMENT, 0.0)
