from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterator, Sequence

import aioice.ice
import numpy as np
import pytest
from aiortc import RTCPeerConnection

from tests.agent.transport.impair import Impairment, impaired
from tests.agent.transport.peers import Clip, in_call, leftovers, loopback_only, run, run_live, tone
from turnkit.agent.transport.settings import MessageLimits, WebRtcSettings
from turnkit.agent.transport.webrtc import WebRtcTransport
from turnkit.audio import Samples
from turnkit.errors import CallError
from turnkit.lab.caller import Caller, find_sounds

pytestmark = pytest.mark.realtime

FRAME_S = 0.02


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_only():
        yield


async def listen(
    transport: WebRtcTransport, heard: list[tuple[float, Samples]], echo: Clip | None = None
) -> None:
    while (samples := await transport.receive()) is not None:
        heard.append((asyncio.get_running_loop().time(), samples))
        if echo is not None:
            echo.add(np.repeat(samples, 3))


def joined(heard: list[tuple[float, Samples]]) -> Samples:
    return np.concatenate([samples for _, samples in heard])


def levels(track: Samples) -> Samples:
    blocks = track[: len(track) // 160 * 160].reshape(-1, 160)
    return np.asarray(np.sqrt(np.mean(blocks**2, axis=1)))


def lags(heard: list[tuple[float, Samples]], due: float) -> list[tuple[float, float]]:
    """For each chunk: when it came, and how long after its last sample had been sent.

    `due` is when the first frame was sent; RTP time is counted from there.
    """
    count, out = 0, []
    for at, samples in heard:
        count += len(samples)
        out.append((at - due, at - due - (count / 16_000 - FRAME_S)))
    return out


def test_a_call_carries_audio_and_messages_both_ways() -> None:
    async def call() -> None:
        caller = Caller([(0.4, tone(0.4, 16_000), 16_000)])
        heard: list[tuple[float, Samples]] = []
        echo = Clip()
        async with in_call(caller) as transport:
            transport.send({"type": "hello", "at": 0})
            caller.send({"type": "link", "rtt_ms": 1.5})
            transport.play(echo)
            listening = asyncio.create_task(listen(transport, heard, echo))
            assert await transport.receive_message() == {"type": "link", "rtt_ms": 1.5}
            await asyncio.sleep(1.6)
            transport.send({"type": "bye", "at": 1.6})
            await transport.aclose()
            await listening
            assert await transport.receive_message() is None
            await asyncio.sleep(0.1)
            recording = caller.recording()
        told = [message["type"] for _, message in recording.messages]
        assert told == ["hello", "bye"]
        (said,), (played,) = find_sounds(recording.sent), find_sounds(recording.heard)
        for track in (joined(heard), recording.heard):
            # The echo may run dry for a frame on a busy machine.
            level = np.percentile(levels(track)[levels(track) > 0.05], 70)
            assert level == pytest.approx(0.3 / np.sqrt(2), rel=0.05)
        assert recording.sent_at[0] == pytest.approx(said.start, abs=0.003)
        # 20 ms of capture, at most 20 ms until the echo is pulled, 40 ms of playout,
        # 14 ms of codecs; the rest is a busy machine's.
        assert 0.06 < played.start - said.start < 0.2

    run_live(call)


def test_the_clock_stays_true_on_a_bad_network() -> None:
    async def call() -> None:
        network = Impairment(
            loss=0.05, reorder=0.1, spike_every=40, spike_s=0.08, first=60,
            last=210, seed=3,
        )  # fmt: skip
        beeps = [(start, tone(0.15, 16_000), 16_000) for start in (0.5, 4.6, 5.1)]
        caller = Caller(beeps)
        heard: list[tuple[float, Samples]] = []
        async with in_call(caller) as transport, impaired(caller, network):
            listening = asyncio.create_task(listen(transport, heard))
            await asyncio.sleep(5.7)
            due = caller._microphone.frames[0][0] + FRAME_S
            reports = await caller._peer.getSenders()[0].getStats()
            await transport.aclose()
            await listening
            counts = transport.jitter_counts
        # The samples that were counted are the time that was sent, to the millisecond.
        found = find_sounds(joined(heard))
        starts = [each.start for each in found if each.end - each.start > 0.1]
        sent = [caller._microphone.sent_at[i] for i in range(3)]
        ways = [start - (at - due + FRAME_S) for start, at in zip(starts, sent, strict=True) if at]
        assert np.ptp(ways) < 0.003
        measured = lags(heard, due)
        disturbed = [lag for at, lag in measured if 1.2 < at < 4.2]
        after = [lag for at, lag in measured if at > 4.6]
        assert max(disturbed) > 0.05
        assert np.median(after) < 0.03
        assert counts.lost_samples >= 3 * 960
        assert counts.rebased == 0
        # RTCP goes on: the caller knows of its losses.
        losses = [each.packetsLost for each in reports.values() if "inbound" in each.type]
        assert losses
        assert losses[0] > 0

    run_live(call)


def test_an_outage_is_filled_as_it_lasts_and_leaves_no_lag() -> None:
    async def call() -> None:
        caller = Caller()
        heard: list[tuple[float, Samples]] = []

        def outage(number: int, _: bytes) -> Sequence[float]:
            return () if 40 <= number < 85 else (0.0,)

        async with in_call(caller) as transport, impaired(caller, outage):
            listening = asyncio.create_task(listen(transport, heard))
            await asyncio.sleep(2.4)
            due = caller._microphone.frames[0][0] + FRAME_S
            await transport.aclose()
            await listening
        measured = lags(heard, due)
        meanwhile = [lag for at, lag in measured if 1.1 < at < 1.65]
        assert len(meanwhile) > 20  # frame by frame, not all at the end
        assert 0.1 < np.median(meanwhile) < 0.26
        assert np.median([lag for at, lag in measured if at > 1.9]) < 0.03
        assert transport.jitter_counts.rebased == 0

    run_live(call)


def test_a_stalled_event_loop_loses_no_audio() -> None:
    """The caller runs in a thread of its own, as somebody else's machine would."""

    async def agent() -> None:
        loop = asyncio.get_running_loop()
        made: asyncio.Future[WebRtcTransport] = loop.create_future()

        async def accept(text: str) -> str:
            made.set_result(await WebRtcTransport.accept(text))
            return made.result().answer_sdp

        async def signal(text: str) -> str:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(accept(text), loop))

        async def call() -> int:
            caller = Caller()
            await caller.connect(signal)
            await asyncio.sleep(2.0)
            skipped = caller._track.pacer.skipped
            await caller.aclose()
            return skipped

        calling = asyncio.create_task(asyncio.to_thread(asyncio.run, call()))
        transport = await made
        heard: list[tuple[float, Samples]] = []
        listening = asyncio.create_task(listen(transport, heard))
        await asyncio.sleep(0.8)
        time.sleep(0.5)
        await listening
        await transport.aclose()
        skipped = await calling
        assert transport.jitter_counts.lost_samples == 0
        assert transport.jitter_counts.late == 0
        assert transport.jitter_counts.quiet_samples == skipped * 960

    run_live(agent, starved_s=0.55)


