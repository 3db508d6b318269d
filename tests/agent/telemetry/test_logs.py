from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.agent.telemetry.logs import HIDDEN, LONGEST, open_log, where_raised

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\na=ice-pwd:northwindandthesun\r\n"


def logged(*, log_words: bool = False, secrets: tuple[str, ...] = (), **fields: Any) -> str:
    stream = io.StringIO()
    open_log(stream, log_words=log_words, secrets=secrets).info("event", **fields)
    return stream.getvalue()


def test_entries_are_json_lines_with_a_time_and_a_level() -> None:
    entry = json.loads(logged(turn=3, spans={"eot": 12.5, "stt": None}))
    assert entry["event"] == "event"
    assert entry["level"] == "info"
    assert entry["timestamp"].endswith("Z")
    assert entry["spans"] == {"eot": 12.5, "stt": None}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_lines_for_people() -> None:
    stream = Terminal()
    open_log(stream).info("call started", transport="webrtc", text="northwind")
    assert "call started" in stream.getvalue()
    assert "webrtc" in stream.getvalue()
    assert "northwind" not in stream.getvalue()
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(stream.getvalue())


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "northwind"},
        {"reply_text": "northwind"},
        {"message": {"type": "words", "committed": "northwind"}},
        {"turns": [{"text": "northwind"}]},
        {"sdp": "northwind"},
        {"Authorization": "northwind"},
        {"api_key": "northwind"},
        {"nested": {"credential": ["northwind"]}},
        {"problem": f"cannot use {SDP}"},
        {"problem": "a=candidate:1 1 udp 1 northwind 5 typ host"},
        {"problem": "Bearer northwind"},
        {"problem": "key sk-northwind0123456789 refused"},
        {"problem": "https://me:northwind@example.org/v1"},
        {"protocols": ["turnkit.token.northwind"]},
        {"problem": ValueError("Bearer northwind")},
        {"problem": ["a secret: the northwindow"]},
    ],
)
def test_words_keys_and_descriptions_never_pass(fields: dict[str, Any]) -> None:
    text = logged(secrets=("the northwindow",), **fields)
    assert "northwind" not in text
    assert HIDDEN in text


def test_words_pass_only_where_they_were_asked_for() -> None:
    assert "northwind" in logged(log_words=True, text="northwind")
    assert "northwind" not in logged(log_words=True, sdp="northwind")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=8,
)


@given(values, st.text(min_size=8, max_size=20, alphabet="abcdefghij"))
def test_secrets_are_hidden_wherever_they_stand(value: Any, secret: str) -> None:
    text = logged(
        secrets=(secret,), one=[value, f"before{secret}after"], two={secret + "x": secret}
    )
    assert json.loads(text)["one"][1] == f"before{HIDDEN}after"
    assert json.loads(text)["two"] == {HIDDEN + "x": HIDDEN}


def test_long_values_are_cut() -> None:
    assert len(json.loads(logged(problem="a b " * 1000))["problem"]) < LONGEST + 10


def test_where_an_error_came_from_is_told_without_its_words() -> None:
    def inner() -> None:
        raise ValueError("northwind")

    with pytest.raises(ValueError, match="northwind") as caught:
        inner()
    text = where_raised(caught.value)
    assert "ValueError" in text
    assert "inner" in text
    assert "test_logs.py" in text
    assert "northwind" not in text
