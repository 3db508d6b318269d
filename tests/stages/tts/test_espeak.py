from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from turnkit.errors import ConfigError, MissingDependencyError, StageError
from turnkit.settings_file import build
from turnkit.stages.tts import espeak as espeak_module
from turnkit.stages.tts.espeak import EspeakSettings, EspeakTts
from turnkit.stages.tts.opening import open_tts
from turnkit.stages.tts.stream import SpeechPiece
from turnkit.stages.tts.worker import THREAD_NAME

pytest.importorskip("espeakng_loader")

TEXT = "Sure, it costs $12.50 — naïve (so) 1,234 ok."
LONG = "This is a sentence that goes on, " * 300
"""Half an hour of speech, a second of work."""


def run(work: Callable[[EspeakTts], Awaitable[None]], **settings: Any) -> None:
    """Run `work` with a warm engine and close it; no thread is left."""

    async def main() -> None:
        engine = EspeakTts(EspeakSettings(**settings))
        try:
            await engine.warm()
            await work(engine)
        finally:
            await engine.aclose()

    asyncio.run(main())
    assert not [t for t in threading.enumerate() if t.name.startswith(THREAD_NAME)]


async def pieces_of(engine: EspeakTts, text: str) -> list[SpeechPiece]:
    async with aclosing(engine.stream(text)) as stream:
        return [piece async for piece in stream]


def samples_of(pieces: list[SpeechPiece]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.concatenate([piece.samples for piece in pieces])


def test_each_word_ends_with_its_piece() -> None:
    async def work(engine: EspeakTts) -> None:
        pieces = await pieces_of(engine, TEXT)
        assert [word.text for piece in pieces for word in piece.words] == TEXT.split()
        at = 0
        for piece in pieces:
            at += len(piece.samples)
            assert {word.end for word in piece.words} == {at / engine.sample_rate}
        samples = samples_of(pieces)
        assert 3.0 < len(samples) / engine.sample_rate < 12.0
        assert 0.2 < np.abs(samples).max() <= 1.0

    run(work)


def test_settings_are_heard() -> None:
    lengths = {}

    async def work(engine: EspeakTts) -> None:
        lengths[engine.settings.words_per_minute] = len(samples_of(await pieces_of(engine, TEXT)))

    run(work)
    run(work, words_per_minute=350, voice="en-gb-scotland+f3", pitch=80)
    assert lengths[350] < 0.8 * lengths[175]


def test_engines_do_not_change_each_other() -> None:
    async def work(engine: EspeakTts) -> None:
        alone = len(samples_of(await pieces_of(engine, TEXT)))
        other = EspeakTts(EspeakSettings(voice="en-gb-x-rp", words_per_minute=300))
        mine, _ = await asyncio.gather(pieces_of(engine, TEXT), pieces_of(other, TEXT))
        await other.aclose()
        # its periods waver a little at random
        assert len(samples_of(mine)) == pytest.approx(alone, rel=0.02)

    run(work)


def test_nothing_to_say_gives_nothing() -> None:
    async def work(engine: EspeakTts) -> None:
        assert await pieces_of(engine, " ... ") == []
        assert await pieces_of(engine, "") == []
        assert await pieces_of(engine, "a\0b \ud800") != []  # nor does it stop at a zero

    run(work)


def test_closing_in_the_middle_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[int] = []
    hear = espeak_module._Speaking.hear

    def watched(self: Any, wave: Any, count: int, events: Any) -> int:
        if self._words[0] == "This":
            answers.append(hear(self, wave, count, events))
            return answers[-1]
        return hear(self, wave, count, events)

    monkeypatch.setattr(espeak_module._Speaking, "hear", watched)

    async def work(engine: EspeakTts) -> None:
        stream = engine.stream(LONG)
        await anext(stream)
        await stream.aclose()
        assert len(await pieces_of(engine, "Yes.")) == 1
        assert answers[-1] == espeak_module._ABORT

    run(work)


def test_closing_the_engine_ends_what_it_speaks() -> None:
    async def work(engine: EspeakTts) -> None:
        stream = engine.stream(LONG)
        await anext(stream)
        await engine.aclose()
        with pytest.raises(StageError, match="closed"):
            async for _ in stream:
                pass
        with pytest.raises(StageError, match="closed"):
            await pieces_of(engine, "Yes.")

    run(work)


def test_a_failure_inside_the_callback_is_a_stage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Any:
        raise ValueError("event from nowhere")

    async def work(engine: EspeakTts) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(espeak_module, "events_of", fail)
            with pytest.raises(StageError, match="event from nowhere"):
                await pieces_of(engine, "Yes.")
        assert len(await pieces_of(engine, "Yes.")) == 1

    run(work)


def test_an_unknown_voice_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'xx-nobody'.*en-us"):
        open_tts({"kind": "espeak", "voice": "xx-nobody"})


@pytest.mark.parametrize("wrong", [{"words_per_minute": 10}, {"pitch": 101}])
def test_settings_out_of_range_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=rf"tts\.{next(iter(wrong))}"):
        build(EspeakSettings, wrong, "tts")


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    espeak_module._open_library.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"espeakng-loader.*turnkit\[espeak\]"):
        EspeakTts()