def test_audio_that_nobody_reads_ends_the_call() -> None:
    async def call() -> None:
        async with in_call(Caller(), WebRtcSettings(backlog_s=1.0)) as transport:
            await asyncio.sleep(1.4)
            assert "1 s of audio were not read" in transport.reason
            rest = await transport.receive()
            assert rest is not None
            assert len(rest) <= 16_000
            assert await transport.receive() is None

    run(call())


def test_a_caller_that_hides_its_addresses_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object) -> None:
        raise AssertionError("a name was looked up by multicast")

    monkeypatch.setattr("aioice.ice.get_or_create_mdns_protocol", look_up)

    async def call() -> None:
        caller = Caller()
        transports: list[WebRtcTransport] = []

        async def signal(offer: str) -> str:
            hidden = re.sub(r"(a=candidate:\S+ \d \S+ \d+) 127\.0\.0\.1", r"\1 0a-1b.local", offer)
            assert hidden.count(".local") >= 1
            transports.append(await WebRtcTransport.accept(hidden))
            return transports[0].answer_sdp

        await caller.connect(signal, timeout_s=5.0)
        assert await transports[0].receive() is not None
        await caller.aclose()
        await transports[0].aclose()

    run(call())


def test_what_was_flushed_is_never_sent() -> None:
    async def call() -> None:
        caller = Caller()
        source = Clip(tone(5.0, 48_000))
        async with in_call(caller) as transport:
            transport.play(source)
            await asyncio.sleep(0.8)
            source.flush()
            flushed = caller.now()
            loop_time = asyncio.get_running_loop().time()
            await asyncio.sleep(0.5)
            recording = caller.recording()
        after = [samples for at, samples in source.pulls if at >= loop_time]
        assert not np.concatenate(after).any()
        (played,) = find_sounds(recording.heard)
        # What was on its way: a frame, the codec's memory, and the listener's own delay.
        assert played.end - flushed < 0.04 + 0.04 + 0.05

    run_live(call)


def test_a_caller_that_vanishes_ends_the_call_within_the_grace_time() -> None:
    async def call() -> None:
        caller = Caller(ping_s=0)
        heard: list[tuple[float, Samples]] = []
        async with in_call(caller, WebRtcSettings(grace_s=1.0)) as transport:
            listening = asyncio.create_task(listen(transport, heard))
            await asyncio.sleep(0.5)
            await caller.vanish()
            gone = asyncio.get_running_loop().time()
            await asyncio.wait_for(listening, 3.0)
            assert 0.5 < asyncio.get_running_loop().time() - gone < 1.3
            assert "nothing came" in transport.reason
            assert await transport.receive_message() is None

    run_live(call)


def test_a_caller_that_hangs_up_ends_the_call_at_once() -> None:
    async def call() -> None:
        caller = Caller()
        async with in_call(caller) as transport:
            heard: list[tuple[float, Samples]] = []
            listening = asyncio.create_task(listen(transport, heard))
            await asyncio.sleep(0.2)
            await caller.aclose()
            await asyncio.wait_for(listening, 0.5)
            assert "hung up" in transport.reason

    run_live(call)


