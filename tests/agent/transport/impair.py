"""A bad network, the same every time: packets lost, delayed, doubled and out of order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import numpy as np
from aiortc import RTCRtpSender
from aiortc.rtp import is_rtcp

from turnkit.lab.caller import Caller

Impair = Callable[[int, bytes], Sequence[float]]
"""Called with a packet's number and bytes; returns the delay in seconds of each copy that
is sent. Nothing: the packet is lost."""

_PACKET_S = 0.02
_SEND = "_send_rtp"


@dataclass(frozen=True)
class Impairment:
    """Random loss, reordering and duplication, and regular delay spikes.

    What happens to a packet depends on its number and the seed only.

    Attributes
    ----------
    loss, reorder, duplicate : float
        Probabilities, 0 .. 1.
    reorder_s : float
        By how much a reordered packet comes later.
    spike_every : int
        Packets from one delay spike to the next; 0 means none.
    spike_s : float
        Packets of a spike wait until it ends, as behind a full queue: the first one for
        this long, each one after it by a packet's length less.
    first, last : int
        Numbers of the packets that it is done to.
    seed : int
    """

    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    reorder_s: float = 0.03
    spike_every: int = 0
    spike_s: float = 0.08
    first: int = 0
    last: int = 1 << 62
    seed: int = 0

    def __call__(self, number: int, data: bytes) -> Sequence[float]:  # noqa: ARG002
        """Delay in seconds of each copy of a packet that is sent."""
        if not self.first <= number <= self.last:
            return (0.0,)
        lost, moved, doubled = np.random.default_rng((self.seed, number)).random(3)
        if lost < self.loss:
            return ()
        delay = self.reorder_s if moved < self.reorder else 0.0
        if self.spike_every:
            into = (number - self.first) % self.spike_every
            delay = max(delay, self.spike_s - into * _PACKET_S)
        return (delay, delay + 0.005) if doubled < self.duplicate else (delay,)


@asynccontextmanager
async def impaired(caller: Caller, impair: Impair) -> AsyncIterator[None]:
    """Do it to what a connected caller sends; packets are counted from its first frame."""
    delayed: set[asyncio.Task[None]] = set()

    async def through(data: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
        for delay in impair(len(caller._microphone.frames) - 1, data):
            if delay <= 0.0:
                await send(data)
                continue
            task = asyncio.create_task(_send_later(delay, data, send))
            delayed.add(task)
            task.add_done_callback(delayed.discard)

    tap_sending(caller._peer.getSenders()[0], through)
    try:
        yield
    finally:
        for task in delayed:
            task.cancel()
        await asyncio.gather(*delayed, return_exceptions=True)


def tap_sending(
    sender: RTCRtpSender,
    through: Callable[[bytes, Callable[[bytes], Awaitable[None]]], Awaitable[None]],
) -> None:
    """Let a sender's RTP packets, not RTCP, pass through a coroutine before encryption.

    Parameters
    ----------
    sender : RTCRtpSender
        Of a connection whose transports have been negotiated.
    through : coroutine function
        Called with a packet and what sends one.

    Raises
    ------
    AttributeError
        If this version of aiortc sends otherwise.
    """
    transport = sender.transport
    send = getattr(transport, _SEND)

    async def tapped(data: bytes) -> None:
        if is_rtcp(data):
            await send(data)
        else:
            await through(data, send)

    setattr(transport, _SEND, tapped)


async def _send_later(delay: float, data: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
    await asyncio.sleep(delay)
    with suppress(ConnectionError):
        await send(data)
