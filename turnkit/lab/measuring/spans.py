"""Where the time of an answer went: spans that sum to V2V, with a residual.

On the agent's clock, work that overlapped with an earlier stage costs nothing: each stage
takes from where those before it were through to where it was. The way to the agent is the
difference of its two clocks, the way back half a round trip, the listener's own buffer
and what Opus looks ahead. The rest is the residual; what is known of it is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnkit.lab.measuring.clocks import Clocks
from turnkit.lab.measuring.told import Told
from turnkit.lab.measuring.turns import HeardTurn

SPANS = ("eot", "uplink", "stt", "llm", "tts", "downlink", "residual")
"""In the order in which they follow each other, in ms; they sum to V2V."""

RESIDUAL_PARTS = ("detector", "pacing", "lead_in", "playout")
"""Known parts of the residual, in ms: from the decision in audio time to the session's
knowing of it; from the first samples of the voice to their being sent; silence at the
voice's beginning, in steps of 20 ms; and by how much the agent's audio was played later
than the way back takes, as packets were held up or the listener's buffer had grown, which
is absent where the levels of what was sent and heard do not fit."""

OPUS_LOOKAHEAD_MS = 6.5
"""Delay of libopus beside its frame (RFC 6716, section 2.1.4: 2.5 ms and 4 ms)."""

_SOONEST_S = 0.1
_LATEST_S = 3.0
_KNOWN_WITHIN_S = 1.0
_INSTANT_S = 1e-6


@dataclass(frozen=True, slots=True)
class Marks:
    """Moments of an answer, in seconds of the agent's clock; None where there was none.

    Attributes
    ----------
    ended : float
        Annotated end of the speech, in audio time.
    decided, known : float
        Decision in audio time, and when the session had it.
    words_final, first_token, first_audio, sent, audible : float or None
        What the stages gave, when its first samples were sent, and the first audible ones.
    """

    ended: float
    decided: float
    known: float | None = None
    words_final: float | None = None
    first_token: float | None = None
    first_audio: float | None = None
    sent: float | None = None
    audible: float | None = None


@dataclass(frozen=True, slots=True)
class ToldTurn:
    """What the agent's log says of a turn that was answered.

    Attributes
    ----------
    turn : int
        The agent's number of it.
    decided : float
        When the agent had heard enough to decide, in seconds of the recording.
    text, reply : str
        What it understood and said.
    reason : str or None
        Why it decided.
    adopted : bool
        The reply had been drafted before.
    spans, residual_parts : mapping of str to float, or None
        In ms; `SPANS` and `RESIDUAL_PARTS`. None where a clock is missing.
    """

    turn: int
    decided: float
    text: str
    reply: str
    reason: str | None
    adopted: bool
    spans: Mapping[str, float] | None
    residual_parts: Mapping[str, float] | None


def split(
    v2v_ms: float, marks: Marks, uplink_ms: float, downlink_ms: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Split a latency into spans.

    Parameters
    ----------
    v2v_ms : float
    marks : Marks
    uplink_ms, downlink_ms : float

    Returns
    -------
    spans : dict of str to float
        `SPANS`: none but the residual is negative, and their sum is `v2v_ms`.
    parts : dict of str to float
        `RESIDUAL_PARTS` but for the last; none is negative. Their sum may be more than the
        residual where clocks are not exact.
    """
    at = marks.ended

    def reach(mark: float | None) -> float:
        nonlocal at
        before, at = at, at if mark is None else max(at, mark)
        return (at - before) * 1000

    spans = {"eot": reach(marks.decided), "uplink": max(0.0, uplink_ms)}
    parts = {"detector": reach(marks.known)}
    spans["stt"] = reach(marks.words_final)
    spans["llm"] = reach(marks.first_token)
    spans["tts"] = reach(marks.first_audio)
    parts |= {"pacing": reach(marks.sent), "lead_in": reach(marks.audible)}
    spans["downlink"] = max(0.0, downlink_ms)
    spans["residual"] = v2v_ms - sum(spans.values())
    return spans, parts


