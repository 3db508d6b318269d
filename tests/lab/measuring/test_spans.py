"""Spans sum to V2V, whatever the agent told; and they are where the time was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.measuring.synthetic import (
    HELLO,
    Message,
    event,
    frames,
    pings,
    recording,
    reply,
    said,
    speech,
    track,
    turn,
)
from turnkit.audio import Samples
from turnkit.lab.measuring.clocks import read_clocks
from turnkit.lab.measuring.spans import (
    OPUS_LOOKAHEAD_MS,
    RESIDUAL_PARTS,
    SPANS,
    Marks,
    ToldTurn,
    decisions_heard,
    split,
    tell_turn,
)
from turnkit.lab.measuring.told import Told
from turnkit.lab.measuring.turns import hear_turns
from turnkit.lab.records import RATE, AgentLog, CallRecording

moment = st.floats(-5, 40)
maybe = st.none() | moment


@given(
    st.floats(0, 10_000),
    st.builds(Marks, moment, moment, maybe, maybe, maybe, maybe, maybe, maybe),
    st.floats(-200, 800),
    st.floats(-200, 800),
)
def test_spans_sum_to_v2v_and_only_the_residual_may_be_negative(
    v2v_ms: float, marks: Marks, uplink_ms: float, downlink_ms: float
) -> None:
    spans, parts = split(v2v_ms, marks, uplink_ms, downlink_ms)
    assert tuple(spans) == SPANS
    assert tuple(parts) == RESIDUAL_PARTS[:-1]
    assert sum(spans.values()) == pytest.approx(v2v_ms, abs=1e-6)
    assert all(value >= 0 for name, value in spans.items() if name != "residual")
    assert all(value >= 0 for value in parts.values())


def test_each_span_is_what_came_after_those_before_it() -> None:
    marks = Marks(10.0, 10.3, 10.31, 10.35, 10.5, 10.6, 10.62, 10.66)
    spans, parts = split(900.0, marks, 30.0, 50.0)
    assert spans == pytest.approx(
        {
            "eot": 300, "uplink": 30, "stt": 40, "llm": 150, "tts": 100, "downlink": 50,
            "residual": 230,
        }
    )  # fmt: skip
    assert parts == pytest.approx({"detector": 10, "pacing": 20, "lead_in": 40})


def test_what_was_done_before_the_decision_costs_nothing() -> None:
    drafted = Marks(10.0, 10.3, None, 10.1, 10.2, 10.25, 10.32)
    spans, parts = split(500.0, drafted, 30.0, 50.0)
    assert (spans["stt"], spans["llm"], spans["tts"]) == (0, 0, 0)
    assert parts["pacing"] == pytest.approx(20)
    early, _ = split(500.0, Marks(10.0, 9.5, None, 9.6, 9.9, 10.1, 10.2), 30.0, 50.0)
    assert early["eot"] == early["stt"] == early["llm"] == 0
    assert early["tts"] == pytest.approx(100)


HEARD_FROM, CLOCK_FROM, TRIP = 1.0, 1.04, 0.03
"""The microphone's second that the agent heard first, and when its clock began."""

SENT = speech(12, (2, 4), (6, 6.5))
ENDED = 4.0
MARKS: dict[str, Any] = {
    "decided_at": 3.3, "words_final_at": 3.35, "first_token_at": 3.45, "first_audio_at": 3.55,
    "sent_at": 3.56,
}  # fmt: skip


def call(
    heard: Samples, *messages: dict[str, Any], levels: bool = True, timed: bool = True
) -> CallRecording:
    told: list[Message] = [(0.0, HELLO), *((each["at"] + CLOCK_FROM, each) for each in messages)]
    if levels:
        told += frames(SENT, HEARD_FROM)
    return recording(
        heard,
        [said(2.0, ENDED)],
        sent=SENT,
        messages=told,
        pings=pings(CLOCK_FROM, 12, TRIP) if timed else (),
    )


def told_turn(recorded: CallRecording) -> ToldTurn | None:
    (turn_,) = hear_turns(recorded)
    return tell_turn(turn_, Told(recorded.log), read_clocks(recorded), 0.03)


def test_the_spans_of_a_call() -> None:
    """Heard 4.7; the end is 3.0 of the agent's audio, decided at 3.3 of it."""
    fields: dict[str, Any] = {
        "text": "well yes",
        "reply_text": "Good.",
        "adopted": True,
        "reason": "timeout",
    }
    committed = {"type": "phase", "phase": "committed", "at": 3.32}
    told = told_turn(call(track(12, (4.7, 6)), committed, turn(**MARKS, **fields)))
    assert told is not None
    assert told.decided == pytest.approx(3.3 + CLOCK_FROM)
    assert (told.turn, told.text, told.reply) == (1, "well yes", "Good.")
    assert (told.adopted, told.reason) == (True, "timeout")
    expected = {
        "eot": 300, "uplink": 40, "stt": 30, "llm": 100, "tts": 100,
        "downlink": 15 + 30 + OPUS_LOOKAHEAD_MS, "residual": 78.5,
    }  # fmt: skip
    assert told.spans == pytest.approx(expected, abs=2)
    assert sum((told.spans or {}).values()) == pytest.approx(700, abs=1)
    assert told.residual_parts == pytest.approx({"detector": 20, "pacing": 10, "lead_in": 0})


