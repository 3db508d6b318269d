"""What a session wants done. The shell carries commands out in order and at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from turnkit.agent.records import TurnRecord
from turnkit.stages.llm.protocol import ChatMessage


@dataclass(frozen=True, slots=True)
class FlushStt:
    """Ask the recogniser for everything heard so far."""


@dataclass(frozen=True, slots=True)
class RestartStt:
    """Begin a new utterance with the last `keep` samples; `reopen` after a failure."""

    keep: int
    reopen: bool = False


@dataclass(frozen=True, slots=True)
class Prefill:
    """Have the language model read ahead."""

    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True)
class StartReply:
    """Open the playout for a reply, on hold, and have the language model write it."""

    reply: int
    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True)
class StartSaying:
    """Open the playout for a fixed sentence, on hold; `Speak` follows."""

    reply: int


@dataclass(frozen=True, slots=True)
class Speak:
    """Speak the next clause of a reply."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """Send a reply's audio from where it was."""

    reply: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Send nothing of a reply for now, not even what is on its way."""

    reply: int


@dataclass(frozen=True, slots=True)
class Duck:
    """Scale what is sent."""

    gain: float


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Drop a reply: its queued audio, its voice and its language model's work.

    Attributes
    ----------
    reply : int
    cut : bool
        It is being heard, and the rest is not to be: not even what is on its way.
    """

    reply: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the client."""

    type: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Count:
    """Something worth counting happened, `n` times."""

    name: str
    n: int = 1


@dataclass(frozen=True, slots=True)
class Record:
    """Note a turn; `final` once nothing of it will change."""

    record: TurnRecord
    final: bool


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call."""

    reason: str


Command: TypeAlias = (
    FlushStt | RestartStt | Prefill | StartReply | StartSaying | Speak | Play | Hold | Duck
    | CancelReply | Tell | Count | Record | HangUp
)  # fmt: skip
