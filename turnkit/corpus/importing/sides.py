"""The two sides of a call: read, searched for speech, and refused where a channel is none.

Where one of the two is not heard, the other's pauses would all look like holds, and its turns
would last until nobody spoke for seconds: no labels are made of such a recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.checking.turns import DEAD_DBFS
from turnkit.corpus.importing.crosstalk import find_leaks
from turnkit.corpus.importing.floor import Run
from turnkit.corpus.importing.recognising import Recogniser
from turnkit.corpus.importing.sound import count_channels, find_speech, read_channels
from turnkit.corpus.schema import Word
from turnkit.errors import CorpusError

SAME = 0.999
"""Correlation of two channels from which on they are one signal, maybe lossily coded: what is
on one of them alone lies 27 dB below the rest."""

_BLOCK = 1 << 20
"""Samples that are correlated at a time: an hour in double precision is gigabytes."""


@dataclass(frozen=True, slots=True)
class Side:
    """One channel of a recording.

    Attributes
    ----------
    speaker : str
    samples : ndarray of float32, shape (n,)
    speech : list of (float, float)
    words : list of Word
        Empty where nobody asked for them.
    leaks : list of (float, float)
        Where the other side is heard on this channel; no part of `speech`.
    """

    speaker: str
    samples: Samples
    speech: list[Run]
    words: list[Word]
    leaks: list[Run] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Call:
    """A recording with a speaker on each channel.

    Attributes
    ----------
    name : str
        As in ids.
    sides : tuple of (Side, Side)
    sample_rate : int
        In Hz.
    """

    name: str
    sides: tuple[Side, Side]
    sample_rate: int


def check_channels(paths: Sequence[Path]) -> None:
    """See that recordings have two channels each; nothing is decoded.

    Raises
    ------
    CorpusError
        If one has not, cannot be read, is empty or has a sample rate out of range.
    """
    for path in paths:
        count = count_channels(path)
        if count != 2:
            raise CorpusError(f"{path}: {count} channel(s); expected two, a speaker on each")


def read_call(
    path: Path, name: str, roles: tuple[str, str], recogniser: Recogniser | None = None
) -> Call | tuple[str, str]:
    """Read a recording of two channels, or say why it cannot be used.

    Parameters
    ----------
    path : Path
    name : str
        Of the recording, in ids.
    roles : tuple of (str, str)
        What the speakers of channels 0 and 1 are called.
    recogniser : Recogniser, optional
        Writes down the words.

    Returns
    -------
    Call or tuple of (str, str)
        Or the reason why there is none, and which file and channels are meant.

    Raises
    ------
    CorpusError
        If it cannot be read.
    """
    channels, rate = read_channels(path)
    if dead := [k for k, channel in enumerate(channels) if _is_dead(channel)]:
        return f"nothing is recorded on a channel ({DEAD_DBFS:g} dBFS or less)", _where(path, dead)
    if _correlation(*channels) >= SAME:
        return "both channels are the same signal", _where(path, [0, 1])
    found = [find_speech(channel, rate) for channel in channels]
    if still := [k for k, runs in enumerate(found) if not runs]:
        return "no speech is heard on a channel", _where(path, still)
    leaks = [find_leaks(channels[k], channels[1 - k], rate, found[k]) for k in (0, 1)]
    speech = [[run for run in found[k] if run not in leaks[k]] for k in (0, 1)]
    if echoes := [k for k, runs in enumerate(speech) if not runs]:
        return "all speech on a channel is an echo of the other", _where(path, echoes)
    first, second = (
        Side(
            f"{name}-{role}",
            channels[k],
            speech[k],
            recogniser.words(channels[k], rate, speech[k]) if recogniser else [],
            leaks[k],
        )
        for k, role in enumerate(roles)
    )
    return Call(name, (first, second), rate)


def _where(path: Path, channels: Sequence[int]) -> str:
    plural = "channels" if len(channels) > 1 else "channel"
    return f"{path.name}, {plural} {' and '.join(map(str, channels))}"


def _is_dead(channel: Samples) -> bool:
    """Whether a channel never leaves its rest, which an offset may have moved."""
    return float(np.ptp(channel)) / 2 <= 10 ** (DEAD_DBFS / 20)


def _correlation(a: Samples, b: Samples) -> float:
    """Correlate two channels of one length, either way up; 0 where one does not move."""
    mean_a, mean_b = (float(np.mean(x, dtype=np.float64)) for x in (a, b))
    sums = np.zeros(3)
    for start in range(0, len(a), _BLOCK):
        x = a[start : start + _BLOCK].astype(np.float64) - mean_a
        y = b[start : start + _BLOCK].astype(np.float64) - mean_b
        sums += (x @ y, x @ x, y @ y)
    scale = float(np.sqrt(sums[1] * sums[2]))
    return abs(float(sums[0])) / scale if scale > 0.0 else 0.0
