"""Everything that can break in a call, broken: the call goes on or ends in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.agent.memory_transport import HeldCall, MemoryTransport, calling, scripted
from tests.agent.sample_time import run
from tests.speech import talk
from turnkit.agent import call as shell
from turnkit.agent.session import events
from turnkit.agent.session.settings import ConversationSettings, Mode
from turnkit.agent.session.step import step
from turnkit.agent.stack import Stack
from turnkit.stages.llm.fake import FakeLlm
from turnkit.stages.stt.fake import FakeStream
from turnkit.stages.tts.fake import FakeTts

TURN = talk(-0.2, 1.4)
MODES: tuple[Mode, ...] = ("batch", "streaming", "speculative")
BREAKS = {"call": 2, "after": 1}
"""What is heard before the detector is sure of it is the recogniser's first utterance."""


def assert_free(stack: Stack, *calls: HeldCall) -> None:
    """Nothing of the calls is left in the engines; `run` looks for tasks and threads."""
    engines: Any = stack
    assert engines.llm.open_conversations == 0
    assert not engines.stt._streams
    assert len(engines._idle) == 1, "detectors were not returned, or made anew"
    assert engines._idle[0].main.trace is None
    for call in calls:
        assert call.task.done()
        assert len(call.transport.closed) == 1


@asynccontextmanager
async def broken(mode: Mode = "speculative", **settings: Any) -> AsyncIterator[HeldCall]:
    """A call with stages that break; afterwards nothing may be left of it."""
    async with scripted(mode, **settings) as stack:
        async with calling(stack) as call:
            yield call
        assert_free(stack, call)


async def works_again(call: HeldCall) -> None:
    """Have an exchange like any other."""
    answered = len(call.told("turn", outcome="answered"))
    await call.exchange(TURN)
    assert len(call.told("turn", outcome="answered")) > answered


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["die", "hang", "error"])
def test_a_recogniser_that_breaks_is_opened_anew(mode: Mode, kind: str) -> None:
    async def body() -> None:
        async with broken(mode, stt={"fault": BREAKS | {"kind": kind}}) as call:
            await call.exchange(TURN)
            errors = call.told("error")
            assert [each["stage"] for each in errors] == ["stt"]
            assert errors[0]["text"]
            assert not errors[0]["fatal"]
            await works_again(call)
        assert call.summary.reason == "the caller is gone"
        assert call.summary.counts["stage_failures"] == 1
        # Words that were never known are asked for again, aloud.
        assert call.summary.counts.get("apologies", 0) == 1

    run(body)


def test_nonsense_for_words_is_answered_like_any_other() -> None:
    async def body() -> None:
        async with broken(stt={"fault": BREAKS | {"kind": "garbage"}}) as call:
            await call.exchange(TURN)
            await works_again(call)
        assert not call.told("error")

    run(body)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["die", "hang", "error"])
@pytest.mark.parametrize("after", [0, 3])
def test_a_language_model_that_breaks(mode: Mode, kind: str, after: int) -> None:
    async def body() -> None:
        reply = "Well, it is sunny, and warm, and dry."
        llm = {"replies": (reply,), "fault": {"kind": kind, "after": after}}
        async with broken(mode, llm=llm) as call:
            await call.say(TURN)
            # A reply, what there is of it, or an apology is heard, and the floor is free.
            await call.when(lambda: bool(ended(call)))
            await call.until("phase", phase="listening", times=2)
            await works_again(call)
        assert call.summary.turns[-1].outcome == "answered"
        assert call.summary.turns[-1].reply_text == reply
        first = call.summary.turns[0].reply_text
        if after and kind == "die" and mode != "batch":
            assert "Well, it is".startswith(first)
        assert reply.startswith(first)

    run(body)


