"""What is kept of a call: all times are seconds of the recording, on the caller's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from turnkit.audio import Samples
from turnkit.lab.scenario.script import Kind

RATE = 16_000
"""Rate in Hz of recordings."""


@dataclass(frozen=True, slots=True)
class Said:
    """Something that the caller said.

    Attributes
    ----------
    kind, name, text
        As in `turnkit.lab.scenario.script.Sound`.
    began : float
        First sample.
    onset, ended : float
        First audible sample, and the annotated end of the speech.
    until : float
        Last sample.
    holds : tuple of (float, float)
        Annotated pauses inside.
    over : bool
        Whether it was said over the agent on purpose.
    """

    kind: Kind
    name: str
    began: float
    onset: float
    ended: float
    until: float
    holds: tuple[tuple[float, float], ...] = ()
    over: bool = False
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """One exchange of clocks: sent and answered in the recording's seconds.

    `agent` is the agent's clock (seconds of audio received) when it answered.
    """

    sent: float
    came: float
    agent: float


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call, without its audio and without the agent's log.

    Attributes
    ----------
    number : int
        Of the call in its run.
    call_id : str
        As the agent named it; empty if it never answered.
    seconds : float
        Length of the recording.
    said : tuple of Said
    ended_by : str
        ``"caller"``, ``"agent"``, ``"vanished"``, or ``"error"``.
    error : str or None
        Why the call could not be placed or broke, in words.
    playout_delay_s : float
        What the listener's own buffer adds to what is heard.
    late : int
        Packets that came too late to be played.
    skipped : int
        Frames that the microphone did not send in time: the caller's machine was
        overloaded, and its latencies are not to be trusted.
    network : mapping
        What the network between did, by direction.
    """

    number: int
    call_id: str
    seconds: float
    said: tuple[Said, ...]
    ended_by: str
    error: str | None = None
    playout_delay_s: float = 0.0
    late: int = 0
    skipped: int = 0
    network: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentLog:
    """What the agent told during a call, or nothing.

    Attributes
    ----------
    messages : tuple of (float, mapping)
        Each with the second at which it came.
    pings : tuple of Ping
    """

    messages: tuple[tuple[float, Mapping[str, Any]], ...] = ()
    pings: tuple[Ping, ...] = ()


@dataclass(frozen=True, slots=True)
class CallRecording:
    """A call with everything that was kept of it.

    Attributes
    ----------
    record : CallRecord
    sent, heard : ndarray of float32, shape (n,)
        Both sides at `RATE`, as the caller had them.
    log : AgentLog
        Empty where it was deleted: nothing but stage spans comes from it.
    """

    record: CallRecord
    sent: Samples
    heard: Samples
    log: AgentLog = field(default_factory=AgentLog)