def tell_turn(
    turn: HeardTurn, told: Told, clocks: Clocks, playout_delay_s: float
) -> ToldTurn | None:
    """Find what the log says of a turn's answer.

    Parameters
    ----------
    turn : HeardTurn
    told : Told
    clocks : Clocks
    playout_delay_s : float
        Of the listener.

    Returns
    -------
    ToldTurn or None
        None where it was not answered, there are no pings, or the log does not know it.
    """
    wall = clocks.wall
    if wall is None or turn.audible is None or turn.v2v_ms is None:
        return None
    record = _answer(turn, turn.audible, told, clocks)
    if record is None:
        return None
    decided = float(record["decided_at"])
    spans, parts = _spans(turn, turn.v2v_ms, record, told, clocks, playout_delay_s)
    return ToldTurn(
        turn=int(record["turn"]),
        decided=wall.to_recording(decided),
        text=str(record.get("text", "")),
        reply=str(record.get("reply_text", "")),
        reason=record.get("reason"),
        adopted=bool(record.get("adopted")),
        spans=spans,
        residual_parts=parts,
    )


def _spans(
    turn: HeardTurn,
    v2v_ms: float,
    record: Mapping[str, Any],
    told: Told,
    clocks: Clocks,
    playout_delay_s: float,
) -> tuple[dict[str, float], dict[str, float]] | tuple[None, None]:
    wall, audio = clocks.wall, clocks.audio
    if wall is None or audio is None:
        return None, None
    decided, sent = float(record["decided_at"]), float(record["sent_at"])
    offset = audio.offset_s(turn.ended)
    uplink = (wall.offset_s(decided) - offset) * 1000
    downlink = (wall.round_trip_s(sent) / 2 + playout_delay_s) * 1000 + OPUS_LOOKAHEAD_MS
    marks = _marks(record, turn.ended - offset, told, clocks)
    spans, parts = split(v2v_ms, marks, uplink, downlink)
    delay = None if clocks.playout is None else clocks.playout.delay_s(sent)
    if delay is not None:
        parts["playout"] = max(0.0, delay * 1000 - downlink)
    return spans, parts


def _answer(
    turn: HeardTurn, audible: float, told: Told, clocks: Clocks
) -> Mapping[str, Any] | None:
    """Find the record whose samples were sent last before the answer was heard."""
    assert clocks.wall is not None
    found: tuple[float, Mapping[str, Any]] | None = None
    for record in told.records:
        sent = clocks.wall.to_recording(float(record["sent_at"]))
        early = audible - sent
        near = -_SOONEST_S <= early < _LATEST_S and sent >= turn.began
        if near and (found is None or abs(early) < abs(found[0])):
            found = early, record
    return None if found is None else found[1]


def _marks(record: Mapping[str, Any], ended: float, told: Told, clocks: Clocks) -> Marks:
    decided, sent = float(record["decided_at"]), float(record["sent_at"])
    latest = min(sent, decided + _KNOWN_WITHIN_S)
    soon = (at for at in told.commits if decided - _INSTANT_S <= at <= latest)
    return Marks(
        ended=ended,
        decided=decided,
        known=next(soon, None),
        words_final=record.get("words_final_at"),
        first_token=record.get("first_token_at"),
        first_audio=record.get("first_audio_at"),
        sent=sent,
        audible=None if clocks.levels is None else clocks.levels.first_audible(sent),
    )


def decisions_heard(turn: HeardTurn, told: Told, clocks: Clocks) -> tuple[float, ...] | None:
    """Place the detector's ends of turns that fall to a turn on the microphone's time.

    Returns
    -------
    tuple of float or None
        In seconds of the recording: audio time, as the protocol counts EOT latency. None
        where the log has no levels that fit.
    """
    if clocks.audio is None:
        return None
    offset = clocks.audio.offset_s(turn.ended)
    at = (each + offset for each in told.decisions)
    return tuple(each for each in at if turn.began <= each < turn.until)
