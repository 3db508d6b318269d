"""Against a real server on this machine, which does what services do when they fail."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.stages.llm.running import answer, asking, listen, run, until
from turnkit.errors import ConfigError, StageError
from turnkit.stages.llm.opening import open_llm
from turnkit.stages.llm.remote import RemoteLlm

KEY = "sk-very-secret-0123456789"
SSE = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Service:
    """What a script sees of one connection, and what the service counted."""

    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader
    requests: list[dict[str, Any]]
    headers: list[str]

    def send(self, text: str) -> None:
        self.writer.write(text.encode())

    def chunk(self, text: str) -> None:
        """Send one piece of a chunked body."""
        self.send(f"{len(text.encode()):x}\r\n{text}\r\n")

    def event(self, text: str | None = None, finish: str | None = None) -> None:
        delta = {} if text is None else {"content": text}
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        content = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        self.chunk(f"data: {json.dumps({**content, 'choices': [choice]})}\n\n")

    def end(self) -> None:
        self.chunk("data: [DONE]\n\n")
        self.send("0\r\n\r\n")

    def status(self, code: int, message: str) -> None:
        body = json.dumps({"error": {"message": message}})
        head = f"HTTP/1.1 {code} No\r\nContent-Type: application/json\r\n"
        self.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}")


Script = Callable[[Service], Awaitable[None]]


@dataclass
class Served:
    """A running service."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    connections: int = 0
    gone: int = 0


@asynccontextmanager
async def serving(script: Script) -> AsyncGenerator[Served, None]:
    served = Served("")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length:")[2].split()[0])
                served.requests.append(json.loads(await reader.readexactly(length)))
                served.headers.append(head)
                await script(Service(writer, reader, served.requests, served.headers))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            served.gone += 1
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield served
    finally:
        server.close()
        await until(lambda: served.gone == served.connections)
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_KEY", KEY)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("ALL_PROXY", raising=False)


def remote(url: str, **settings: Any) -> RemoteLlm:
    content = {"base_url": url, "model": "m", "api_key_env": "SERVICE_KEY", "retries": 0}
    # Only what a test wants to run out is short: a machine that stalls is no failure.
    content |= dict.fromkeys(
        ("connect_timeout_s", "first_token_timeout_s", "token_timeout_s"), 60.0
    )
    engine = open_llm({"kind": "openai", **content, **settings})
    assert isinstance(engine, RemoteLlm)
    return engine


async def say_hello(service: Service) -> None:
    service.send(SSE)
    for piece in ("Hello", " there", ". And", " more."):
        service.event(piece)
    service.event(finish="stop")
    service.end()


def test_pieces_as_they_come_over_one_connection() -> None:
    async def main() -> tuple[list[str], Served]:
        async with serving(say_hello) as served:
            engine = remote(served.url, temperature=0.5, extra={"top_k": 1})
            await engine.warm()
            conversation = engine.open()
            pieces: list[str] = []
            for _ in range(3):
                pieces = [piece async for piece in conversation.reply(asking("Hi"))]
                await conversation.prefill(asking("Hi", "Hello."))
            await conversation.aclose()
            await engine.aclose()
            return pieces, served

    pieces, served = run(main())
    assert pieces == ["Hello", " there", ". And", " more."]
    assert served.connections == 1
    assert len(served.requests) == 4
    assert served.requests[0]["max_tokens"] == 1
    body = served.requests[-1]
    assert body["messages"] == [{"role": m.role, "content": m.content} for m in asking("Hi")]
    wanted = {"model": "m", "stream": True, "temperature": 0.5, "top_k": 1, "max_tokens": 120}
    assert wanted.items() <= body.items()
    assert f"bearer {KEY}" in served.headers[-1].lower().replace("Bearer", "bearer")


def test_optional_keys_are_left_out_and_sentences_are_counted_here() -> None:
    async def main() -> tuple[str, Served]:
        async with serving(say_hello) as served:
            engine = remote(served.url, max_tokens=0, sentences=1, api_key_env=None)
            await engine.warm()
            conversation = engine.open()
            reply = await answer(conversation, asking("Hi"))
            await conversation.aclose()
            await engine.aclose()
            return reply, served

    reply, served = run(main())
    assert reply == "Hello there."
    assert not {"max_tokens", "temperature"} & served.requests[-1].keys()
    assert KEY not in "".join(served.headers)


async def refuse(service: Service) -> None:
    service.status(401, f"Incorrect API key provided: {KEY}")


async def too_many(service: Service) -> None:
    service.status(429, f"Slow down, {KEY}")


async def fail(service: Service) -> None:
    service.status(500, "out of memory")


async def never(service: Service) -> None:
    await service.reader.read()


async def stop_in_the_middle(service: Service) -> None:
    service.send(SSE)
    service.event("Hello")
    await service.reader.read()


async def drop(service: Service) -> None:
    service.send(SSE)
    service.event("Hello")
    await service.writer.drain()
    raise ConnectionError


async def end_too_early(service: Service) -> None:
    service.send(SSE)
    service.event("Hello")
    service.send("0\r\n\r\n")


async def garbage(service: Service) -> None:
    service.send(SSE)
    service.event("Hello")
    service.chunk("data: {]]not json\n\n")
    service.end()


async def wrong_shape(service: Service) -> None:
    service.send(SSE)
    service.event("Hello")
    service.chunk('data: {"choices": [{"delta": "text"}]}\n\n')
    service.end()


async def a_page(service: Service) -> None:
    service.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")


async def error_in_the_stream(service: Service) -> None:
    service.send(SSE)
    service.event("Hello")
    service.chunk(f'data: {{"error": {{"message": "overloaded {KEY}"}}}}\n\n')
    service.end()


