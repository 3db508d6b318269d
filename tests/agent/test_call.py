"""Whole calls with scripted stages and a real detector, in the time of their audio."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.agent.memory_transport import HeldCall, MemoryTransport, calling, scripted
from tests.agent.sample_time import run
from tests.speech import talk
from turnkit.agent.call import Call
from turnkit.agent.session.playout import RAMP_S
from turnkit.agent.session.settings import ConversationSettings, LimitSettings, Mode
from turnkit.audio import Samples
from turnkit.detector.opening import open_detector
from turnkit.detector.replay import replay
from turnkit.lab.caller.onset import OnsetSettings, find_sounds
from turnkit.stages.llm.fake import FakeConversation
from turnkit.stages.llm.protocol import ChatMessage

RATE = 16_000
MODES: tuple[Mode, ...] = ("batch", "streaming", "speculative")
TURN = talk(-0.2, 1.4)
GREETING = "Welcome to the shop, and thank you for calling us today, my friend."
SENTENCE = "one two three four five six"
HALVES = talk(-0.2, 1.0, -0.4, 1.6)
"""A pause in its middle in which less than half of `SENTENCE` was heard."""


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ChatMessage, ...]]:
    """What the language model was asked to answer."""
    seen: list[tuple[ChatMessage, ...]] = []
    original = FakeConversation.reply

    def reply(self: FakeConversation, messages: Sequence[ChatMessage]) -> Any:
        seen.append(tuple(messages))
        return original(self, messages)

    monkeypatch.setattr(FakeConversation, "reply", reply)
    return seen


def sounding_s(samples: Samples) -> float:
    """Seconds in which the agent was audible."""
    settings = OnsetSettings(hangover_s=0.01)
    return sum(each.end - each.start for each in find_sounds(samples, RATE, settings))


@pytest.mark.parametrize("mode", MODES)
def test_a_turn_is_answered_and_its_times_add_up(mode: Mode) -> None:
    async def body() -> None:
        llm = {"replies": ("It is sunny, and there will be no rain at all today.",)}
        async with scripted(mode, llm=llm) as stack, calling(stack) as call:
            ended = await call.say(TURN)
            await call.until("reply", state="done")
        (turn,) = call.summary.turns
        assert turn.outcome == "answered"
        assert turn.reply_text == llm["replies"][0]
        assert call.told("spoken")[-1]["text"] == turn.reply_text
        assert (turn.speculated, turn.adopted) == (mode == "speculative",) * 2
        # The detector's timeout is 0.6 s; its events lie on its own grid of 32 ms.
        assert turn.speech_end == pytest.approx(ended, abs=0.1)
        assert turn.decided_at is not None
        assert turn.decided_at - ended == pytest.approx(0.6, abs=0.1)
        assert turn.sent_at is not None
        # 12 words a third of a second each, of which 0.8 sounds, from when it says so on.
        (heard, *_) = find_sounds(call.transport.heard)
        assert heard.start == pytest.approx(turn.sent_at, abs=0.05)
        assert sounding_s(call.transport.heard) == pytest.approx(11 * 0.8 / 3, abs=0.3)
        spans = [value for value in turn.spans.values() if value is not None]
        assert turn.v2v_ms == pytest.approx(sum(spans))
        assert turn.post_commit_ms is not None
        # Scripted: 50 ms for the words, 75 ms to the first token, 15 ms a token, 100 ms voice.
        low, high = {"batch": (400, 900), "streaming": (200, 350), "speculative": (0, 40)}[mode]
        assert low <= turn.post_commit_ms <= high
        assert call.observed.turns == [turn]

    run(body)


@pytest.mark.parametrize("mode", MODES)
def test_the_model_reads_ahead_while_the_caller_speaks(mode: Mode) -> None:
    async def body() -> None:
        async with scripted(mode) as stack, calling(stack) as call:
            await call.passes(0.1)
            call.transport.say(TURN)
            await call.until("phase", phase="user speaking")
            before = stack.llm.prefills  # type: ignore[attr-defined]
            await call.until("event", kind="speech paused")
            read_ahead = stack.llm.prefills - before  # type: ignore[attr-defined]
            committed = {each["committed"] for each in call.told("words")} - {""}
        # Batch mode waits for everything, and is not told a word before the end.
        assert (read_ahead, len(committed)) == ((0, 0) if mode == "batch" else (3, 3))

    run(body)


def test_the_conversation_goes_on_from_what_was_said(
    prompts: list[tuple[ChatMessage, ...]],
) -> None:
    async def body() -> None:
        stt = {"texts": ("apples", "bread", "cheese", "dates")}
        async with scripted("streaming", stt=stt) as stack, calling(stack) as call:
            for _ in range(3):
                await call.exchange(TURN)
        said = [(message.role, message.content) for message in prompts[-1]]
        one, two, three = (turn.text for turn in call.summary.turns)
        assert len({one, two, three}) == 3
        assert said == [
            ("system", "Reply with one short sentence."),
            ("user", one),
            ("assistant", f"You said: {one}."),
            ("user", two),
            ("assistant", f"You said: {two}."),
            ("user", three),
        ]
        assert [turn.turn for turn in call.summary.turns] == [1, 2, 3]
        assert call.told("stats")[-1]["turns"] == 3

    run(body)


@pytest.mark.parametrize("bundle", ["vad:600", "default"])
def test_a_recorded_call_replays_to_the_same_events(bundle: str) -> None:
    async def body() -> HeldCall:
        # Nothing that divides a frame, and pieces that no transport would give.
        transport = MemoryTransport((1, 333, 160, 7, 1_601, 480, 3_205))
        async with (
            scripted(bundle=bundle) as stack,
            calling(stack, transport=transport, tapped=True) as call,
        ):
            await call.exchange(HALVES)
            await call.exchange(TURN)
        return call

    observed = run(body).observed
    audio = np.concatenate(observed.chunks)
    kinds = {event.kind.value for event in observed.events}
    assert kinds == {"speech started", "speech paused", "turn resumed", "turn ended"}
    assert {each.kind for each in observed.inputs} == {"words", "agent"}
    for chunk in (None, 320, 1_111):
        again = replay(open_detector(bundle, RATE), audio, observed.inputs, chunk)
        assert again == observed.events


def test_shadows_change_nothing() -> None:
    async def body(shadow: tuple[str, ...]) -> HeldCall:
        async with scripted(shadow=shadow) as stack, calling(stack, tapped=True) as call:
            await call.exchange(HALVES)
        return call

    alone = run(lambda: body(()))
    watched = run(lambda: body(("vad:300", "default")))
    assert watched.observed.events == alone.observed.events
    assert watched.summary.turns == alone.summary.turns
    assert watched.summary.counts == alone.summary.counts
    kept = {"vad:600", "vad:300", "default"}
    assert {each["detector"] for each in watched.told("event")} == kept
    # The quicker shadow would have cut the caller off in the pause.
    cuts = watched.told("event", detector="vad:300", kind="turn ended")
    assert len(cuts) == 2
    assert len(watched.told("event", detector="vad:600", kind="turn ended")) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pause_s", [0.4, 0.8])
def test_late_words_never_make_it_answer_half_a_sentence(
    mode: Mode, pause_s: float, prompts: list[tuple[ChatMessage, ...]]
) -> None:
    """Words take 2 s; in the longer pause the turn is committed before they come."""

    async def body() -> HeldCall:
        stt = {"texts": (SENTENCE,), "flush_delay_ms": "2000"}
        async with scripted(mode, stt=stt) as stack, calling(stack) as call:
            await call.exchange(talk(-0.2, 1.0, -pause_s, 1.6))
        return call

    call = run(body)
    (turn,) = call.summary.turns
    assert turn.text == SENTENCE
    assert [messages[-1].content for messages in prompts] == [SENTENCE]
    assert call.summary.counts.get("take_backs", 0) == (pause_s > 0.6)
    assert call.summary.counts.get("false_interruptions", 0) == 0
    assert turn.words_final_at is not None
    assert turn.sent_at is not None
    assert turn.sent_at >= turn.words_final_at


def test_a_reply_is_taken_back_as_it_becomes_audible(
    prompts: list[tuple[ChatMessage, ...]],
) -> None:
    async def body() -> HeldCall:
        stt = {"texts": (SENTENCE,)}
        async with scripted(stt=stt) as stack, calling(stack) as call:
            await call.exchange(talk(-0.2, 1.0, -0.75, 1.6))
        return call

    call = run(body)
    assert [turn.outcome for turn in call.summary.turns] == ["answered"]
    assert [turn.outcome for turn in call.observed.turns] == ["taken back", "answered"]
    assert {turn.turn for turn in call.observed.turns} == {1}
    assert call.summary.turns[0].text == SENTENCE
    assert call.summary.counts["take_backs"] == 1
    assert call.summary.counts["false_interruptions"] == 1
    # Nothing of it is kept: it was an answer to half a sentence.
    assert [message.role for message in prompts[-1]] == ["system", "user"]
    (undone,) = call.told("reply", state="taken back")
    begins = call.told("reply", state="speaking")[-1]["at"]
    between = call.transport.heard[
        round((undone["at"] + 0.02 + RAMP_S) * RATE) : round(begins * RATE)
    ]
    assert not between.any(), "audio of the taken back reply went on"


class Watching(MemoryTransport):
    """Looks at the agent's queue in the instant in which a reply is interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self.queued: list[float] = []
        self.took_ms = float("inf")

    def send(self, message: Any) -> None:
        super().send(message)
        if message.get("state") == "interrupted":
            agent = self.source
            assert isinstance(agent, Call)
            self.queued.append(agent._playout.queued_s)
            self._decided_at = time.perf_counter()
            self._loop.call_soon(self._look, agent)

    def _look(self, agent: Call) -> None:
        self.took_ms = (time.perf_counter() - self._decided_at) * 1000
        self.queued.append(agent._playout.queued_s)


