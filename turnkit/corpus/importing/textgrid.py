"""Praat TextGrids (long, short, or as JSON), read by praatio.

A tier is a speaker. A tier whose name ends with ``words`` holds one word an interval, as
the Montreal Forced Aligner writes them: ``words`` or ``NAME - words``; tiers that end with
``phones`` are passed over, and a word tier makes the other tiers of its speaker unneeded.
Intervals that are empty or say ``sil``, ``sp``, ``#``, ``<p:>`` and the like are silence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turnkit.corpus.importing.annotation import SPEAKER, Label, make_label
from turnkit.errors import CorpusError, MissingDependencyError

SILENCES = frozenset({"", "sil", "sp", "silence", "pause", "#", "<p:>", "<sil>", "<eps>", "_", "-"})
"""Labels, in lower case, of intervals in which nobody speaks."""

_PART = re.compile(r"(?:(?P<speaker>.*?)\s*[-_:/ ]\s*)?(?P<part>words?|phones?|phonemes?)", re.I)


def read_textgrid(path: Path, tiers: Sequence[str] = ()) -> list[Label]:
    """Read the interval tiers of a TextGrid.

    Parameters
    ----------
    path : Path
    tiers : sequence of str
        Names of those to read; by default all that hold words or stretches of speech.

    Raises
    ------
    CorpusError
        If it cannot be read, or has no tier of a name that is asked for.
    MissingDependencyError
        If praatio is not installed.
    """
    try:
        from praatio import textgrid
        from praatio.utilities.errors import PraatioException
    except ImportError as error:
        raise MissingDependencyError("praatio", "data", "reading a TextGrid") from error
    try:
        grid = textgrid.openTextgrid(str(path), False, "silence", "rename")
    except (PraatioException, ValueError, LookupError, AssertionError) as error:
        raise CorpusError(f"{path}: cannot be read as a TextGrid ({error})") from error
    known: dict[str, Any] = {
        tier.name: tier for tier in grid.tiers if isinstance(tier, textgrid.IntervalTier)
    }
    missing = [name for name in tiers if name not in known]
    if missing:
        raise CorpusError(f"{path}: no interval tier {missing[0]!r}; it has {', '.join(known)}")
    labels = []
    for name in tiers or _chosen(list(known)):
        speaker, part = split_name(name)
        for start, end, text in known[name].entries:
            if text.strip().lower() not in SILENCES:
                where, is_word = f"{path}, tier {name!r}", part == "words"
                labels.append(make_label(where, speaker, start, end, text, is_word=is_word))
    return labels


def split_name(tier: str) -> tuple[str, str]:
    """Take the name of a tier apart: the speaker, and ``words``, ``phones`` or nothing."""
    found = _PART.fullmatch(tier.strip())
    if found is None:
        return tier.strip() or SPEAKER, ""
    part = "words" if found["part"].lower().startswith("word") else "phones"
    return found["speaker"] or SPEAKER, part


def _chosen(names: list[str]) -> list[str]:
    parts = {name: split_name(name) for name in names}
    with_words = {speaker for speaker, part in parts.values() if part == "words"}
    # Beside a bare "words" tier, the other tiers of a one-speaker file say the same again.
    if SPEAKER in with_words:
        return [name for name, (_, part) in parts.items() if part == "words"]
    return [
        name
        for name, (speaker, part) in parts.items()
        if part == "words" or (not part and speaker not in with_words)
    ]
