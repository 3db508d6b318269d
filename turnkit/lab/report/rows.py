"""Turns as plain values: what ``report.json`` keeps of them, and what runs are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One turn of a call; times are seconds of its recording.

    Attributes
    ----------
    call, place : int
        Of the call in its run, and of the turn in its call, from 0.
    name : str
        Of the row or text that was said: the same in every run.
    text, heard, answer : str or None
        What was said, what the agent understood, and what it said, as far as known.
    began, onset, ended : float
        First sample, first audible sample and annotated end of the speech.
    holds : tuple of (float, float)
        Annotated pauses.
    decided, audible : float or None
        The agent's decision as it reached the audio, and its first audible sample.
    v2v_ms, eot_ms, post_commit_ms : float or None
        None where the agent was not in time to be waited for, or never came.
    spans : mapping of str to float
        Milliseconds, as far as known; they sum to V2V.
    false_interruption, early, dead_air, missed, adopted : bool
    """

    call: int
    place: int
    name: str
    began: float
    onset: float
    ended: float
    text: str | None = None
    heard: str | None = None
    answer: str | None = None
    holds: tuple[tuple[float, float], ...] = ()
    decided: float | None = None
    audible: float | None = None
    v2v_ms: float | None = None
    eot_ms: float | None = None
    post_commit_ms: float | None = None
    spans: Mapping[str, float] = field(default_factory=dict)
    pacing_ms: float | None = None
    false_interruption: bool = False
    early: bool = False
    dead_air: bool = False
    missed: bool = False
    adopted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"spans": dict(self.spans)}
