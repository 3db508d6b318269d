"""Voices, measured: how soon the first audio of a clause is there, by its length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from turnkit.agent.measuring.stages_figures import FIRST_USE, LOAD, StageFigures, Timing
from turnkit.agent.measuring.stages_texts import CLAUSES
from turnkit.errors import StageError
from turnkit.stages.tts.phrase_cache import PhraseCache
from turnkit.stages.tts.stream import StreamingTts

TAKES = 4
"""Clauses of each length in a round."""

PATIENCE_S = 60.0
"""Seconds after which a clause is given up."""

FILL = "speaking the phrases to keep"
CACHED = "first audio, phrase kept as audio"
_FIRST_WORDS = 5


def first_audio(words: int) -> str:
    """Name of the time of a clause of so many words."""
    return f"first audio, {words} word{'s' if words > 1 else ''}"


@dataclass(slots=True)
class _Times:
    """Seconds, by what was done."""

    load: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    clauses: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in CLAUSES})
    fill: list[float] = field(default_factory=list)
    cached: list[float] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)
    gaps: list[bool] = field(default_factory=list)

    def timings(self) -> dict[str, Timing]:
        rows = (
            (LOAD, self.load, False),
            (FIRST_USE, self.first, True),
            *((first_audio(n), seconds, True) for n, seconds in self.clauses.items()),
            (FILL, self.fill, False),
            (CACHED, self.cached, True),
        )
        return {name: Timing.of(s, budgeted=budgeted) for name, s, budgeted in rows if s}


async def measure_tts(
    make: Callable[[], PhraseCache],
    rounds: int,
    seed: int = 0,
    told: Callable[[str], None] = lambda _: None,
) -> StageFigures:
    """Measure a voice, behind the cache of phrases and through it.

    Parameters
    ----------
    make : callable
        Opens the voice; called once a round.
    rounds : int
        Times the engine is loaded anew.
    seed : int
        Of the choice of clauses.
    told : callable
        Gets a line on what is being done.

    Raises
    ------
    StageError, MissingAssetError, MissingDependencyError, OfflineError
        If the engine cannot work.
    """
    times, rng = _Times(), np.random.default_rng(seed)
    name, simulated = "", False
    for number in range(rounds):
        begun = time.perf_counter()
        async with aclosing(make()) as kept:
            name, simulated = kept.name, kept.simulated
            await kept.inner.warm()
            times.load.append(time.perf_counter() - begun)
            told(f"tts  {name}: round {number + 1} of {rounds}")
            await _round(kept.inner, rng, times)
            if number == 0:
                await _use_cache(kept, times)
    rates = {
        "seconds of work per second of audio": round(float(np.median(times.factors)), 3),
        "% of clauses with a gap": round(100 * float(np.mean(times.gaps)), 1),
    }
    return StageFigures("tts", name, simulated, times.timings(), rates=rates)


async def _round(engine: StreamingTts, rng: np.random.Generator, times: _Times) -> None:
    clauses = {n: [texts[i] for i in rng.permutation(len(texts))] for n, texts in CLAUSES.items()}
    times.first.append((await _speak(engine, clauses[_FIRST_WORDS][-1])).first_s)
    for take in range(TAKES):
        for words, texts in clauses.items():
            spoken = await _speak(engine, texts[take])
            times.clauses[words].append(spoken.first_s)
            times.factors.append(spoken.whole_s / spoken.audio_s)
            times.gaps.append(spoken.gap)


async def _use_cache(kept: PhraseCache, times: _Times) -> None:
    if not kept.settings.enabled or not kept.settings.phrases:
        return
    begun = time.perf_counter()
    await kept.warm()
    times.fill.append(time.perf_counter() - begun)
    for phrase in kept.settings.phrases:
        spoken = await _speak(kept, phrase)
        if spoken.cached:
            times.cached.append(spoken.first_s)


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A clause that was spoken; `gap` says that a piece came later than it was due."""

    first_s: float
    whole_s: float
    audio_s: float
    cached: bool
    gap: bool


async def _speak(engine: StreamingTts, text: str) -> _Spoken:
    """Speak a clause to its end."""
    first_s, audio_s, cached, gap = None, 0.0, False, False
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(engine.stream(text)) as pieces:
            async for piece in pieces:
                if not len(piece.samples):
                    continue
                now_s = time.perf_counter() - begun
                if first_s is None:
                    first_s, cached = now_s, piece.cached
                gap = gap or now_s > first_s + audio_s
                audio_s += len(piece.samples) / engine.sample_rate
    except TimeoutError as error:
        raise StageError("tts", f"no end of a clause within {PATIENCE_S:g} s") from error
    if first_s is None:
        raise StageError("tts", f"no audio for {text!r}")
    return _Spoken(first_s, time.perf_counter() - begun, audio_s, cached, gap)
