"""Words that a text is read out as, whatever engine reads it, and when each was said."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from turnkit.stages.tts.g2p import EnglishG2P
from turnkit.stages.tts.piper import Span


@lru_cache(maxsize=1)
def english_g2p() -> EnglishG2P:
    """Words with their sounds: one for all voices of a process."""
    return EnglishG2P()


def written_spans(
    text: str, written: Sequence[tuple[int, int]], spans: Sequence[Span]
) -> tuple[Span, ...]:
    """Find when each of the text's own words was said.

    Parameters
    ----------
    text : str
    written : sequence of (int, int)
        First and last of the text's words that each spoken word speaks for.
    spans : sequence of Span
        The spoken words.

    Returns
    -------
    tuple of Span
        As `Speech.written`.
    """
    found: list[Span] = []
    for i, word in enumerate(text.split()):
        said = [s for (a, b), s in zip(written, spans, strict=True) if a <= i <= b]
        before = found[-1].end if found else 0.0
        start, end = (said[0].start, said[-1].end) if said else (before, before)
        found.append(Span(word, start, end))
    return tuple(found)
