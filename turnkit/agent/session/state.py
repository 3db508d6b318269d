"""The state of a session: one frozen value that says everything about a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from turnkit.agent.session.settings import Rules
from turnkit.stages.llm.protocol import ChatMessage
from turnkit.stages.tts.stream import SpokenWord


class Phase(StrEnum):
    """Where a call is."""

    LISTENING = "listening"
    USER_SPEAKING = "user speaking"
    PAUSED = "paused"
    SPECULATING = "speculating"
    COMMITTED = "committed"
    AGENT_SPEAKING = "agent speaking"
    INTERRUPTED = "interrupted"
    RESUMING = "resuming"


@dataclass(frozen=True, slots=True)
class UserTurn:
    """The caller's present or last turn. Times are on the call's clock.

    Attributes
    ----------
    number : int
        Counted from 1.
    utterance : int
        The recogniser's, whose words are the turn's.
    committed, tail : str
        Words known so far.
    speech_end : int or None
        Where the present pause began.
    flush_at : int or None
        Samples received when the words of this pause were asked for.
    final_at : int or None
        When they were known: they are all there is until the caller goes on.
    decided_at : int or None
        When the detector ended the turn.
    reason : str or None
    score : float or None
        Highest score of the present pause.
    drafted : bool
        A reply was drafted in the present pause; there is one try.
    words_lost : bool
        The recogniser failed in it: its words are not all known.
    """

    number: int
    utterance: int
    committed: str = ""
    tail: str = ""
    speech_end: int | None = None
    flush_at: int | None = None
    final_at: int | None = None
    decided_at: int | None = None
    reason: str | None = None
    score: float | None = None
    drafted: bool = False
    words_lost: bool = False

    @property
    def text(self) -> str:
        """All words known so far."""
        return f"{self.committed} {self.tail}".strip()


@dataclass(frozen=True, slots=True)
class Reply:
    """What the agent says or is about to say.

    Attributes
    ----------
    number : int
        Never used twice in a call; stages' results carry it.
    prompt : str
        The caller's words that it answers; empty for a sentence of the agent's own.
    speculated : bool
        Begun before the turn was committed.
    adopted : bool
        It answers a committed turn, and may be heard.
    fixed : bool
        A sentence of the agent's own.
    pieces : int
        Pieces of text that came from the language model.
    clauses : tuple of str
    asked, voiced : int
        Clauses handed to the voice, and those it has finished.
    written : bool
        No clause will be added.
    words : tuple of SpokenWord
        With `end` in seconds of the reply.
    made_s, played_s : float
        Seconds of audio made and handed to the transport.
    released, held : bool
        Released audio is sent unless it is held.
    moved_at : int
        When it last got on: was begun, adopted, or played.
    first_token_at, first_audio_at, sent_at : int or None
    """

    number: int
    prompt: str = ""
    speculated: bool = False
    adopted: bool = False
    fixed: bool = False
    pieces: int = 0
    clauses: tuple[str, ...] = ()
    asked: int = 0
    voiced: int = 0
    written: bool = False
    words: tuple[SpokenWord, ...] = ()
    made_s: float = 0.0
    played_s: float = 0.0
    released: bool = False
    held: bool = False
    moved_at: int = 0
    first_token_at: int | None = None
    first_audio_at: int | None = None
    sent_at: int | None = None

    @property
    def spoken(self) -> str:
        """Words that were played to their end."""
        return " ".join(word.text for word in self.words if word.end <= self.played_s + 1e-6)

    @property
    def finished(self) -> bool:
        """Everything was written, voiced and played."""
        done = self.written and self.voiced == len(self.clauses)
        return done and self.played_s >= self.made_s - 1e-6


@dataclass(frozen=True, slots=True)
class Overlap:
    """Speech over the agent that was not judged yet.

    Attributes
    ----------
    since : int
        Its onset.
    utterance : int
    text : str
        Words known so far.
    asked_at : int or None
        Samples received when the recogniser was last asked; None while nothing is
        outstanding.
    answered_at : int or None
        When it last answered.
    silent_since : int or None
        When a pause in it was noticed.
    final : bool
        The words of that pause are known.
    ended : Ended or None
        The detector's end of turn, if it came before the judgement.
    stopped_at : int or None
        Since when the agent is stopped for it.
    was_stopped : bool
        It was stopped once: without words it is not stopped again.
    """

    since: int
    utterance: int
    text: str = ""
    asked_at: int | None = None
    answered_at: int | None = None
    silent_since: int | None = None
    final: bool = False
    ended: Ended | None = None
    stopped_at: int | None = None
    was_stopped: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """An end of turn, as the detector told it."""

    at: int
    since: int
    score: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class State:
    """Everything about a call.

    Attributes
    ----------
    rules : Rules
    call_id : str
    at : int
        The clock: samples received, and what of the next frame's time has passed.
    received : int
        Samples received: what a recogniser means by time.
    phase : Phase
    utterance : int
        The recogniser's present one.
    turn : UserTurn or None
    reply : Reply or None
    overlap : Overlap or None
    history : tuple of ChatMessage
        What was said and heard; of the agent only what was really played.
    turns, replies : int
        How many there were.
    failures : int
        Of stages, in a row.
    active_at : int
        When somebody last said something.
    over : bool
        The call was hung up.
    """

    rules: Rules = field(default_factory=Rules)
    call_id: str = ""
    at: int = 0
    received: int = 0
    phase: Phase = Phase.LISTENING
    utterance: int = 0
    turn: UserTurn | None = None
    reply: Reply | None = None
    overlap: Overlap | None = None
    history: tuple[ChatMessage, ...] = ()
    turns: int = 0
    replies: int = 0
    failures: int = 0
    active_at: int = 0
    over: bool = False
