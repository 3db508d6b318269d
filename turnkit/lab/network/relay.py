"""A network between caller and agent in user space: a call's own packets go through it.

The relay answers nothing and understands nothing: checks of ICE, DTLS, audio and messages
pass as they are, each after what the network's `Link` does to it. Every address of the
caller has a stand-in, a socket to which the agent sends instead, and every address of the
agent has one to which the caller sends::

    caller C --> stand-in for A ==(up)==> stand-in for C --> agent A
    caller C <-- stand-in for A <==(down)== stand-in for C <-- agent A

So either side sees one address for each address of the other, as behind a one-to-one
address translation. Addresses that no candidate named (peer-reflexive ones, RFC 8445,
section 7.3.1.3) get their stand-ins when their first packet comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from turnkit.errors import CallError
from turnkit.lab.network.arrival import stamp_arrivals, take_datagram
from turnkit.lab.network.candidates import Address, replace_candidates
from turnkit.lab.network.lane import Lane
from turnkit.lab.network.link import Link
from turnkit.lab.network.profile import NetworkProfile

Side = Literal["caller", "agent"]

_MOST_ADDRESSES = 64
"""Stand-ins for one side: packets from anywhere make new ones, so there must be an end."""

_BUFFER = 1 << 19
"""Bytes of packets that may wait for the event loop: seconds of audio."""

_AT_ONCE = 64
_DRAIN_S = 2.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _StandIn:
    """Where the other side sends what is meant for `address` of `side`."""

    side: Side
    address: Address
    socket: socket.socket

    @property
    def own(self) -> Address:
        host, port = self.socket.getsockname()[:2]
        return host, port


class Relay:
    """A network between one caller of this machine and an agent anywhere.

    Use as an asynchronous context; when it ends, packets that are on their way still
    arrive (for up to two seconds), and everything is freed.

    Parameters
    ----------
    profile : NetworkProfile
    seed : int
        Of what happens to the packets.
    """

    def __init__(self, profile: NetworkProfile, seed: int) -> None:
        self._profile = profile
        up, down = profile.ways()
        self._lanes = {"up": Lane(Link(up, 2 * seed)), "down": Lane(Link(down, 2 * seed + 1))}
        self._stand_ins: dict[tuple[Side, Address], _StandIn] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Relay:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            async with asyncio.timeout(_DRAIN_S):
                for lane in self._lanes.values():
                    await lane.empty()
        except TimeoutError:
            _LOG.debug("packets were still on their way")
        finally:
            self._close()

    def _close(self) -> None:
        loop, self._loop = self._loop, None
        for lane in self._lanes.values():
            lane.close()
        for each in self._stand_ins.values():
            if loop is not None:
                loop.remove_reader(each.socket)
            each.socket.close()
        self._stand_ins.clear()

    def rewrite_offer(self, sdp: str) -> str:
        """Put the relay's addresses that face the agent in place of the caller's.

        Only host candidates are kept: the relay is on the caller's machine and has no
        other addresses. An agent on the far side of an address translation learns that
        one from the first packet.

        Raises
        ------
        CallError
            If no candidate can be relayed; it names those that are there.
        """
        return replace_candidates(sdp, "offer", ("host",), lambda it: self._announce("caller", it))

    def rewrite_answer(self, sdp: str) -> str:
        """Put the relay's addresses that face the caller in place of the agent's.

        Raises
        ------
        CallError
            If no candidate can be relayed; it names those that are there.
        """
        return replace_candidates(
            sdp, "answer", ("host", "srflx"), lambda it: self._announce("agent", it)
        )

    def counts(self) -> dict[str, dict[str, Any]]:
        """Count what happened to the packets so far, by direction.

        Returns
        -------
        dict
            ``"up"`` and ``"down"``, each with what `turnkit.lab.network.lane.Lane.counts`
            says.
        """
        return {name: lane.counts() for name, lane in self._lanes.items()}

    def _announce(self, side: Side, address: Address) -> Address | None:
        stand_in = self._stand_in(side, address)
        return None if stand_in is None else stand_in.own

    def _stand_in(self, side: Side, address: Address) -> _StandIn | None:
        """Stand-in for an address; None if there can be none."""
        found = self._stand_ins.get((side, address))
        if found is not None:
            return found
        if self._loop is None:
            raise CallError("relay: not open; use it as an asynchronous context")
        host = self._host_for(side, address)
        if host is None or sum(of == side for of, _ in self._stand_ins) >= _MOST_ADDRESSES:
            return None
        try:
            made = _StandIn(side, address, _open(host))
        except OSError as error:
            _LOG.debug("no stand-in for %s at %s: %s", address, host, error)
            return None
        self._stand_ins[side, address] = made
        self._loop.add_reader(made.socket, self._read, made)
        return made

    def _host_for(self, side: Side, address: Address) -> str | None:
        """Own host that the other side of `side` can reach.

        What reaches the caller reaches this machine, so its stand-ins have its hosts;
        stand-ins for the agent are where the caller can reach them.
        """
        if side == "caller":
            return address[0]
        version = ipaddress.ip_address(address[0]).version
        hosts = (each.address[0] for each in self._stand_ins.values() if each.side == "caller")
        return next((host for host in hosts if ipaddress.ip_address(host).version == version), None)

    def _read(self, at: _StandIn) -> None:
        """Take what came to a stand-in, and send it on from the sender's own stand-in."""
        lane = self._lanes["up" if at.side == "agent" else "down"]
        other: Side = "caller" if at.side == "agent" else "agent"
        with contextlib.suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                data, source, age = take_datagram(at.socket)
                sender = self._stand_in(other, source)
                if sender is not None:
                    lane.send(data, age, sender.socket, at.address)


def _open(host: str) -> socket.socket:
    version = ipaddress.ip_address(host).version
    made = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        stamp_arrivals(made)
        made.bind((host, 0))
    except OSError:
        made.close()
        raise
    return made
