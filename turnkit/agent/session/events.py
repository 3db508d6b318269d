"""What happens in a call. Every event says when: `at`, in samples of the call's clock.

The clock counts received audio and goes on between two frames by at most one. Only
`Ticked` says exactly how much was received.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from turnkit.detector.protocol import TurnEvent
from turnkit.stages.stt.protocol import Transcript
from turnkit.stages.tts.stream import SpokenWord


@dataclass(frozen=True, slots=True)
class Begun:
    """The call is connected."""

    at: int


@dataclass(frozen=True, slots=True)
class Ticked:
    """Audio was received, `at` samples by now; nothing else."""

    at: int


@dataclass(frozen=True, slots=True)
class Left:
    """The caller hung up or is gone."""

    at: int


@dataclass(frozen=True, slots=True)
class Detected:
    """The turn detector said something."""

    at: int
    event: TurnEvent


@dataclass(frozen=True, slots=True)
class Recognised:
    """The recogniser did; `Transcript.heard` is on the call's clock here."""

    at: int
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Wrote:
    """A piece of a reply came from the language model."""

    at: int
    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ClauseReady:
    """A clause of a reply can be spoken."""

    at: int
    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """The language model is done with a reply; every clause was told before."""

    at: int
    reply: int


@dataclass(frozen=True, slots=True)
class Voiced:
    """Audio of a reply was made and queued.

    Attributes
    ----------
    seconds : float
        Length of the new audio.
    words : tuple of SpokenWord
        Words that end in it, with `end` in seconds from the start of the reply.
    clause_done : bool
        Whether it was the last of its clause.
    cached : bool
        Taken from memory.
    """

    at: int
    reply: int
    seconds: float
    words: tuple[SpokenWord, ...] = ()
    clause_done: bool = False
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Played:
    """Seconds of a reply that were handed to the transport so far."""

    at: int
    reply: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StageFailed:
    """A stage failed; `reply` where the failure belongs to one."""

    at: int
    stage: str
    problem: str
    reply: int | None = None


Event: TypeAlias = (
    Begun | Ticked | Left | Detected | Recognised | Wrote | ClauseReady | Written | Voiced | Played
    | StageFailed
)  # fmt: skip
