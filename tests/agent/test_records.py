from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.agent.records import STAGES, TurnRecord

TURN = TurnRecord(
    call_id="call",
    turn=1,
    mode="streaming",
    text="hello",
    reply_text="Hello.",
    speech_end=10.0,
    decided_at=10.3,
    reason="model",
    words_final_at=10.4,
    first_token_at=10.5,
    first_audio_at=10.7,
    sent_at=10.72,
    speculated=False,
    adopted=False,
    outcome="answered",
)


def test_spans_follow_each_other() -> None:
    expected = {"eot": 300, "stt": 100, "llm": 100, "tts": 200, "transport": None, "residual": 20}
    assert TURN.spans == {
        name: value if value is None else pytest.approx(value) for name, value in expected.items()
    }
    assert tuple(TURN.spans) == STAGES
    assert TURN.v2v_ms == pytest.approx(720)
    assert TURN.post_commit_ms == pytest.approx(420)


def test_the_way_to_the_ear_is_part_of_it() -> None:
    turn = replace(TURN, transport_ms=55.0)
    assert turn.spans["transport"] == 55.0
    assert turn.v2v_ms == pytest.approx(775)
    assert turn.post_commit_ms == pytest.approx(475)


def test_work_before_the_decision_costs_nothing_after_it() -> None:
    draft = replace(TURN, words_final_at=10.1, first_token_at=10.15, first_audio_at=10.2)
    spans = draft.spans
    assert (spans["stt"], spans["llm"], spans["tts"]) == (0.0, 0.0, 0.0)
    assert spans["residual"] == pytest.approx(420)


times = st.none() | st.floats(0, 20)


@given(st.floats(0, 10), st.floats(0, 3), st.floats(0, 9), times, times, times, st.floats(0, 500))
def test_spans_sum_to_v2v_whatever_the_order(
    end: float,
    eot: float,
    rest: float,
    words: float | None,
    token: float | None,
    audio: float | None,
    way: float,
) -> None:
    decided = end + eot
    sent = max(decided + rest, *(each for each in (words, token, audio) if each is not None), 0)
    turn = replace(
        TURN,
        speech_end=end,
        decided_at=decided,
        words_final_at=words,
        first_token_at=token,
        first_audio_at=audio,
        sent_at=sent,
        transport_ms=way,
    )
    spans = [value for value in turn.spans.values() if value is not None]
    assert all(value >= -1e-6 for value in spans)
    assert turn.v2v_ms == pytest.approx(sum(spans), abs=1e-6)


@pytest.mark.parametrize("missing", ["speech_end", "decided_at", "sent_at"])
def test_a_turn_without_an_answer_has_no_spans(missing: str) -> None:
    turn = replace(TURN, **{missing: None})  # type: ignore[arg-type]
    assert set(turn.spans.values()) == {None}
    assert turn.v2v_ms is None or missing == "decided_at"
    assert turn.post_commit_ms is None or missing == "speech_end"


def test_a_record_is_plain_json() -> None:
    again = json.loads(json.dumps(TURN.as_dict()))
    assert again["text"] == "hello"
    assert again["spans"]["eot"] == pytest.approx(300)
    assert again["v2v_ms"] == pytest.approx(720)
    assert again["post_commit_ms"] == pytest.approx(420)
    assert again["transport_ms"] is None
