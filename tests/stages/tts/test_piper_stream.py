from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turnkit.errors import ConfigError, MissingAssetError, StageError
from turnkit.settings_file import build
from turnkit.stages.tts.piper import PiperTts, Speech
from turnkit.stages.tts.piper_stream import PiperSettings, PiperStream, leading_silence
from turnkit.stages.tts.stream import SpeechPiece, StreamingTts
from turnkit.stages.tts.vits import DURATIONS
from turnkit.stages.tts.voice import default_voice
from turnkit.stages.tts.worker import THREAD_NAME

LONG = "This is a sentence that goes on, " * 8
"""Two seconds of work on a machine that does nothing else."""


@cache
def voice() -> PiperTts:
    return PiperTts(in_parts=True)


def run(work: Callable[[PiperStream], Awaitable[None]], **settings: Any) -> None:
    """Run `work` with a warm engine and close it; no thread is left."""

    async def main() -> None:
        engine = PiperStream(PiperSettings(**settings))
        try:
            if not settings:
                engine._engine = voice()  # loaded once for all tests
            await engine.warm()
            await work(engine)
        finally:
            await engine.aclose()

    asyncio.run(main())
    assert not [t for t in threading.enumerate() if t.name.startswith(THREAD_NAME)]


async def pieces_of(engine: StreamingTts, text: str) -> list[SpeechPiece]:
    async with aclosing(engine.stream(text)) as stream:
        return [piece async for piece in stream]


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What became of the clauses that the voice began."""
    ended: list[str] = []
    stream = PiperTts.stream

    def watched(self: PiperTts, text: str, **options: Any) -> Iterator[Speech]:
        ended.append("failed")
        yield from stream(self, text, **options)
        ended[-1] = "spoken"

    monkeypatch.setattr(PiperTts, "stream", watched)
    return ended


@asynccontextmanager
async def spoken_behind(engine: PiperStream) -> AsyncIterator[asyncio.Task[list[SpeechPiece]]]:
    """Keep the engine busy with `LONG`."""
    task = asyncio.create_task(pieces_of(engine, LONG))
    await asyncio.sleep(0.1)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_clause_comes_with_the_times_of_its_own_words() -> None:
    text = "It costs $12.50, (or so) — at 10:30."

    async def work(engine: PiperStream) -> None:
        pieces = await pieces_of(engine, text)
        assert len(pieces) > 2
        plain = PiperTts().speak(text)
        samples = np.concatenate([piece.samples for piece in pieces])
        cut = len(plain.samples) - len(samples)
        assert np.allclose(samples, plain.samples[cut:], atol=1e-4)
        words = [word for piece in pieces for word in piece.words]
        assert [word.text for word in words] == text.split()
        ends = {word.text: word.end + cut / engine.sample_rate for word in words}
        spoken = {span.text: span.end for span in plain.words}
        assert ends["$12.50,"] == pytest.approx(spoken["cents"])
        assert ends["so)"] == ends["—"] == pytest.approx(spoken["so"])
        assert ends["10:30."] == pytest.approx(spoken["thirty"])
        at = 0
        for piece in pieces:
            assert not piece.cached
            assert all(at < w.end * engine.sample_rate + 1 for w in piece.words)
            at += len(piece.samples)
            assert all(w.end * engine.sample_rate < at + 1 for w in piece.words)

    run(work)


def test_little_silence_is_left_in_front() -> None:
    async def work(engine: PiperStream) -> None:
        for text in ("Let me see.", "Sure,", "Apples are here,"):
            pieces = await pieces_of(engine, text)
            whole = voice().synthesize(text)
            silence = leading_silence(whole)
            assert leading_silence(pieces[0].samples) <= 0.010 * engine.sample_rate
            length = sum(len(piece.samples) for piece in pieces)
            assert len(whole) - length == max(silence - 220, 0)

    run(work)


def test_leading_silence_of_known_samples() -> None:
    assert leading_silence(np.array([0, 0.0001, -1, 0], dtype=np.float32)) == 2
    assert leading_silence(np.zeros(5, dtype=np.float32)) == 5
    assert leading_silence(np.zeros(0, dtype=np.float32)) == 0


def test_nothing_to_say_gives_nothing() -> None:
    async def work(engine: PiperStream) -> None:
        assert await pieces_of(engine, " ... ") == []

    run(work)


def test_closing_in_the_middle_frees_the_worker(outcomes: list[str]) -> None:
    async def work(engine: PiperStream) -> None:
        async with spoken_behind(engine) as busy:
            busy.cancel()
            with pytest.raises(asyncio.CancelledError):
                await busy
            assert await pieces_of(engine, "Yes.")
        assert outcomes == ["spoken", "failed", "spoken"]  # the first warmed it

    run(work)


def test_a_clause_that_waits_can_be_dropped(outcomes: list[str]) -> None:
    async def work(engine: PiperStream) -> None:
        async with spoken_behind(engine) as busy:
            waiting = asyncio.create_task(pieces_of(engine, LONG))
            behind = asyncio.create_task(pieces_of(engine, "Yes."))
            await asyncio.sleep(0.02)
            waiting.cancel()
            busy.cancel()
            assert await behind
            assert waiting.cancelled()
        assert outcomes == ["spoken", "failed", "spoken"]

    run(work)


def test_calls_are_served_in_turn() -> None:
    async def work(engine: PiperStream) -> None:
        done: list[str] = []

        async def call(name: str) -> None:
            for i in range(3):
                assert await pieces_of(engine, "Yes, it is.")
                done.append(f"{name}{i}")

        await asyncio.gather(call("a"), call("b"))
        assert done == ["a0", "b0", "a1", "b1", "a2", "b2"]

    run(work)


def test_more_workers_speak_at_the_same_time() -> None:
    async def work(engine: PiperStream) -> None:
        async with spoken_behind(engine) as busy:
            assert await pieces_of(engine, "Yes.")
            assert not busy.done()

    run(work, workers=2)


def test_closing_the_engine_ends_what_it_speaks(outcomes: list[str]) -> None:
    async def work(engine: PiperStream) -> None:
        busy = asyncio.create_task(pieces_of(engine, LONG))
        waiting = asyncio.create_task(pieces_of(engine, LONG))
        await asyncio.sleep(0.1)
        await engine.aclose()
        assert outcomes == ["spoken", "failed"]
        for task in (busy, waiting):
            with pytest.raises(StageError, match="closed"):
                await task
        with pytest.raises(StageError, match="closed"):
            await pieces_of(engine, "Yes.")
        with pytest.raises(StageError, match="closed"):
            await engine.warm()

    run(work)


def test_a_graph_that_fails_is_a_stage_error_and_the_next_clause_is_spoken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(engine: PiperStream) -> None:
        with monkeypatch.context() as patch:
            # a symbol that the graph has no place for: it fails for real
            patch.setattr(PiperTts, "_encode", lambda *_: iter(()))
            with pytest.raises(StageError, match="the voice failed"):
                await pieces_of(engine, "Yes.")
        assert await pieces_of(engine, "Yes.")

    run(work)


def test_a_voice_without_durations_has_no_word_times(tmp_path: Path) -> None:
    path = tmp_path / "voice.onnx"
    other = DURATIONS.replace("Ceil", "Roof")
    path.write_bytes(default_voice().read_bytes().replace(DURATIONS.encode(), other.encode()))
    shutil.copy(f"{default_voice()}.json", f"{path}.json")

    async def work(engine: PiperStream) -> None:
        pieces = await pieces_of(engine, "Yes.")
        assert pieces
        assert all(len(piece.samples) and piece.words == () for piece in pieces)

    run(work, voice=str(path))


def test_in_one_piece_where_asked_for() -> None:
    async def work(engine: PiperStream) -> None:
        assert len(await pieces_of(engine, "It comes in one piece.")) == 1

    run(work, in_parts=False)


def test_the_first_piece_comes_before_the_last_is_computed(outcomes: list[str]) -> None:
    async def work(engine: PiperStream) -> None:
        stream = engine.stream(LONG)
        await anext(stream)
        await stream.aclose()
        await pieces_of(engine, "Yes.")
        assert outcomes[1:] == ["failed", "spoken"]

    run(work)


def test_what_does_not_fit_is_told_before_any_call(tmp_path: Path) -> None:
    with pytest.raises(MissingAssetError, match=r"nobody\.onnx"):
        PiperStream(PiperSettings(voice=str(tmp_path / "nobody.onnx")))
    with pytest.raises(ConfigError, match=r"tts\.speaker 7"):
        PiperStream(PiperSettings(speaker=7))


@pytest.mark.parametrize(
    "wrong",
    [{"threads": 0}, {"workers": 0}, {"length_scale": 9.0}, {"lead_ms": -1.0}, {"noise_w": 3.0}],
)
def test_settings_out_of_range_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"tts\.{next(iter(wrong))}"):
        build(PiperSettings, wrong, "tts")
