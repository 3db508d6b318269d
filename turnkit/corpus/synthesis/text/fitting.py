"""Pauses and disfluencies measured on transcribed talk, and fitted.

Input is one JSON object a line, a meeting each: ``{"segments": [{"start", "end",
"speaker", "act", "words": [[start, end, word], ...]}, ...]}``. `act` is a dialogue act of
the MRDA scheme (Shriberg et al., "The ICSI Meeting Recorder Dialog Act (MRDA) Corpus",
SIGdial 2004), of which only ``b``, a backchannel, is read. A word that ends with ``-`` was
broken off.

A turn is what a speaker says until another one takes the floor; backchannels, and what is
said wholly within somebody's segment, do not take it.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.synthesis.text.pauses import (
    MAX_PAUSE_S,
    MIN_PAUSE_S,
    PLACES,
    LogMixture,
    PauseModel,
)
from turnkit.errors import CorpusError

FILLERS = frozenset({"um", "uh", "uhm", "er", "erm", "hmm", "ah"})
"""What counts as a filler when measuring."""

TRAILERS = frozenset({"so", "and", "but", "or", "because", "like", "well", "know"})
"""Words that say more is to come, and yet close some turns."""

_COMPONENTS = 3
_ROUNDS = 300

_LONGEST_TOLD = 120
"""Characters of a reason that a message repeats: some hold all that was read."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word of a turn: when it was said, and whether it opens a segment."""

    start: float
    end: float
    word: str
    opens: bool


def read_turns(paths: Iterable[Path]) -> Iterator[list[Spoken]]:
    """Read the turns of transcribed meetings.

    Parameters
    ----------
    paths : iterable of Path
        ``.jsonl`` or ``.jsonl.gz``.

    Raises
    ------
    CorpusError
        If a file cannot be read as such.
    """
    for path in paths:
        opener = gzip.open if path.suffix == ".gz" else open
        try:
            with opener(path, "rt", encoding="utf-8") as file:
                for number, line in enumerate(file, start=1):
                    yield from _turns_of(line, f"{path}: line {number}")
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise CorpusError(f"{path}: {_unreadable(error)}") from error


def _turns_of(line: str, where: str) -> list[list[Spoken]]:
    try:
        return list(meeting_turns(json.loads(line)["segments"]))
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise CorpusError(
            f"{where}: expected a meeting with segments of timed words ({_shortened(error)})"
        ) from error


def _unreadable(error: Exception) -> str:
    # the text of this error holds the whole of what could not be decoded
    if isinstance(error, UnicodeDecodeError):
        return "not text in UTF-8; expected one meeting a line, as JSON"
    return (isinstance(error, OSError) and error.strerror) or f"cannot be read ({error})"


def _shortened(error: Exception) -> str:
    told = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
    return told if len(told) <= _LONGEST_TOLD else f"{told[:_LONGEST_TOLD]} ..."


def meeting_turns(segments: Sequence[Mapping[str, Any]]) -> Iterator[list[Spoken]]:
    """Cut one meeting into turns.

    Parameters
    ----------
    segments : sequence of mapping
        See the module's head; in any order.

    Yields
    ------
    list of Spoken
        A turn's words in order.
    """
    turn: list[Spoken] = []
    holder = ""
    until = 0.0
    for segment in sorted(segments, key=lambda each: float(each["start"])):
        if _is_backchannel(str(segment.get("act", ""))) or not segment["words"]:
            continue
        start, end = float(segment["start"]), float(segment["end"])
        if segment["speaker"] != holder:
            if turn and end <= until:
                continue  # said within what the holder of the floor says
            if turn:
                yield turn
            turn, holder = [], str(segment["speaker"])
        elif turn and start - until > MAX_PAUSE_S:
            yield turn
            turn = []
        turn += [
            Spoken(float(word[0]), float(word[1]), str(word[2]), i == 0)
            for i, word in enumerate(segment["words"])
        ]
        until = end
    if turn:
        yield turn


def _is_backchannel(act: str) -> bool:
    return re.fullmatch(r"b(\W.*)?", act) is not None


def place_of(words: Sequence[str], index: int, opens: bool) -> str:
    """Kind of place after word `index`; `opens` says whether a new clause follows."""
    word = words[index]
    if word in FILLERS:
        return "filler"
    following = words[index + 1 : index + 3]
    again = following[:1] == [word] or (index > 0 and following == [words[index - 1], word])
    if word.endswith("-") or again:
        return "repair"
    return "clause" if opens else "phrase"


def pauses_of(turn: Sequence[Spoken]) -> list[tuple[str, float]]:
    """Place and length, in seconds, of every pause inside a turn."""
    words = [each.word for each in turn]
    found: list[tuple[str, float]] = []
    for i in range(len(turn) - 1):
        gap = turn[i + 1].start - turn[i].end
        if MIN_PAUSE_S <= gap <= MAX_PAUSE_S:
            found.append((place_of(words, i, turn[i + 1].opens), gap))
    return found


