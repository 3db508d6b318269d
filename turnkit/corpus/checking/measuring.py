"""Everything that the checks need of a row, measured in one pass, in several processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias, TypeVar

from turnkit.corpus.checking.fingerprint import Fingerprint, fingerprint
from turnkit.corpus.checking.recording import (
    dead_channels,
    flat_tops,
    gaps_in_speech,
    upsampled_from,
)
from turnkit.corpus.checking.silences import TurnSilences, silences_of
from turnkit.corpus.checking.transcribing import Spoken, spoken, word_error_rate
from turnkit.corpus.checking.turns import TurnFacts, turn_facts
from turnkit.corpus.checking.voicing import HeardSilences, hear_silences, listening_rate
from turnkit.corpus.checking.words import words_of
from turnkit.corpus.reader import Corpus
from turnkit.corpus.schema import REQUIRED, Span, Turn, parse_row
from turnkit.errors import ConfigError, SchemaError
from turnkit.vad import SileroVad

_BATCH = 8
"""Rows that a process is given at a time."""

_READ = (*REQUIRED, "words", "messages", "speaker", "transcript", "tags")


@dataclass(frozen=True, slots=True)
class Measured:
    """A row, its samples let go.

    Attributes
    ----------
    index : int
        Its number in the corpus.
    facts : TurnFacts
    silences : TurnSilences
    print : Fingerprint
    heard : HeardSilences
    spoken : Spoken
    spans : tuple of Span
    transcript : str
    upsampled_from : int or None
        Rate in Hz that it was really recorded at, if another than it says.
    dead_channels : tuple of int
    flat_tops : float
        Share of samples that something cut off, in 0 .. 1.
    gaps : tuple of float
        Seconds at which exact zeros break into speech.
    word_errors : float or None
        Word error rate of a recogniser against the transcript; None if none was asked.
    recognised : str
        What it heard.
    """

    index: int
    facts: TurnFacts
    silences: TurnSilences
    print: Fingerprint
    heard: HeardSilences
    spoken: Spoken
    spans: tuple[Span, ...]
    transcript: str
    upsampled_from: int | None
    dead_channels: tuple[int, ...]
    flat_tops: float
    gaps: tuple[float, ...]
    word_errors: float | None = None
    recognised: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row that breaks the schema."""

    index: int
    id: str
    message: str


Result = Measured | Unusable

_Batch: TypeAlias = "list[tuple[int, dict[str, Any]]]"
_T = TypeVar("_T")


def measure(
    corpus: Corpus,
    limit: int | None = None,
    *,
    stt: bool = False,
    workers: int | None = None,
) -> Iterator[Result]:
    """Measure the rows of a corpus.

    Parameters
    ----------
    corpus : Corpus
    limit : int, optional
        Rows to measure, spread evenly over the corpus; all by default.
    stt : bool
        Decode every row that has a transcript with the embedded recogniser as well,
        which takes longer than all the rest.
    workers : int, optional
        Processes; as many as there are processors by default.

    Yields
    ------
    Measured or Unusable
        In the order of the corpus.

    Raises
    ------
    ConfigError
        If `limit` or `workers` is less than 1.
    MissingDependencyError, MissingAssetError
        If Silero VAD or the recogniser is not there.
    """
    for found in _spread(corpus, limit, partial(_measure_batch, stt=stt), workers):
        yield from found


def fingerprints(
    corpus: Corpus, limit: int | None = None, *, workers: int | None = None
) -> Iterator[tuple[int, Fingerprint]]:
    """Fingerprints of the rows of a corpus that is only compared with.

    Parameters and errors as in `measure`.

    Yields
    ------
    (int, Fingerprint)
        Number of the row, and its own; rows that break the schema are left out.
    """
    for found in _spread(corpus, limit, _print_batch, workers):
        yield from found


def measure_turn(turn: Turn, index: int = 0, audio: Any = None, *, stt: bool = False) -> Measured:
    """Measure one turn.

    Parameters
    ----------
    turn : Turn
    index : int
    audio : mapping or path or bytes, optional
        Its recording, not decoded, to see each of its channels.
    stt : bool

    Returns
    -------
    Measured
    """
    errors, recognised = _recognise(turn) if stt and turn.transcript else (None, "")
    return Measured(
        index=index,
        facts=turn_facts(turn),
        silences=silences_of(turn),
        print=fingerprint(turn),
        heard=hear_silences(turn, _vad(listening_rate(turn.sample_rate))),
        spoken=spoken(turn),
        spans=turn.spans,
        transcript=turn.transcript or "",
        upsampled_from=upsampled_from(turn.samples, turn.sample_rate),
        dead_channels=dead_channels(audio),
        flat_tops=flat_tops(turn.samples),
        gaps=gaps_in_speech(turn),
        word_errors=errors,
        recognised=recognised,
    )


def _chosen(rows: int, limit: int | None) -> Sequence[int]:
    if limit is None or limit >= rows:
        return range(rows)
    return [k * rows // limit for k in range(limit)]


def _raw(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _READ if name in row}


def _measure_batch(batch: _Batch, stt: bool) -> list[Result]:
    found: list[Result] = []
    for index, row in batch:
        try:
            turn = parse_row(row, index)
        except SchemaError as error:
            found.append(Unusable(index, error.row, str(error)))
            continue
        found.append(measure_turn(turn, index, row.get("audio"), stt=stt))
    return found


def _print_batch(batch: _Batch) -> list[tuple[int, Fingerprint]]:
    found = []
    for index, row in batch:
        with suppress(SchemaError):
            found.append((index, fingerprint(parse_row(row, index))))
    return found


def _spread(
    corpus: Corpus, limit: int | None, work: Callable[[_Batch], _T], workers: int | None
) -> Iterator[_T]:
    """Do the work on batches of rows in several processes; results in order."""
    workers = (os.cpu_count() or 1) if workers is None else workers
    for name, value in (("limit", limit), ("workers", workers)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}={value}: expected 1 or more")
    numbers = _chosen(len(corpus), limit)
    batches = (
        [(index, _raw(corpus.rows[index])) for index in numbers[begin : begin + _BATCH]]
        for begin in range(0, len(numbers), _BATCH)
    )
    joblib = _import_joblib()
    if joblib is None or min(workers, len(numbers) // _BATCH) <= 1:
        yield from map(work, batches)
        return
    with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
        run = joblib.Parallel(return_as="generator")
        yield from run(joblib.delayed(work)(batch) for batch in batches)


def _import_joblib() -> Any:
    """Import joblib, or None: without it one process does all, and takes longer."""
    try:
        import joblib
    except ImportError:
        return None
    return joblib


@lru_cache(maxsize=2)
def _vad(rate: int) -> SileroVad:
    return SileroVad(rate)


@lru_cache(maxsize=2)
def _recogniser(language: str) -> Any:
    from turnkit.corpus.importing.recognising import Recogniser

    return Recogniser(language=language)


def _recognise(turn: Turn) -> tuple[float, str]:
    """Word error rate and words of the embedded recogniser over the whole turn."""
    begin = turn.spans[0].end if turn.spans[0].start == 0.0 else 0.0
    runs = [(begin, max(begin, turn.end.start))]
    words = _recogniser(turn.language).words(turn.samples, turn.sample_rate, runs)
    heard = " ".join(word.word for word in words)
    return word_error_rate(words_of(turn.transcript), words_of(heard)), heard