def test_an_interruption_empties_the_queue_in_the_same_step(
    prompts: list[tuple[ChatMessage, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    async def body() -> tuple[HeldCall, Watching]:
        transport = Watching()
        async with (
            scripted(
                stt={"texts": ("no wait please stop",)},
                conversation=ConversationSettings(greeting=GREETING),
            ) as stack,
            calling(stack, transport=transport) as call,
        ):
            await call.until("spoken")
            await call.exchange(TURN)
        return call, transport

    call, transport = run(body)
    before, after = transport.queued
    assert before > 0.5
    assert after == 0.0
    (stopped,) = call.told("reply", state="interrupted")
    onset = call.told("event", kind="speech started")[0]
    with capsys.disabled():
        print(
            f"\nbarge-in: queue of {before:.2f} s empty {transport.took_ms:.2f} ms after the "
            f"decision, {(stopped['at'] - onset['since']) * 1000:.0f} ms after the onset"
        )
    assert stopped["at"] - onset["since"] < 0.6
    began = call.told("reply", state="speaking")[1]["at"]
    silent = call.transport.heard[
        round((stopped["at"] + 0.02 + RAMP_S) * RATE) : round(began * RATE)
    ]
    assert not silent.any(), "audio of the cancelled reply was sent"
    cancelled = [each for each in call.told("cancelled") if each["what"] != "stt"]
    assert cancelled == [], "its writing and voicing were long done"
    restarted = [each["reply"] for each in call.told("cancelled", what="stt")]
    assert restarted == [stopped["reply"]], "the caller began to speak over it"
    assert call.summary.counts["barge_ins"] == 1
    assert transport.drops == [stopped["at"]], "what waited for a slow client was sent on"
    # The caller's words are a turn, and the agent remembers what it really said.
    (turn,) = call.summary.turns
    assert turn.text == "no wait please stop"
    greeted = prompts[-1][1]
    assert greeted.role == "assistant"
    assert GREETING.startswith(greeted.content)
    assert 0 < len(greeted.content) < len(GREETING)


@pytest.mark.parametrize(
    ("text", "seconds", "stops"),
    [("yeah", 0.4, 0), ("mm-hm right", 0.6, 0), ("", 0.4, 0), ("", 1.6, 1)],
)
def test_what_is_no_interruption_does_not_end_a_reply(
    text: str, seconds: float, stops: int
) -> None:
    async def body() -> HeldCall:
        greeting = ConversationSettings(greeting=GREETING)
        async with (
            scripted(stt={"texts": (text,)}, conversation=greeting) as stack,
            calling(stack) as call,
        ):
            await call.until("spoken")
            await call.say(talk(seconds))
            await call.until("reply", state="done")
        return call

    call = run(body)
    assert call.told("spoken")[-1]["text"] == GREETING
    assert call.summary.counts["overlaps"] == 1
    assert call.summary.counts.get("barge_ins", 0) == 0
    assert call.summary.turns == ()
    assert call.summary.counts.get("stops", 0) == stops
    assert call.summary.counts.get("resumes", 0) == stops
    # A reply that is heard to its end is so by slow clients, too.
    told = [each["at"] for each in call.told("reply", state="stopped")]
    assert call.transport.drops == pytest.approx(told)
    assert len(told) == stops
    # Held for a while or not: every word was sent once, and once only.
    words = len(GREETING.split())
    assert sounding_s(call.transport.heard) == pytest.approx(words * 0.8 / 3, abs=0.15)


@pytest.mark.parametrize("way", ["hangs up", "vanishes", "limit"])
def test_who_leaves_while_the_agent_speaks_has_heard_that_much(way: str) -> None:
    async def body() -> HeldCall:
        limits = LimitSettings(duration_s=4.0 if way == "limit" else 900.0)
        async with scripted(limits=limits) as stack, calling(stack) as call:
            call.transport.say(TURN)
            await call.until("spoken", text="You said: What")
            if way == "hangs up":
                call.transport.message(type="hangup")
            elif way == "vanishes":
                call.transport.vanish()
            await call.over()
        return call

    call = run(body)
    (turn,) = call.summary.turns
    assert call.observed.turns == [turn], "the observer was not told"
    assert turn.outcome == "interrupted"
    assert turn.reply_text.startswith("You said: What")
    assert len(turn.reply_text) < len("You said: What is the weather.")


def test_limits_end_a_call_in_words() -> None:
    async def body(limits: LimitSettings) -> HeldCall:
        async with scripted(limits=limits) as stack, calling(stack) as call:
            await call.over()
        return call

    idle = run(lambda: body(LimitSettings(idle_s=2.0)))
    assert idle.summary.reason == "nobody said anything for 2 s"
    long = run(lambda: body(LimitSettings(duration_s=3.0)))
    assert long.summary.reason == "calls end after 3 s"
    assert long.summary.seconds == pytest.approx(3.0, abs=0.1)
    for call in (idle, long):
        assert call.told("bye")[-1]["reason"] == call.summary.reason
        assert call.transport.closed == [call.summary.reason]


def test_a_ping_is_answered_at_once_with_the_clock_between_two_frames() -> None:
    async def body() -> None:
        async with scripted() as stack, calling(stack) as call:
            await call.passes(1.0025)
            for sent in (12.5, 7, 0, -1e300):
                call.transport.message(type="ping", sent=sent)
                await call.passes(0.0)
                await call.until("pong", sent=sent)
            told = len(call.told("pong"))
            odd: tuple[Any, ...] = (None, "1", True, math.nan, math.inf, 10**400, [1], {})
            for sent in odd:
                call.transport.message(type="ping", sent=sent)
            call.transport.message(type="ping")
            await call.passes(0.5)
            assert len(call.told("pong")) == told == 4
            for pong in call.told("pong"):
                assert pong["at"] == pytest.approx(1.0025, abs=1e-4)

    run(body)


def test_what_happens_between_two_frames_is_timed_there() -> None:
    async def body() -> HeldCall:
        llm = {"first_token": "83.5", "per_token": "0"}
        async with scripted("streaming", llm=llm) as stack, calling(stack) as call:
            await call.exchange(TURN)
        return call

    call = run(body)
    (turn,) = call.summary.turns
    (asked,) = call.told("reply", state="drafting")
    assert turn.first_token_at is not None
    assert turn.first_token_at - asked["at"] == pytest.approx(0.0835, abs=2e-4)


@pytest.mark.parametrize("end", ["hangup", "vanish", "limit"])
def test_the_client_is_told_every_count_before_the_end(end: str) -> None:
    async def body() -> HeldCall:
        limits = LimitSettings(duration_s=8.0) if end == "limit" else None
        async with scripted(limits=limits) as stack, calling(stack) as call:
            await call.exchange(TURN)
            call.transport.say(HALVES)
            await call.until("reply", state="drafting", times=2)
            await call.passes(0.15)
            if end == "hangup":
                call.transport.message(type="hangup")
            if end != "vanish":
                await call.over()
        return call

    call = run(body)
    counts = call.summary.counts
    told = call.told("stats")[-1]["counts"]
    assert {name: n for name, n in told.items() if n} == counts == call.observed.counts
    assert counts["tokens"] > counts["wasted_tokens"] > 0


def test_messages_of_the_caller() -> None:
    async def body() -> None:
        async with scripted() as stack, calling(stack) as call:
            call.transport.message(type="link", rtt_ms=40, jitter_ms=1, playout_ms=30)
            odd_ones: tuple[dict[str, Any], ...] = (
                {"rtt_ms": "x"},
                {"rtt_ms": -9e9, "playout_ms": 0},
                {"rtt_ms": 10**400, "playout_ms": 0},
                {"playout_ms": None},
            )
            for odd in odd_ones:
                call.transport.message(type="link", **odd)
            call.transport.message(type="unheard of")
            call.transport.message(no="type")
            await call.exchange(TURN)
            call.transport.message(type="hangup")
            summary = await call.over()
        assert summary.reason == "the caller hung up"
        assert summary.turns[0].transport_ms == 50.0
        assert summary.turns[0].spans["transport"] == 50.0

    run(body)


def test_the_timeline_covers_every_moment_once() -> None:
    async def body() -> HeldCall:
        async with scripted() as stack, calling(stack) as call:
            await call.exchange(TURN)
        return call

    call = run(body)
    shown = call.told("frames")
    names = ("caller", "agent", "speech", "score")
    columns: dict[str, list[float | None]] = {name: [] for name in names}
    for frames in shown:
        assert len({len(frames[name]) for name in names}) == 1
        for name in names:
            columns[name] += frames[name]
        assert len(columns["caller"]) * 0.02 == pytest.approx(frames["at"])
    loud = [i * 0.02 for i, level in enumerate(columns["caller"]) if (level or 0) > -40]
    assert loud[0] == pytest.approx(0.2, abs=0.1)
    spoken = [i * 0.02 for i, level in enumerate(columns["agent"]) if (level or 0) > -40]
    (turn,) = call.summary.turns
    assert turn.sent_at is not None
    assert spoken[0] == pytest.approx(turn.sent_at, abs=0.05)
    assert max(each for each in columns["speech"] if each is not None) > 0.9