def test_without_a_clock_nothing_is_guessed() -> None:
    heard, record = track(12, (4.7, 6)), turn(**MARKS)
    assert told_turn(call(heard, record, timed=False)) is None
    no_levels = told_turn(call(heard, record, levels=False))
    assert no_levels is not None
    assert no_levels.decided == pytest.approx(3.3 + CLOCK_FROM)
    assert no_levels.spans is None
    assert no_levels.residual_parts is None


def test_the_record_of_the_reply_that_was_heard_counts() -> None:
    taken_back = turn(1, decided_at=1.5, sent_at=1.9, outcome="taken back")
    unsent = turn(1, decided_at=3.2, sent_at=None, at=3.4)
    early = turn(1, **MARKS, outcome="answered")
    final = turn(1, **MARKS, reply_text="All of it.")
    later = turn(2, decided_at=6.0, sent_at=6.3)
    messages = (taken_back, unsent, early, final, later)
    told = told_turn(call(track(12, (4.7, 6)), *messages))
    assert told is not None
    assert told.reply == "All of it."
    assert told_turn(call(track(12, (4.7, 6)), taken_back, unsent, later)) is None
    assert told_turn(call(track(12), final)) is None


def test_silence_at_the_beginning_of_the_voice_is_known() -> None:
    own = track(12, (HEARD_FROM + 3.66, 6), noise=0)
    recorded = call(track(12, (4.8, 6)), turn(**MARKS), levels=False)
    log = AgentLog((*recorded.log.messages, *frames(SENT, HEARD_FROM, own)), recorded.log.pings)
    recorded = CallRecording(recorded.record, recorded.sent, recorded.heard, log)
    told = told_turn(recorded)
    assert told is not None
    assert told.residual_parts is not None
    assert told.residual_parts["lead_in"] == pytest.approx(100, abs=20)


@pytest.mark.parametrize("late_ms", [0.0, 140.0])
def test_what_was_played_late_is_known(late_ms: float) -> None:
    """Sent at 4.6; the way back is 51.5 ms."""
    way = 0.015 + 0.03 + OPUS_LOOKAHEAD_MS / 1000 + late_ms / 1000
    own = speech(12, (4.6, 7), seed=3)
    heard = speech(12, (4.6 + way, 7 + way), seed=3)
    recorded = call(heard, turn(**MARKS), levels=False)
    levels = frames(np.roll(SENT, round(0.04 * RATE)), CLOCK_FROM, own)
    log = AgentLog((*recorded.log.messages, *levels), recorded.log.pings)
    told = told_turn(CallRecording(recorded.record, recorded.sent, recorded.heard, log))
    assert told is not None
    assert told.spans is not None
    assert told.residual_parts is not None
    assert told.spans["uplink"] == pytest.approx(40, abs=2)
    assert told.residual_parts["playout"] == pytest.approx(late_ms, abs=3)


def test_decisions_are_placed_where_the_microphone_was() -> None:
    messages = (event(1.5), event(3.3), event(1.2, detector="vad:600"), event(2.0, "speech paused"))
    recorded = call(track(12, (4.7, 6)), *messages, event(0.4))
    (turn_,) = hear_turns(recorded)
    found = decisions_heard(turn_, Told(recorded.log), read_clocks(recorded))
    assert found == pytest.approx((2.5, 4.3), abs=0.002)
    blind = call(track(12, (4.7, 6)), *messages, levels=False)
    assert decisions_heard(turn_, Told(blind.log), read_clocks(blind)) is None


def test_replies_beyond_the_first_are_duplicates() -> None:
    def duplicates(*replies: dict[str, Any]) -> int:
        return Told(AgentLog(tuple((0.0, each) for each in replies))).duplicate_replies

    first, second = reply(1, "speaking", 1), reply(3, "speaking", 2)
    assert duplicates(first, second) == 1
    assert duplicates(first, reply(2, "taken back", 1), second) == 0
    assert duplicates(first, reply(2, "resumed", 1), reply(3, "speaking", 1)) == 0
    assert duplicates(first, reply(3, "speaking", 2, turn=2)) == 0
    assert duplicates(reply(1, "speaking", 1, None), reply(2, "speaking", 2, None)) == 0


def test_the_last_counts_count() -> None:
    log = AgentLog(
        ((1.0, {"type": "stats", "counts": {"a": 1}}), (2.0, {"type": "stats", "counts": {"a": 3}}))
    )
    assert Told(log).counts == {"a": 3}
    assert Told(AgentLog()).counts == {}
    assert Told(AgentLog()).hello == {}
