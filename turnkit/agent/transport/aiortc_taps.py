"""The only places where private parts of aiortc and aioice are touched.

aiortc is pinned to one minor version for these; `tests/agent/transport/test_aiortc_taps.py`
fails if a version has them no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.rtp import RtpPacket

_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_CLOSE_S = 5.0
_LOG = logging.getLogger(__name__)


class _Tap:
    """Stands in for aiortc's jitter buffer: takes packets and never has a frame."""

    def __init__(self, take: Callable[[RtpPacket], None]) -> None:
        self._take = take

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        self._take(packet)
        return False, None


def tap_packets(receiver: RTCRtpReceiver, take: Callable[[RtpPacket], None]) -> None:
    """Get a receiver's RTP packets as they arrive, in place of its jitter buffer.

    aiortc's buffer stalls for 16 packets on a single loss, keeps that lag and conceals
    nothing. A packet reaches it after the receiver has counted it for its RTCP reports,
    so these stay true; as the stand-in never has a frame, nothing is decoded twice.

    Raises
    ------
    AttributeError
        If this version of aiortc keeps its buffer elsewhere.
    """
    getattr(receiver, _BUFFER)
    setattr(receiver, _BUFFER, _Tap(take))


async def close_peer(peer: RTCPeerConnection) -> None:
    """Close a connection in whatever state it is, and never raise.

    aiortc stops at the first part that cannot be closed, which would leak the sockets of
    the others.
    """
    try:
        await asyncio.wait_for(peer.close(), _CLOSE_S)
        return
    except Exception as error:  # any: what is left is closed below
        _LOG.warning("a peer connection did not close by itself: %r", error)
    for transceiver in peer.getTransceivers():
        with contextlib.suppress(Exception):
            await transceiver.receiver.transport.transport.stop()


def cut_off(peer: RTCPeerConnection) -> None:
    """Let nothing leave a connection any more, not even a goodbye.

    Raises
    ------
    AttributeError
        If this version of aioice sends otherwise.
    """
    for transceiver in peer.getTransceivers():
        connection = transceiver.receiver.transport.transport._connection
        for protocol in connection._protocols:
            for name, nothing in (("send_data", _send_nothing), ("send_stun", _do_nothing)):
                getattr(protocol, name)
                setattr(protocol, name, nothing)


async def _send_nothing(*_: object) -> None:
    pass


def _do_nothing(*_: object) -> None:
    pass
