"""Real speech from the embedded voice, and ways to feed it to a stream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import scipy.signal

from turnkit.audio import Samples
from turnkit.stages.stt.protocol import SttStream, Transcript
from turnkit.stages.tts.piper import PiperTts

T = TypeVar("T")

RATE = 16_000
CHUNK = 320


def run(work: Coroutine[Any, Any, T], timeout_s: float = 600.0) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(timeout_s):
            return await work

    return asyncio.run(bounded())


@lru_cache(maxsize=1)
def _voice() -> PiperTts:
    return PiperTts()


@lru_cache(maxsize=64)
def spoken(text: str) -> Samples:
    """Speech at 16 kHz over faint noise, with 0.3 s before it."""
    samples = np.asarray(scipy.signal.resample_poly(_voice().synthesize(text), 320, 441))
    noise = np.random.default_rng(0).standard_normal(len(samples) + 4_800)
    mixed = 3e-4 * noise + np.pad(samples, (4_800, 0))
    return np.asarray(mixed, dtype=np.float32)


def true_word_ends(text: str) -> list[float]:
    """Seconds of `spoken(text)` at which the voice ended each word."""
    return [0.3 + word.end for word in _voice().speak(text).words]


def silence(seconds: float) -> Samples:
    noise = np.random.default_rng(1).standard_normal(round(seconds * RATE))
    return (3e-4 * noise).astype(np.float32)


def voiced(seconds: float) -> Samples:
    """Loud, but no speech: enough for what only looks at the level."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.1 * np.sin(2 * np.pi * 150.0 * time)).astype(np.float32)


async def nothing() -> None:
    await asyncio.sleep(0)


async def feed(
    stream: SttStream, samples: Samples, after_each: Callable[[], Awaitable[None]] = nothing
) -> None:
    for start in range(0, len(samples), CHUNK):
        stream.push(samples[start : start + CHUNK])
        await after_each()


async def next_flushed(transcripts: AsyncIterator[Transcript]) -> Transcript:
    while True:
        transcript = await anext(transcripts)
        if transcript.flushed:
            return transcript


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9' ]", "", text.lower()).split())
