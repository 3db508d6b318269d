"""What is kept of a turn and of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal

Outcome = Literal["answered", "taken back", "interrupted", "failed"]

Work = Literal["llm", "tts", "stt"]

STAGES = ("eot", "stt", "llm", "tts", "transport", "residual")
"""Spans of a turn in the order in which they follow each other."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One turn. Times are seconds on the call's clock, None where it did not happen.

    Attributes
    ----------
    call_id : str
    turn : int
        Counted from 1.
    mode : str
    text, reply_text : str
        What was heard, and what was played of the reply.
    speech_end : float or None
        Where the detector puts the end of the speech.
    decided_at : float or None
        The detector's decision.
    reason : str or None
        Why it decided: ``"model"`` or ``"timeout"``.
    words_final_at, first_token_at, first_audio_at : float or None
        Final words known; first piece of the reply; first samples of it.
    sent_at : float or None
        First samples handed to the transport.
    speculated, adopted : bool
        Whether a reply had been drafted before the decision, and whether it was used.
    outcome : str
    transport_ms : float or None
        From the transport to the caller's ear, as the client reported it.
    """

    call_id: str
    turn: int
    mode: str
    text: str
    reply_text: str
    speech_end: float | None
    decided_at: float | None
    reason: str | None
    words_final_at: float | None
    first_token_at: float | None
    first_audio_at: float | None
    sent_at: float | None
    speculated: bool
    adopted: bool
    outcome: Outcome
    transport_ms: float | None = None

    @property
    def spans(self) -> dict[str, float | None]:
        """Milliseconds of each stage after those before it; they sum to V2V.

        Work that overlapped with an earlier stage does not count twice: a reply drafted
        while the detector still waited costs nothing after the decision. None where the
        turn was not answered; `transport` where the client reported nothing.
        """
        if self.speech_end is None or self.decided_at is None or self.sent_at is None:
            return dict.fromkeys(STAGES)
        marks = (self.decided_at, self.words_final_at, self.first_token_at, self.first_audio_at)
        reached = [self.speech_end]
        for mark in marks:
            reached.append(max(reached[-1], reached[-1] if mark is None else mark))
        spans: dict[str, float | None] = {
            name: (after - before) * 1000
            for name, (before, after) in zip(STAGES, pairwise(reached), strict=False)
        }
        spans["transport"] = self.transport_ms
        spans["residual"] = (self.sent_at - reached[-1]) * 1000
        return spans

    @property
    def v2v_ms(self) -> float | None:
        """End of speech to the caller's ear, as far as the agent knows."""
        if self.speech_end is None or self.sent_at is None:
            return None
        return (self.sent_at - self.speech_end) * 1000 + (self.transport_ms or 0.0)

    @property
    def post_commit_ms(self) -> float | None:
        """The part of it after the detector's decision."""
        if self.decided_at is None or self.sent_at is None:
            return None
        return (self.sent_at - self.decided_at) * 1000 + (self.transport_ms or 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        latencies = {"v2v_ms": self.v2v_ms, "post_commit_ms": self.post_commit_ms}
        return asdict(self) | {"spans": self.spans} | latencies


@dataclass(frozen=True, slots=True)
class CancelTime:
    """How long cancelled work took to end.

    Attributes
    ----------
    reply : int or None
        The reply it was for. Of a recogniser the one that was open when the caller began
        to speak; None if there was none.
    what : str
        ``"llm"``: until the reply's generator was closed. ``"tts"``: until the stream of
        the clause was. ``"stt"``: until the recogniser takes audio of a new utterance.
    ms : float
    """

    reply: int | None
    what: Work
    ms: float


@dataclass(frozen=True, slots=True)
class CallSummary:
    """What is left of a call.

    Attributes
    ----------
    call_id, reason : str
        Its name and why it ended, in words.
    seconds : float
        Audio received.
    turns : tuple of TurnRecord
    counts : dict of str to int
    """

    call_id: str
    reason: str
    seconds: float
    turns: tuple[TurnRecord, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
