"""What an annotation says, whatever its format: who spoke when, and what."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from turnkit.corpus.importing.floor import Run, merge
from turnkit.corpus.schema import MIN_SPAN_S, Word
from turnkit.errors import CorpusError

SPEAKER = "speaker"
"""Name of the speaker where an annotation names none."""

_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Label:
    """A stretch of speech.

    Attributes
    ----------
    speaker : str
    start, end : float
        Seconds in the recording.
    text : str
        What is said; "" if the annotation does not say.
    is_word : bool
        Whether that is one word and these are its times.
    channel : int, optional
        Of the recording, counted from 0.
    """

    speaker: str
    start: float
    end: float
    text: str = ""
    is_word: bool = False
    channel: int | None = None


def seconds(value: object, where: str) -> float:
    """Read a time.

    Parameters
    ----------
    value : object
        A number, or a text that is one.
    where : str
        For the message.

    Raises
    ------
    CorpusError
        If it is no finite number.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise CorpusError(f"{where}: {value!r}: expected seconds") from error
    return number


def make_label(
    where: str,
    speaker: str,
    start: object,
    end: object,
    text: str = "",
    *,
    is_word: bool = False,
    channel: int | None = None,
) -> Label:
    """Check the times of a label and build it.

    Raises
    ------
    CorpusError
        If a time is no number or below zero, or the end lies before the start.
    """
    begin, stop = seconds(start, where), seconds(end, where)
    if not 0.0 <= begin <= stop:
        raise CorpusError(f"{where}: {begin:g} .. {stop:g} s: expected 0 <= start <= end")
    return Label(speaker or SPEAKER, begin, stop, text.strip(), is_word, channel)


def read_text(path: Path) -> str:
    """Read a text file.

    Raises
    ------
    CorpusError
        If it is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error


def speech_of(labels: Iterable[Label]) -> list[Run]:
    """Join labels that lie less than a silence apart into stretches of speech."""
    return merge([(each.start, each.end) for each in labels], MIN_SPAN_S - _ROUNDING_S)


def words_of(labels: Iterable[Label]) -> list[Word]:
    """List the words with their times, in order."""
    found = [Word(each.text, each.start, each.end) for each in labels if each.is_word]
    return sorted(found, key=lambda word: (word.start, word.end))


def text_between(labels: Iterable[Label], start: float, end: float) -> str:
    """Join what is said in labels whose middle lies between two times."""
    inside = [each for each in labels if start <= (each.start + each.end) / 2 <= end]
    return " ".join(each.text for each in sorted(inside, key=lambda e: e.start) if each.text)


def intersect(a: Sequence[Run], b: Sequence[Run]) -> list[Run]:
    """Find the stretches that both have, in order."""
    both = [(max(p, r), min(q, s)) for p, q in a for r, s in b if p < s and r < q]
    return sorted(both)
