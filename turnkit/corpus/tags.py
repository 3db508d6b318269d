"""Tags: what sort of turn a row is, so that figures can be told apart by it.

A corpus may store tags with its rows; more can be told from what else a row holds.
Figures by slice (``turnkit eval --by slice``) use both.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.names import SYNTHETIC
from turnkit.corpus.reader import Corpus
from turnkit.corpus.schema import Turn
from turnkit.errors import CorpusError
from turnkit.timing import to_samples

INCOMPLETE = "incomplete"
"""Tag of a row that was cut off: its last silence is a hold, not the end of the turn."""

BACKCHANNEL = "backchannel"
"""Tag of a row that is no turn, such as a "mm-hm" while another goes on."""

NO_END = {INCOMPLETE: "it ends in a hold", BACKCHANNEL: "it takes no turn"}
"""Tags of rows whose last silence is no end of a turn, and why: never scored as one."""

MEANINGS = {
    "human": "said by people",
    SYNTHETIC: "said by a machine",
    "short": "one or two words",
    "digits": "numbers said digit by digit",
    "spelling": "a word spelled letter by letter",
    "question": "ends as a question",
    "filler-hold": "a hold right after a filler such as um",
    "list": "several things counted off",
    "correction": "takes something back",
    "trailing": "ends on a word that sounds as if more came",
    "overlap": "somebody else speaks into it",
    BACKCHANNEL: "a word in passing that takes no turn",
    INCOMPLETE: "cut off before its end: its last silence is a hold",
    "clean": "as a good microphone hears it in a quiet place",
    "telephone": "8 kHz, as a telephone carries it",
    "opus": "went through an Opus codec",
    "loss": "some packets were lost on the way",
    "room": "with the echo of a room",
    "babble": "with other voices behind it",
    "hum": "with the hum of the mains",
    "clipped": "louder than the recording could hold",
    "echo": "with another's voice out of a loudspeaker",
}
"""Tags and what they mean."""

FAMILIES = {
    "snr": "dB of speech over noise, nearest of 5, 10, 15, 20, 30",
    "accent": "way of speaking",
    "domain": "where it comes from",
    "last-word": "the word it ends on is common or rare at the end of this corpus's turns",
}
"""Tags with a value behind a colon, such as ``accent:gb``, and what the value is."""

SNR_BANDS = (5, 10, 15, 20, 30)
"""Values of ``snr``, in dB; rows above the last are in it."""

COMMON_SHARE = 0.05
"""Share of the turns of a corpus that a common last word ends."""

FEW_TRANSCRIPTS = 20
"""Transcripts below which no last word is called common."""

SHORT_WORDS = 2
"""A turn of so many words or fewer is short."""

FILLERS = frozenset({"um", "uh", "uhm", "umm", "er", "erm", "eh", "ah", "hm", "hmm", "mm"})

_DIGITS = frozenset(
    {"zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
)

_RUN = 3
"""Digits, or letters, in a row that are no coincidence."""

_FRAME_S = 0.02
_AFTERGLOW_S = 0.2
"""Start of a silence that is left out of its noise: breath, and the echo of a room."""

_SPEECH_RANGE_DB = 25.0
"""Frames that are quieter than the loud ones by more than this are not speech."""

_LATE_S = 0.05
"""A word may be marked as ending this long after the silence behind it begins."""

_ANNOTATION = re.compile(r"\[[^\]]*\]|\{[^}]*\}|<[^>]*>")
_WORD = re.compile(r"[^\W_]+(?:['\u2019.-][^\W_]+)*")


def meaning(tag: str) -> str:
    """Say what a tag means; "" for one that is nobody's but its corpus'."""
    family, colon, value = tag.partition(":")
    if colon and value:
        return FAMILIES.get(family, "")
    return MEANINGS.get(tag, "")


def check_complete(corpus: Corpus) -> None:
    """Make sure that the last silence of every row is the end of its turn.

    Raises
    ------
    CorpusError
        If rows are tagged ``incomplete`` or ``backchannel``.
    """
    pairs = list(zip(corpus.column("id"), corpus.column("tags"), strict=True))
    for tag, why in NO_END.items():
        found = [str(row) for row, tags in pairs if tag in stored_tags(tags)]
        if found:
            raise CorpusError(
                f"corpus {corpus.name}: {len(found)} rows are tagged {tag!r}, such as {found[0]}: "
                f"{why} and has no end; 'turnkit data mix' leaves such rows out"
            )


def no_end(tags: Collection[str]) -> str | None:
    """Tag that says that a row has no end of a turn; None if it has one."""
    return next((tag for tag in NO_END if tag in tags), None)


def stored_tags(value: Any) -> tuple[str, ...]:
    """Tags in a row that was not checked: what breaks the schema counts as none."""
    return tuple(t for t in value if isinstance(t, str)) if isinstance(value, list) else ()


def tags_of(turn: Turn) -> frozenset[str]:
    """Tags of a turn: those stored with it, and those that can be told from the rest.

    Parameters
    ----------
    turn : Turn

    Returns
    -------
    frozenset of str
        Always one of ``human`` and ``synthetic``, the latter if either the id or a stored
        tag says so; one ``snr`` band unless the row has no
        silence long enough to measure.
    """
    stored = {tag for tag in turn.tags if _snr_value(tag) is None}
    made = turn.id.startswith(SYNTHETIC) or SYNTHETIC in stored
    stored -= {"human", SYNTHETIC}
    found = {SYNTHETIC if made else "human"}
    if turn.sample_rate <= 8_000:
        found.add("telephone")
    found |= _snr_tags(turn)
    found |= spoken_tags(turn.transcript or " ".join(word.word for word in turn.words))
    if _holds_after_filler(turn):
        found.add("filler-hold")
    return frozenset(stored | found)


def spoken_tags(transcript: str) -> set[str]:
    """Tags that the words of a turn tell.

    Parameters
    ----------
    transcript : str
        Bracketed annotations are no words. Empty where nobody wrote it down, and then
        nothing is told.

    Returns
    -------
    set of str
        Of ``short``, ``digits``, ``spelling`` and ``question``.
    """
    said = _said(transcript)
    words = _words(said)
    if not words:
        return set()
    parts = [part for word in words for part in re.split(r"[.-]", word)]
    said_alone = [c for part in parts for c in (part if part.isdecimal() else [part])]
    tests = {
        "short": len(words) <= SHORT_WORDS,
        "question": said.endswith("?"),
        "digits": _longest_run([w in _DIGITS or w.isdecimal() for w in said_alone]) >= _RUN,
        "spelling": _longest_run([len(w) == 1 and w.isalpha() for w in parts]) >= _RUN
        or _likened(words),
    }
    return {tag for tag, holds in tests.items() if holds}


def closing_tags(transcripts: Sequence[str]) -> list[set[str]]:
    """Tell turns that end on a word which ends many turns of a corpus from the others.

    A detector may have learned such words instead of the end of a turn.

    Parameters
    ----------
    transcripts : sequence of str
        Of all turns of one corpus; empty where nobody wrote it down.

    Returns
    -------
    list of set of str
        Of each turn, ``last-word:common`` or ``last-word:rare``; nothing without a
        transcript, or with too few of them.
    """
    last = [words[-1] if (words := _words(_said(each))) else None for each in transcripts]
    count = Counter(word for word in last if word is not None)
    if count.total() < FEW_TRANSCRIPTS:
        return [set() for _ in transcripts]
    enough = max(COMMON_SHARE * count.total(), 2)
    common = {word for word, times in count.items() if times >= enough}
    return [
        set() if word is None else {f"last-word:{'common' if word in common else 'rare'}"}
        for word in last
    ]


def estimate_snr(turn: Turn) -> float | None:
    """Estimate how far speech lies above the noise.

    The level of the noise is the median over frames of the silences, that of speech the
    mean of the loud frames outside of them, less the noise.

    Returns
    -------
    float or None
        In dB, infinite for silences of exact zeros; None without 0.1 s of silence to
        measure, or without speech.
    """
    length = to_samples(_FRAME_S, turn.sample_rate)
    count = len(turn.samples) // length
    frames = turn.samples[: count * length].reshape(count, length).astype(np.float64)
    power = np.mean(frames**2, axis=1)
    starts = np.arange(count) * length / turn.sample_rate
    quiet, late = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    for span in turn.spans:
        inside = (starts >= span.start) & (starts + _FRAME_S <= span.end)
        quiet |= (starts + _FRAME_S > span.start) & (starts < span.end)
        late |= inside & (starts >= span.start + _AFTERGLOW_S)
    if np.count_nonzero(late) * _FRAME_S < 0.1 or quiet.all():
        return None
    noise, speech = float(np.median(power[late])), _speech_power(power[~quiet])
    if noise <= 0.0:
        return math.inf if speech > 0.0 else None
    return 10.0 * math.log10(max(speech - noise, 1e-6 * noise) / noise)


def _said(transcript: str) -> str:
    return _ANNOTATION.sub(" ", transcript).strip()


def _words(said: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(said)]


def _speech_power(power: NDArray[np.float64]) -> float:
    loud = float(np.quantile(power, 0.95))
    return float(np.mean(power[power >= loud * 10 ** (-_SPEECH_RANGE_DB / 10)]))


def _snr_value(tag: str) -> float | None:
    family, _, value = tag.partition(":")
    try:
        return float(value) if family == "snr" else None
    except ValueError:
        return None


def _snr_tags(turn: Turn) -> set[str]:
    stored = [value for tag in turn.tags if (value := _snr_value(tag)) is not None]
    measured = None if stored else estimate_snr(turn)
    values = stored if measured is None else [measured]
    return {f"snr:{_nearest_band(min(value, SNR_BANDS[-1]))}" for value in values}


def _nearest_band(value: float) -> int:
    return min(SNR_BANDS, key=lambda band: abs(band - value))


def _holds_after_filler(turn: Turn) -> bool:
    for span in turn.holds:
        before = [word for word in turn.words if word.end <= span.start + _LATE_S]
        if before:
            last = _WORD.findall(max(before, key=lambda word: word.end).word.lower())
            if last and last[-1] in FILLERS:
                return True
    return False


def _likened(words: list[str]) -> bool:
    """Whether a letter is told by a word: "S as in Sam", "S for Sam"."""
    return any(
        len(letter) == 1
        and ((link, word) == ("as", "in") or (link in ("for", "like") and word[0] == letter))
        for letter, link, word in zip(words, words[1:], words[2:], strict=False)
    )


def _longest_run(flags: list[bool]) -> int:
    longest = current = 0
    for flag in flags:
        current = current + 1 if flag else 0
        longest = max(longest, current)
    return longest
