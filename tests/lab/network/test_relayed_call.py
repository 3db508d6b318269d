"""Real calls through the relay: the packets of aiortc, and sounds at both ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from aioice.ice import get_host_addresses

from tests.agent.transport.peers import Clip, leftovers, loopback_only, run_live, tone
from turnkit.agent.transport.aiortc_taps import tap_packets
from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.agent.transport.protocol import HEARD_RATE
from turnkit.agent.transport.webrtc import WebRtcTransport
from turnkit.audio import Samples
from turnkit.lab.caller import Caller
from turnkit.lab.network import LineSettings, NetworkProfile, Relay, Way

pytestmark = pytest.mark.realtime

BEEPS = 4
LOUD = 0.02
"""Amplitude at which a beep counts as begun."""


@pytest.fixture
def loopback() -> Iterator[None]:
    with loopback_only():
        yield


@asynccontextmanager
async def relayed(relay: Relay, caller: Caller) -> AsyncIterator[WebRtcTransport]:
    transports: list[WebRtcTransport] = []

    async def signal(offer: str) -> str:
        transports.append(await WebRtcTransport.accept(relay.rewrite_offer(offer)))
        return relay.rewrite_answer(transports[0].answer_sdp)

    try:
        await caller.connect(signal)
        yield transports[0]
    finally:
        await caller.aclose()
        for each in transports:
            await each.aclose()


def onsets(samples: Samples, rate: int) -> list[float]:
    """Seconds at which it becomes loud after at least 0.1 s of quiet."""
    (loud,) = np.nonzero(np.abs(samples) > LOUD)
    gaps = np.diff(loud, prepend=-rate)
    return [float(each) / rate for each in loud[gaps > 0.1 * rate]]


async def listen(transport: WebRtcTransport, came: list[float]) -> None:
    """Note when the first loud sample after a silence came, had each sample come by itself."""
    before = np.zeros(HEARD_RATE, dtype=np.float32)
    while (samples := await transport.receive()) is not None:
        now = time.monotonic()
        both = np.concatenate([before[-HEARD_RATE:], samples])
        new = len(both) - len(samples)
        came += [
            now - (len(both) / HEARD_RATE - at)
            for at in onsets(both, HEARD_RATE)
            if at * HEARD_RATE >= new
        ]
        before = both


async def beeps(profile: NetworkProfile) -> tuple[float, float, dict[str, Any]]:
    """Median time from a beep's beginning to hearing it, both ways, and the counts."""
    source, came = Clip(), list[float]()
    async with Relay(profile, 0) as relay:
        caller = Caller(line=profile.open_line())
        origin = time.monotonic() - caller.now()
        async with relayed(relay, caller) as transport:
            transport.play(source)
            listening = asyncio.create_task(listen(transport, came))
            await asyncio.sleep(0.6)
            for _ in range(BEEPS):
                source.add(tone(0.1, OPUS_RATE))
                caller.say(tone(0.1, OPUS_RATE), OPUS_RATE)
                await asyncio.sleep(0.25)
            # What is on its way in either direction is still to come.
            await asyncio.sleep(0.3)
            recording = caller.recording()
        await listening
        counts = relay.counts()
    said = [origin + at for at in recording.sent_at if at is not None]
    pulled = [
        at + float(np.argmax(np.abs(samples) > 0)) / OPUS_RATE
        for (_, before), (at, samples) in pairwise(source.pulls)
        if samples.any() and not before.any()
    ]
    heard = [origin + at for at in onsets(recording.heard, HEARD_RATE)]
    assert len(said) == len(came) == len(pulled) == len(heard) == BEEPS
    up, down = np.array(came) - np.array(said), np.array(heard) - np.array(pulled)
    return float(np.median(up)), float(np.median(down)), counts


