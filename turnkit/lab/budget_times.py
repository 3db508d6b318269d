"""From the recordings of a run to turns that can be put together differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from turnkit.errors import ConfigError
from turnkit.lab.budget import Change, TurnTimes
from turnkit.lab.folder import RunFolder
from turnkit.lab.measuring.measured import MeasuredTurn, measure_call
from turnkit.lab.measuring.told import Told
from turnkit.lab.records import AgentLog

_MARKS = ("words_final_at", "first_token_at", "first_audio_at", "sent_at")


def read_times(folder: RunFolder, change: Change) -> list[TurnTimes]:
    """Take the answered turns of a run apart.

    Parameters
    ----------
    folder : RunFolder
    change : Change
        Only its mode matters: it must be one that the run can tell of.

    Returns
    -------
    list of TurnTimes
        Of turns that were answered after their end and are in the agent's log with all
        marks; in order.

    Raises
    ------
    ConfigError
        If another mode is asked for and the run was in batch mode.
    RunError
        If a recording cannot be read.
    """
    found = []
    for recording in folder.calls():
        measured = measure_call(recording)
        if change.mode is not None and measured.mode == "batch":
            raise ConfigError(
                f"{folder.path}: a run in batch mode; how long its replies took to be whole is "
                "not told apart, so leave the mode as it was"
            )
        for turn in measured.turns:
            times = turn_times(turn, recording.log)
            if times is not None:
                found.append(times)
    return found


def turn_times(turn: MeasuredTurn, log: AgentLog) -> TurnTimes | None:
    """Take one turn apart; None if it was not answered or the log does not tell all."""
    told, v2v = turn.told, turn.heard.v2v_ms
    if told is None or told.spans is None or told.residual_parts is None or v2v is None:
        return None
    records = [each for each in Told(log).records if int(each["turn"]) == told.turn]
    if not records or any(records[-1].get(mark) is None for mark in _MARKS):
        return None
    record = records[-1]
    decided = float(record["decided_at"])
    words, token, audio, sent = ((float(record[mark]) - decided) * 1000 for mark in _MARKS)
    known = told.residual_parts["detector"]
    return TurnTimes(
        eot=told.spans["eot"],
        uplink=told.spans["uplink"],
        downlink=told.spans["downlink"],
        flushed=min(words, _flushed(record, log, decided, known)),
        words=words,
        asked=min(token, _asked(record, log, decided, max(words, known))),
        token=token,
        audio=audio,
        sent=sent,
        v2v=v2v,
        drafted=bool(record.get("adopted")),
        known=known,
    )


def _flushed(record: Mapping[str, Any], log: AgentLog, decided: float, known: float) -> float:
    """Find out when the final words were asked for: when the pause was noticed."""
    if record.get("mode") == "batch":
        return known
    pauses = _moments(log, "phase", phase="paused")
    before = [at for at in pauses if at <= decided + known / 1000]
    return (before[-1] - decided) * 1000 if before else known


def _asked(record: Mapping[str, Any], log: AgentLog, decided: float, late: float) -> float:
    """Find out when the reply that was heard was begun."""
    begun = _moments(log, "reply", state="drafting", turn=record["turn"])
    before = [at for at in begun if at <= float(record["first_token_at"])]
    return (before[-1] - decided) * 1000 if before else late


def _moments(log: AgentLog, kind: str, **wanted: Any) -> Sequence[float]:
    """Moments of messages, on the agent's clock."""
    return [
        float(message["at"])
        for _, message in log.messages
        if message.get("type") == kind
        and all(message.get(key) == value for key, value in wanted.items())
    ]