async def nothing(service: Service) -> None:
    service.writer.close()


@pytest.mark.parametrize(
    ("script", "heard", "message"),
    [
        (refuse, "", "answered 401: it does not accept the key that SERVICE_KEY holds"),
        (too_many, "", r"answered 429: .*Slow down, \*\*\*"),
        (fail, "", "answered 500: .*out of memory"),
        (never, "", "did not answer in time"),
        (stop_in_the_middle, "Hello", "did not answer in time"),
        (drop, "Hello", "no connection to|broke off"),
        (end_too_early, "Hello", "broke off before the end"),
        (garbage, "Hello", "sent what is no answer"),
        (wrong_shape, "Hello", "sent what is no answer"),
        (a_page, "", "broke off before the end|sent what is no answer"),
        (error_in_the_stream, "Hello", r"failed in its answer: overloaded \*\*\*"),
        (nothing, "", "no connection to"),
    ],
)
def test_failures_in_words(script: Script, heard: str, message: str) -> None:
    async def main() -> tuple[str, str]:
        async with serving(script) as served:
            limits: dict[Script, str] = {
                never: "first_token_timeout_s",
                stop_in_the_middle: "token_timeout_s",
            }
            engine = remote(served.url, **({limits[script]: 0.3} if script in limits else {}))
            conversation = engine.open()
            pieces: list[str] = []
            with pytest.raises(StageError, match=message) as caught:
                await listen(conversation, "Hi", pieces)
            await conversation.aclose()
            await engine.aclose()
            return "".join(pieces), str(caught.value)

    pieces, told = run(main())
    assert pieces == heard
    assert told.startswith("llm: 127.0.0.1:") or told.startswith("llm: no connection to 127.0.0.1:")
    assert KEY not in told


def test_refused_connections() -> None:
    async def main() -> None:
        engine = remote("http://127.0.0.1:9/v1")
        conversation = engine.open()
        with pytest.raises(StageError, match=r"no connection to 127\.0\.0\.1:9"):
            await answer(conversation, asking("Hi"))
        await conversation.aclose()
        await engine.aclose()

    run(main())


def test_a_failure_that_passes_is_tried_again() -> None:
    async def once(service: Service) -> None:
        await (fail if len(service.requests) == 1 else say_hello)(service)

    async def main() -> str:
        async with serving(once) as served:
            engine = remote(served.url, retries=1)
            conversation = engine.open()
            reply = await answer(conversation, asking("Hi"))
            await conversation.aclose()
            await engine.aclose()
            return reply

    assert run(main()) == "Hello there. And more."


@pytest.mark.parametrize("how", ["generator", "task", "conversation"])
def test_closing_hangs_up(how: str) -> None:
    async def main() -> None:
        async with serving(stop_in_the_middle) as served:
            engine = remote(served.url)
            conversation = engine.open()
            heard: list[str] = []
            most = 1 if how == "generator" else 0
            task = asyncio.create_task(listen(conversation, "Hi", heard, most))
            await until(lambda: bool(heard))
            if how == "task":
                task.cancel()
            elif how == "conversation":
                await conversation.aclose()
            await asyncio.wait([task])
            await until(lambda: served.gone == 1)
            await conversation.aclose()
            await engine.aclose()
            with pytest.raises(StageError, match="the engine was closed"):
                engine.open()
            if how == "conversation":
                assert isinstance(task.exception(), StageError)

    run(main())


def test_warming_tells_and_goes_on_unless_it_is_required(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(refuse) as served:
            engine = remote(served.url)
            with caplog.at_level(logging.WARNING):
                await engine.warm()
            await engine.aclose()
            engine = remote(served.url, required=True)
            with pytest.raises(StageError, match="answered 401"):
                await engine.warm()
            await engine.aclose()

    run(main())
    assert "answered 401" in caplog.text
    assert KEY not in caplog.text


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVICE_KEY")
    with pytest.raises(ConfigError, match="environment variable SERVICE_KEY is not set"):
        remote("http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_key_env": KEY}, "not a key"),
        ({"api_key": KEY}, r"llm\.api_key: unknown; did you mean 'api_key_env'"),
        ({"base_url": f"https://user:{KEY}@example.org/v1"}, "without a user"),
        ({"base_url": f"https://example.org/v1?key={KEY}"}, "without a user"),
        ({"base_url": "example.org"}, "http:// or https://"),
        ({"model": ""}, "expected the name of a model"),
        ({"temperature": 9.0}, r"llm\.temperature 9"),
        ({"max_tokens": -1}, r"llm\.max_tokens -1"),
        ({"token_timeout_s": 0.0}, r"llm\.token_timeout_s 0"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_llm({"kind": "openai", "base_url": "http://x/v1", "model": "m", **settings})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [500, 429, None])
def test_a_key_across_the_cut_is_not_told(status: int | None) -> None:
    async def tell(service: Service) -> None:
        # Wherever the client's own words make it land, some filler puts it across the cut.
        message = "x" * (205 - 5 * len(service.requests)) + KEY
        if status is not None:
            service.status(status, message)
            return
        service.send(SSE)
        service.chunk(f'data: {{"error": {{"message": "{message}"}}}}\n\n')
        service.end()

    async def main() -> list[str]:
        told = []
        async with serving(tell) as served:
            engine = remote(served.url)
            conversation = engine.open()
            for _ in range(20):
                with pytest.raises(StageError) as caught:
                    await answer(conversation, asking("Hi"))
                told.append(str(caught.value))
            await conversation.aclose()
            await engine.aclose()
        return told

    told = run(main())
    assert any("***" in each for each in told)
    assert any(each.endswith(("*", "x")) for each in told)
    assert not [each for each in told if KEY[:3] in each]
