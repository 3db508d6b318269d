"""Scripts carried out against agents that are nothing but a transport and a plan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from tests.agent.transport.peers import Clip, leftovers, loopback_only, run, run_live, tone
from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.agent.transport.webrtc import WebRtcTransport
from turnkit.audio import Samples
from turnkit.errors import CallError
from turnkit.lab import calling
from turnkit.lab.caller import Signal, find_sounds
from turnkit.lab.calling import place_call
from turnkit.lab.network.profile import LineSettings, NetworkProfile, Way
from turnkit.lab.records import RATE, CallRecording, Said
from turnkit.lab.scenario.script import (
    Action,
    AwaitReply,
    HangUp,
    Kind,
    Rest,
    Say,
    SayOver,
    Script,
    Sound,
    Vanish,
)

pytestmark = pytest.mark.realtime

THRESHOLD = 0.02


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_only():
        yield


class Agent:
    """Answers each time that its caller fell silent for 0.2 s; its plan may do more."""

    def __init__(self, reply_s: float = 0.4, greeting_s: float = 0.0) -> None:
        self.got: list[dict[str, Any]] = []
        self.heard = 0.0
        self.transports: list[WebRtcTransport] = []
        self.plan: Callable[[WebRtcTransport], Coroutine[Any, Any, None]] | None = None
        self.answers_pings = True
        self._reply, self._greeting = reply_s, greeting_s
        self._tasks: list[asyncio.Task[None]] = []
        self.clip = Clip()

    async def signal(self, offer: str) -> str:
        transport = await WebRtcTransport.accept(offer)
        self.transports.append(transport)
        transport.play(self.clip)
        transport.send({"type": "hello", "at": 0, "call": "c-7"})
        if self._greeting:
            self.clip.add(np.concatenate([silence(0.3), tone(self._greeting, OPUS_RATE)]))
        for each in (self._listen(transport), self._read(transport)):
            self._tasks.append(asyncio.create_task(each))
        if self.plan is not None:
            self._tasks.append(asyncio.create_task(self.plan(transport)))
        return transport.answer_sdp

    async def _listen(self, transport: WebRtcTransport) -> None:
        quiet = 1e9
        while (samples := await transport.receive()) is not None:
            self.heard += len(samples) / RATE
            loud = np.abs(samples).max() > THRESHOLD
            before, quiet = quiet, 0.0 if loud else quiet + len(samples) / RATE
            if before < 0.2 <= quiet and self._reply:
                self.clip.add(tone(self._reply, OPUS_RATE))

    async def _read(self, transport: WebRtcTransport) -> None:
        while (message := await transport.receive_message()) is not None:
            self.got.append(dict(message))
            if message["type"] == "ping" and self.answers_pings:
                transport.send({"type": "pong", "at": self.heard, "sent": message["sent"]})
            if message["type"] == "hangup":
                transport.send({"type": "bye", "at": self.heard, "reason": "the caller hung up"})
                await transport.aclose()

    async def aclose(self) -> None:
        for transport in self.transports:
            await transport.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def an_agent(agent: Agent) -> AsyncIterator[Agent]:
    try:
        yield agent
    finally:
        await agent.aclose()


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * OPUS_RATE), dtype=np.float32)


def a_sound(seconds: float = 0.4, kind: Kind = "turn", tail_s: float = 0.1) -> Sound:
    samples = np.concatenate([tone(seconds, 8_000), np.zeros(round(tail_s * 8_000))])
    name = f"{kind} {seconds:g}"
    holds = ((0.1, 0.2),)
    return Sound(kind, name, samples.astype(np.float32), 8_000, 0.0, seconds, holds, "words")


def off_tone(samples: np.ndarray, rate: int, hertz: float = 500.0) -> float:
    """Farthest from a pure tone of any phase: mu-law and a band leave 0.005 and more."""
    phase = 2 * np.pi * hertz * np.arange(len(samples)) / rate
    waves = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    fit = waves @ np.linalg.lstsq(waves, samples, rcond=None)[0]
    return float(np.abs(samples - fit).max())


def script(*actions: Action) -> Script:
    return Script(4, actions, seed=9)


def spoken(recording: CallRecording) -> list[tuple[float, float]]:
    return [(each.start, each.end) for each in find_sounds(recording.sent)]


async def held() -> tuple[int, int]:
    """Tasks and open files; threads belong to the event loop's pool."""
    tasks, _, files = await leftovers()
    return tasks, files


