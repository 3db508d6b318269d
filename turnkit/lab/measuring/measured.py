"""A call with everything that was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from turnkit.lab.measuring.clocks import Clocks, read_clocks
from turnkit.lab.measuring.overlaps import Trial, read_trials
from turnkit.lab.measuring.spans import ToldTurn, decisions_heard, tell_turn
from turnkit.lab.measuring.told import Told
from turnkit.lab.measuring.turns import HeardTurn, hear_turns
from turnkit.lab.records import CallRecord, CallRecording


@dataclass(frozen=True, slots=True)
class MeasuredTurn:
    """One turn.

    Attributes
    ----------
    heard : HeardTurn
        By ear.
    told : ToldTurn or None
        By the agent's log; None without one.
    decisions : tuple of float or None
        Ends of turns by the deciding detector while this was said or answered, in
        seconds of the recording, in the microphone's time. None without a log.
    """

    heard: HeardTurn
    told: ToldTurn | None = None
    decisions: tuple[float, ...] | None = None

    @property
    def early(self) -> bool | None:
        """A decision came before the caller was done, though nothing was heard of it."""
        if self.decisions is None:
            return None
        soon = any(at < self.heard.ended for at in self.decisions)
        return soon and not self.heard.interrupted

    @property
    def eot_ms(self) -> float | None:
        """EOT delay: annotated end to the agent's having heard enough to decide.

        None if the decision came before the end, or is not known.
        """
        if self.told is None or self.told.decided < self.heard.ended:
            return None
        return (self.told.decided - self.heard.ended) * 1000

    @property
    def post_commit_ms(self) -> float | None:
        """The rest of V2V; None where `eot_ms` is."""
        if self.eot_ms is None or self.heard.v2v_ms is None:
            return None
        return self.heard.v2v_ms - self.eot_ms


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """How well a call's clocks are known.

    Attributes
    ----------
    pings : int
    round_trip_ms : float or None
        Median over the call of the quickest messages.
    level_error_db : float or None
        Mean distance of levels, where they fit best; None where they do not.
    """

    pings: int
    round_trip_ms: float | None
    level_error_db: float | None


@dataclass(frozen=True)
class MeasuredCall:
    """One call.

    Attributes
    ----------
    record : CallRecord
    turns : tuple of MeasuredTurn
    trials : tuple of Trial
        What was said over the agent.
    counts : mapping of str to int
        What the agent counted; empty without a log.
    duplicate_replies : int or None
        None without a log.
    stages : mapping
        The agent's stages, as it introduced them: name and whether simulated.
    mode : str or None
    clocks : ClockQuality
    cancels : tuple of (str, float)
        What the agent cancelled, and ms until that work had ended.
    """

    record: CallRecord
    turns: tuple[MeasuredTurn, ...]
    trials: tuple[Trial, ...]
    counts: Mapping[str, int]
    duplicate_replies: int | None
    stages: Mapping[str, Any]
    mode: str | None
    clocks: ClockQuality
    cancels: tuple[tuple[str, float], ...] = ()

    @cached_property
    def failed(self) -> bool:
        """The call could not be placed, or broke."""
        return self.record.error is not None


def measure_call(recording: CallRecording) -> MeasuredCall:
    """Measure a call.

    Latencies and interruptions come from the audio and from what was said when; the
    agent's log adds decisions, spans and counts, and may be missing.

    Parameters
    ----------
    recording : CallRecording

    Returns
    -------
    MeasuredCall

    Raises
    ------
    RunError
        If the log holds what no agent tells.
    """
    told, clocks = Told(recording.log), read_clocks(recording)
    delay = recording.record.playout_delay_s
    turns = tuple(
        MeasuredTurn(
            heard, tell_turn(heard, told, clocks, delay), decisions_heard(heard, told, clocks)
        )
        for heard in hear_turns(recording)
    )
    hello = told.hello
    stages, mode = hello.get("stages"), hello.get("mode")
    return MeasuredCall(
        record=recording.record,
        turns=turns,
        trials=tuple(read_trials(recording, told, clocks)),
        counts=told.counts,
        duplicate_replies=told.duplicate_replies if recording.log.messages else None,
        stages=stages if isinstance(stages, Mapping) else {},
        mode=mode if isinstance(mode, str) else None,
        clocks=_quality(recording, clocks),
        cancels=tuple(told.cancels),
    )


def _quality(recording: CallRecording, clocks: Clocks) -> ClockQuality:
    wall, audio = clocks.wall, clocks.audio
    middle = recording.record.seconds / 2
    return ClockQuality(
        pings=len(recording.log.pings),
        round_trip_ms=None if wall is None else wall.round_trip_s(middle) * 1000,
        level_error_db=None if audio is None else audio.loss_db,
    )
