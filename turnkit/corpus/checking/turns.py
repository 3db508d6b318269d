"""What looks wrong in a corpus that breaks no rule of the schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.checking.words import words_of
from turnkit.corpus.schema import Turn

SHORT_END_S = 0.5
"""A row that stops this soon after its turn tells little of how long a detector waits."""

LOUD_DBFS = -10.0
"""Level of a whole row above which something was amplified past what speech needs."""

DEAD_DBFS = -60.0
"""Peak below which nothing was recorded (ten of the sixteen bits are unused)."""

FULL_SCALE = 0.999
CLIPPED_SHARE = 1e-3
"""Share of samples at full scale above which a row counts as clipped."""

ZERO_SHARE = 0.5
"""Share of exact zeros in the silences of a row above which they were not recorded."""

COMMON_WORDS = {1: 0.2, 5: 0.5}
"""Share of transcripts that so many last words may end before a model could learn them."""

FEW_TRANSCRIPTS = 10
"""Transcripts below which a share of last words says nothing."""

FEW_HOLDS = 0.1
"""Holds that count, per turn, below which cutoffs cannot be measured."""

FEW_SPEAKERS = 10
"""Speakers below which an interval by bootstrap over speakers says little."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at.

    Attributes
    ----------
    kind : str
        Short name that stays the same, for scripts.
    message : str
        What it is and why it matters.
    rows : tuple of str
        Ids of the rows, all of them; empty if it is about the corpus as a whole.
    """

    kind: str
    message: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """What is kept of a turn once its samples are let go.

    Levels are in dB relative to full scale, -inf for digital silence.
    """

    id: str
    duration: float
    sample_rate: int
    pauses: tuple[float, ...]
    holds: int
    end: float
    first_silence: float
    last_word: str | None
    peak_dbfs: float
    level_dbfs: float
    speech_dbfs: float
    silence_dbfs: float
    clipped_share: float
    zero_share: float


def turn_facts(turn: Turn) -> TurnFacts:
    """Measure one turn."""
    x = turn.samples
    silent = np.zeros(len(x), dtype=bool)
    for span in turn.spans:
        silent[int(span.start * turn.sample_rate) : int(span.end * turn.sample_rate)] = True
    magnitude = np.abs(x)
    silence = x[silent]
    return TurnFacts(
        id=turn.id,
        duration=turn.duration,
        sample_rate=turn.sample_rate,
        pauses=tuple(span.duration for span in turn.pauses),
        holds=len(turn.holds),
        end=turn.end.duration,
        first_silence=turn.spans[0].start,
        last_word=last_word(turn.transcript),
        peak_dbfs=_decibels(float(magnitude.max())),
        level_dbfs=_level(x),
        speech_dbfs=_level(x[~silent]),
        silence_dbfs=_level(silence),
        clipped_share=float(np.mean(magnitude >= FULL_SCALE)),
        zero_share=float(np.mean(silence == 0.0)) if len(silence) else 0.0,
    )


def last_word(transcript: str | None) -> str | None:
    """Last word of a transcript, in lower case, bracketed annotations left out."""
    words = words_of(transcript)
    return words[-1] if words else None


def check_turns(facts: Sequence[TurnFacts]) -> list[Finding]:
    """Look at each turn by itself."""
    found = [
        Finding(kind, message, tuple(turn.id for turn in facts if wrong(turn)))
        for kind, message, wrong in _TURN_CHECKS
    ]
    return [finding for finding in found if finding.rows]


def check_corpus(
    ids: Sequence[str],
    labels: Sequence[str | None],
    digests: Sequence[str],
    facts: Sequence[TurnFacts],
) -> list[Finding]:
    """Look at the corpus as a whole.

    Parameters
    ----------
    ids, labels, digests : sequence, one item a row
        Ids, speakers as the corpus has them, hashes of the encoded audio.
    facts : sequence of TurnFacts
        Of the rows that could be read.
    """
    found = [*_check_speakers(ids, labels), *_check_balance(facts)]
    twice = _repeated(ids, ids)
    if twice:
        found.append(Finding("duplicate ids", "rows share an id with another row", twice))
    same = _repeated(digests, ids)
    if same:
        message = "rows hold, byte for byte, the audio of another row"
        found.append(Finding("duplicate audio", message, same))
    return found


def _check_speakers(ids: Sequence[str], labels: Sequence[str | None]) -> list[Finding]:
    nameless = tuple(row for row, label in zip(ids, labels, strict=True) if label is None)
    speakers = len({label for label in labels if label is not None})
    found = []
    if nameless:
        message = (
            "rows name no speaker: each counts as a speaker of its own, so that splits may "
            "leak and intervals are too narrow"
        )
        found.append(Finding("no speaker", message, nameless))
    if 0 < speakers < FEW_SPEAKERS:
        message = f"only {speakers} speakers: intervals over speakers will say little"
        found.append(Finding("few speakers", message))
    return found


def _check_balance(facts: Sequence[TurnFacts]) -> list[Finding]:
    found = []
    holds = sum(turn.holds for turn in facts)
    if facts and holds < FEW_HOLDS * len(facts):
        message = f"{holds} holds that count in {len(facts)} turns: cutoffs cannot be measured"
        found.append(Finding("few holds", message))
    return [*found, *_check_last_words([turn.last_word for turn in facts])]


def _check_last_words(last_words: Iterable[str | None]) -> list[Finding]:
    words = Counter(word for word in last_words if word is not None)
    if words.total() < FEW_TRANSCRIPTS:
        return []
    for number, limit in COMMON_WORDS.items():
        common = words.most_common(number)
        share = sum(count for _, count in common) / words.total()
        if share > limit:
            which = ", ".join(word for word, _ in common)
            message = (
                f"{share:.0%} of the transcripts end with {which}: a model may learn the "
                "words instead of the turn"
            )
            return [Finding("last words", message)]
    return []


def _repeated(keys: Iterable[str], ids: Sequence[str]) -> tuple[str, ...]:
    keys = list(keys)
    count = Counter(keys)
    return tuple(row for key, row in zip(keys, ids, strict=True) if count[key] > 1)


def _level(x: NDArray[np.float32]) -> float:
    return _decibels(float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))) if len(x) else -np.inf


def _decibels(amplitude: float) -> float:
    return 20.0 * float(np.log10(amplitude)) if amplitude > 0.0 else -np.inf


_TURN_CHECKS: tuple[tuple[str, str, Callable[[TurnFacts], bool]], ...] = (
    (
        "short end",
        f"rows stop less than {SHORT_END_S:g} s after the end of the turn: replay goes on with "
        "their noise floor",
        lambda turn: turn.end < SHORT_END_S,
    ),
    (
        "silent start",
        "rows begin with a silence span, before anything was said",
        lambda turn: turn.first_silence == 0.0,
    ),
    (
        "spans",
        "rows are louder inside their silence spans than outside: the spans may belong to "
        "other audio",
        lambda turn: turn.silence_dbfs > max(turn.speech_dbfs, DEAD_DBFS),
    ),
    (
        "loud",
        f"rows have a level above {LOUD_DBFS:g} dBFS",
        lambda turn: turn.level_dbfs > LOUD_DBFS,
    ),
    (
        "clipped",
        f"rows have more than {CLIPPED_SHARE:.1%} of their samples at full scale",
        lambda turn: turn.clipped_share > CLIPPED_SHARE,
    ),
    (
        "dead",
        f"rows never rise above {DEAD_DBFS:g} dBFS",
        lambda turn: turn.peak_dbfs < DEAD_DBFS,
    ),
    (
        "zeros",
        "rows have silences of exact zeros: a model may learn the zeros instead of the pause",
        lambda turn: turn.zero_share > ZERO_SHARE,
    ),
)
