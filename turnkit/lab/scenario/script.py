"""A call's script: sounds whose ends are known, and what the caller does with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from turnkit.audio import Samples

Kind = Literal["turn", "interruption", "backchannel", "noise"]
"""What is said: a turn that wants an answer, something over the agent that should stop it,
a sign of listening that should not, or no speech at all."""

KINDS: tuple[Kind, ...] = ("turn", "interruption", "backchannel", "noise")


@dataclass(frozen=True, slots=True)
class Sound:
    """Something to be said, with what is known about it; times in seconds of itself.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    name : str
        Of the row, text or noise; the same in every run, so that runs can be paired.
    samples : ndarray of float32, shape (n,)
    rate : int
        In Hz.
    onset, ended : float
        First audible sample, and the annotated end of the speech.
    holds : tuple of (float, float)
        Pauses inside, from the annotation.
    text : str or None
        What is said, as far as known.
    floor : ndarray of float32, shape (m,), or None
        What the microphone goes on with until the next sound, over and over: the noise
        of the recording's own room. Were it to fall silent after true ends only, a
        detector could tell them from pauses by that.
    """

    kind: Kind
    name: str
    samples: Samples
    rate: int
    onset: float
    ended: float
    holds: tuple[tuple[float, float], ...] = ()
    text: str | None = None
    floor: Samples | None = None

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True)
class Say:
    """Say something now, and wait until it is said."""

    sound: Sound


@dataclass(frozen=True, slots=True)
class SayOver:
    """Say something once the agent has been audible for `after_s` without a longer break.

    Nothing is said, and the trial does not count, if the agent does not speak that long
    within `at_most_s`.
    """

    sound: Sound
    after_s: float
    at_most_s: float = 20.0


@dataclass(frozen=True, slots=True)
class AwaitReply:
    """Wait, as a person would, until the agent has spoken and is silent again.

    The agent's turn is over once it was silent for `silence_s`. Who hears nothing for
    `patience_s` goes on.
    """

    patience_s: float = 6.0
    silence_s: float = 0.7


@dataclass(frozen=True, slots=True)
class Rest:
    """Stay silent for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """Say goodbye to the agent by the channel of messages, and leave."""


@dataclass(frozen=True, slots=True)
class Vanish:
    """Be gone without a goodbye, as when a phone loses its network."""


Action: TypeAlias = Say | SayOver | AwaitReply | Rest | HangUp | Vanish


@dataclass(frozen=True, slots=True)
class Script:
    """One call: what the caller does, in order; it hangs up at the end.

    Attributes
    ----------
    number : int
        Of the call in its run, from 0.
    actions : tuple of Action
    seed : int
        Of the microphone's noise and of everything the network does.
    starts_s : float
        Seconds after the beginning of its caller's turn at which it calls: callers that
        begin together would speak together.
    """

    number: int
    actions: tuple[Action, ...]
    seed: int
    starts_s: float = 0.0

    @property
    def turns(self) -> int:
        """Turns that want an answer."""
        return sum(isinstance(each, Say) and each.sound.kind == "turn" for each in self.actions)