def check_said(recording: CallRecording, said: Said) -> None:
    """What is noted is what the track holds."""
    begins = [start for start, _ in spoken(recording)]
    assert min(abs(start - said.onset) for start in begins) < 0.003
    assert said.began <= said.onset < said.ended <= said.until <= recording.record.seconds + 0.02


def test_a_conversation_is_held_by_ear() -> None:
    async def call() -> None:
        async with an_agent(Agent(greeting_s=0.4)) as agent:
            actions = (
                AwaitReply(3.0, 0.3),
                Say(a_sound()),
                AwaitReply(3.0, 0.3),
                Rest(0.2),
                Say(a_sound(0.3)),
                AwaitReply(3.0, 0.3),
            )
            recording = await place_call(script(*actions), agent.signal)
        record = recording.record
        assert (record.number, record.call_id) == (4, "c-7")
        assert (record.ended_by, record.error) == ("caller", None)
        assert agent.got[-1] == {"type": "hangup"}
        assert [each.name for each in record.said] == ["turn 0.4", "turn 0.3"]
        heard = find_sounds(recording.heard)
        assert len(heard) == 3
        for each, before, after in zip(record.said, heard, heard[1:], strict=False):
            check_said(recording, each)
            assert each.ended - each.began == pytest.approx(float(each.name[5:]), abs=1e-6)
            assert each.until - each.ended == pytest.approx(0.1, abs=1e-6)
            assert each.holds[0] == pytest.approx((each.began + 0.1, each.began + 0.2))
            assert before.end + 0.3 - 0.03 < each.began < before.end + 0.3 + 0.4
            assert after.start > each.ended
        assert len(recording.sent) == len(recording.heard)
        assert record.seconds == pytest.approx(len(recording.sent) / RATE)
        types = [message["type"] for _, message in recording.log.messages]
        assert types == ["hello", "bye"]
        pings = recording.log.pings
        assert 2 <= len(pings) <= 8
        for ping in pings:
            assert ping.sent < ping.came < ping.sent + 0.2
            assert 0.0 <= ping.agent < record.seconds

    run_live(call)


def test_an_agent_that_says_nothing_is_not_waited_for_for_ever() -> None:
    async def call() -> None:
        agent = Agent(reply_s=0.0)
        agent.answers_pings = False
        async with an_agent(agent):
            actions = (Say(a_sound()), AwaitReply(0.6, 0.3), Say(a_sound(0.3)))
            recording = await place_call(script(*actions), agent.signal)
        first, second = recording.record.said
        assert second.began - first.ended == pytest.approx(0.6, abs=0.08)
        assert recording.log.pings == ()
        assert find_sounds(recording.heard) == []

    run_live(call)


def test_speaking_over_the_agent_waits_until_it_speaks() -> None:
    async def call() -> None:
        async with an_agent(Agent(reply_s=1.5)) as agent:
            actions = (
                SayOver(a_sound(0.2, "noise"), after_s=0.2, at_most_s=0.4),  # nobody speaks yet
                Say(a_sound()),
                SayOver(a_sound(0.3, "backchannel"), after_s=0.5),
                AwaitReply(3.0, 0.3),
            )
            recording = await place_call(script(*actions), agent.signal)
        turn, over = recording.record.said
        assert (turn.over, over.over, over.kind) == (False, True, "backchannel")
        reply = find_sounds(recording.heard)[0]
        assert over.began - reply.start == pytest.approx(0.5, abs=0.08)
        assert over.ended < reply.end < recording.record.seconds

    run_live(call)


def test_who_vanishes_says_nothing_and_who_hangs_up_does_nothing_more() -> None:
    async def call(action: Action) -> tuple[CallRecording, Agent]:
        async with an_agent(Agent()) as agent:
            actions = (Rest(0.3), action, Say(a_sound(5.0)))
            return await place_call(script(*actions), agent.signal), agent

    recording, agent = run(call(Vanish()))
    assert recording.record.ended_by == "vanished"
    assert "hangup" not in [each["type"] for each in agent.got]
    recording, agent = run(call(HangUp()))
    assert recording.record.ended_by == "caller"
    assert agent.got[-1] == {"type": "hangup"}
    assert recording.record.said == ()
    assert recording.record.seconds < 3.0


