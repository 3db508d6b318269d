"""What a model that looks for shortcuts sees of each silence: everything but the speech.

Hold or end, a silence is looked at up to `WINDOW_S` after its start and no further, so
that its own length gives nothing away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.checking.words import words_before, words_of
from turnkit.corpus.schema import MIN_HOLD_S, ROUNDING_S, Span, Turn
from turnkit.corpus.tags import INCOMPLETE
from turnkit.timing import to_samples

WINDOW_S = MIN_HOLD_S
"""Seconds of a silence that are looked at: the first moment a detector is asked."""

FRAME_S = 0.02
"""Frames that levels are measured in."""

FLOOR_QUANTILE = 0.1
"""Share of the frames so far that are as quiet as the noise floor, or quieter."""

LOWEST_DB = -120.0
"""Level of digital silence: finite, below what 16 bits can hold."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence and what led up to it, the speech itself left out.

    Attributes
    ----------
    is_end : bool
        Whether it is the end of the turn, or a hold.
    speech_db : float
        Level of the speech so far, in dB relative to full scale.
    first_db : float
        Level of the first `WINDOW_S`.
    floor_db : float
        Level of the quietest frames so far.
    zeros : float
        Share of exact zeros in the first `WINDOW_S`, in 0 .. 1.
    elapsed_s : float
        Seconds since the speaker began, pauses included.
    holds : int
        Pauses before this one, of any length.
    words : int or None
        Words so far; None where the corpus does not say when they were said.
    last_word : str or None
        Of these; None also where nothing was said.
    """

    is_end: bool
    speech_db: float
    first_db: float
    floor_db: float
    zeros: float
    elapsed_s: float
    holds: int
    words: int | None = None
    last_word: str | None = None


@dataclass(frozen=True, slots=True)
class TurnSilences:
    """The silences of a turn.

    Attributes
    ----------
    row : str
        Its id.
    speaker : str or None
    silences : tuple of Silence
        Those that last `WINDOW_S` or longer.
    transcript : tuple of str
        All its words in lower case.
    """

    row: str
    speaker: str | None
    silences: tuple[Silence, ...]
    transcript: tuple[str, ...] = ()


def silences_of(turn: Turn) -> TurnSilences:
    """Look at every silence of a turn that lasts as long as the window.

    Parameters
    ----------
    turn : Turn

    Returns
    -------
    TurnSilences
    """
    levels = _frame_levels(turn.samples, turn.sample_rate)
    quiet = np.zeros(len(levels), dtype=bool)
    for span in turn.spans:
        quiet[int(span.start / FRAME_S) : int(np.ceil(span.end / FRAME_S))] = True
    voiced = np.flatnonzero(~quiet)
    begun = FRAME_S * float(voiced[0]) if len(voiced) else 0.0
    lead = turn.spans[0]
    if lead.start < FRAME_S:  # a row may begin with a silence span before anything was said
        begun = lead.end
    found = tuple(
        _silence(turn, position, levels, quiet, begun)
        for position, span in enumerate(turn.spans)
        if span.duration >= WINDOW_S - ROUNDING_S and span.start > begun
    )
    return TurnSilences(turn.id, turn.speaker, found, tuple(words_of(turn.transcript)))


def _silence(
    turn: Turn,
    position: int,
    levels: NDArray[np.float64],
    quiet: NDArray[np.bool_],
    begun: float,
) -> Silence:
    span = turn.spans[position]
    at, until = int(span.start / FRAME_S), int((span.start + WINDOW_S) / FRAME_S)
    speech, heard = levels[:at][~quiet[:at]], levels[:until]
    first = _window(turn, span)
    words = words_before(turn, span.start) if turn.words else None
    return Silence(
        is_end=position == len(turn.spans) - 1 and INCOMPLETE not in turn.tags,
        speech_db=_mean_db(speech),
        first_db=_power_db(first),
        floor_db=float(np.quantile(heard, FLOOR_QUANTILE)) if len(heard) else LOWEST_DB,
        zeros=float(np.mean(first == 0.0)) if len(first) else 0.0,
        elapsed_s=span.start - begun,
        holds=sum(each.start > begun for each in turn.spans[:position]),
        words=None if words is None else len(words),
        last_word=words[-1] if words else None,
    )


def _window(turn: Turn, span: Span) -> NDArray[np.float32]:
    begin = to_samples(span.start, turn.sample_rate)
    return turn.samples[begin : begin + to_samples(WINDOW_S, turn.sample_rate)]


def _frame_levels(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Level of each frame in dB, a constant offset left out."""
    size = to_samples(FRAME_S, rate)
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    power = frames.var(axis=1, dtype=np.float64)
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (LOWEST_DB / 10.0))))


def _power_db(samples: NDArray[np.float32]) -> float:
    power = float(samples.var(dtype=np.float64)) if len(samples) else 0.0
    return 10.0 * float(np.log10(max(power, 10.0 ** (LOWEST_DB / 10.0))))


def _mean_db(levels: NDArray[np.float64]) -> float:
    """Level of the mean power."""
    return 10.0 * float(np.log10(np.mean(10.0 ** (levels / 10.0)))) if len(levels) else LOWEST_DB
