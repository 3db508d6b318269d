from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from tests.stages.stt.helpers import feed, next_flushed, run, silence, voiced
from turnkit.errors import StageError
from turnkit.stages.stt.fake import FakeStt
from turnkit.stages.stt.opening import open_stt
from turnkit.stages.stt.protocol import Transcript

TEXTS = ["one two three four five six", "seven eight nine"]


def fake(**settings: Any) -> FakeStt:
    engine = open_stt({"kind": "fake", "texts": TEXTS, "flush_delay_ms": "0", **settings})
    assert isinstance(engine, FakeStt)
    return engine


async def call(engine: FakeStt, *parts: Any, partials: bool = True) -> list[Transcript]:
    """Transcripts of what is pushed in these parts, with a flush at the end."""
    stream = engine.open(partials=partials)
    found: list[Transcript] = []

    async def read() -> None:
        async for transcript in stream:
            found.append(transcript)
            if transcript.flushed:
                return

    reader = asyncio.create_task(read())
    await feed(stream, np.concatenate([silence(0.2), *parts]))
    stream.flush()
    await asyncio.wait_for(reader, 60.0)
    await stream.aclose()
    return found


def test_words_come_with_speech_and_not_with_silence() -> None:
    found = run(call(fake(words_per_s=4.0), voiced(1.0), silence(2.0)))
    assert found[-1].text == "one two three four"
    texts = [t.text for t in found]
    assert texts == sorted(texts, key=len)
    assert all(len(t.tail) <= 1 for t in found)
    assert found[0].text == "one"
    assert run(call(fake(), silence(3.0)))[-1].text == ""


def test_without_partials_only_flushes_are_answered() -> None:
    (only,) = run(call(fake(words_per_s=4.0), voiced(1.0), silence(1.0), partials=False))
    assert only.flushed
    assert only.text == "one two three four"


def test_a_little_speech_gives_a_word_or_the_whole() -> None:
    assert run(call(fake(), voiced(0.1)))[-1].text == "one"
    assert run(call(fake(whole=True), voiced(0.1)))[-1].text == TEXTS[0]
    assert run(call(fake(whole=True), silence(0.1)))[-1].text == ""


def test_utterances_take_the_texts_in_turn() -> None:
    async def scene() -> list[tuple[int, str]]:
        engine = fake(whole=True)
        stream = engine.open()
        answers = aiter(stream)
        found = []
        for _ in range(3):
            await feed(stream, voiced(0.3))
            stream.flush()
            answer = await next_flushed(answers)
            found.append((answer.utterance, answer.text))
            stream.restart()
            await feed(stream, silence(0.3))
        await engine.aclose()
        return found

    assert run(scene()) == [(0, TEXTS[0]), (1, TEXTS[1]), (2, TEXTS[0])]


def test_delays_are_those_of_the_script_and_flushes_keep_their_order() -> None:
    async def scene() -> float:
        engine = fake(flush_delay_ms="uniform:50:150", partial_delay_ms="20")
        stream = engine.open()
        await feed(stream, voiced(0.5))
        started = time.monotonic()
        for i in range(5):
            stream.flush()
            stream.push(voiced(0.02) if i < 4 else silence(0.02))
        answers = aiter(stream)
        heard = [(await next_flushed(answers)).heard for _ in range(5)]
        assert heard == sorted(set(heard))
        await engine.aclose()
        return time.monotonic() - started

    assert 0.05 <= run(scene()) < 20.0


def test_a_restart_takes_back_an_unanswered_flush() -> None:
    async def scene() -> None:
        engine = fake(flush_delay_ms="50", whole=True)
        stream = engine.open()
        await feed(stream, voiced(0.3))
        stream.flush()
        stream.restart(keep=1_600)
        stream.flush()
        answer = await next_flushed(aiter(stream))
        assert (answer.utterance, answer.text) == (1, TEXTS[1])
        await engine.aclose()
        assert len(asyncio.all_tasks()) == 1

    run(scene())


def test_an_error_strikes_at_its_word_of_its_utterance() -> None:
    engine = fake(fault={"kind": "error", "call": 2, "after": 2})

    async def scene() -> list[str]:
        assert (await call(engine, voiced(0.5)))[-1].text
        stream = engine.open()
        texts: list[str] = []

        async def read() -> None:
            async for transcript in stream:
                texts.append(transcript.text)  # noqa: PERF401

        for _ in range(50):
            await feed(stream, voiced(0.02))
        with pytest.raises(StageError, match="scripted error"):
            await read()
        stream.push(voiced(0.1))
        stream.flush()
        await engine.aclose()
        return texts

    assert run(scene()) == ["seven"]


@pytest.mark.parametrize("kind", ["die", "hang", "garbage"])
def test_other_faults(kind: str) -> None:
    async def scene() -> list[Transcript] | None:
        engine = fake(fault={"kind": kind, "lasting": True})
        stream = engine.open()
        await feed(stream, voiced(0.5))
        stream.flush()
        try:
            return await asyncio.wait_for(_read(stream), 0.2)
        except TimeoutError:
            return None
        finally:
            await engine.aclose()

    async def _read(stream: Any) -> list[Transcript]:
        found = []
        async for transcript in stream:
            found.append(transcript)
            if transcript.flushed:
                break
        return found

    found = run(scene())
    if kind == "hang":
        assert found is None
    elif kind == "die":
        assert found == []
    else:
        assert found
        assert not set(found[-1].text.split()) & set(TEXTS[0].split())
