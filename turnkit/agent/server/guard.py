"""A transport that the service can end from outside, with a goodbye."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from turnkit.agent.transport.protocol import HEARD_RATE, AudioSource, CallTransport
from turnkit.audio import Samples

CLOSE_S = 10.0
"""Seconds that a transport may take to close before it is left to itself."""


class GuardedTransport:
    """Any transport, watched.

    Parameters
    ----------
    transport : CallTransport

    Attributes
    ----------
    ended : str or None
        Why the service hung up, in words; None if it did not.
    failed : bool
        Whether the client was told of an error that ends the call.
    """

    def __init__(self, transport: CallTransport) -> None:
        self.kind, self.playout_rate = transport.kind, transport.playout_rate
        self.ended: str | None = None
        self.failed = False
        self._transport = transport
        self._samples = 0
        self._said_bye = False

    @property
    def at(self) -> float:
        """Seconds on the call's clock: audio received."""
        return round(self._samples / HEARD_RATE, 3)

    async def receive(self) -> Samples | None:
        """Next samples from the caller; None once it is gone."""
        samples = await self._transport.receive()
        if samples is not None:
            self._samples += len(samples)
        return samples

    def play(self, source: AudioSource) -> None:
        """Begin to send what `source` gives."""
        self._transport.play(source)

    def drop_audio(self) -> None:
        """Forget outgoing audio that waits."""
        self._transport.drop_audio()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; nothing comes after a ``bye``."""
        if self._said_bye:
            return
        self._said_bye = message.get("type") == "bye"
        self.failed |= message.get("type") == "error" and bool(message.get("fatal"))
        self._transport.send(message)

    async def receive_message(self) -> Mapping[str, Any] | None:
        """Next message from the client; None once it is gone."""
        return await self._transport.receive_message()

    async def end(self, reason: str) -> None:
        """Hang up from outside the call."""
        self.ended = self.ended or reason
        await self.aclose(reason)

    async def aclose(self, reason: str = "") -> None:
        """Say goodbye and why, hang up and free everything, within `CLOSE_S`."""
        # Whoever ends it, and however: the client is told once.
        self.send({"type": "bye", "at": self.at, "reason": reason or "the call is over"})
        async with asyncio.timeout(CLOSE_S):
            await self._transport.aclose(reason)
