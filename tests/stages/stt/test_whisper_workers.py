"""Who is served when, with a model whose decodings last as long as the test likes."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.stages.stt.helpers import RATE, feed, next_flushed, run, silence, voiced
from turnkit.errors import MissingAssetError, StageError
from turnkit.stages.stt import whisper
from turnkit.stages.stt.whisper import WhisperStream, WhisperStt
from turnkit.stages.stt.whisper_files import WhisperSettings
from turnkit.stages.stt.whisper_model import Encoded


class Script:
    """Stands in for the model: each caller is known by the level of the audio."""

    def __init__(self, *, held: bool = False) -> None:
        self.encoded: list[tuple[float, float]] = []
        self.decoded: list[float] = []
        self.begun: queue.SimpleQueue[float] = queue.SimpleQueue()
        self.go = threading.Semaphore(0 if held else 1_000_000)
        self.fail_at: float | None = None

    def encode(self, audio: Any) -> Encoded:
        level = round(float(np.abs(audio).max()), 2)
        self.encoded.append((level, len(audio) / RATE))
        self.begun.put(level)
        assert self.go.acquire(timeout=60.0)
        if level == self.fail_at:
            raise RuntimeError("out of order")
        return Encoded(level, len(audio) / RATE)

    def decode(self, encoded: Encoded, begin: Sequence[str] = ()) -> tuple[str, ...]:
        self.decoded.append(encoded.features)
        return (*begin, f"level{encoded.features}")


def engine_with(script: Script, workers: int = 1) -> WhisperStt:
    engine = WhisperStt(WhisperSettings(workers=workers))
    engine._model = script  # type: ignore[assignment]
    return engine


async def begun(script: Script) -> float:
    """Level of the next decoding that begins."""
    until = time.monotonic() + 60.0
    while script.begun.empty():
        assert time.monotonic() < until
        await asyncio.sleep(0.001)
    return script.begun.get()


async def speak(stream: WhisperStream, level: float, seconds: float = 1.0) -> None:
    await feed(stream, np.concatenate([silence(0.2), 10 * level * voiced(seconds)]))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_flush_goes_before_partials_of_all_streams(workers: int) -> None:
    async def scene() -> None:
        script = Script(held=True)
        engine = engine_with(script, workers)
        streams = [engine.open() for _ in range(4)]
        for i in range(3):
            await speak(streams[i], 0.1 * (i + 1))
        assert await begun(script) == 0.1
        await speak(streams[3], 0.4)
        streams[3].flush()
        if workers == 1:
            script.go.release()
        assert await begun(script) == 0.4
        script.go.release(100)
        answer = await next_flushed(aiter(streams[3]))
        assert answer.text == "level0.4"
        for stream in streams:
            await stream.aclose()
        await engine.aclose()
        if workers == 1:
            # The partial that was under way was given up half way.
            assert script.decoded[0] == 0.4

    run(scene())


def test_flushes_are_served_in_the_order_asked_for() -> None:
    async def scene() -> None:
        script = Script(held=True)
        engine = engine_with(script)
        streams = [engine.open() for _ in range(3)]
        for i in (2, 0, 1):
            await speak(streams[i], 0.1 * (i + 1), 0.2)
            streams[i].flush()
        order = []
        for _ in range(3):
            order.append(await begun(script))
            script.go.release()
        assert order == [0.3, 0.1, 0.2]
        await engine.aclose()

    run(scene())


def test_partials_take_turns() -> None:
    async def scene() -> None:
        script = Script(held=True)
        engine = engine_with(script)
        streams = [engine.open() for _ in range(3)]
        order = []
        for i, stream in enumerate(streams):
            await speak(stream, 0.1 * (i + 1))
        for _ in range(6):
            order.append(await begun(script))
            for i, stream in enumerate(streams):
                await feed(stream, voiced(0.5) * (i + 1))
            script.go.release()
        assert sorted(order[:3]) == sorted(order[3:]) == [0.1, 0.2, 0.3]
        script.go.release(100)
        await engine.aclose()

    run(scene())


def test_a_slow_machine_skips_partials_and_never_queues_them() -> None:
    async def scene() -> None:
        script = Script(held=True)
        engine = engine_with(script)
        stream = engine.open()
        await speak(stream, 0.1)
        await begun(script)
        await feed(stream, voiced(8.0))
        script.go.release(100)
        stream.flush()
        answer = await next_flushed(aiter(stream))
        assert answer.heard == stream._hearing.heard
        assert len(script.encoded) <= 3
        await stream.aclose()
        await engine.aclose()

    run(scene())


def test_a_running_decoding_that_heard_all_speech_answers_the_flush() -> None:
    async def scene() -> None:
        script = Script(held=True)
        engine = engine_with(script)
        stream = engine.open()
        await speak(stream, 0.1, 0.3)
        await feed(stream, silence(0.08))
        await begun(script)
        await feed(stream, silence(0.04))
        stream.flush()
        script.go.release()
        answer = await next_flushed(aiter(stream))
        assert answer.heard == stream._hearing.heard
        assert len(script.encoded) == 1
        await engine.aclose()

    run(scene())


def test_a_failing_decoding_ends_its_stream_only() -> None:
    async def scene() -> None:
        script = Script()
        script.fail_at = 0.1
        engine = engine_with(script)
        bad, good = engine.open(), engine.open()
        for stream, level in ((bad, 0.1), (good, 0.2)):
            await speak(stream, level)
            stream.flush()
        with pytest.raises(StageError, match=r"whisper tiny\.en: out of order"):
            async for _ in bad:
                pass
        assert [t async for t in bad] == []
        bad.push(voiced(0.1))
        bad.flush()
        bad.restart()
        # Once or twice: a partial may have been decoded before the flush came.
        assert set((await next_flushed(aiter(good))).text.split()) == {"level0.2"}
        await bad.aclose()
        await engine.aclose()

    run(scene())


def test_a_model_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: WhisperSettings) -> None:
        raise MissingAssetError("no such model")

    async def scene() -> None:
        monkeypatch.setattr(whisper, "WhisperModel", refuse)
        engine = WhisperStt()
        with pytest.raises(MissingAssetError):
            await engine.warm()
        stream = engine.open()
        await speak(stream, 0.1)
        stream.flush()
        with pytest.raises(StageError, match="no such model"):
            await next_flushed(aiter(stream))
        await engine.aclose()

    run(scene())


def test_closing_does_not_wait_for_a_decoding_of_the_stream() -> None:
    async def scene() -> None:
        script = Script(held=True)
        engine = engine_with(script)
        stream = engine.open()
        await speak(stream, 0.1)
        await begun(script)
        await asyncio.wait_for(stream.aclose(), 10.0)
        assert [t async for t in stream] == []
        script.go.release()
        await engine.aclose()

    run(scene())


def test_a_loop_that_has_closed_is_no_trouble() -> None:
    script = Script(held=True)
    engine = engine_with(script)

    async def leave() -> None:
        stream = engine.open()
        await speak(stream, 0.1)
        await begun(script)

    run(leave())
    script.go.release(100)

    async def again() -> str:
        stream = engine.open()
        await speak(stream, 0.2)
        stream.flush()
        text = (await next_flushed(aiter(stream))).text
        await engine.aclose()
        return text

    # A busy machine may decode in two goes.
    assert set(run(again()).split()) == {"level0.2"}