def test_twenty_calls_leave_nothing_behind() -> None:
    async def one() -> None:
        async with in_call(Caller()) as transport:
            assert await transport.receive() is not None

    async def calls() -> None:
        await one()
        before = await leftovers()
        for _ in range(20):
            await one()
        assert await leftovers() == before

    run(calls(), 60.0)


async def offer(*, video: bool = False, direction: str = "sendrecv") -> str:
    peer = RTCPeerConnection()
    peer.addTransceiver("audio", direction=direction)
    if video:
        peer.addTransceiver("video")
    peer.createDataChannel("turnkit")
    await peer.setLocalDescription(await peer.createOffer())
    text = peer.localDescription.sdp
    await peer.close()
    return text


def without(lines: str, text: str) -> str:
    return re.sub(rf"(?m)^{lines}.*\r?\n", "", text)


def test_offers_that_are_no_calls_are_refused_in_words() -> None:
    async def refused(text: str, because: str) -> None:
        with pytest.raises(CallError, match=because):
            await WebRtcTransport.accept(text)

    async def check() -> None:
        good = await offer()
        await refused("", "empty")
        await refused("x" * 70_000, "70000 characters")
        await refused("hello", "not an SDP")
        await refused("v=0\r\nm=audio\r\n", "not an SDP")
        await refused("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF x\r\n", "not an SDP")
        await refused("\0\r\n\udcff=\r\n", "not an SDP")
        await refused(await offer(video=True), "video is not taken")
        await refused(await offer(direction="recvonly"), "direction recvonly")
        await refused(without("a=ice-pwd", good), "no ICE user name")
        await refused(without("a=fingerprint", good), "no DTLS fingerprint")
        await refused(without("a=rtcp-mux", good), "no a=rtcp-mux")
        await refused(without("a=rtpmap:96", good), "no Opus")
        await refused(without("a=sctp-port", good), "no SCTP port")
        await refused(without("a=max-message-size", good), "max-message-size")
        twice = good + good[good.index("m=audio") : good.index("m=application")]
        await refused(twice, "sections audio, application, audio")
        candidate = "a=candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host\r\n"
        await refused(good + candidate * 100, "candidates, expected at most")
        assert (await leftovers())[0] == 2  # this one and wait_for

    run(check())


def test_cut_and_garbled_offers_never_raise_anything_else() -> None:
    async def check() -> None:
        good = await offer()
        rng = np.random.default_rng(0)
        for _ in range(40):
            lines = good.splitlines(keepends=True)
            for _ in range(int(rng.integers(1, 6))):
                where = int(rng.integers(0, len(lines)))
                cut = int(rng.integers(0, len(lines[where]) + 1))
                lines[where] = lines[where][:cut] + ("\r\n" if rng.random() < 0.7 else "")
            try:
                transport = await WebRtcTransport.accept("".join(lines))
            except CallError as error:
                assert str(error).startswith("offer")  # noqa: PT017
            else:
                await transport.aclose()
        assert (await leftovers())[0] == 2  # this one and wait_for

    run(check(), 60.0)


def test_an_answer_is_given_in_time_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    search = aioice.ice.Connection.get_component_candidates
    monkeypatch.setattr(search, "__defaults__", (0.6,))

    async def check() -> None:
        text = await offer()
        before = await leftovers()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
            mute.bind(("127.0.0.1", 0))
            servers = [{"urls": f"stun:127.0.0.1:{mute.getsockname()[1]}"}]
            with pytest.raises(CallError, match=r"no answer within 0\.3 s"):
                await WebRtcTransport.accept(text, servers, WebRtcSettings(offer_timeout_s=0.3))
        await asyncio.sleep(0.4)  # until aioice has given up
        assert await leftovers() == before
        with pytest.raises(CallError, match="expected urls"):
            await WebRtcTransport.accept(text, [{"username": "x"}])

    run(check())


def test_a_caller_that_never_comes_is_given_up() -> None:
    async def check() -> None:
        settings = WebRtcSettings(connect_timeout_s=0.5, grace_s=0.5)
        transport = await WebRtcTransport.accept(await offer(), settings=settings)
        assert await asyncio.wait_for(transport.receive(), 2.0) is None
        assert transport.reason
        await transport.aclose()
        await transport.aclose()
        assert (await leftovers())[0] == 2  # this one and wait_for

    run(check())


def test_messages_are_limited() -> None:
    async def call() -> None:
        limits = MessageLimits(max_bytes=100, per_s=5.0, backlog=4)
        caller = Caller(ping_s=0)
        async with in_call(caller, WebRtcSettings(messages=limits)) as transport:
            for text in ("no JSON", "[1]", '{"kind": 1}', '{"type":"x","y":"' + "z" * 200 + '"}'):
                caller._channel.send(text)
            caller._channel.send(b"\x00\x01")
            for number in range(20):
                caller.send({"type": "n", "number": number})
            await asyncio.sleep(0.3)
            got = [await transport.receive_message() for _ in range(4)]
            assert [each and each["number"] for each in got] == [0, 1, 2, 3]
            assert transport.refused_messages == 5 + 16

    run_live(call)
