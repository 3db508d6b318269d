"""How long cancelled work takes to end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agent.memory_transport import HeldCall, calling, scripted
from tests.agent.sample_time import run
from tests.speech import talk
from turnkit.agent.cancelling import Cancelling
from turnkit.agent.records import CancelTime
from turnkit.agent.session.settings import ConversationSettings
from turnkit.stages.stt.fake import FakeStream
from turnkit.stages.tts.fake import FakeTts


class Clock:
    now = 10.0

    def __call__(self) -> float:
        return self.now


def test_work_is_timed_from_its_first_cancellation_to_its_end() -> None:
    clock, told = Clock(), list[CancelTime]()
    cancelling = Cancelling(clock, told.append)
    with cancelling.under_way(1, "tts"), cancelling.under_way(2, "llm"):
        with cancelling.under_way(2, "tts"):
            cancelling.cancel(2)
            clock.now += 0.25
        cancelling.cancel(2)
        clock.now += 0.5
    cancelling.cancel(1)
    assert told == [CancelTime(2, "tts", 250.0), CancelTime(2, "llm", 750.0)]
    with cancelling.restarting(None, "stt"):
        clock.now += 0.125
    assert told[-1] == CancelTime(None, "stt", 125.0)


def test_work_that_breaks_as_it_is_cancelled_has_ended() -> None:
    clock, told = Clock(), list[CancelTime]()
    cancelling = Cancelling(clock, told.append)

    def breaks() -> None:
        with cancelling.under_way(1, "llm"):
            cancelling.cancel(1)
            clock.now += 0.5
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        breaks()
    assert told == [CancelTime(1, "llm", 500.0)]


def test_a_call_tells_the_client_and_the_observer(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, restart = FakeTts.stream, FakeStream.restart

    async def late(self: FakeTts, text: str) -> Any:
        try:
            async for piece in stream(self, text):
                yield piece
        except (GeneratorExit, asyncio.CancelledError):
            await asyncio.sleep(0.05)
            raise

    def slow(self: FakeStream, keep: int = 0) -> None:
        asyncio.get_running_loop()._clock.now += 0.004  # type: ignore[attr-defined]
        restart(self, keep)

    monkeypatch.setattr(FakeTts, "stream", late)
    monkeypatch.setattr(FakeStream, "restart", slow)

    async def body() -> HeldCall:
        greeting = ConversationSettings(greeting="one two three four five six seven eight nine")
        async with (
            scripted(
                stt={"texts": ("no wait please stop",)},
                tts={"real_time_factor": 0.9},
                conversation=greeting,
            ) as stack,
            calling(stack) as call,
        ):
            await call.until("spoken")
            await call.say(talk(1.2))
            await call.until("cancelled", what="tts")
        return call

    call = run(body)
    (stopped,) = call.told("reply", state="interrupted")
    (voice,) = call.told("cancelled", what="tts")
    assert voice["reply"] == stopped["reply"]
    assert voice["ms"] == pytest.approx(50, abs=0.1)
    assert voice["at"] == pytest.approx(stopped["at"] + 0.05, abs=0.021)
    words = call.told("cancelled", what="stt")[0]
    assert words["ms"] == pytest.approx(4, abs=0.1)
    assert words["reply"] == stopped["reply"]
    noted = [fields for event, fields in call.observed.notes if event == "cancelled"]
    assert {"reply": voice["reply"], "what": "tts", "ms": voice["ms"]} in noted
