"""Turns and what was said over the agent, as a page shows them and runs are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnkit.lab.measuring.measured import MeasuredTurn
    from turnkit.lab.measuring.overlaps import Trial
    from turnkit.lab.measuring.run import MeasuredRun
    from turnkit.lab.records import Said


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
    early_decisions : tuple of float
        The detector's decisions before the caller was done.
    decided, audible, false_start : float or None
        The agent's decision in the audio it had, the first audible sample of its answer,
        and its first one before the caller was done.
    v2v_ms, eot_ms, post_commit_ms : float or None
        As `turnkit.lab.measuring` has them.
    spans : mapping of str to float
        Milliseconds; they sum to V2V. Empty without the agent's log.
    parts : mapping of str to float
        What is known of the residual.
    false_interruption, early, dead_air, missed, adopted : bool
        A turn that was missed was never answered, though the caller waited.
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
    early_decisions: tuple[float, ...] = ()
    decided: float | None = None
    audible: float | None = None
    false_start: float | None = None
    v2v_ms: float | None = None
    eot_ms: float | None = None
    post_commit_ms: float | None = None
    spans: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)
    false_interruption: bool = False
    early: bool = False
    dead_air: bool = False
    missed: bool = False
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class TrialRow:
    """Something said over the agent.

    Attributes
    ----------
    call : int
    kind, name : str
    onset : float
        In seconds of the recording.
    stopped : bool
        Whether the agent fell silent for it, by ear.
    from_onset_ms, from_decision_ms, gap_ms : float or None
        To the agent's last audible sample, and from there until it went on.
    decided : bool
        Whether the agent told that it decided to stop.
    """

    call: int
    kind: str
    name: str
    onset: float
    stopped: bool = False
    from_onset_ms: float | None = None
    from_decision_ms: float | None = None
    gap_ms: float | None = None
    decided: bool = False


def rows_of(run: MeasuredRun) -> list[TurnRow]:
    """Turn the turns of a run into rows, in order."""
    return [
        _row(turn, call.record.said[turn.heard.index]) for call in run.calls for turn in call.turns
    ]


def _row(turn: MeasuredTurn, said: Said) -> TurnRow:
    heard, told = turn.heard, turn.told
    return TurnRow(
        call=heard.call,
        place=heard.index,
        name=heard.name,
        began=heard.began,
        onset=said.onset,
        ended=heard.ended,
        text=heard.text,
        heard=None if told is None else told.text,
        answer=None if told is None else told.reply,
        holds=said.holds,
        early_decisions=tuple(at for at in turn.decisions or () if at < heard.ended),
        decided=None if told is None else told.decided,
        audible=heard.audible,
        false_start=heard.false_start,
        v2v_ms=heard.v2v_ms,
        eot_ms=turn.eot_ms,
        post_commit_ms=turn.post_commit_ms,
        spans=told.spans or {} if told is not None else {},
        parts=told.residual_parts or {} if told is not None else {},
        false_interruption=heard.interrupted,
        early=bool(turn.early),
        dead_air=heard.dead_air,
        missed=heard.missed,
        adopted=told is not None and told.adopted,
    )


def trials_of(run: MeasuredRun) -> list[TrialRow]:
    """Turn what was said over the agent in a run into rows."""
    return [_trial(trial) for trial in run.trials]


def _trial(trial: Trial) -> TrialRow:
    return TrialRow(
        call=trial.call,
        kind=trial.kind,
        name=trial.name,
        onset=trial.onset,
        stopped=trial.stopped,
        from_onset_ms=trial.from_onset_ms,
        from_decision_ms=trial.from_decision_ms,
        gap_ms=trial.gap_ms,
        decided=trial.decided is not None,
    )
