from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.errors import ConfigError, StageError
from turnkit.settings_file import build
from turnkit.stages.tts.remote import RemoteTts, RemoteTtsSettings, as_samples
from turnkit.stages.tts.stream import SpeechPiece

KEY = "sk-secret-0123456789"
WAVE = np.arange(-1_200, 1_200, dtype="<i2")

Answer = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One request and the means to answer it, chunk by chunk."""

    def __init__(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.head, self.body, self.writer = head, body, writer

    async def begin(self, status: str = "200 OK", kind: str = "audio/pcm") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.writer.write(head.encode())
        await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self.writer.drain()


class Service:
    """A speech service on this machine, answering as told."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        self._answers = iter(answers)
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.current_task())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].split()[0])
                exchange = Exchange(head, await reader.readexactly(length), writer)
                self.exchanges.append(exchange)
                await next(self._answers)(exchange)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        except asyncio.CancelledError:  # the test is over; Python 3.11 would log it
            pass
        finally:
            writer.close()

    async def end(self) -> None:
        tasks = [task for task in self._tasks if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def talking_to(*answers: Answer, **settings: Any) -> AsyncIterator[tuple[RemoteTts, Service]]:
    service = Service(answers)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    given = {"base_url": f"http://{host}:{port}/v1", "model": "m", "retries": 0, **settings}
    engine = RemoteTts(build(RemoteTtsSettings, given, "tts"))
    try:
        yield engine, service
    finally:
        await engine.aclose()
        server.close()
        await service.end()
        await server.wait_closed()


async def pieces_of(engine: RemoteTts, text: str = "Hello there.") -> list[SpeechPiece]:
    async with aclosing(engine.stream(text)) as stream:
        return [piece async for piece in stream]


async def speak(exchange: Exchange) -> None:
    """Answer `WAVE` in chunks that cut samples in half."""
    await exchange.begin()
    data = WAVE.tobytes()
    for start in range(0, len(data), 701):
        await exchange.chunk(data[start : start + 701])
        await asyncio.sleep(0.002)
    await exchange.chunk(b"")


def test_samples_come_through_whole_over_one_connection() -> None:
    async def work() -> None:
        async with talking_to(speak, speak, sample_rate=24_000) as (engine, service):
            await engine.warm()
            pieces = await pieces_of(engine)
            samples = np.concatenate([piece.samples for piece in pieces])
            assert len(pieces) > 1
            assert samples.dtype == np.float32
            assert np.array_equal(samples, WAVE.astype(np.float32) / 32_768)
            assert engine.sample_rate == 24_000
            assert not engine.simulated
            assert service.connections == 1

    asyncio.run(work())


def test_the_request_says_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TTS_KEY", KEY)
    settings = {
        "voice": "v",
        "speed": 1.5,
        "instructions": "calmly",
        "extra": {"seed": 7},
        "api_key_env": "MY_TTS_KEY",
    }

    async def work() -> None:
        async with talking_to(speak, **settings) as (engine, service):
            await pieces_of(engine, "Good morning.")
            (exchange,) = service.exchanges
        assert exchange.head.startswith("post /v1/audio/speech ")
        assert f"authorization: bearer {KEY}" in exchange.head
        assert json.loads(exchange.body) == {
            "input": "Good morning.",
            "model": "m",
            "voice": "v",
            "response_format": "pcm",
            "speed": 1.5,
            "instructions": "calmly",
            "seed": 7,
        }

    asyncio.run(work())


def test_nothing_to_say_asks_for_nothing() -> None:
    async def work() -> None:
        async with talking_to() as (engine, service):
            assert await pieces_of(engine, " ... ") == []
            assert service.connections == 0

    asyncio.run(work())


def test_closing_in_the_middle_hangs_up() -> None:
    async def go_on(exchange: Exchange) -> None:
        await exchange.begin()
        while True:
            await exchange.chunk(WAVE.tobytes())
            await asyncio.sleep(0.005)

    async def work() -> None:
        async with talking_to(go_on) as (engine, service):
            stream = engine.stream("Hello there.")
            await anext(stream)
            await stream.aclose()
            await asyncio.wait_for(service.hung_up.wait(), 5)
            assert [piece async for piece in stream] == []

    asyncio.run(work())


def test_two_calls_are_served_at_the_same_time() -> None:
    together = asyncio.Barrier(2)

    async def meet(exchange: Exchange) -> None:
        await together.wait()
        await speak(exchange)

    async def work() -> None:
        async with talking_to(meet, meet) as (engine, _):
            both = asyncio.gather(pieces_of(engine), pieces_of(engine))
            assert all(await asyncio.wait_for(both, 5))

    asyncio.run(work())


async def refuse(exchange: Exchange) -> None:
    await exchange.begin("401 Unauthorized", "application/json")
    await exchange.chunk(json.dumps({"error": {"message": f"Bad key {KEY}"}}).encode())
    await exchange.chunk(b"")


async def fail(exchange: Exchange) -> None:
    await exchange.begin("500 Internal Server Error", "text/plain")
    await exchange.chunk(b"out of memory")
    await exchange.chunk(b"")


async def answer_json(exchange: Exchange) -> None:
    await exchange.begin(kind="application/json; charset=utf-8")
    await exchange.chunk(b'{"detail": "no"}')
    await exchange.chunk(b"")


async def answer_file(exchange: Exchange) -> None:
    await exchange.begin(kind="audio/wav")
    await exchange.chunk(b"RIFF" + bytes(100))
    await exchange.chunk(b"")


async def break_off(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.chunk(WAVE.tobytes())
    await asyncio.sleep(0.02)
    exchange.writer.transport.abort()


async def stall(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.chunk(WAVE.tobytes())
    await asyncio.sleep(10)


async def be_silent(exchange: Exchange) -> None:
    del exchange
    await asyncio.sleep(10)


async def talk_for_ever(exchange: Exchange) -> None:
    await exchange.begin()
    while True:
        await exchange.chunk(bytes(1_000_000))


async def talk_nonsense(exchange: Exchange) -> None:
    exchange.writer.write(b"\x00\x01 this is not HTTP\r\n\r\n")
    await exchange.writer.drain()


@pytest.mark.parametrize(
    ("answer", "problem", "heard"),
    [
        (refuse, r"answered 401: .*\*\*\*", 0),
        (fail, "answered 500", 0),
        (answer_json, "application/json instead of audio", 0),
        (answer_file, "a sound file instead of raw samples", 0),
        (break_off, "broke off", len(WAVE)),
        (stall, "stopped in the middle", len(WAVE)),
        (be_silent, "did not answer in time", 0),
        (talk_for_ever, "does not stop speaking", 1),
        (talk_nonsense, "cannot reach", 0),
    ],
)
def test_faults_are_told_in_words_and_what_was_said_stands(
    answer: Answer, problem: str, heard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TTS_KEY", KEY)

    async def work() -> None:
        came = 0
        settings = {"timeout_s": 0.3, "api_key_env": "MY_TTS_KEY"}

        async def listen(engine: RemoteTts) -> None:
            nonlocal came
            async for piece in engine.stream("Hello there."):
                came += len(piece.samples)

        async with talking_to(answer, speak, **settings) as (engine, _):
            with pytest.raises(StageError, match=problem) as caught:
                await listen(engine)
            assert came >= heard
            assert KEY not in str(caught.value)
            assert caught.value.stage == "tts"
            assert await pieces_of(engine)  # the next clause is spoken

    asyncio.run(work())


@pytest.mark.parametrize("how", ["status", "nonsense"])
def test_a_key_across_the_cut_is_not_told(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TTS_KEY", KEY)
    told: list[str] = []

    async def tell(exchange: Exchange) -> None:
        # Wherever the words before it make it land, some filler puts it across the cut.
        text = "x" * (205 - 5 * len(told)) + KEY
        if how == "nonsense":
            exchange.writer.write(f"{text}\r\n\r\n".encode())
            await exchange.writer.drain()
            raise ConnectionError
        await exchange.begin("500 Internal Server Error", "application/json")
        await exchange.chunk(json.dumps({"error": {"message": text}}).encode())
        await exchange.chunk(b"")

    async def work() -> None:
        async with talking_to(*[tell] * 30, api_key_env="MY_TTS_KEY") as (engine, _):
            for _ in range(30):
                with pytest.raises(StageError) as caught:
                    await pieces_of(engine)
                told.append(str(caught.value))

    asyncio.run(work())
    assert any("***" in each for each in told)
    assert any(each.endswith(("*", "x")) for each in told)
    assert not [each for each in told if KEY[:3] in each]


def test_a_failed_try_is_repeated_where_asked_for() -> None:
    async def work() -> None:
        async with talking_to(fail, speak, retries=1) as (engine, service):
            assert await pieces_of(engine)
            assert len(service.exchanges) == 2

    asyncio.run(work())


def test_nobody_there_is_told() -> None:
    async def work() -> None:
        async with talking_to() as (engine, _):
            lonely = RemoteTts(RemoteTtsSettings(base_url="http://127.0.0.1:1/v1", retries=0))
            with pytest.raises(StageError, match=r"cannot reach 127\.0\.0\.1:1"):
                await lonely.warm()
            await lonely.aclose()
            await engine.aclose()
            with pytest.raises(StageError, match="closed"):
                await pieces_of(engine)

    asyncio.run(work())


@given(st.lists(st.integers(-32_768, 32_767), max_size=20), st.lists(st.integers(0, 40)))
def test_where_chunks_end_changes_nothing(values: list[int], cuts: list[int]) -> None:
    data = np.array(values, dtype="<i2").tobytes()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]

    async def chunks() -> AsyncIterator[bytes]:
        for start, end in pairwise(edges):
            yield data[start:end]

    async def work() -> list[float]:
        return [float(x) for piece in [p async for p in as_samples(chunks())] for x in piece]

    assert asyncio.run(work()) == [value / 32_768 for value in values]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"base_url": "example.com"}, r"tts\.base_url 'example\.com'"),
        ({"speed": 9}, r"tts\.speed"),
        ({"sample_rate": 1}, r"tts\.sample_rate"),
    ],
)
def test_settings_that_do_not_fit_are_named(content: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build(RemoteTtsSettings, content, "tts")


def test_a_key_in_the_place_of_its_name_is_refused_and_not_printed() -> None:
    with pytest.raises(ConfigError, match="name of an environment variable") as caught:
        RemoteTtsSettings(api_key_env=KEY)
    assert KEY not in str(caught.value)


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_TTS_KEY", raising=False)
    with pytest.raises(ConfigError, match="MY_TTS_KEY is not set"):
        RemoteTts(RemoteTtsSettings(api_key_env="MY_TTS_KEY"))
