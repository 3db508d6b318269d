from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.memory_transport import scripted
from tests.agent.sample_time import run
from turnkit.agent.cancelling import Cancelling
from turnkit.agent.records import CancelTime
from turnkit.agent.session.events import (
    ClauseReady,
    Event,
    StageFailed,
    Voiced,
    Written,
    Wrote,
)
from turnkit.agent.session.playout import Playout
from turnkit.agent.session.settings import Mode
from turnkit.agent.speaking import Speaker, spread
from turnkit.stages.llm.fake import FakeConversation, FakeLlm
from turnkit.stages.llm.protocol import ChatMessage
from turnkit.stages.tts.fake import FakeTts

E = TypeVar("E", bound=Event)

ASKED = (ChatMessage("system", "Be brief."), ChatMessage("user", "hello"))
REPLY = "Well, it is a sunny day, and there will be no rain."


class Voice:
    """A speaker, what it posted and counted, and what was queued."""

    def __init__(
        self,
        speaker: Speaker,
        playout: Playout,
        posted: list[Event],
        counts: Counter[str],
        cancelled: list[CancelTime],
    ) -> None:
        self.speaker, self.playout, self.posted, self.counts = speaker, playout, posted, counts
        self.cancelled = cancelled

    def of(self, kind: type[E]) -> list[E]:
        return [each for each in self.posted if isinstance(each, kind)]


@asynccontextmanager
async def speaking(mode: Mode = "streaming", **settings: Any) -> AsyncIterator[Voice]:
    """A speaker whose clauses are voiced as soon as they are ready."""
    llm = {"replies": (REPLY,), **settings.pop("llm", {})}
    async with scripted(mode, llm=llm, **settings) as stack:
        playout, posted, tasks = Playout(16_000), list[Event](), set[asyncio.Task[None]]()

        def post(event: Event) -> None:
            posted.append(event)
            if isinstance(event, ClauseReady):
                speaker.speak(event.text)

        def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
            task = asyncio.create_task(work, name=name)
            tasks.add(task)
            return task

        counts: Counter[str] = Counter()

        def count(name: str, n: int) -> None:
            counts[name] += n

        cancelled: list[CancelTime] = []
        cancelling = Cancelling(asyncio.get_running_loop().time, cancelled.append)
        speaker = Speaker(stack, playout, post, lambda: 0, spawn, count, cancelling)
        yield Voice(speaker, playout, posted, counts, cancelled)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await speaker.aclose()
        assert stack.llm.open_conversations == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["batch", "streaming"])
def test_a_reply_becomes_clauses_and_clauses_sound(mode: Mode) -> None:
    async def body() -> None:
        async with speaking(mode) as voice:
            voice.speaker.start(7, ASKED)
            await asyncio.sleep(5.0)
            assert "".join(each.text for each in voice.of(Wrote)) == REPLY
            clauses = [each.text for each in voice.of(ClauseReady)]
            assert " ".join(clauses) == REPLY
            assert (len(clauses) == 1) == (mode == "batch")
            assert len(voice.of(Written)) == 1
            voiced = voice.of(Voiced)
            assert {each.reply for each in voiced} == {7}
            assert sum(each.clause_done for each in voiced) == len(clauses)
            words = [word for each in voiced for word in each.words]
            assert " ".join(word.text for word in words) == REPLY
            ends = [word.end for word in words]
            assert ends == sorted(ends)
            made = sum(each.seconds for each in voiced)
            assert ends[-1] <= made == pytest.approx(voice.playout.queued_s)
            # 12 words at three a second.
            assert made == pytest.approx(len(words) / 3, abs=0.05)

    run(body)


def test_streaming_voices_a_clause_while_the_next_is_written() -> None:
    async def body() -> None:
        async with speaking(llm={"per_token": "100"}) as voice:
            voice.speaker.start(1, ASKED)
            await asyncio.sleep(5.0)
            kinds = [type(each) for each in voice.posted]
            assert kinds.index(Voiced) < kinds.index(Written)

    run(body)


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.12, 0.3, 1.0])
def test_nothing_of_a_cancelled_reply_is_queued_or_told(after_s: float) -> None:
    async def body() -> None:
        async with speaking(tts={"real_time_factor": 1.0}) as voice:
            voice.speaker.start(1, ASKED)
            await asyncio.sleep(after_s)
            voice.speaker.cancel(1)
            assert voice.playout.queued_s == 0.0
            told = len(voice.posted)
            voice.speaker.say(2)
            voice.speaker.speak("Sorry.")
            await asyncio.sleep(5.0)
            later = voice.posted[told:]
            assert {each.reply for each in later if isinstance(each, Voiced)} == {2}
            assert not [each for each in later if not isinstance(each, Voiced)]
            assert voice.playout.queued_s == pytest.approx(1 / 3, abs=0.05)

    run(body)


