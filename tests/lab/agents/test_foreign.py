"""Addresses behind which there is something else than an agent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from turnkit.errors import CallError, ConfigError
from turnkit.lab.agents.agent import TOKEN_ENV, Agent
from turnkit.lab.agents.opening import open_agent

CONFIG = {"mode": "streaming", "detector": "default", "ice_servers": []}


def against(
    answers: dict[str, bytes], ask: Callable[[str], Awaitable[Any]]
) -> tuple[Any, list[bytes]]:
    """Ask a server that gives raw answers by path; the requests it got come back, too."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        requests.append(request)
        path = request.split(b" ")[1].decode()
        writer.write(answers[path])
        await writer.drain()
        writer.close()

    async def go() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await ask(f"http://127.0.0.1:{port}")
        finally:
            server.close()
            await server.wait_closed()

    return asyncio.run(go()), requests


def answer(
    body: bytes, status: str = "200 OK", kind: str = "application/json", *more: str
) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *more, "Connection: close", "", ""]).encode() + body


def as_json(content: Any, status: str = "200 OK") -> bytes:
    return answer(json.dumps(content).encode(), status)


async def describe(url: str) -> Any:
    async with open_agent(url) as agent:
        return await agent.describe()


async def signal(url: str) -> str:
    async with open_agent(url) as agent:
        return await agent.signal("v=0")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (as_json({}), "no mode and detector in it"),
        (as_json({"mode": 3, "detector": "d"}), "no mode and detector in it"),
        (as_json([1, 2]), "JSON, but no object"),
        (as_json({**CONFIG, "ice_servers": "stun:me"}), "ice_servers 'stun:me'"),
        (answer(b"<html>Welcome</html>", kind="text/html"), r"text/html, not JSON"),
        (answer(b"\xff\xfe{"), "application/json, not JSON"),
        (answer(b"", "204 No Content"), "204: No Content"),
        (
            answer(b"", "308 Permanent Redirect", "text/plain", "Location: https://there.example/"),
            "308: sends to https://there.example/; give that address",
        ),
        (answer(b"no such page", "404 Not Found", "text/plain"), "404 for /api/config: no turnkit"),
        (as_json({"detail": "x"}, "404 Not Found"), "404 for /api/config: no turnkit agent"),
        (as_json({"error": "a token is needed"}, "401 Unauthorized"), f"401: .*{TOKEN_ENV}"),
        (answer(b"<h1>busy</h1>", "503 Service Unavailable", "text/html"), "503: Service Unavail"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "agent http://127.0.0.1"),
        (b"", "agent http://127.0.0.1"),
    ],
)
def test_what_is_no_agent_is_named(given: bytes, said: str) -> None:
    with pytest.raises(CallError, match=said):
        against({"/api/config": given}, describe)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (as_json({"type": "answer"}), "/api/offer gave what no turnkit agent gives"),
        (as_json({"sdp": 7}), "no sdp in it"),
        (as_json({"error": "too many calls"}, "429 Too Many Requests"), "429: too many calls"),
    ],
)
def test_an_answer_to_a_call_that_is_none_is_named(given: bytes, said: str) -> None:
    with pytest.raises(CallError, match=said):
        against({"/api/config": as_json(CONFIG), "/api/offer": given}, signal)


def test_a_token_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_ENV, "wrong-secret")
    refusal = as_json({"error": "a token is needed"}, "401 Unauthorized")
    seen: list[str] = []

    async def ask(url: str) -> None:
        with pytest.raises(CallError) as caught:
            await describe(url)
        seen.append(str(caught.value))

    _, requests = against({"/api/config": refusal}, ask)
    assert b"authorization: bearer wrong-secret" in requests[0].lower()
    assert "wrong-secret" not in seen[0]


def test_an_agent_is_described() -> None:
    found, _ = against({"/api/config": as_json(CONFIG)}, describe)
    assert found == CONFIG


@pytest.mark.parametrize("url", ["http://host:99999", "http://[::1", "http://host:0", "http://h:x"])
def test_an_address_with_no_port_of_this_world_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected http://HOST:PORT"):
        Agent(url)
