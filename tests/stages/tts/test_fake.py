from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from turnkit.errors import ConfigError, StageError
from turnkit.settings_file import build
from turnkit.stages.scripting import Fault
from turnkit.stages.tts.fake import AMPLITUDE, RAMP_S, FakeTts, FakeTtsSettings
from turnkit.stages.tts.stream import SpeechPiece, StreamingTts


def fake(**settings: Any) -> FakeTts:
    return FakeTts(FakeTtsSettings(**{"first_audio": "0", "real_time_factor": 0.0, **settings}))


async def pieces_of(engine: StreamingTts, text: str = "one two, three.") -> list[SpeechPiece]:
    async with aclosing(engine.stream(text)) as stream:
        return [piece async for piece in stream]


def test_each_word_is_a_tone_that_ends_where_the_word_ends() -> None:
    engine = fake(words_per_second=4.0, tone_hz=500.0)
    assert engine.simulated
    pieces = asyncio.run(pieces_of(engine))
    assert [word.text for piece in pieces for word in piece.words] == ["one", "two,", "three."]
    samples = np.concatenate([piece.samples for piece in pieces])
    rate = engine.sample_rate
    assert len(samples) == pytest.approx(3 / 4 * rate, abs=2)
    assert np.abs(samples).max() == pytest.approx(AMPLITUDE, rel=0.01)
    for i, piece in enumerate(pieces):
        end = round(piece.words[0].end * rate)
        onset = round(i / 4 * rate)
        assert np.abs(samples[onset : onset + round(RAMP_S * rate)]).max() > AMPLITUDE / 2
        assert samples[end - 1] != 0.0
        assert not samples[end : round((i + 1) / 4 * rate)].any()
    spectrum = np.abs(np.fft.rfft(pieces[0].samples))
    assert np.argmax(spectrum) * rate / len(pieces[0].samples) == pytest.approx(500, abs=5)


def test_the_first_audio_and_the_pace_are_as_scripted() -> None:
    engine = fake(first_audio="120", real_time_factor=0.5, words_per_second=10.0)

    async def work() -> list[float]:
        started = time.perf_counter()
        return [time.perf_counter() - started async for _ in engine.stream("one two three")]

    came = asyncio.run(work())
    assert np.allclose(came, [0.12, 0.17, 0.22], atol=0.03)


def test_nothing_to_say_gives_nothing() -> None:
    assert asyncio.run(pieces_of(fake(), " — ")) == []


def test_closing_in_the_middle_delivers_nothing_more() -> None:
    async def work() -> None:
        stream = fake().stream("one two three")
        await anext(stream)
        await stream.aclose()
        assert [piece async for piece in stream] == []

    asyncio.run(work())


def test_a_closed_engine_refuses() -> None:
    async def work() -> None:
        engine = fake()
        await engine.aclose()
        await pieces_of(engine)

    with pytest.raises(StageError, match="closed"):
        asyncio.run(work())


def test_dying_ends_without_a_word_at_the_stated_call() -> None:
    async def work() -> None:
        engine = fake(fault=Fault("die", call=2, after=1))
        assert [len(await pieces_of(engine)) for _ in range(3)] == [3, 1, 3]

    asyncio.run(work())


def test_an_error_comes_after_the_stated_pieces() -> None:
    async def work() -> None:
        engine = fake(fault=Fault("error", after=2, lasting=True))
        for _ in "ab":
            stream = engine.stream("one two three")
            for _ in range(2):
                await anext(stream)
            with pytest.raises(StageError, match="simulated"):
                await anext(stream)

    asyncio.run(work())


def test_a_hang_can_be_cancelled() -> None:
    async def work() -> None:
        task = asyncio.create_task(pieces_of(fake(fault=Fault("hang"))))
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())


def test_garbage_is_noise_without_words_and_the_same_each_time() -> None:
    first, again = (asyncio.run(pieces_of(fake(fault=Fault("garbage", after=1)))) for _ in "ab")
    assert [len(piece.words) for piece in first] == [1, 0, 0]
    assert np.abs(first[2].samples).max() > 0.9
    assert np.array_equal(first[2].samples, again[2].samples)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"first_audio": "soon"}, "delay 'soon'"),
        ({"words_per_second": 0}, r"tts\.words_per_second"),
        ({"tone_hz": 20_000, "sample_rate": 16_000}, r"tts\.tone_hz"),
        ({"fault": {"kind": "sulk"}}, r"tts\.fault\.kind"),
    ],
)
def test_settings_that_do_not_fit_are_named(content: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build(FakeTtsSettings, content, "tts")
