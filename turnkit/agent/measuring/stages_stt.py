"""Recognisers, measured: how soon the last words are there, and how right they are.

Speech is pushed 20 ms at a time at the pace at which a call brings it, so that the
decoding that goes on while somebody speaks is in the way as it is in a call. Word errors
are counted on more speech, pushed without waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from turnkit.agent.measuring.stages_figures import (
    FIRST_USE,
    LOAD,
    Recognition,
    StageFigures,
    Timing,
)
from turnkit.agent.measuring.stages_speech import Speech, Utterance
from turnkit.agent.measuring.stages_words import count_errors, spell
from turnkit.errors import StageError
from turnkit.stages.stt.protocol import SpeechToText, SttStream

PUSH_S = 0.02
"""Seconds of audio in a push."""

LONG_S = 2.0
"""Seconds of speech from which on a word should be committed before the end."""

PATIENCE_S = 60.0
"""Seconds after which an answer to a flush is given up."""

FLUSH = "last words, asked 0.1 s after speech"


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of an utterance.

    Attributes
    ----------
    text : str
    answer_s : float
        Seconds from the flush to its answer.
    early : bool
        A word was committed before the speech was over.
    """

    text: str
    answer_s: float
    early: bool


class Listening:
    """A recogniser's stream as a call uses it: one utterance after the other."""

    def __init__(self, stream: SttStream, rate: int) -> None:
        self._stream, self._rate = stream, rate
        self._told = aiter(stream)
        self._utterance = 0

    async def hear(self, utterance: Utterance, *, real_time: bool) -> Heard:
        """Push an utterance and ask for its words.

        Raises
        ------
        StageError
            If the recogniser failed, or did not answer within `PATIENCE_S`.
        """
        early: list[float] = []
        reading = asyncio.create_task(self._read(early))
        try:
            over = await self._push(utterance, real_time=real_time)
            asked = time.perf_counter()
            self._stream.flush()
            async with asyncio.timeout(PATIENCE_S):
                text, answered = await reading
        except TimeoutError as error:
            problem = f"no answer to a flush within {PATIENCE_S:g} s"
            raise StageError("stt", problem) from error
        finally:
            reading.cancel()
        self._stream.restart()
        self._utterance += 1
        return Heard(text, answered - asked, bool(early) and early[0] < over)

    async def _push(self, utterance: Utterance, *, real_time: bool) -> float:
        """Push it all; when the last of the speech was pushed."""
        samples = utterance.at_rate(self._rate)
        step = round(PUSH_S * self._rate)
        begun = time.perf_counter()
        over = float("inf")
        for start in range(0, len(samples), step):
            chunk = samples[start : start + step]
            until = (start + len(chunk)) / self._rate
            # a chunk is there when its last sample was recorded
            await asyncio.sleep(max(0.0, begun + until - time.perf_counter()) if real_time else 0)
            self._stream.push(chunk)
            if until >= utterance.end:
                over = min(over, time.perf_counter())
        return over

    async def _read(self, early: list[float]) -> tuple[str, float]:
        """Wait for the answer to the flush; note when words were committed."""
        async for transcript in self._told:
            now = time.perf_counter()
            if transcript.utterance != self._utterance:
                continue
            if transcript.flushed:
                return transcript.text, now
            if transcript.committed:
                early.append(now)
        raise StageError("stt", "it ended without an answer")


@asynccontextmanager
async def listening(engine: SpeechToText) -> AsyncIterator[Listening]:
    """Open a stream of an engine."""
    async with aclosing(engine.open()) as stream:
        yield Listening(stream, engine.sample_rate)


@dataclass(slots=True)
class _Tally:
    """What was heard of one set of speech, pushed in one way."""

    speech: str
    real_time: bool
    pairs: list[tuple[str, str]] = field(default_factory=list)
    long: int = 0
    early: int = 0

    def add(self, utterance: Utterance, heard: Heard) -> None:
        """Count an utterance in."""
        self.pairs.append((utterance.text, heard.text))
        if self.real_time and utterance.end - utterance.start > LONG_S:
            self.long += 1
            self.early += heard.early

    def recognition(self, *, scripted: bool) -> Recognition:
        """Summarise; scripted words have no errors."""
        errors = None
        if not scripted:
            errors = count_errors([(spell(said), spell(heard)) for said, heard in self.pairs])
        return Recognition(
            self.speech, self.real_time, len(self.pairs), errors, self.long, self.early
        )


class _Measurement:
    """One recogniser's times and words, as they come in."""

    def __init__(self, speech: Sequence[Speech]) -> None:
        self._speech = speech
        self.loads: list[float] = []
        self.firsts: list[float] = []
        self.answers: list[float] = []
        self.at_once = [_Tally(each.name, real_time=False) for each in speech]
        self.paced = [_Tally(each.name, real_time=True) for each in speech]

    async def hear_paced(self, stream: Listening, number: int, count: int) -> None:
        """Say `count` utterances of each set in real time: others in every round."""
        times = self.firsts
        for each, tally in zip(self._speech, self.paced, strict=True):
            for i in range(number * count, (number + 1) * count):
                utterance = each.utterances[i % len(each.utterances)]
                heard = await stream.hear(utterance, real_time=True)
                times.append(heard.answer_s)
                tally.add(utterance, heard)
                times = self.answers

    async def hear_all(self, stream: Listening) -> None:
        """Say everything without waiting."""
        for each, tally in zip(self._speech, self.at_once, strict=True):
            for utterance in each.utterances:
                tally.add(utterance, await stream.hear(utterance, real_time=False))

    def timings(self) -> dict[str, Timing]:
        """Summarise the times."""
        timings = {LOAD: Timing.of(self.loads, budgeted=False), FIRST_USE: Timing.of(self.firsts)}
        return timings | ({FLUSH: Timing.of(self.answers)} if self.answers else {})


async def measure_stt(
    make: Callable[[], SpeechToText],
    speech: Sequence[Speech],
    rounds: int,
    paced: int,
    told: Callable[[str], None] = lambda _: None,
) -> StageFigures:
    """Measure a recogniser.

    Parameters
    ----------
    make : callable
        Opens the engine; called once a round.
    speech : sequence of Speech
    rounds : int
        Times the engine is loaded anew.
    paced : int
        Utterances of each set that are pushed in real time in each round.
    told : callable
        Gets a line on what is being done.

    Raises
    ------
    StageError, MissingAssetError, MissingDependencyError, OfflineError
        If the engine cannot work.
    """
    found = _Measurement(speech)
    name, simulated = "", False
    for number in range(rounds):
        begun = time.perf_counter()
        async with aclosing(make()) as engine:
            name, simulated = engine.name, engine.simulated
            await engine.warm()
            found.loads.append(time.perf_counter() - begun)
            async with listening(engine) as stream:
                told(f"stt  {name}: round {number + 1} of {rounds}, in real time")
                await found.hear_paced(stream, number, paced)
                if number == rounds - 1:
                    told(f"stt  {name}: all speech, without waiting")
                    await found.hear_all(stream)
    heard = [tally.recognition(scripted=simulated) for tally in (*found.at_once, *found.paced)]
    return StageFigures("stt", name, simulated, found.timings(), tuple(heard))