def fit(turns: Iterable[Sequence[Spoken]]) -> tuple[PauseModel, dict[str, NDArray[np.float64]]]:
    """Fit the model of pauses.

    Parameters
    ----------
    turns : iterable of sequence of Spoken

    Returns
    -------
    model : PauseModel
        Its rates are, per 100 words: ``fillers``, ``um`` (of these), ``repetitions``,
        ``fragments``, ``pauses``; as shares: ``pause_after_filler``,
        ``pause_before_filler``, ``pause_at_clause``, ``pauses_at_PLACE`` (of all pauses),
        ``ends_in_filler``, ``ends_in_trailer`` (of all turns of more than two words); and
        ``turns``, ``words``, how many were measured.
    lengths : dict of str to ndarray
        All pauses, by place, in seconds.

    Raises
    ------
    CorpusError
        If some kind of place has fewer than 20 pauses.
    """
    counts = _Counts()
    for turn in turns:
        counts.add(turn)
    lengths = {place: np.array(values) for place, values in counts.pauses.items()}
    few = [place for place in PLACES if len(lengths[place]) < 20]
    if few:
        raise CorpusError(f"pauses: fewer than 20 at a {few[0]}; expected more talk to fit on")
    mixtures = {place: fit_mixture(lengths[place]) for place in PLACES}
    return PauseModel(mixtures, counts.rates()), lengths


def fit_mixture(lengths: NDArray[np.float64]) -> LogMixture:
    """Fit log-normal components by expectation maximisation.

    Parameters
    ----------
    lengths : ndarray of float64, shape (n,)
        Seconds, all positive.
    """
    logs = np.log(lengths)
    share = np.full(_COMPONENTS, 1.0 / _COMPONENTS)
    mean = np.quantile(logs, (np.arange(_COMPONENTS) + 0.5) / _COMPONENTS)
    spread = np.full(_COMPONENTS, max(float(logs.std()), 0.05) / 2)
    for _ in range(_ROUNDS):
        distance = (logs[:, None] - mean) / spread
        density = share / spread * np.exp(-0.5 * distance**2) + 1e-300
        member = density / density.sum(axis=1, keepdims=True)
        mass = member.sum(axis=0) + 1e-9
        share = mass / mass.sum()
        mean = (member * logs[:, None]).sum(axis=0) / mass
        variance = (member * (logs[:, None] - mean) ** 2).sum(axis=0) / mass
        spread = np.sqrt(np.maximum(variance, 0.05**2))
    return LogMixture(
        tuple(map(float, share)), tuple(map(float, np.exp(mean))), tuple(map(float, spread))
    )


class _Counts:
    """Running counts over turns."""

    def __init__(self) -> None:
        self.pauses: dict[str, list[float]] = {place: [] for place in PLACES}
        self.turns = self.words = self.long_turns = 0
        self.fillers = self.um = self.repetitions = self.fragments = 0
        self.after_filler = self.before_filler = self.clauses = 0
        self.filler_inside = self.filler_later = self.clause_places = 0
        self.filler_ends = self.trailer_ends = 0

    def add(self, turn: Sequence[Spoken]) -> None:
        words = [each.word for each in turn]
        self.turns += 1
        self.words += len(words)
        if len(words) > 2:
            self.long_turns += 1
            self.filler_ends += words[-1] in FILLERS
            self.trailer_ends += words[-1] in TRAILERS
        self.fragments += sum(word.endswith("-") for word in words)
        self.fillers += sum(word in FILLERS for word in words)
        self.um += words.count("um")
        for i in range(len(turn) - 1):
            self._add_gap(turn, words, i)

    def _add_gap(self, turn: Sequence[Spoken], words: list[str], i: int) -> None:
        gap = turn[i + 1].start - turn[i].end
        place = place_of(words, i, turn[i + 1].opens)
        paused = MIN_PAUSE_S <= gap <= MAX_PAUSE_S
        if paused:
            self.pauses[place].append(gap)
        self.repetitions += words[i] == words[i + 1] and words[i] not in FILLERS
        self.filler_inside += words[i] in FILLERS
        self.after_filler += words[i] in FILLERS and paused
        self.filler_later += words[i + 1] in FILLERS
        self.before_filler += words[i + 1] in FILLERS and paused
        self.clause_places += place == "clause"
        self.clauses += place == "clause" and paused

    def rates(self) -> dict[str, float]:
        pauses = sum(map(len, self.pauses.values()))
        hundred = 100.0 / max(self.words, 1)
        return {
            "turns": self.turns,
            "words": self.words,
            "fillers": self.fillers * hundred,
            "um": self.um * hundred,
            "repetitions": self.repetitions * hundred,
            "fragments": self.fragments * hundred,
            "pauses": pauses * hundred,
            "pauses_per_turn": pauses / max(self.turns, 1),
            "pause_after_filler": self.after_filler / max(self.filler_inside, 1),
            "pause_before_filler": self.before_filler / max(self.filler_later, 1),
            "pause_at_clause": self.clauses / max(self.clause_places, 1),
            "ends_in_filler": self.filler_ends / max(self.long_turns, 1),
            "ends_in_trailer": self.trailer_ends / max(self.long_turns, 1),
            **{f"pauses_at_{p}": len(v) / max(pauses, 1) for p, v in self.pauses.items()},
        }
