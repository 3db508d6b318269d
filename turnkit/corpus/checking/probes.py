"""Shortcut probes: what tells ends of turns from holds, and should not.

A corpus in which a level, exact zeros, a voice, the time so far or the last word tell
them apart teaches just that, and a detector trained on it fails elsewhere. Each probe
sees one such thing only and should be close to guessing (AUC .5).

Holds of 0.2 s and longer and ends of turns are compared, each known by its first 0.2 s
(`turnkit.corpus.checking.silences`). Scores are cross-validated by speaker, those of
voices by turn; intervals are bootstrapped over speakers (by row where none is named).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turnkit.corpus.checking.separation import (
    Separation,
    folds_of,
    score_names,
    score_numbers,
    separation,
)
from turnkit.corpus.checking.silences import Silence, TurnSilences, silences_of
from turnkit.corpus.schema import Turn
from turnkit.metrics.bootstrap import Interval

LIMIT = 0.55
"""AUC above which a probe found a shortcut."""

FEW = 20
"""Holds, and ends, below which nothing is measured."""

_NO_TIMES = (
    "words have no times: last words of transcripts against all their other words, which "
    "overstates it, since grammar alone keeps some words from the end"
)

_ONE_HOLD = (
    "most rows have one hold and the end, which counting tells apart by construction; rows "
    "of more holds, or of none, are needed against it"
)


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of a probe.

    Attributes
    ----------
    name : str
        One of `PROBES`.
    auc : float
        Area under the ROC curve, ends against holds; NaN where it was not measured.
    interval : Interval or None
        95 %, over speakers.
    holds, ends : int
        Silences compared.
    note : str
        What else there is to know, such as why nothing was measured.
    """

    name: str
    auc: float
    interval: Interval | None
    holds: int
    ends: int
    note: str = ""

    @property
    def failed(self) -> bool:
        """Whether it found a shortcut."""
        return self.auc > LIMIT

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        bounds = None if self.interval is None else [round(b, 4) for b in self.interval]
        return {
            "name": self.name,
            "auc": round(self.auc, 4) if math.isfinite(self.auc) else None,
            "interval": bounds,
            "limit": LIMIT,
            "failed": self.failed,
            "holds": self.holds,
            "ends": self.ends,
            "note": self.note,
        }

    def as_text(self) -> str:
        """One line."""
        if not math.isfinite(self.auc):
            return f"{self.name:<14} not measured: {self.note}"
        bounds = "" if self.interval is None else " [{:.3f}, {:.3f}]".format(*self.interval)
        verdict = f"ABOVE {LIMIT:g}" if self.failed else "ok"
        if self.failed and self.interval is not None and self.interval.low <= 0.5:
            verdict += ", perhaps by chance"
        line = f"{self.name:<14} AUC {self.auc:.3f}{bounds}  {verdict}"
        return f"{line}  ({self.note})" if self.note else line


@dataclass(frozen=True, slots=True)
class _Item:
    """A silence with where it comes from."""

    row: str
    speaker: str
    silence: Silence


def probe_turns(turns: Iterable[Turn]) -> list[Probe]:
    """Run every probe on turns, such as a `Corpus`."""
    return run_probes([silences_of(turn) for turn in turns])


def run_probes(turns: Sequence[TurnSilences]) -> list[Probe]:
    """Run every probe.

    Parameters
    ----------
    turns : sequence of TurnSilences
        As `silences_of` makes them.

    Returns
    -------
    list of Probe
        In the order of `PROBES`.
    """
    items = [
        _Item(turn.row, turn.speaker or turn.row, silence)
        for turn in turns
        for silence in turn.silences
    ]
    numbers = [_probe_numbers(name, items, read) for name, read in _NUMBERS]
    return [*numbers, _probe_voice(turns, items), _probe_last_word(turns, items)]


def probe_last_word(
    words: Sequence[str | None], is_end: Sequence[bool], speakers: Sequence[str]
) -> Separation:
    """Tell ends from holds by the word before each, cross-validated by speaker.

    Parameters
    ----------
    words : sequence of str or None, length n
        In lower case.
    is_end : sequence of bool, length n
    speakers : sequence of str, length n
        Or whatever else must not be in two folds, such as the turn.

    Returns
    -------
    Separation
    """
    folds = folds_of(speakers)
    return separation(is_end, score_names(is_end, words, folds), folds, speakers)


