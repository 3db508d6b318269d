from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from tests.agent.transport.peers import leftovers, run, run_live
from turnkit.errors import CallError
from turnkit.lab.network import LineSettings, Link, NetworkProfile, Relay, Way
from turnkit.lab.network.candidates import Address

LOOPBACK = "127.0.0.1"
PERFECT = NetworkProfile("perfect")


def described(*addresses: Address, kind: str = "host") -> str:
    lines = [f"a=candidate:1 1 udp 1 {host} {port} typ {kind}" for host, port in addresses]
    return "\r\n".join(["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", *lines, ""])


def announced(sdp: str) -> list[Address]:
    found = re.findall(r"^a=candidate:1 1 udp 1 (\S+) (\d+) typ host\r$", sdp, re.MULTILINE)
    return [(host, int(port)) for host, port in found]


class Peer:
    """An end of a call that sends and takes datagrams."""

    def __init__(self, host: str = LOOPBACK) -> None:
        self._socket = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
        )
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        self.address: Address = self._socket.getsockname()[:2]

    def send(self, data: bytes, to: Address) -> None:
        self._socket.sendto(data, to)

    async def take(self) -> tuple[bytes, Address]:
        async with asyncio.timeout(5.0):
            data, source = await asyncio.get_running_loop().sock_recvfrom(self._socket, 2_000)
        return data, source[:2]

    def taken(self) -> list[bytes]:
        found: list[bytes] = []
        try:
            while True:
                found.append(self._socket.recv(2_000))
        except BlockingIOError:
            return found

    def close(self) -> None:
        self._socket.close()


@contextmanager
def peers(*hosts: str) -> Iterator[list[Peer]]:
    made = [Peer(host) for host in hosts]
    try:
        yield made
    finally:
        for each in made:
            each.close()


async def introduce(relay: Relay, caller: Peer, agent: Peer) -> tuple[Address, Address]:
    """Where the agent reaches the caller, and where the caller reaches the agent."""
    (to_caller,) = announced(relay.rewrite_offer(described(caller.address)))
    (to_agent,) = announced(relay.rewrite_answer(described(agent.address)))
    return to_caller, to_agent


def test_each_side_sees_one_address_of_the_other() -> None:
    async def talk() -> None:
        with peers(LOOPBACK, LOOPBACK) as (caller, agent):
            async with Relay(PERFECT, 0) as relay:
                to_caller, to_agent = await introduce(relay, caller, agent)
                assert len({to_caller, to_agent, caller.address, agent.address}) == 4
                caller.send(b"hello", to_agent)
                assert await agent.take() == (b"hello", to_caller)
                agent.send(b"how do you do", to_caller)
                assert await caller.take() == (b"how do you do", to_agent)
                caller.send(b"", to_agent)
                assert await agent.take() == (b"", to_caller)
                assert relay.counts()["up"]["packets"] == 2
                assert relay.counts()["down"]["packets"] == 1
                # The same description leads to the same addresses.
                assert await introduce(relay, caller, agent) == (to_caller, to_agent)

    run(talk())


def test_every_pair_of_addresses_has_a_way_of_its_own() -> None:
    """Or a check that one address sent would be answered to another."""

    async def talk() -> None:
        with peers(*[LOOPBACK] * 4) as (near, nearer, far, farther):
            async with Relay(PERFECT, 0) as relay:
                offered = announced(relay.rewrite_offer(described(near.address, nearer.address)))
                answered = announced(relay.rewrite_answer(described(far.address, farther.address)))
                for here, to_here in zip((near, nearer), offered, strict=True):
                    for there, to_there in zip((far, farther), answered, strict=True):
                        here.send(b"x", to_there)
                        assert await there.take() == (b"x", to_here)
                        there.send(b"y", to_here)
                        assert await here.take() == (b"y", to_there)

    run(talk())


def test_addresses_that_nobody_announced_are_learnt() -> None:
    """An agent behind an address translation, and one that is quicker than its answer."""

    async def talk() -> None:
        with peers(*[LOOPBACK] * 4) as (caller, agent, reflexive, surprise):
            async with Relay(PERFECT, 0) as relay:
                (to_caller,) = announced(relay.rewrite_offer(described(caller.address)))
                agent.send(b"early", to_caller)
                data, to_agent = await caller.take()
                assert data == b"early"
                assert announced(relay.rewrite_answer(described(agent.address))) == [to_agent]
                reflexive.send(b"check", to_caller)
                data, to_reflexive = await caller.take()
                assert to_reflexive not in (to_agent, to_caller)
                caller.send(b"answer", to_reflexive)
                assert await reflexive.take() == (b"answer", to_caller)
                surprise.send(b"also me", to_agent)
                data, to_surprise = await agent.take()
                assert to_surprise != to_caller
                agent.send(b"welcome", to_surprise)
                assert await surprise.take() == (b"welcome", to_agent)

    run(talk())


def test_strangers_cannot_take_all_sockets() -> None:
    async def talk() -> None:
        with peers(*[LOOPBACK] * 80) as (caller, *strangers):
            async with Relay(PERFECT, 0) as relay:
                (to_caller,) = announced(relay.rewrite_offer(described(caller.address)))
                for each in strangers:
                    each.send(b"x", to_caller)
                await asyncio.sleep(0.1)
                assert len(caller.taken()) == 64

    run(talk())