def test_an_agent_that_hangs_up_ends_the_script() -> None:
    async def leave(transport: WebRtcTransport) -> None:
        await asyncio.sleep(1.5)
        await transport.aclose()

    async def call() -> CallRecording:
        agent = Agent()
        agent.plan = leave
        async with an_agent(agent):
            actions = (Say(a_sound(0.3)), Say(a_sound(9.0)), AwaitReply())
            return await place_call(script(*actions), agent.signal)

    recording = run(call())
    assert (recording.record.ended_by, recording.record.error) == ("agent", None)
    # The second one was begun and never said to its end.
    assert [each.name for each in recording.record.said] == ["turn 0.3"]
    assert len(spoken(recording)) >= 1
    assert recording.record.seconds < 4.0


def test_an_agent_that_dies_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def die(transport: WebRtcTransport) -> None:
        await asyncio.sleep(0.8)
        transport._track.stop()

    async def call() -> CallRecording:
        agent = Agent()
        agent.plan = die
        async with an_agent(agent):
            return await place_call(script(Rest(20.0)), agent.signal)

    monkeypatch.setattr("turnkit.lab.caller.client.SILENT_LINE_S", 0.7)
    recording = run(call())
    assert recording.record.ended_by == "agent"
    assert recording.record.error == "nothing came from the agent for 0.7 s"


@pytest.mark.parametrize("answer", ["no SDP at all", "v=0\r\n"])
def test_a_call_that_cannot_be_placed_is_a_record(answer: str) -> None:
    async def refuse(_: str) -> str:
        raise CallError("503: full")

    async def talk_nonsense(_: str) -> str:
        return answer

    async def call(signal: Signal) -> CallRecording:
        before = await held()
        recording = await place_call(script(Say(a_sound())), signal, NetworkProfile("none"))
        assert await held() == before
        return recording

    recording = run(call(refuse))
    assert (recording.record.ended_by, recording.record.error) == ("error", "503: full")
    assert (recording.record.said, recording.record.call_id) == ((), "")
    assert run(call(talk_nonsense)).record.error is not None


def test_a_call_that_is_cancelled_leaves_nothing() -> None:
    async def call() -> None:
        async with an_agent(Agent()) as agent:
            network = NetworkProfile("slow", up=Way(delay_ms=20.0))
            before = await held()
            placing = place_call(script(Say(a_sound(20.0))), agent.signal, network)
            task = asyncio.create_task(placing)
            while not agent.heard > 0.5:
                await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await agent.aclose()
            assert await held() == before

    run(call())


def way(recording: CallRecording) -> float:
    """From the end of what was said to the answer, as heard."""
    (said,) = recording.record.said
    return find_sounds(recording.heard)[0].start - said.ended


def test_a_network_and_a_telephone_line_lie_between() -> None:
    networks = (
        None,
        NetworkProfile("far", up=Way(delay_ms=60.0), down=Way(delay_ms=90.0)),
        NetworkProfile("phone", line=LineSettings(200.0)),
    )

    async def one(network: NetworkProfile | None) -> CallRecording:
        async with an_agent(Agent()) as agent:
            actions = (Rest(1.2), Say(a_sound()), AwaitReply(4.0, 0.3))
            return await place_call(script(*actions), agent.signal, network)

    async def call() -> None:
        near, far, phone = await asyncio.gather(*map(one, networks))
        assert near.record.network == {}
        assert far.record.network["up"] != far.record.network["down"]
        assert way(far) - way(near) == pytest.approx(0.15, abs=0.03)
        assert way(phone) - way(near) == pytest.approx(0.2, abs=0.04)
        # What was spoken is kept as it was: without the line's band and coding.
        for each in (near, phone):
            (said,) = each.record.said
            begin = round(said.began * RATE)
            part = each.sent[begin + 800 : begin + 5_600]
            assert off_tone(part, RATE) < 0.003
        assert len(phone.sent) == len(phone.heard)

    run_live(call)


def test_nobody_listens_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def call() -> CallRecording:
        async with an_agent(Agent(greeting_s=20.0)) as agent:
            return await place_call(script(AwaitReply(3.0, 0.3)), agent.signal)

    monkeypatch.setattr(calling, "LONGEST_REPLY_S", 1.0)
    assert run(call()).record.seconds < 5.0


def test_callers_side_by_side_do_not_disturb_each_other() -> None:
    async def one(agent: Agent) -> CallRecording:
        return await place_call(script(Say(a_sound()), AwaitReply(3.0, 0.3)), agent.signal)

    async def call() -> None:
        agents = [Agent() for _ in range(3)]
        try:
            recordings = await asyncio.gather(*(one(agent) for agent in agents))
        finally:
            for agent in agents:
                await agent.aclose()
        for recording in recordings:
            assert recording.record.error is None
            assert len(find_sounds(recording.heard)) == 1

    run_live(call)
