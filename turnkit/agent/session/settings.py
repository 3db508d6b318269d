"""Rules of a session: what the agent says, when a turn is taken back, what stops it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from turnkit.errors import ConfigError

Mode = Literal["batch", "streaming", "speculative"]
"""``batch``: each stage waits for the one before it. ``streaming``: they overlap.
``speculative``: a reply is drafted while the caller pauses, and held until the commit."""

CLOCK_RATE = 16_000
"""Samples per second of a call's clock, which counts received audio."""

BACKCHANNELS = (
    "ah", "aha", "alright", "hm", "hmm", "huh", "mhm", "mm", "mm-hm", "mm-hmm", "mmm", "oh",
    "ok", "okay", "right", "sure", "uh", "uh-huh", "uh-hum", "um", "yeah", "yep", "yes", "yup",
)  # fmt: skip
"""What listeners say without wanting the turn (continuers and assessments: Yngve 1970)."""


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} {value!r}: expected {low:g} .. {high:g}")


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """What the agent is told and says by itself.

    Attributes
    ----------
    system : str
        System message of the language model.
    greeting : str
        Said when a call begins; empty for nothing.
    apology : str
        Said where a stage failed and there is no reply.
    turns : int
        Exchanges that the model is reminded of at most; 0 .. 100. Half of them are
        dropped at a time, because every change at the front is read anew.
    clause_words : int
        Words that a clause after the first should have before it is spoken; 1 .. 20.
    """

    system: str = "Reply with one short sentence."
    greeting: str = ""
    apology: str = "Sorry, I did not get that. Could you say it again?"
    turns: int = 4
    clause_words: int = 3

    def __post_init__(self) -> None:
        if not self.system.strip() or not self.apology.strip():
            raise ConfigError("conversation.system, conversation.apology: expected words")
        _between("conversation.turns", self.turns, 0, 100)
        _between("conversation.clause_words", self.clause_words, 1, 20)


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """From a turn's end to the reply.

    Attributes
    ----------
    eager_threshold : float or None
        Score in a pause above which a reply is drafted; None drafts in every pause.
    take_back_s : float
        Seconds after the agent became audible within which speech still undoes the
        commit; 0 .. 2.
    words_timeout_s : float
        Seconds after the commit within which the final words must be known.
    reply_timeout_s : float
        Seconds after the commit within which the reply must be audible.
    """

    eager_threshold: float | None = None
    take_back_s: float = 0.3
    words_timeout_s: float = 5.0
    reply_timeout_s: float = 12.0

    def __post_init__(self) -> None:
        if self.eager_threshold is not None:
            _between("turn.eager_threshold", self.eager_threshold, 0, 1)
        _between("turn.take_back_s", self.take_back_s, 0, 2)
        _between("turn.words_timeout_s", self.words_timeout_s, 0.1, 120)
        _between("turn.reply_timeout_s", self.reply_timeout_s, 0.1, 120)


@dataclass(frozen=True, slots=True)
class InterruptionSettings:
    """What speech over the agent does to it; nothing here ends a user's turn.

    Attributes
    ----------
    duck : float
        Gain from the onset of the speech until it is judged; 1 leaves the voice alone.
    peek_s : float
        Seconds of speech after which the recogniser is asked what it is.
    peek_every_s : float
        Seconds after which it is asked again while there is no word.
    stop_s : float
        Seconds of speech after which the agent stops, words or not.
    false_stop_s : float
        Seconds without a word after which a stop counts as false and the agent goes on
        where it was.
    backchannels : tuple of str
        Words that do not interrupt, alone or one after the other.
    """

    duck: float = 0.35
    peek_s: float = 0.2
    peek_every_s: float = 0.15
    stop_s: float = 0.9
    false_stop_s: float = 1.2
    backchannels: tuple[str, ...] = BACKCHANNELS

    def __post_init__(self) -> None:
        _between("interruption.duck", self.duck, 0, 1)
        _between("interruption.peek_s", self.peek_s, 0, 5)
        _between("interruption.peek_every_s", self.peek_every_s, 0.02, 5)
        _between("interruption.stop_s", self.stop_s, 0.1, 10)
        _between("interruption.false_stop_s", self.false_stop_s, 0.1, 10)


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """When a call ends by itself.

    Attributes
    ----------
    duration_s : float
        Seconds of a call.
    idle_s : float
        Seconds in which neither side says anything.
    stage_failures : int
        Failures of stages in a row after which the call ends.
    """

    duration_s: float = 900.0
    idle_s: float = 120.0
    stage_failures: int = 4

    def __post_init__(self) -> None:
        _between("limits.duration_s", self.duration_s, 1, 86_400)
        _between("limits.idle_s", self.idle_s, 1, 86_400)
        _between("limits.stage_failures", self.stage_failures, 1, 100)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a session."""

    mode: Mode = "speculative"
    conversation: ConversationSettings = field(default_factory=ConversationSettings)
    turn: TurnSettings = field(default_factory=TurnSettings)
    interruption: InterruptionSettings = field(default_factory=InterruptionSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)


def clock(seconds: float) -> int:
    """Convert seconds to samples of the call's clock."""
    return round(seconds * CLOCK_RATE)