def test_ipv6_where_there_is_some() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")

    async def talk() -> None:
        with peers("::1", "::1") as (caller, agent):
            async with Relay(PERFECT, 0) as relay:
                to_caller, to_agent = await introduce(relay, caller, agent)
                caller.send(b"hello", to_agent)
                assert await agent.take() == (b"hello", to_caller)

    run(talk())


def test_what_cannot_be_relayed_is_said() -> None:
    async def talk() -> None:
        async with Relay(PERFECT, 0) as relay:
            with pytest.raises(CallError, match=r"offer: no candidate .*udp srflx 127\.0\.0\.1"):
                relay.rewrite_offer(described((LOOPBACK, 4000), kind="srflx"))
            with pytest.raises(CallError, match=r"offer: no candidate .*192\.0\.2\.77"):
                relay.rewrite_offer(described(("192.0.2.77", 4000)))  # not this machine
            with pytest.raises(CallError, match=r"answer: no candidate"):
                relay.rewrite_answer(described(("192.0.2.77", 4000)))  # before the offer
            relay.rewrite_offer(described((LOOPBACK, 4000)))
            with pytest.raises(CallError, match=r"answer: no candidate .*udp host ::1"):
                relay.rewrite_answer(described(("::1", 4000)))  # the caller has none
            relay.rewrite_answer(described((LOOPBACK, 4000), kind="srflx"))
        with pytest.raises(CallError, match="not open"):
            relay.rewrite_offer(described((LOOPBACK, 4000)))

    run(talk())


def test_what_is_lost_is_what_the_link_says() -> None:
    way = Way(loss=0.3, burst=2.0)

    async def talk() -> list[bytes]:
        with peers(LOOPBACK, LOOPBACK) as (caller, agent):
            async with Relay(NetworkProfile("lossy", up=way), 7) as relay:
                _, to_agent = await introduce(relay, caller, agent)
                for number in range(300):
                    caller.send(bytes([number % 256]), to_agent)
                    await asyncio.sleep(0)
                await asyncio.sleep(0.05)
                counts = relay.counts()["up"]
                taken = agent.taken()
                assert counts["packets"] == 300
                assert counts["lost"] == 300 - len(taken)
                assert relay.counts()["down"]["packets"] == 0
                return taken

    link = Link(way, 14)
    expected = [bytes([number % 256]) for number in range(300) if link.send(0.0, 1)]
    assert run(talk()) == expected


def test_what_is_on_its_way_still_arrives_and_nothing_is_left() -> None:
    async def talk() -> None:
        with peers(LOOPBACK, LOOPBACK) as (caller, agent):
            before = await leftovers()
            async with Relay(NetworkProfile("slow", up=Way(delay_ms=150.0)), 0) as relay:
                _, to_agent = await introduce(relay, caller, agent)
                caller.send(b"goodbye", to_agent)
                await asyncio.sleep(0.02)
                assert agent.taken() == []
            assert agent.taken() == [b"goodbye"]
            assert await leftovers() == before
            caller.send(b"nobody", to_agent)

    run(talk())


def test_the_end_of_the_world_is_not_waited_for() -> None:
    async def talk() -> None:
        loop = asyncio.get_running_loop()
        with peers(LOOPBACK, LOOPBACK) as (caller, agent):
            before = await leftovers()
            async with Relay(NetworkProfile("moon", up=Way(delay_ms=9_000.0)), 0) as relay:
                _, to_agent = await introduce(relay, caller, agent)
                caller.send(b"goodbye", to_agent)
                await asyncio.sleep(0.02)
                began = loop.time()
            assert loop.time() - began < 4.0
            assert await leftovers() == before

    run(talk())


@pytest.mark.realtime
def test_timers_are_precise_and_counts_tell_the_truth() -> None:
    profile = NetworkProfile(
        "measured",
        up=Way(delay_ms=40.0),
        down=Way(delay_ms=20.0, reorder=0.2),
        line=LineSettings(round_trip_ms=163.2),
    )

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        up: list[float] = []
        down: list[int] = []

        async def take_up(agent: Peer) -> None:
            while True:
                data, _ = await agent.take()
                up.append(loop.time() - float(data))

        async def take_down(caller: Peer) -> None:
            while True:
                down.append(int((await caller.take())[0]))

        with peers(LOOPBACK, LOOPBACK) as (caller, agent):
            async with Relay(profile, 3) as relay:
                to_caller, to_agent = await introduce(relay, caller, agent)
                tasks = [
                    asyncio.create_task(take_up(agent)),
                    asyncio.create_task(take_down(caller)),
                ]
                for number in range(100):
                    caller.send(str(loop.time()).encode(), to_agent)
                    agent.send(str(number).encode(), to_caller)
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.2)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                counts = relay.counts()
        # The line's filters take 3.2 ms of the round trip, and each way half of the rest.
        assert min(up) > 0.0899
        assert np.median(up) == pytest.approx(0.090, abs=0.002)
        assert counts["up"]["delay_ms_mean"] == pytest.approx(np.mean(up) * 1e3, abs=1.0)
        assert counts["up"]["delay_ms_max"] == pytest.approx(max(up) * 1e3, abs=3.0)
        assert counts["up"]["late_ms_max"] == pytest.approx(max(up) * 1e3 - 90.0, abs=3.0)
        assert counts["up"]["reordered"] == 0
        assert sorted(down) == list(range(100))
        late = sum(number < max(down[:place], default=-1) for place, number in enumerate(down))
        assert counts["down"]["reordered"] == late
        assert 10 <= late <= 35

    run_live(talk)
