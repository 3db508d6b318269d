from __future__ import annotations

import asyncio
import io
import os
import socket
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.agent.server.stubs import StubTransport, hold, run, served
from turnkit.agent.server import calls as calls_module
from turnkit.agent.server.calls import CallRefused, Calls
from turnkit.agent.server.serving import PortInUseError, bind, serving
from turnkit.agent.server_settings import ServiceLimits
from turnkit.agent.telemetry.logs import open_log
from turnkit.agent.telemetry.observer import Telemetry
from turnkit.errors import ConfigError


def open_calls(runner: Any, **limits: Any) -> tuple[Calls, io.StringIO]:
    log = io.StringIO()
    known = ServiceLimits(drain_s=0.2, **limits)
    calls = Calls(runner, Telemetry(open_log(log)), known, 900.0, lambda: 0.0)
    calls.warm = True
    return calls, log


def types_of(sent: list[Mapping[str, Any]]) -> list[str]:
    return [message["type"] for message in sent]


def test_a_runner_that_breaks_ends_with_words_and_frees_the_call() -> None:
    async def breaks(*_: Any) -> None:
        raise ValueError("my card number is 1234")

    async def body() -> None:
        calls, log = open_calls(breaks)
        transport = StubTransport()
        with calls.slot() as slot:
            call = await slot.start(transport)
        await call.task
        assert types_of(transport.sent) == ["error", "bye"]
        assert transport.sent[0]["fatal"] is True
        assert transport.reason is not None
        assert len(calls) == 0
        assert "1234" not in log.getvalue() + str(transport.sent)
        assert "ValueError" in log.getvalue()

    run(body)


def test_a_runner_that_ignores_hanging_up_is_cancelled() -> None:
    freed = []

    async def deaf(*_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            freed.append(True)

    async def body() -> None:
        calls, _ = open_calls(deaf)
        with calls.slot() as slot:
            await slot.start(StubTransport())
        await asyncio.sleep(0)
        assert await calls.hang_up(slot.call_id, "enough")
        assert freed == [True]
        assert len(calls) == 0
        assert await calls.hang_up(slot.call_id, "enough")
        assert not await calls.hang_up("never there", "enough")

    run(body)


def test_only_the_last_calls_are_known_when_they_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def runner(*_: Any) -> None: ...

    async def body() -> None:
        monkeypatch.setattr(calls_module, "REMEMBERED_CALLS", 2)
        calls, _ = open_calls(runner)
        names = []
        for _ in range(3):
            with calls.slot() as slot:
                call = await slot.start(StubTransport())
            await call.task
            names.append(slot.call_id)
        assert [await calls.hang_up(name, "enough") for name in names] == [False, True, True]

    run(body)


def test_a_call_that_outlives_every_limit_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "GRACE_S", 0.05 - 900.0)

    async def body() -> None:
        calls, log = open_calls(hold)
        transport = StubTransport()
        with calls.slot() as slot:
            call = await slot.start(transport)
        await asyncio.wait({call.task}, timeout=5)
        assert call.task.done()
        assert '"failed"' in log.getvalue()
        assert transport.sent[-1]["type"] == "bye"

    run(body)


def test_a_transport_that_fails_to_close_does_not_keep_the_slot() -> None:
    class Stuck(StubTransport):
        async def aclose(self, reason: str = "") -> None:
            await super().aclose(reason)
            raise OSError("already gone")

    async def body() -> None:
        calls, _ = open_calls(hold)
        with calls.slot() as slot:
            call = await slot.start(Stuck())
        await calls.hang_up(slot.call_id, "enough")
        assert call.task.done()
        assert len(calls) == 0

    run(body)


def test_nothing_is_said_after_goodbye() -> None:
    async def chatty(transport: Any, *_: Any) -> Any:
        transport.send({"type": "bye", "at": 0.0, "reason": "the caller hung up"})
        transport.send({"type": "stats", "at": 0.0})
        return SimpleNamespace(reason="the caller hung up")

    async def body() -> None:
        calls, _ = open_calls(chatty)
        transport = StubTransport()
        with calls.slot() as slot:
            call = await slot.start(transport)
        await call.task
        assert types_of(transport.sent) == ["bye"]

    run(body)


def test_room_is_counted_while_a_call_is_set_up() -> None:
    async def body() -> None:
        calls, _ = open_calls(hold, calls=1)
        with calls.slot(), pytest.raises(CallRefused, match="full"), calls.slot():
            pass
        with calls.slot() as slot:
            await slot.start(StubTransport())
        with pytest.raises(CallRefused), calls.slot():
            pass
        await calls.drain("the end")
        with pytest.raises(CallRefused, match="shutting down"), calls.slot():
            pass

    run(body)


def test_a_call_set_up_while_the_server_stops_is_not_begun() -> None:
    async def body() -> None:
        calls, _ = open_calls(hold)
        transport = StubTransport()
        with calls.slot() as slot:
            await calls.drain("the end")
            with pytest.raises(CallRefused, match="shutting down"):
                await slot.start(transport)
        assert transport.reason == "the server is shutting down"
        assert len(calls) == 0

    run(body)


def test_stopping_says_goodbye_and_frees_the_port() -> None:
    async def body() -> None:
        sock = bind("127.0.0.1", 0)
        port = sock.getsockname()[1]
        async with served() as other:
            service = other.service
            async with serving(service, sock) as url, httpx.AsyncClient(trust_env=False) as client:
                content = {
                    "type": "offer",
                    "sdp": "v=0",
                }
                await client.post(f"{url}/api/offer", json=content)
                with pytest.raises(PortInUseError, match=str(port)):
                    bind("127.0.0.1", port)
            transport = other.stubs.made[0]
            assert types_of(transport.sent) == ["hello", "bye"]
            assert transport.reason == "the server is shutting down"
            bind("127.0.0.1", port).close()

    run(body)


def test_addresses_that_are_none_are_told() -> None:
    for host in ("203.0.113.1", "no-such-host.invalid"):
        with pytest.raises(ConfigError, match=r"server\.host"):
            bind(host, 0)


def count_things() -> tuple[int, int, int]:
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - not a folder of files
    return threading.active_count(), descriptors, len(asyncio.all_tasks())


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts through /proc")  # noqa: PTH112
def test_two_hundred_calls_leave_things_where_they_were() -> None:
    async def body() -> None:
        async with served("server.limits.offers_per_minute=1000") as it:

            async def call() -> None:
                content = (await it.offer()).json()
                answer = await it.client.delete(f"/api/calls/{content['call']}")
                assert answer.status_code == 200

            for _ in range(10):
                await call()
            before = count_things()
            for _ in range(200):
                await call()
            it.stubs.made.clear()
            assert count_things() == before
            assert (await it.client.get("/healthz")).json()["calls"] == 0
            text = (await it.client.get("/metrics")).text
            assert 'turnkit_calls_total{result="ended",transport="webrtc"} 210.0' in text

    run(body)


def test_a_port_of_loopback_is_not_one_of_the_world() -> None:
    sock = bind("127.0.0.1", 0)
    try:
        assert sock.getsockname()[0] == "127.0.0.1"
        assert sock.family == socket.AF_INET
    finally:
        sock.close()
