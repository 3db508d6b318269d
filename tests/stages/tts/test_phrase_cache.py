from __future__ import annotations

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from turnkit.errors import ConfigError, StageError
from turnkit.stages.scripting import Fault
from turnkit.stages.tts.clauses import clauses_of
from turnkit.stages.tts.fake import FakeTts, FakeTtsSettings
from turnkit.stages.tts.phrase_cache import OPENING_PHRASES, PhraseCache, PhraseCacheSettings
from turnkit.stages.tts.stream import SpeechPiece, StreamingTts

WORD_BYTES = 4 * 1_000
"""Of one word of the voice below."""


def cache(max_bytes: int = 100 * WORD_BYTES, fault: Fault | None = None) -> PhraseCache:
    voice = FakeTtsSettings(
        first_audio="0",
        real_time_factor=0.0,
        words_per_second=8.0,
        sample_rate=8_000,
        fault=fault or Fault(),
    )
    settings = PhraseCacheSettings(max_bytes=max_bytes, phrases=("Sure,",))
    return PhraseCache(FakeTts(voice), settings, phrases=["Hello there!"])


async def pieces_of(engine: StreamingTts, text: str) -> list[SpeechPiece]:
    async with aclosing(engine.stream(text)) as stream:
        return [piece async for piece in stream]


async def is_kept(engine: StreamingTts, text: str) -> bool:
    return (await pieces_of(engine, text))[0].cached


def test_phrases_are_kept_from_the_start() -> None:
    async def work() -> None:
        engine = cache()
        await engine.warm()
        assert (engine.hits, engine.misses) == (0, 0)
        assert await is_kept(engine, "Sure,")
        assert await is_kept(engine, "Hello there!")
        assert not await is_kept(engine, "Sure")
        assert (engine.hits, engine.misses) == (2, 1)

    asyncio.run(work())


def test_what_was_said_once_comes_from_memory_as_it_was() -> None:
    async def work() -> None:
        engine = cache()
        first = await pieces_of(engine, "one two three")
        again = await pieces_of(engine, "one two three")
        assert [piece.cached for piece in first + again] == [False] * 3 + [True] * 3
        for one, other in zip(first, again, strict=True):
            assert np.array_equal(one.samples, other.samples)
            assert one.words == other.words
            with pytest.raises(ValueError, match="read-only"):
                other.samples[0] = 1.0

    asyncio.run(work())


def test_the_least_recently_used_goes_first_and_phrases_stay() -> None:
    async def work() -> None:
        engine = cache(max_bytes=3 * WORD_BYTES)
        await engine.warm()
        for text in ("a", "b", "c", "a", "d"):
            await pieces_of(engine, text)
        assert engine.recent_bytes == 3 * WORD_BYTES
        assert [await is_kept(engine, text) for text in ("a", "c", "d", "Sure,")] == [True] * 4
        assert not await is_kept(engine, "b")

    asyncio.run(work())


def test_a_clause_larger_than_the_memory_is_not_kept() -> None:
    async def work() -> None:
        engine = cache(max_bytes=2 * WORD_BYTES)
        await pieces_of(engine, "a")
        await pieces_of(engine, "one two three")
        assert await is_kept(engine, "a")
        assert not await is_kept(engine, "one two three")

    asyncio.run(work())


def test_the_same_clause_in_two_calls_at_once_is_counted_once() -> None:
    async def work() -> None:
        engine = cache()
        await asyncio.gather(*(pieces_of(engine, "one two") for _ in range(2)))
        assert engine.recent_bytes == 2 * WORD_BYTES

    asyncio.run(work())


def test_what_was_stopped_or_failed_is_not_kept() -> None:
    async def work() -> None:
        engine = cache(fault=Fault("error", call=2, after=1))
        stream = engine.stream("one two")
        await anext(stream)
        await stream.aclose()
        with pytest.raises(StageError):
            await pieces_of(engine, "one two")
        assert engine.recent_bytes == 0
        assert len(await pieces_of(engine, "one two")) == 2

    asyncio.run(work())


def test_switched_off_it_keeps_nothing() -> None:
    async def work() -> None:
        engine = PhraseCache(cache().inner, PhraseCacheSettings(enabled=False))
        await engine.warm()
        for _ in range(2):
            assert not await is_kept(engine, "Sure,")
        assert (engine.hits, engine.misses) == (0, 2)

    asyncio.run(work())


def test_closing_closes_the_voice_and_forgets() -> None:
    async def work() -> None:
        engine = cache()
        await engine.warm()
        await pieces_of(engine, "a")
        await engine.aclose()
        assert engine.recent_bytes == 0
        with pytest.raises(StageError, match="closed"):
            await pieces_of(engine, "Sure,")

    asyncio.run(work())


@pytest.mark.parametrize("phrase", OPENING_PHRASES)
def test_opening_phrases_are_as_the_chunker_cuts_them(phrase: str) -> None:
    assert clauses_of(f"{phrase} Then I will look for a table.")[0] == phrase


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_bytes"):
        PhraseCacheSettings(max_bytes=-1)
