"""Praat TextGrids (long, short, or as JSON), read by praatio.

A tier is a speaker. A tier whose name ends with ``words`` holds one word an interval, as
the Montreal Forced Aligner writes them: ``words`` or ``NAME - words``; tiers that end with
``phones`` are passed over, and a word tier makes the other tiers of its speaker unneeded.
Intervals that are empty or say ``sil``, ``sp``, ``#``, ``<p:>`` and the like are silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from turnkit.corpus.importing.annotation import SPEAKER, Label, make_label
from turnkit.errors import CorpusError, MissingDependencyError

SILENCES = frozenset({"", "sil", "sp", "silence", "pause", "#", "<p:>", "<sil>", "<eps>", "_", "-"})
"""Labels, in lower case, of intervals in which nobody speaks."""

_TIERS = re.compile(r"^(?:tiers\? )?<exists>\s*(?:size\s*=\s*)?(\d+)\s*$", re.M)
_ENTRIES = re.compile(
    r"^\s*(?:intervals|points)\s*:\s*size\s*=\s*(\d+)\s*$"
    r'|^"(?:IntervalTier|TextTier)"\s+"(?:[^"]|"")*"\s+\S+\s+\S+\s+(\d+)\s*$',
    re.M,
)
"""How many tiers a file announces, and how many entries of each, in the long form or the short."""

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
        If it cannot be read, holds not as much as it announces, or has no interval tier or
        none of a name that is asked for.
    MissingDependencyError
        If praatio is not installed.
    """
    known = _interval_tiers(path)
    missing = [name for name in tiers if name not in known]
    if missing:
        raise CorpusError(f"{path}: no interval tier {missing[0]!r}; it has {', '.join(known)}")
    labels = []
    for name in tiers or _chosen(list(known)):
        speaker, part = split_name(name)
        for start, end, text in known[name]:
            if text.strip().lower() not in SILENCES:
                where, is_word = f"{path}, tier {name!r}", part == "words"
                labels.append(make_label(where, speaker, start, end, text, is_word=is_word))
    return labels


def _interval_tiers(path: Path) -> dict[str, Any]:
    """Read the entries of the interval tiers, by the names of these."""
    try:
        from praatio import textgrid
        from praatio.utilities.errors import PraatioException
    except ImportError as error:
        raise MissingDependencyError("praatio", "data", "reading a TextGrid") from error
    try:
        # Empty intervals are counted, too.
        tiers: Sequence[Any] = textgrid.openTextgrid(str(path), True, "silence", "rename").tiers
    except (PraatioException, ValueError, LookupError, AssertionError) as error:
        raise CorpusError(f"{path}: cannot be read as a TextGrid ({error})") from error
    except (AttributeError, TypeError, RecursionError) as error:  # JSON of another form
        raise CorpusError(f"{path}: cannot be read as a TextGrid ({error})") from error
    _check_whole(path, {tier.name: len(tier.entries) for tier in tiers})
    known: dict[str, Any] = {
        tier.name: tier.entries for tier in tiers if isinstance(tier, textgrid.IntervalTier)
    }
    if tiers and not known:
        names = ", ".join(repr(tier.name) for tier in tiers)
        raise CorpusError(f"{path}: point tiers only ({names}); expected an interval tier")
    return known


def _check_whole(path: Path, held: Mapping[str, int]) -> None:
    """See that a file holds what it announces; one that was cut off reads as a shorter one."""
    raw = path.read_bytes()
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
    tiers = _TIERS.search(text)
    if tiers is None:  # JSON, which cannot be read without its end
        return
    if int(tiers[1]) != len(held):
        raise CorpusError(f"{path}: announces {tiers[1]} tiers, holds {len(held)}; cut off?")
    announced = [int(long or short) for long, short in _ENTRIES.findall(text)]
    for number, (name, count) in enumerate(held.items()):
        expected = announced[number] if number < len(announced) else None
        if count != expected:
            raise CorpusError(
                f"{path}, tier {name!r}: announces {expected} entries, holds {count}; cut off?"
            )


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
