from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.agent.server.stubs import TOKEN, Served, run, served
from turnkit.agent.server.access import SUBPROTOCOL, TOKEN_SUBPROTOCOL

GUARDED = {"TURNKIT_TOKEN": TOKEN}


def dial(it: Served, **options: Any) -> AbstractAsyncContextManager[ClientConnection]:
    url = it.url.replace("http", "ws", 1) + "/api/stream"
    return connect(url, proxy=None, **options)


async def refused(it: Served, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        async with dial(it, **options):
            pass
    response = caught.value.response
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    return response.status_code, json.loads(response.body or b"{}")["error"]


def test_a_program_calls_and_the_server_hangs_up() -> None:
    async def body() -> None:
        async with served() as it, dial(it) as caller:
            await caller.send(b"\0\0" * 320)
            async with asyncio.timeout(5):
                while not len(it.service.calls):
                    await asyncio.sleep(0.01)
                call_id = it.stubs.made[0].sent[0]["call"]
                assert (await it.client.delete(f"/api/calls/{call_id}")).status_code == 200
                kinds = [json.loads(await caller.recv())["type"] for _ in range(2)]
                assert kinds == ["hello", "bye"]
                with pytest.raises(ConnectionClosed):
                    await caller.recv()
            assert (await it.client.get("/healthz")).json()["calls"] == 0

    run(body)


def test_a_program_that_goes_away_leaves_nothing() -> None:
    async def body() -> None:
        async with served("server.limits.calls=1") as it:
            for _ in range(3):
                async with dial(it) as caller:
                    await caller.send(b"\0\0" * 320)
                async with asyncio.timeout(5):
                    while len(it.service.calls):
                        await asyncio.sleep(0.01)
            assert (
                'result="ended",transport="websocket"} 3.0'
                in (await it.client.get("/metrics")).text
            )

    run(body)


def test_without_the_token_there_is_no_stream() -> None:
    async def body() -> None:
        async with served(environ=GUARDED) as it:
            assert (await refused(it))[0] == 401
            wrong = {"Authorization": "Bearer wrong-wrong-wrong-wrong"}
            assert await refused(it, additional_headers=wrong) == (
                401,
                "this is not the right token",
            )
            offered = [SUBPROTOCOL, TOKEN_SUBPROTOCOL + "wrong"]
            assert (await refused(it, subprotocols=offered))[0] == 401
            assert not it.stubs.made

    run(body)


def test_a_token_comes_in_a_header_or_as_a_subprotocol() -> None:
    async def body() -> None:
        async with served(environ=GUARDED) as it:
            async with dial(it, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as caller:
                assert caller.subprotocol is None
            async with dial(it, subprotocols=[SUBPROTOCOL, TOKEN_SUBPROTOCOL + TOKEN]) as caller:
                # The token is not echoed.
                assert caller.subprotocol == SUBPROTOCOL
            assert TOKEN not in it.log

    run(body)


def test_pages_of_other_sites_and_other_names_get_no_stream() -> None:
    async def body() -> None:
        async with served() as it:
            assert (await refused(it, origin="https://evil.example"))[0] == 403
            async with dial(it, origin=it.url):
                pass
            url = it.url.replace("http", "ws", 1) + "/api/stream"
            host, port = "127.0.0.1", int(it.url.rpartition(":")[2])
            named = url.replace(host, "evil.example")
            with pytest.raises(InvalidStatus) as caught:
                await connect(named, host=host, port=port, proxy=None)
            assert caught.value.response.status_code == 403

    run(body)


def test_a_full_server_refuses_streams_in_words() -> None:
    async def body() -> None:
        async with served("server.limits.calls=1") as it, dial(it):
            while not len(it.service.calls):
                await asyncio.sleep(0.01)
            status, reason = await refused(it)
            assert status == 503
            assert "full" in reason

    run(body)


def test_messages_that_are_too_long_end_the_stream() -> None:
    async def body() -> None:
        async with served() as it, dial(it) as caller:
            await caller.send(b"\0" * 70_000)
            with pytest.raises(ConnectionClosed) as caught:
                async with asyncio.timeout(5):
                    await caller.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009

    run(body)


def test_streams_count_in_the_rate() -> None:
    async def body() -> None:
        async with served("server.limits.offers_per_minute=1") as it:
            async with dial(it):
                pass
            assert (await refused(it))[0] == 429

    run(body)