def ended(call: HeldCall) -> list[Mapping[str, Any]]:
    return [
        *call.told("reply", state="done"),
        *call.told("turn", outcome="failed"),
        *call.told("turn", outcome="answered"),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_nonsense_of_a_language_model_is_not_spoken(mode: Mode) -> None:
    """Control characters, empty pieces: what can be spoken of it is."""

    async def body() -> None:
        llm = {
            "replies": ("It is sunny today, and warm.",),
            "fault": {"kind": "garbage", "after": 3},
        }
        async with broken(mode, llm=llm) as call:
            await call.say(TURN)
            await call.until("phase", phase="listening", times=2)
            await works_again(call)
        assert call.summary.turns[-1].reply_text == "It is sunny today, and warm."
        assert call.summary.reason == "the caller is gone"

    run(body)


@pytest.mark.parametrize("kind", ["die", "hang", "error", "garbage"])
@pytest.mark.parametrize("mode", MODES)
def test_a_voice_that_breaks_in_mid_sentence(mode: Mode, kind: str) -> None:
    async def body() -> None:
        text = "There will be sunshine all day."
        fault = {"kind": kind, "after": 2}
        async with broken(mode, tts={"fault": fault}, llm={"replies": (text,)}) as call:
            await call.say(TURN)
            await call.until("phase", phase="agent speaking")
            await call.until("phase", phase="listening", times=2)
            await works_again(call)
        failures = call.summary.counts.get("stage_failures", 0)
        assert failures == (kind in ("hang", "error"))
        assert len(call.told("error", stage="tts", fatal=False)) == failures
        turn = call.summary.turns[0]
        if kind == "error" and mode == "speculative":
            assert turn.reply_text == text  # only the draft failed
        elif kind == "error" or (kind == "hang" and mode == "batch"):
            assert turn.reply_text == ""  # not a word was heard: it says so
            assert call.summary.counts["apologies"] == 1
        else:
            assert turn.reply_text == "There will"

    run(body)


@pytest.mark.parametrize("stage", ["stt", "llm", "tts"])
def test_a_stage_that_never_works_ends_the_call_in_words(stage: str) -> None:
    async def body() -> None:
        faulty: Any = {stage: {"fault": {"kind": "error", "lasting": True}}}
        async with broken("streaming", **faulty) as call:
            while not call.task.done() and call.now_s < 60:
                await call.say(TURN)
                await call.passes(3.0)
        assert call.summary.reason.startswith(f"the {stage} stage keeps failing: ")
        assert call.told("error")[-1]["fatal"] is True
        assert call.told("bye")[-1]["reason"] == call.summary.reason
        assert call.transport.closed == [call.summary.reason]

    run(body)


def test_a_call_that_gets_no_slot_ends_in_words() -> None:
    async def body() -> None:
        async with scripted(llm={"slots": 1}) as stack:
            async with calling(stack, "one") as one, calling(stack, "two") as two:
                await two.over()
                assert "all 1 slots are taken" in two.summary.reason
                assert two.told("error")[-1]["fatal"] is True
                await one.exchange(TURN)
            assert len(one.summary.turns) == 1
            assert stack.llm.open_conversations == 0  # type: ignore[attr-defined]

    run(body)


@pytest.mark.parametrize("moment", [0.0, 0.9, 1.8, 2.1, 2.4, 3.0])
def test_the_caller_vanishes_at_any_moment(moment: float) -> None:
    """In silence, in mid-word, in a pause, while a reply is drafted, while it is heard."""

    async def body() -> None:
        async with broken() as call:
            call.transport.say(TURN)
            await call.passes(moment)
            call.transport.vanish()
            await call.over()
        assert call.summary.reason == "the caller is gone"
        assert call.summary.seconds == pytest.approx(moment, abs=0.05)

    run(body)


@pytest.mark.parametrize("moment", [0.01, 0.9, 1.9, 2.1, 2.4, 3.0])
def test_a_call_is_cancelled_at_any_moment(moment: float) -> None:
    """A server that stops does not wait for goodbyes."""

    async def body() -> None:
        async with scripted() as stack:
            async with calling(stack) as call:
                call.transport.say(TURN)
                await call.passes(moment)
                call.task.cancel()
                await asyncio.wait([call.task])
                assert call.task.cancelled()
            assert_free(stack, call)
            async with calling(stack, "next") as following:
                await works_again(following)

    run(body, threads=True)


@pytest.mark.parametrize("moment", [0.0, 1.0, 2.6])
def test_messages_that_cannot_be_sent(moment: float) -> None:
    """A transport drops them; one that raises instead does not keep anything."""

    async def body() -> None:
        transport = MemoryTransport()
        async with scripted() as stack:
            async with calling(stack, transport=transport) as call:
                call.transport.say(TURN)
                if moment:
                    await call.passes(moment)
                transport.fails["send"] = ConnectionError("no channel")
                await call.over()
            assert_free(stack, call)
        assert call.summary.reason == shell.BROKEN
        assert any(event == "call broke" for event, _ in call.observed.notes)

    run(body)


def test_audio_that_cannot_be_received() -> None:
    async def body() -> None:
        async with broken() as call:
            call.transport.say(TURN)
            await call.passes(1.0)
            call.transport.fails["receive"] = OSError("no network")
            await call.over()
        assert call.summary.reason == shell.BROKEN
        assert call.told("error", stage="server", fatal=True)

    run(body)


@pytest.mark.parametrize(
    "kind",
    [
        events.Begun,
        events.Ticked,
        events.Detected,
        events.Recognised,
        events.Wrote,
        events.ClauseReady,
        events.Written,
        events.Voiced,
        events.Played,
    ],
)
def test_a_bug_anywhere_ends_the_call_in_words(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def buggy(state: Any, event: Any) -> Any:
        if isinstance(event, kind):
            raise ZeroDivisionError("a bug")
        return step(state, event)

    async def body() -> None:
        async with broken() as call:
            call.transport.say(TURN)
            monkeypatch.setattr(shell, "step", buggy)
            await call.over()
        assert call.summary.reason == shell.BROKEN
        assert call.told("error")[-1] == {
            "type": "error",
            "at": pytest.approx(call.now_s, abs=0.1),
            "stage": "server",
            "text": shell.BROKEN,
            "fatal": True,
        }
        assert call.told("bye")[-1]["reason"] == shell.BROKEN
        assert call.transport.closed == [shell.BROKEN]
        (note,) = [fields for event, fields in call.observed.notes if event == "call broke"]
        assert "ZeroDivisionError" in str(note["at"])
        assert "a bug" not in str(note), "messages of errors may hold what somebody said"

    run(body)


ENGINES: dict[str, tuple[type[Any], str]] = {
    "stt": (FakeStream, "flush"),
    "llm": (FakeLlm, "answer"),
    "tts": (FakeTts, "_pieces"),
}


@pytest.mark.parametrize("stage", list(ENGINES))
def test_a_bug_in_an_engine_ends_the_call_in_words(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        async with scripted() as stack:

            def buggy(*_: Any) -> Any:
                raise ZeroDivisionError("a bug")

            engine, method = ENGINES[stage]
            monkeypatch.setattr(engine, method, buggy)
            async with calling(stack) as call:
                call.transport.say(TURN)
                await call.over()
            assert_free(stack, call)
        assert call.summary.reason == shell.BROKEN

    run(body)


def test_an_apology_that_cannot_be_spoken_is_not_tried_for_ever() -> None:
    async def body() -> None:
        async with broken(
            "streaming",
            conversation=ConversationSettings(greeting="Hello."),
            tts={"fault": {"kind": "die", "lasting": True}},
        ) as call:
            for _ in range(3):
                await call.say(TURN)
                await call.passes(2.0)
        assert call.summary.reason == "the caller is gone"
        assert call.summary.counts["apologies"] == 3
        assert [turn.outcome for turn in call.summary.turns] == ["failed"] * 3
        assert not any(turn.reply_text for turn in call.summary.turns)

    run(body)
