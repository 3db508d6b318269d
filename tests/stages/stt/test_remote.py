"""The remote recogniser against a server that is really there."""

from __future__ import annotations

import asyncio
import io
import json
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest

from tests.stages.stt.helpers import RATE, feed, next_flushed, run, silence, voiced
from turnkit.errors import StageError
from turnkit.stages.stt.opening import open_stt
from turnkit.stages.stt.remote import OpenAiStt, wav_bytes

Answer = Callable[[bytes], Awaitable[bytes]]
KEY = "secret-key-of-the-test"


def reply(body: bytes | str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    content = body if isinstance(body, bytes) else body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def says(text: str) -> Answer:
    async def answer(_: bytes) -> bytes:
        return reply(json.dumps({"text": text}))

    return answer


def gives(body: str, status: str = "200 OK", kind: str = "application/json") -> Answer:
    async def answer(_: bytes) -> bytes:
        return reply(body, status, kind)

    return answer


async def hang(_: bytes) -> bytes:
    await asyncio.Event().wait()
    return b""


class Server:
    """Answers each request as told; the last answer is for all that follow."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, bytes]] = []
        self.connections = 0
        self.broken_off = 0
        self.base_url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                sizes = [
                    line.partition(":")[2]
                    for line in head.lower().splitlines()
                    if line.startswith("content-length:")
                ]
                body = await reader.readexactly(int(sizes[0]))
                self.requests.append((head, body))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                answering = asyncio.ensure_future(answer(body))
                gone = asyncio.ensure_future(reader.read(1))
                await asyncio.wait([answering, gone], return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    self.broken_off += 1
                    answering.cancel()
                    return
                gone.cancel()
                with suppress(asyncio.CancelledError):
                    await gone
                writer.write(answering.result())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def stop(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks), timeout=1.0)


@asynccontextmanager
async def service(
    monkeypatch: pytest.MonkeyPatch, *answers: Answer, **settings: Any
) -> AsyncIterator[tuple[Server, OpenAiStt]]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("TURNKIT_TEST_KEY", KEY)
    server = Server(*answers)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    engine = open_stt(
        {
            "kind": "openai",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "api_key_env": "TURNKIT_TEST_KEY",
            "max_retries": 0,
            "timeout_s": 60.0,
            **settings,
        }
    )
    assert isinstance(engine, OpenAiStt)
    try:
        yield server, engine
    finally:
        await engine.aclose()
        await server.stop()
        listener.close()
        await listener.wait_closed()
    leftover = asyncio.all_tasks() - {asyncio.current_task()}
    assert not leftover


def test_a_flush_sends_the_speech_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        options = {"language": "en", "prompt": "turnkit", "model": "whisper-large"}
        async with service(monkeypatch, says("Hello there."), **options) as (server, engine):
            await engine.warm()
            stream = engine.open()
            await feed(stream, np.concatenate([silence(1.0), voiced(1.0), silence(0.1)]))
            stream.flush()
            answer = await next_flushed(aiter(stream))
            assert answer.text == "Hello there."
            assert answer.heard == round(2.1 * RATE)
            head, body = server.requests[-1]
            assert head.startswith("POST /v1/audio/transcriptions")
            assert f"Bearer {KEY}" in head
            for value in (b"whisper-large", b"turnkit", b"speech.wav"):
                assert value in body
            start = body.index(b"RIFF")
            with wave.open(io.BytesIO(body[start:])) as file:
                assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
                assert 1.3 < file.getnframes() / RATE < 1.5
            assert server.connections == 1

    run(scene())


def test_silence_costs_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with service(monkeypatch, says("Hello.")) as (server, engine):
            stream = engine.open()
            answers = aiter(stream)
            await feed(stream, silence(1.0))
            stream.flush()
            assert (await next_flushed(answers)).text == ""
            await feed(stream, np.append(voiced(0.5), silence(0.1)))
            stream.flush()
            assert (await next_flushed(answers)).text == "Hello."
            await feed(stream, silence(0.5))
            stream.flush()
            assert (await next_flushed(answers)).text == "Hello."
            assert len(server.requests) == 1

    run(scene())


def test_partials_are_committed_by_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        answers = (says("turn of"), says("Turn off the"), says("Turn off the light"))
        async with service(monkeypatch, *answers, partial_every_s=0.5) as (_, engine):
            stream = engine.open()
            transcripts = aiter(stream)
            found = []
            for _ in range(2):
                await feed(stream, voiced(0.6))
                found.append(await anext(transcripts))
            stream.flush()
            found.append(await next_flushed(transcripts))
            assert [t.committed for t in found] == [(), ("Turn",), ("Turn", "off", "the")]
            assert found[-1].tail == ("light",)

    run(scene())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (gives('{"error": {"message": "boom"}}', "500 Internal Server Error"), "status 500"),
        (gives(f'{{"error": {{"message": "bad key {KEY}"}}}}', "401 Unauthorized"), "status 401"),
        (gives("{{{{", kind="application/json"), "nonsense|without a text"),
        (gives("<html>hello</html>", kind="text/html"), "nonsense|without a text"),
        (gives('{"words": 3}'), "nonsense|without a text"),
        (gives('{"text": 3}'), "nonsense|without a text"),
        (gives("[1, 2]"), "nonsense|without a text"),
    ],
)
def test_what_a_service_does_wrong_is_told(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, message: str
) -> None:
    async def scene() -> None:
        async with service(monkeypatch, answer) as (_, engine):
            stream = engine.open()
            await feed(stream, voiced(0.5))
            stream.flush()
            with pytest.raises(StageError, match=message) as caught:
                await next_flushed(aiter(stream))
            assert KEY not in str(caught.value)
            assert [t async for t in stream] == []
            with pytest.raises(StageError, match=message):
                await engine.warm()

    run(scene())


def test_one_failed_stream_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        answers = (gives("{}", "500 Internal Server Error"), says("Fine."))
        async with service(monkeypatch, *answers) as (_, engine):
            bad, good = engine.open(), engine.open()
            for stream in (bad, good):
                await feed(stream, voiced(0.5))
            bad.flush()
            with pytest.raises(StageError):
                await next_flushed(aiter(bad))
            good.flush()
            assert (await next_flushed(aiter(good))).text == "Fine."

    run(scene())


def test_a_key_across_the_cut_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # Wherever the words before it make it land, some filler puts it across the cut.
    fillers = ["x" * n for n in range(0, 205, 7)]
    refusals = [
        gives(json.dumps({"error": {"message": filler + KEY}}), "500 Internal Server Error")
        for filler in fillers
    ]

    def nonsense(filler: str) -> Answer:
        async def answer(_: bytes) -> bytes:
            return f"{filler}{KEY}\r\n\r\n".encode()

        return answer

    told: list[str] = []

    async def scene() -> None:
        answers = refusals + [nonsense(filler) for filler in fillers]
        async with service(monkeypatch, *answers) as (_, engine):
            for _ in answers:
                with pytest.raises(StageError) as caught:
                    await engine.warm()
                told.append(caught.value.problem)

    run(scene())
    for half in (told[: len(fillers)], told[len(fillers) :]):
        assert any("***" in each for each in half)
        assert any(each.endswith("x") for each in half)
    assert not [each for each in told if KEY[:3] in each]


def test_a_hanging_service_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with service(monkeypatch, hang, timeout_s=0.3, max_retries=3) as (_, engine):
            stream = engine.open()
            await feed(stream, voiced(0.5))
            started = time.monotonic()
            stream.flush()
            with pytest.raises(StageError, match=r"no answer within 0\.3 s"):
                await next_flushed(aiter(stream))
            assert time.monotonic() - started < 20.0

    run(scene())


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        address = {"base_url": "http://127.0.0.1:9/v1"}
        async with service(monkeypatch, hang, **address) as (_, engine):
            with pytest.raises(StageError, match="cannot be reached"):
                await engine.warm()

    run(scene())


@pytest.mark.parametrize("how", ["close", "restart"])
def test_requests_that_nobody_wants_any_more_are_broken_off(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async def scene() -> None:
        async with service(monkeypatch, hang) as (server, engine):
            stream = engine.open()
            await feed(stream, voiced(0.5))
            stream.flush()
            while not server.requests:
                await asyncio.sleep(0.005)
            if how == "close":
                await stream.aclose()
                await stream.aclose()
            else:
                stream.restart()
                stream.flush()
                assert (await next_flushed(aiter(stream))).utterance == 1
            for _ in range(2_000):
                if server.broken_off:
                    break
                await asyncio.sleep(0.01)
            assert server.broken_off == 1

    run(scene())


def test_a_short_sound_is_padded_and_loud_ones_are_clipped() -> None:
    with wave.open(io.BytesIO(wav_bytes(np.array([2.0, -2.0, 0.0], dtype=np.float32)))) as file:
        assert file.getnframes() == RATE // 10
        first = np.frombuffer(file.readframes(3), dtype="<i2")
    assert first.tolist() == [32767, -32768, 0]