def probe_numbers(
    facts: Sequence[Sequence[float]], is_end: Sequence[bool], speakers: Sequence[str]
) -> Separation:
    """Tell ends from holds by numbers, cross-validated by speaker.

    Parameters
    ----------
    facts : sequence, shape (n, k)
    is_end : sequence of bool, length n
    speakers : sequence of str, length n

    Returns
    -------
    Separation
    """
    folds = folds_of(speakers)
    return separation(is_end, score_numbers(is_end, facts, folds), folds, speakers)


def _levels(silence: Silence) -> tuple[float, ...] | None:
    return (
        silence.speech_db,
        silence.first_db,
        silence.floor_db,
        silence.first_db - silence.floor_db,
        silence.speech_db - silence.floor_db,
    )


def _words(silence: Silence) -> tuple[float, ...] | None:
    return None if silence.words is None else (float(silence.words),)


_NUMBERS: tuple[tuple[str, Callable[[Silence], tuple[float, ...] | None]], ...] = (
    ("level", _levels),
    ("zeros", lambda silence: (silence.zeros,)),
    ("duration", lambda silence: (silence.elapsed_s,)),
    ("words so far", _words),
    ("holds so far", lambda silence: (float(silence.holds),)),
)

PROBES = (*(name for name, _ in _NUMBERS), "voice", "last word")
"""Names of the probes."""


def _probe_numbers(
    name: str, items: Sequence[_Item], read: Callable[[Silence], tuple[float, ...] | None]
) -> Probe:
    known = [(item, facts) for item in items if (facts := read(item.silence)) is not None]
    if not known and items:
        return Probe(name, math.nan, None, 0, 0, "the corpus does not say when words were said")
    is_end = [item.silence.is_end for item, _ in known]
    if few := _too_few(name, is_end):
        return few
    found = probe_numbers([facts for _, facts in known], is_end, [i.speaker for i, _ in known])
    note = _ONE_HOLD if name == "holds so far" and _mostly_one_hold(items) else ""
    return _probe(name, found, is_end, note)


def _mostly_one_hold(items: Sequence[_Item]) -> bool:
    holds = Counter(item.row for item in items if not item.silence.is_end)
    return 2 * sum(count == 1 for count in holds.values()) > len({item.row for item in items})


def _probe_voice(turns: Sequence[TurnSilences], items: Sequence[_Item]) -> Probe:
    if not any(turn.speaker for turn in turns):
        return Probe("voice", math.nan, None, 0, 0, "the corpus names no speakers")
    is_end = [item.silence.is_end for item in items]
    if few := _too_few("voice", is_end):
        return few
    speakers = [item.speaker for item in items]
    # The turns of a speaker are spread over the folds: the voice is known, the turn is not.
    folds = folds_of([item.row for item in items])
    scores = score_names(is_end, speakers, folds)
    return _probe("voice", separation(is_end, scores, folds, speakers), is_end)


def _probe_last_word(turns: Sequence[TurnSilences], items: Sequence[_Item]) -> Probe:
    timed = [item for item in items if item.silence.words is not None]
    if 2 * len(timed) >= len(items) and timed:
        words = [item.silence.last_word for item in timed]
        is_end, speakers = [i.silence.is_end for i in timed], [i.speaker for i in timed]
        note = ""
    else:
        said = [
            (word, place == len(turn.transcript) - 1, turn.speaker or turn.row)
            for turn in turns
            for place, word in enumerate(turn.transcript)
            if len(turn.transcript) > 1
        ]
        if not said:
            return Probe("last word", math.nan, None, 0, 0, "no transcripts")
        words, is_end = [word for word, _, _ in said], [last for _, last, _ in said]
        speakers, note = [speaker for _, _, speaker in said], _NO_TIMES
    if few := _too_few("last word", is_end):
        return few
    return _probe("last word", probe_last_word(words, is_end, speakers), is_end, note)


def _too_few(name: str, is_end: Sequence[bool]) -> Probe | None:
    ends = int(np.sum(is_end))
    holds = len(is_end) - ends
    if min(ends, holds) >= FEW:
        return None
    note = f"{holds} holds and {ends} ends, fewer than {FEW} of either"
    return Probe(name, math.nan, None, holds, ends, note)


def _probe(name: str, found: Separation, is_end: Sequence[bool], note: str = "") -> Probe:
    ends = int(np.sum(is_end))
    return Probe(name, found.auc, found.interval, len(is_end) - ends, ends, note)
