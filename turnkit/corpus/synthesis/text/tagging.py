"""What a script is an example of."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from turnkit.corpus.synthesis.script import Boundary, Chunk
from turnkit.corpus.synthesis.text.spelling import DIGIT_WORDS

_SHORT_WORDS = 2


def tags_of_script(
    chunks: Sequence[Chunk], own: frozenset[str], corrected: bool, trails: bool
) -> frozenset[str]:
    """Tags of a turn.

    Parameters
    ----------
    chunks : sequence of Chunk
    own : frozenset of str
        Tags of its grammar; "digits", "spelling" and "list" are kept only if it came to
        that before the turn ended.
    corrected : bool
        Whether the speaker put something right.
    trails : bool
        Whether the turn ends in a word such as "so" or "um".
    """
    words = re.findall(r"[A-Za-z'-]+", " ".join(chunk.text for chunk in chunks))
    tags = set(own) - {"digits", "spelling", "list", "correction"}
    if _runs(words, lambda word: word.lower() in DIGIT_WORDS):
        tags.add("digits")
    if _runs(words, lambda word: len(word) == 1 and word.isupper()):
        tags.add("spelling")
    if "list" in own and len(words) > 3:
        tags.add("list")
    cues = {"no", "not", "sorry", "meant", "actually", "rather", "mean"}
    if corrected or ("correction" in own and cues & {word.lower() for word in words}):
        tags.add("correction")
    if trails:
        tags.add("trailing")
    if chunks[-1].boundary is Boundary.QUESTION:
        tags.add("question")
    if len(words) <= _SHORT_WORDS:
        tags.add("short")
    if any(chunk.boundary is Boundary.FILLER for chunk in chunks):
        tags.add("filler-hold")
    return frozenset(tags)


def _runs(words: Sequence[str], fits: Callable[[str], bool]) -> bool:
    """Whether three words in a row fit."""
    return any(all(map(fits, words[i : i + 3])) for i in range(len(words) - 2))
