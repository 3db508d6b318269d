"""The embedded Whisper on speech of the embedded voice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import jiwer
import numpy as np
import pytest

from tests.stages.stt.helpers import (
    RATE,
    feed,
    next_flushed,
    plain,
    run,
    silence,
    spoken,
    true_word_ends,
)
from turnkit.audio import Samples
from turnkit.stages.stt.protocol import Transcript
from turnkit.stages.stt.whisper import WhisperStream, WhisperStt, place_to_cut
from turnkit.stages.stt.whisper_files import WhisperSettings
from turnkit.stages.stt.whisper_model import WhisperModel, without_repeats

SENTENCES = (
    "I would like to book a table for four people tomorrow evening.",
    "Could you please tell me how to get to the nearest train station?",
    "The children were playing football in the garden after school.",
    "She sells fresh bread and milk at the corner shop.",
    "I forgot the password of my computer and now I cannot log in.",
)


@pytest.fixture(scope="module")
def model() -> WhisperModel:
    return WhisperModel(WhisperSettings())


@pytest.fixture
def engine(model: WhisperModel) -> WhisperStt:
    engine = WhisperStt()
    engine._model = model
    return engine


@asynccontextmanager
async def stream_of(engine: WhisperStt) -> AsyncIterator[WhisperStream]:
    before = set(threading.enumerate())
    stream = engine.open()
    try:
        yield stream
    finally:
        await stream.aclose()
        await engine.aclose()
    assert set(threading.enumerate()) <= before


def settled(stream: WhisperStream) -> Callable[[], Awaitable[None]]:
    """Wait for the worker between pushes: as on a machine that is always in time."""

    async def wait() -> None:
        await asyncio.sleep(0)
        while stream.busy:
            await asyncio.sleep(0.001)

    return wait


async def listen(stream: WhisperStream, samples: Samples) -> list[Transcript]:
    """Say something, then flush 0.1 s after it."""
    heard: list[Transcript] = []

    async def read() -> None:
        async for transcript in stream:
            heard.append(transcript)
            if transcript.flushed:
                return

    reader = asyncio.create_task(read())
    await feed(stream, samples, settled(stream))
    await feed(stream, silence(0.1))
    stream.flush()
    await reader
    return heard


def test_words_are_right_and_come_before_speech_ends(model: WhisperModel) -> None:
    async def scene() -> list[list[Transcript]]:
        found = []
        for sentence in SENTENCES:
            engine = WhisperStt()
            engine._model = model
            async with stream_of(engine) as stream:
                found.append(await listen(stream, spoken(sentence)))
        return found

    calls = run(scene())
    texts = [plain(call[-1].text) for call in calls]
    assert jiwer.wer([plain(sentence) for sentence in SENTENCES], texts) <= 0.05
    assert len(set(texts)) == len(SENTENCES)
    early = 0
    for sentence, call in zip(SENTENCES, calls, strict=True):
        end = len(spoken(sentence))
        assert [t.heard for t in call] == sorted(t.heard for t in call)
        assert call[-1].heard == end + round(0.1 * RATE)
        assert not any(t.flushed for t in call[:-1])
        early += any(t.committed and t.heard < end for t in call)
        for before, after in pairwise(call):
            assert after.committed[: len(before.committed)] == before.committed
    assert early == len(SENTENCES)


def noises() -> dict[str, Samples]:
    rng = np.random.default_rng(0)
    time = np.arange(2 * RATE) / RATE
    white = rng.standard_normal(2 * RATE)
    faint = 1e-3 * white
    click, knock = np.zeros(2 * RATE), np.zeros(2 * RATE)
    click[8_000:8_040] = 0.8 * np.sign(white[:40])
    knock[8_000:] = (0.5 * np.exp(-30 * time) * np.sin(400 * np.pi * time))[:-8_000]
    late = np.where(time < 0.5, 1e-4, 0.05)
    signals = {
        "nothing": np.zeros(2 * RATE),
        "faint noise": faint,
        "loud noise": 0.05 * white,
        "noise that begins": late * white,
        "click": click + faint,
        "knock": knock + faint,
        "hum": late * np.sin(200 * np.pi * time) * 4,
    }
    return {name: signal.astype(np.float32) for name, signal in signals.items()}


@pytest.mark.parametrize("name", noises())
def test_no_words_where_nobody_speaks(engine: WhisperStt, name: str) -> None:
    async def scene() -> list[Transcript]:
        async with stream_of(engine) as stream:
            return await listen(stream, noises()[name])

    assert [t.text for t in run(scene()) if t.text] == []


def test_a_flush_after_silence_is_answered_from_what_is_known(engine: WhisperStt) -> None:
    async def scene() -> tuple[Transcript, Transcript]:
        async with stream_of(engine) as stream:
            first = (await listen(stream, spoken("Turn off the lights.")))[-1]
            await feed(stream, silence(0.5), settled(stream))
            work = stream.work
            stream.work = _refuse  # type: ignore[method-assign]
            stream.flush()
            second = await next_flushed(aiter(stream))
            stream.work = work  # type: ignore[method-assign]
            return first, second

    first, second = run(scene())
    assert plain(first.text) == plain(second.text) == "turn off the lights"
    assert second.heard == first.heard + round(0.5 * RATE)


def _refuse(**_: object) -> None:
    raise AssertionError("decoded again")


def test_every_flush_has_one_answer_in_order(engine: WhisperStt) -> None:
    async def scene() -> list[int]:
        async with stream_of(engine) as stream:
            speech = spoken("Turn off the lights.")
            asked = []
            for start in range(0, len(speech), 4_000):
                stream.push(speech[start : start + 4_000])
                stream.flush()
                asked.append(min(start + 4_000, len(speech)))
            answers = aiter(stream)
            found = [(await next_flushed(answers)).heard for _ in asked]
            assert found == asked
            return found

    assert len(run(scene())) > 4


def test_a_restart_keeps_what_it_is_told_to(engine: WhisperStt) -> None:
    first, second = spoken("Open the window."), spoken("Where is the station?")

    async def scene() -> tuple[Transcript, Transcript]:
        async with stream_of(engine) as stream:
            await listen(stream, first)
            await feed(stream, second)
            stream.restart(keep=len(second))
            stream.flush()
            kept = await next_flushed(aiter(stream))
            stream.restart()
            stream.flush()
            return kept, await next_flushed(aiter(stream))

    kept, dropped = run(scene())
    assert (kept.utterance, plain(kept.text)) == (1, "where is the station")
    assert (dropped.utterance, dropped.text) == (2, "")


def test_a_restart_takes_back_an_unanswered_flush(engine: WhisperStt) -> None:
    async def scene() -> list[Transcript]:
        async with stream_of(engine) as stream:
            await feed(stream, spoken("Open the window."))
            stream.flush()
            stream.restart()
            stream.flush()
            answer = await next_flushed(aiter(stream))
            await asyncio.sleep(0.3)
            await stream.aclose()
            return [answer, *[t async for t in stream]]

    assert [(t.utterance, t.text) for t in run(scene()) if t.flushed] == [(1, "")]


def test_a_long_utterance_is_cut_and_keeps_its_words(engine: WhisperStt) -> None:
    text = " ".join(SENTENCES)
    speech = np.concatenate([np.append(spoken(s), silence(0.2)) for s in SENTENCES])
    longest = 0

    async def scene() -> list[Transcript]:
        nonlocal longest
        async with stream_of(engine) as stream:
            snapshot = stream._snapshot

            def measured() -> Any:
                nonlocal longest
                made = snapshot()
                longest = max(longest, len(made.audio) if made else 0)
                return made

            stream._snapshot = measured  # type: ignore[method-assign]
            return await listen(stream, speech)

    call = run(scene())
    assert len(speech) > 15 * RATE > 14 * RATE > longest
    assert jiwer.wer(plain(text), plain(call[-1].text)) <= 0.1
    for before, after in pairwise(call):
        assert after.committed[: len(before.committed)] == before.committed


def test_two_callers_at_once_do_not_disturb_each_other(engine: WhisperStt) -> None:
    async def scene() -> list[str]:
        async with stream_of(engine) as first:
            second = engine.open()
            calls = await asyncio.gather(
                listen(first, spoken(SENTENCES[0])), listen(second, spoken(SENTENCES[3]))
            )
            await second.aclose()
            return [plain(call[-1].text) for call in calls]

    assert run(scene()) == [plain(SENTENCES[0]), plain(SENTENCES[3])]


def test_the_decoder_is_told_how_the_words_begin(model: WhisperModel) -> None:
    encoded = model.encode(spoken("Turn off the lights."))
    assert model.decode(encoded, ("Turn", "of")) == ("Turn", "of", "the", "lights.")


def test_words_end_where_the_voice_ends_them(model: WhisperModel) -> None:
    text = "I would like to book a table, do you know any good restaurants near the river?"
    ends = model.word_ends(model.encode(spoken(text)), text.split())
    assert ends == sorted(ends)
    errors = np.abs(np.subtract(ends, true_word_ends(text)))
    assert np.median(errors) < 0.15
    # Cuts keep more audio than this before the first word that is not certain.
    assert errors.max() < 0.6


def test_warm_loads_and_close_frees() -> None:
    async def scene() -> None:
        before = set(threading.enumerate())
        engine = WhisperStt()
        await engine.warm()
        assert len(set(threading.enumerate()) - before) == engine.settings.workers
        stream = engine.open()
        reader = asyncio.create_task(_all(stream))
        await asyncio.sleep(0)
        await engine.aclose()
        assert await reader == []
        await stream.aclose()
        await stream.aclose()
        await engine.aclose()
        assert set(threading.enumerate()) <= before

    run(scene())


async def _all(stream: WhisperStream) -> list[Transcript]:
    return [transcript async for transcript in stream]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I said I said I said I said no.", "I said no."),
        ("thank you very much thank you very much", "thank you very much thank you very much"),
        ("no no no", "no no no"),
        ("five five five two", "five five five two"),
        ("understood understood Understood. yes", "understood yes"),
        ("", ""),
    ],
)
def test_only_loops_are_cut(text: str, expected: str) -> None:
    assert " ".join(without_repeats(tuple(text.split()))) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [("a b c", 0), ("a b c d", 1), ("a b c d e. f g h i", 5), ("a. b c d e f g h i j k", 8)],
)
def test_cuts_prefer_the_end_of_a_sentence(text: str, count: int) -> None:
    assert place_to_cut(tuple(text.split())) == count
