from __future__ import annotations

import asyncio
import json
import math

import pytest

from tests.agent.transport.peers import run
from turnkit.agent.transport.inbox import Inbox, MessageGate, as_text
from turnkit.agent.transport.settings import MessageLimits, WebRtcSettings, WebSocketSettings
from turnkit.errors import ConfigError


def test_inbox_is_bounded_ordered_and_ends() -> None:
    async def check() -> None:
        inbox: Inbox[int] = Inbox(3)
        waiting = asyncio.create_task(inbox.take())
        await asyncio.sleep(0)
        assert [inbox.put(each) for each in range(5)] == [True, True, True, False, False]
        assert await waiting == 0
        assert await inbox.take_all() == [1, 2]
        inbox.put(7)
        inbox.end()
        assert not inbox.put(8)
        assert await inbox.take() == 7
        assert await inbox.take() is None
        assert await inbox.take_all() is None
        ended: Inbox[int] = Inbox(3)
        ended.put(1)
        ended.end(discard=True)
        assert await ended.take() is None

    run(check())


def test_gate_refuses_what_is_no_message() -> None:
    gate = MessageGate(MessageLimits(max_bytes=1000, per_s=1000))
    assert gate.admit('{"type":"x","y":[1]}', 0.0) == {"type": "x", "y": [1]}
    deep = '{"type":"x","y":' + "[" * 400 + "]" * 400 + "}"
    assert gate.admit(deep, 0.0) is not None
    wrong: list[object] = [
        "", "{", "[]", "1", "null", '"type"', "{}", '{"type":1}', b'{"type":"x"}', None,
        "[" * 990, '{"type":"' + "ü" * 600 + '"}', '{"type":"' + "x" * 2000 + '"}', "\udcff",
    ]  # fmt: skip
    for text in wrong:
        assert gate.admit(text, 0.0) is None
    assert gate.refused == len(wrong)


def test_gate_lets_only_so_many_pass() -> None:
    gate = MessageGate(MessageLimits(per_s=10))
    text = json.dumps({"type": "x"})
    assert sum(gate.admit(text, 5.0) is not None for _ in range(100)) == 20
    assert sum(gate.admit(text, 5.5) is not None for _ in range(100)) == 5
    steady = [gate.admit(text, 10.0 + i / 10) for i in range(100)]
    assert None not in steady


def test_numbers_that_json_does_not_know_are_mistakes() -> None:
    assert as_text({"type": "x", "at": 0.5}) == '{"type":"x","at":0.5}'
    with pytest.raises(ValueError, match="JSON"):
        as_text({"type": "x", "at": math.nan})


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (WebRtcSettings, "offer_timeout_s"),
        (WebRtcSettings, "connect_timeout_s"),
        (WebRtcSettings, "grace_s"),
        (WebRtcSettings, "bit_rate"),
        (WebRtcSettings, "expected_loss"),
        (WebRtcSettings, "backlog_s"),
        (WebSocketSettings, "frame_bytes"),
        (WebSocketSettings, "ahead_s"),
        (WebSocketSettings, "queue_s"),
        (MessageLimits, "max_bytes"),
        (MessageLimits, "per_s"),
        (MessageLimits, "backlog"),
    ],
)
@pytest.mark.parametrize("value", [-1, math.nan, 1e12])
def test_settings_are_checked(kind: type, key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"\.{key} .*expected"):
        kind(**{key: value})
