from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jiwer
import numpy as np
import pytest

from tests.stages.stt.helpers import RATE, feed, next_flushed, plain, run, silence, spoken
from turnkit.errors import StageError
from turnkit.stages.stt.protocol import Transcript
from turnkit.stages.stt.sphinx import MOST_BEHIND_S, SphinxStt

SENTENCES = (
    "I would like to book a table for two people tomorrow evening.",
    "Can you play some music for me?",
)


@pytest.fixture(scope="module")
def decoder() -> Any:
    return SphinxStt().borrow()


@pytest.fixture
def engine(decoder: Any) -> SphinxStt:
    engine = SphinxStt()
    engine._idle.append(decoder)
    return engine


@asynccontextmanager
async def freed(engine: SphinxStt) -> AsyncIterator[None]:
    before = set(threading.enumerate())
    try:
        yield
    finally:
        await engine.aclose()
    assert set(threading.enumerate()) <= before


async def listen(engine: SphinxStt, text: str) -> list[Transcript]:
    stream = engine.open()
    call = []
    speech = np.append(spoken(text), silence(0.1))

    async def keep_pace() -> None:
        while stream._hearing.heard > stream._decoded_to:
            await asyncio.sleep(0.001)

    feeder = asyncio.create_task(feed(stream, speech, keep_pace))
    feeder.add_done_callback(lambda _: stream.flush())
    async for transcript in stream:
        call.append(transcript)
        if transcript.flushed:
            break
    await feeder
    await stream.aclose()
    return call


def test_words_come_while_somebody_speaks(engine: SphinxStt) -> None:
    async def scene() -> list[list[Transcript]]:
        async with freed(engine):
            return [await listen(engine, text) for text in SENTENCES]

    calls = run(scene())
    texts = [plain(call[-1].text) for call in calls]
    assert jiwer.wer([plain(text) for text in SENTENCES], texts) < 0.25
    for text, call in zip(SENTENCES, calls, strict=True):
        end = len(spoken(text))
        assert any(t.committed and t.heard < end for t in call)
        assert call[-1].heard == end + round(0.1 * RATE)
        committed: tuple[str, ...] = ()
        for transcript in call:
            assert transcript.committed[: len(committed)] == committed
            committed = transcript.committed


def test_the_utterance_goes_on_after_a_flush_and_ends_with_a_restart(engine: SphinxStt) -> None:
    async def scene() -> list[Transcript]:
        async with freed(engine):
            stream = engine.open()
            answers = aiter(stream)
            found = []
            for text in SENTENCES:
                await feed(stream, np.append(spoken(text), silence(0.2)))
                stream.flush()
                found.append(await next_flushed(answers))
            stream.restart(keep=len(spoken(SENTENCES[1])) + round(0.2 * RATE))
            stream.flush()
            found.append(await next_flushed(answers))
            stream.restart()
            stream.flush()
            found.append(await next_flushed(answers))
            return found

    first, both, kept, empty = run(scene())
    assert both.committed[: len(first.committed)] == first.committed
    assert len(both.text) > len(first.text) + 10
    assert [t.utterance for t in (first, both, kept, empty)] == [0, 0, 1, 2]
    assert "music" in kept.text
    assert "table" not in kept.text
    assert empty.text == ""


def test_warm_leaves_a_decoder_and_no_thread() -> None:
    async def scene() -> None:
        engine = SphinxStt()
        async with freed(engine):
            await engine.warm()
            assert len(engine._idle) == 1
            assert not engine._streams

    run(scene())


class Broken:
    def start_utt(self) -> None:
        pass

    def process_raw(self, *_: object, **__: object) -> None:
        raise RuntimeError("out of order")


def test_a_failing_decoder_ends_its_stream_only(engine: SphinxStt) -> None:
    async def scene() -> None:
        async with freed(engine):
            good = engine.open()
            await feed(good, silence(0.3))
            while good._decoded_to < good._hearing.heard:
                await asyncio.sleep(0.001)
            engine._idle.append(Broken())
            bad = engine.open()
            await feed(bad, silence(0.3))
            with pytest.raises(StageError, match="pocketsphinx: out of order"):
                await next_flushed(aiter(bad))
            await feed(good, spoken(SENTENCES[1]))
            good.flush()
            assert "music" in (await next_flushed(aiter(good))).text
            await bad.aclose()

    run(scene())


class Slow(Broken):
    def __init__(self) -> None:
        self.go = threading.Event()

    def process_raw(self, *_: object, **__: object) -> None:
        assert self.go.wait(60.0)

    def end_utt(self) -> None:
        pass

    def hyp(self) -> None:
        return None


def test_a_machine_that_is_too_slow_is_told_of() -> None:
    async def scene() -> None:
        engine = SphinxStt()
        slow = Slow()
        engine._idle.append(slow)
        stream = engine.open()
        for _ in range(round(MOST_BEHIND_S) + 2):
            stream.push(silence(1.0))
        slow.go.set()
        with pytest.raises(StageError, match="behind the caller"):
            await next_flushed(aiter(stream))
        await engine.aclose()

    run(scene())
