"""Packets on their way in one direction of a relay."""

from __future__ import annotations

import asyncio
import heapq
import logging
import socket
from typing import Any

from turnkit.lab.network.candidates import Address
from turnkit.lab.network.link import Link

_LOG = logging.getLogger(__name__)

_Flight = tuple[float, int, float, bytes, socket.socket, Address]
"""When it is due, its number, when it came, the packet, and from where to where it goes."""


class Lane:
    """One direction: takes packets as they come and sends them on when the link says so.

    The clock is the event loop's; one timer stands for all packets. On Linux a timer of
    asyncio fires up to a millisecond late, never early.

    Parameters
    ----------
    link : Link
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._flights: list[_Flight] = []
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._taken = self._lost = self._given = self._reordered = 0
        self._newest = -1
        self._now = 0.0
        self._delay_sum = self._delay_max = self._late_max = 0.0

    def counts(self) -> dict[str, Any]:
        """Count what happened so far.

        Returns
        -------
        dict
            ``packets`` that came, how many of them were ``lost`` and ``reordered`` (came
            out after a later one, RFC 4737), ``delay_ms_mean`` and ``delay_ms_max`` as it
            really was, and ``late_ms_max``, by how much a packet at most was behind what
            the link said, because the machine was busy.
        """
        return {
            "packets": self._taken,
            "lost": self._lost,
            "reordered": self._reordered,
            "delay_ms_mean": self._delay_sum / max(self._given, 1) * 1e3,
            "delay_ms_max": self._delay_max * 1e3,
            "late_ms_max": self._late_max * 1e3,
        }

    def send(self, data: bytes, age_s: float, source: socket.socket, target: Address) -> None:
        """Take a packet that came `age_s` ago and is to leave from `source` to `target`."""
        now = max(asyncio.get_running_loop().time() - age_s, self._now)
        self._now = now
        number, self._taken = self._taken, self._taken + 1
        dues = self._link.send(now, len(data))
        if not dues:
            self._lost += 1
            return
        for due in dues:
            heapq.heappush(self._flights, (due, number, now, data, source, target))
        self._empty.clear()
        self._go_on()

    def _go_on(self) -> None:
        """Send what is due, and wake up for what is not."""
        loop = asyncio.get_running_loop()
        while self._flights and self._flights[0][0] <= loop.time():
            self._deliver(heapq.heappop(self._flights), loop.time())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flights:
            self._timer = loop.call_at(self._flights[0][0], self._wake)
        else:
            self._empty.set()

    def _wake(self) -> None:
        self._timer = None
        self._go_on()

    def _deliver(self, flight: _Flight, now: float) -> None:
        due, number, came, data, source, target = flight
        try:
            source.sendto(data, target)
        except OSError as error:
            _LOG.debug("a packet to %s is lost: %s", target, error)
            self._lost += 1
            return
        self._given += 1
        self._reordered += number < self._newest
        self._newest = max(self._newest, number)
        self._delay_sum += now - came
        self._delay_max = max(self._delay_max, now - came)
        self._late_max = max(self._late_max, now - due)

    async def empty(self) -> None:
        """Wait until nothing is on its way."""
        await self._empty.wait()

    def close(self) -> None:
        """Drop what is on its way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flights.clear()
        self._empty.set()
