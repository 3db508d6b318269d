"""aiortc's private parts that are relied on: a version without them must fail here."""

from __future__ import annotations

import asyncio

import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.codecs import CODECS
from aiortc.rtp import RtpPacket

from tests.agent.transport.peers import in_call, leftovers, loopback_only, run
from turnkit.agent.transport.aiortc_taps import close_peer, tap_packets
from turnkit.lab.caller import Caller


def test_the_tap_gets_packets_after_the_reports_counted_them() -> None:
    async def check() -> None:
        peer = RTCPeerConnection()
        receiver = peer.addTransceiver("audio").receiver
        taken: list[RtpPacket] = []
        tap_packets(receiver, taken.append)
        codec = CODECS["audio"][0]
        assert codec.payloadType is not None
        receiver._RTCRtpReceiver__codecs[codec.payloadType] = codec  # type: ignore[attr-defined]
        for number in (0, 1, 3):
            packet = RtpPacket(codec.payloadType, 0, number, number * 960, 7, b"\xf8")
            await receiver._handle_rtp_packet(packet, arrival_time_ms=0)
        assert [each.sequence_number for each in taken] == [0, 1, 3]
        stats = await receiver.getStats()
        (inbound,) = [each for each in stats.values() if each.type == "inbound-rtp"]
        assert (inbound.packetsReceived, inbound.packetsLost) == (3, 1)
        await peer.close()

    run(check())


def test_a_version_without_the_private_parts_is_noticed() -> None:
    class Changed:
        transport = object()

    with pytest.raises(AttributeError, match="jitter_buffer"):
        tap_packets(Changed(), print)  # type: ignore[arg-type]


def test_a_connection_that_cannot_close_leaves_no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: RTCPeerConnection) -> None:
        raise RuntimeError("halfway")

    async def check() -> None:
        with loopback_only():
            before = await leftovers()
            peer = RTCPeerConnection()
            peer.addTransceiver("audio")
            await peer.setLocalDescription(await peer.createOffer())
            assert (await leftovers())[2] > before[2]
            monkeypatch.setattr(RTCPeerConnection, "close", fail)
            await close_peer(peer)
            after = await leftovers()
            assert (after[0], after[2]) == (before[0], before[2])  # aioice looks up in a thread

    run(check())


def test_nothing_is_decoded_by_aiortc(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("aiortc decodes what was tapped")

    monkeypatch.setattr("aiortc.rtcrtpreceiver.get_decoder", decode)
    assert RTCRtpReceiver.__module__ == "aiortc.rtcrtpreceiver"

    async def call() -> None:
        with loopback_only():
            async with in_call(Caller()) as transport:
                total = 0
                while total < 8000:
                    samples = await asyncio.wait_for(transport.receive(), 2.0)
                    assert samples is not None
                    total += len(samples)

    run(call())