def test_the_next_reply_waits_until_the_model_let_go_of_the_last() -> None:
    async def body() -> None:
        async with speaking() as voice:
            for reply in range(1, 6):
                voice.speaker.start(reply, ASKED)
                await asyncio.sleep(0.02)
                voice.speaker.cancel(reply)
            voice.speaker.start(6, ASKED)
            await asyncio.sleep(5.0)
            assert {each.reply for each in voice.of(Written)} == {6}
            assert "".join(each.text for each in voice.of(Wrote) if each.reply == 6) == REPLY

    run(body)


def reluctant(monkeypatch: pytest.MonkeyPatch, engine: type[Any], method: str, s: float) -> None:
    """Have an engine take its time to let go of what is closed."""
    prompt = getattr(engine, method)

    async def late(self: Any, text: str) -> AsyncIterator[Any]:
        try:
            async for each in prompt(self, text):
                yield each
        except (GeneratorExit, asyncio.CancelledError):
            await asyncio.sleep(s)
            raise

    monkeypatch.setattr(engine, method, late)


def test_cancellations_are_timed_until_the_work_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    reluctant(monkeypatch, FakeLlm, "answer", 0.07)
    reluctant(monkeypatch, FakeTts, "stream", 0.03)

    async def body() -> None:
        async with speaking(llm={"per_token": "100"}, tts={"real_time_factor": 1.0}) as voice:
            voice.speaker.start(4, ASKED)
            await asyncio.sleep(0.9)
            assert voice.of(Voiced)
            voice.speaker.cancel(4)
            voice.speaker.cancel(4)
            assert voice.cancelled == []
            await asyncio.sleep(1.0)
            assert voice.cancelled == [
                CancelTime(4, "tts", pytest.approx(30)),  # type: ignore[arg-type]
                CancelTime(4, "llm", pytest.approx(70)),  # type: ignore[arg-type]
            ]

    run(body)


@pytest.mark.parametrize("after_s", [1.5, 9.0])
def test_what_is_done_is_not_cancelled(after_s: float) -> None:
    async def body() -> None:
        async with speaking(tts={"real_time_factor": 1.0}) as voice:
            voice.speaker.start(1, ASKED)
            await asyncio.sleep(after_s)
            assert voice.of(Written)
            voice.speaker.cancel(1)
            await asyncio.sleep(1.0)
            assert [each.what for each in voice.cancelled] == (["tts"] if after_s < 2 else [])

    run(body)


def test_a_reply_that_still_waits_for_the_model_has_no_work_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reluctant(monkeypatch, FakeLlm, "answer", 0.5)

    async def body() -> None:
        async with speaking() as voice:
            for reply in (1, 2):
                voice.speaker.start(reply, ASKED)
                await asyncio.sleep(0.02)
                voice.speaker.cancel(reply)
            await asyncio.sleep(2.0)
            assert [(each.reply, each.what) for each in voice.cancelled] == [(1, "llm")]

    run(body)


@pytest.mark.parametrize("end", ["whole", "cancelled", "failed"])
def test_what_the_model_counts_is_taken_once_it_let_go(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    def take_counts(self: FakeConversation) -> dict[str, int]:
        closed.append(not self._relay._tasks)
        return {"hedges": 2, "hedge_wins": 1}

    monkeypatch.setattr(FakeConversation, "take_counts", take_counts)

    async def body() -> None:
        llm = {"fault": {"kind": "error"}} if end == "failed" else {}
        async with speaking(llm=llm) as voice:
            voice.speaker.start(1, ASKED)
            await asyncio.sleep(0.1 if end == "cancelled" else 5.0)
            if end == "cancelled":
                voice.speaker.cancel(1)
                await asyncio.sleep(0.01)
            assert voice.counts == {"hedges": 2, "hedge_wins": 1}

    run(body)
    assert closed == [True]


@pytest.mark.parametrize(("stage", "kind"), [("llm", "error"), ("tts", "error")])
def test_failures_are_told_with_their_reply(stage: str, kind: str) -> None:
    async def body() -> None:
        settings: Any = {stage: {"fault": {"kind": kind}}}
        async with speaking(**settings) as voice:
            voice.speaker.start(3, ASKED)
            await asyncio.sleep(5.0)
            (failure,) = voice.of(StageFailed)
            assert (failure.stage, failure.reply) == (stage, 3)
            assert failure.problem

    run(body)


def test_a_clause_without_sound_has_no_words() -> None:
    async def body() -> None:
        async with speaking(tts={"fault": {"kind": "die"}}) as voice:
            voice.speaker.say(1)
            voice.speaker.speak("Not a word.")
            await asyncio.sleep(1.0)
            (done,) = voice.of(Voiced)
            assert done.clause_done
            assert done.words == ()
            assert done.seconds == 0.0

    run(body)


@given(st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=20))
def test_untimed_words_are_spread_by_their_letters(words: list[str]) -> None:
    found = spread(" ".join(words), 2.0, 5.0)
    assert [word.text for word in found] == words
    ends = [word.end for word in found]
    assert ends == sorted(ends)
    assert ends[-1] == pytest.approx(5.0)
    assert ends[0] - 2.0 == pytest.approx(3.0 * len(words[0]) / len("".join(words)))


def test_nothing_to_say_has_no_words() -> None:
    assert spread("", 1.0, 1.0) == ()