@pytest.mark.usefixtures("loopback")
def test_a_delay_reaches_the_ear_as_it_was_set() -> None:
    async def calls() -> None:
        up, down, counts = await beeps(NetworkProfile("none"))
        assert 0.0 < up < 0.06
        assert 0.0 < down < 0.09  # of which the listener's buffer is 30 ms
        assert counts["up"]["lost"] == counts["down"]["lost"] == 0
        later = NetworkProfile("later", up=Way(delay_ms=137.0), down=Way(delay_ms=61.0))
        slow_up, slow_down, counts = await beeps(later)
        assert slow_up - up == pytest.approx(0.137, abs=0.005)
        assert slow_down - down == pytest.approx(0.061, abs=0.005)
        assert counts["up"]["delay_ms_mean"] == pytest.approx(137.0, abs=3.0)
        assert counts["down"]["delay_ms_mean"] == pytest.approx(61.0, abs=3.0)
        telephone = NetworkProfile("telephone", line=LineSettings(round_trip_ms=260.0))
        line_up, line_down, _ = await beeps(telephone)
        assert line_up - up == pytest.approx(0.1316, abs=0.005)  # 3.2 ms of it are filters
        assert line_down - down == pytest.approx(0.1284, abs=0.005)

    run_live(calls)


async def numbers(way: Way, seconds: float) -> tuple[list[int], dict[str, Any]]:
    """Sequence numbers of the RTP packets that came to the agent, and the relay's counts."""
    came: list[int] = []
    async with Relay(NetworkProfile("bad", up=way), 2) as relay:
        caller = Caller()
        async with relayed(relay, caller) as transport:
            (receiver,) = transport._peer.getReceivers()
            tap_packets(receiver, lambda rtp: came.append(rtp.sequence_number))
            before = relay.counts()["up"]
            await asyncio.sleep(seconds)
            after = relay.counts()["up"]
    return came, {name: after[name] - before[name] for name in ("packets", "lost", "reordered")}


@pytest.mark.usefixtures("loopback")
def test_lost_packets_are_missing_at_the_other_end() -> None:
    async def call() -> None:
        came, counts = await numbers(Way(loss=0.05, burst=1.5), 6.0)
        sent = (came[-1] - came[0]) % (1 << 16) + 1
        lost = 1.0 - len(set(came)) / sent
        assert 0.015 <= lost <= 0.1  # of 300 packets, chance takes 5 to 25
        # Nearly all packets are audio; reports, messages and checks are the rest.
        assert lost * sent == pytest.approx(counts["lost"], abs=4)
        assert 280 <= sent <= counts["packets"]

    run_live(call)


@pytest.mark.usefixtures("loopback")
def test_reordered_packets_come_out_of_order() -> None:
    async def call() -> None:
        came, counts = await numbers(Way(reorder=0.1), 3.0)
        steps = [(after - before) % (1 << 16) for before, after in pairwise(came)]
        overtaken = sum(step > (1 << 15) for step in steps)
        assert 0.03 <= overtaken / len(came) <= 0.2
        assert overtaken == pytest.approx(counts["reordered"], abs=5)
        assert counts["lost"] == 0
        assert len(set(came)) == len(came)

    run_live(call)


@pytest.mark.usefixtures("loopback")
def test_a_goodbye_arrives_and_nothing_is_left() -> None:
    async def call() -> None:
        before = await leftovers()
        far = NetworkProfile("far", up=Way(delay_ms=100.0), down=Way(delay_ms=100.0))
        async with Relay(far, 0) as relay:
            caller = Caller()
            transports: list[WebRtcTransport] = []

            async def signal(offer: str) -> str:
                transports.append(await WebRtcTransport.accept(relay.rewrite_offer(offer)))
                return relay.rewrite_answer(transports[0].answer_sdp)

            await caller.connect(signal)
            await caller.aclose()
        await asyncio.sleep(0.05)
        assert transports[0].reason == "the caller hung up"
        await transports[0].aclose()
        assert await leftovers() == before

    run_live(call)


def test_addresses_of_this_machine_are_relayed_as_well_as_loopback() -> None:
    if not get_host_addresses(use_ipv4=True, use_ipv6=True):
        pytest.skip("this machine has no address but loopback")

    async def call() -> None:
        async with Relay(NetworkProfile("none"), 0) as relay:
            caller = Caller()
            async with relayed(relay, caller) as transport:
                assert await transport.receive() is not None
                await asyncio.sleep(0.3)
                assert min(way["packets"] for way in relay.counts().values()) > 10

    run_live(call)
