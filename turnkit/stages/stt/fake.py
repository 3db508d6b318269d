"""A scripted recogniser: words that are known beforehand, when and as slowly as told.

Its words come as audio with energy is pushed, so silence gives none. Everything it gives
is simulated, and reports say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from turnkit.audio import Samples
from turnkit.errors import ConfigError, StageError
from turnkit.stages.scripting import Delay, Fault
from turnkit.stages.stt.agreement import Words
from turnkit.stages.stt.delivery import Mailbox
from turnkit.stages.stt.hearing import Hearing
from turnkit.stages.stt.protocol import Transcript

SAMPLE_RATE = 16_000
"""Rate in Hz of the samples that a fake takes."""

HISTORY_S = 60.0
"""Audio that a restart can keep."""

GARBAGE = ("\N{REPLACEMENT CHARACTER}\x00{]", "%%", "\N{REPLACEMENT CHARACTER}" * 40)
"""What the fault of this name gives for words."""


@dataclass(frozen=True, slots=True)
class FakeSttSettings:
    """Script of a fake recogniser.

    Attributes
    ----------
    texts : tuple of str
        What is said, an utterance each; after the last the first comes again. Counted
        over all streams in the order in which their utterances begin to be heard.
    words_per_s : float
        Words that a second of speech brings.
    whole : bool
        Whether a flush gives the whole text, however little of it was heard (as long as
        something was).
    uncommitted : int
        Newest words that stay in the tail.
    partial_delay_ms, flush_delay_ms : str
        See `Delay`.
    fault : Fault
        A call is an utterance; ``after`` counts its words. ``"die"`` ends the iteration,
        ``"hang"`` gives nothing more, ``"garbage"`` gives nonsense for words.
    seed : int

    Raises
    ------
    ConfigError
        If a value does not fit.
    """

    texts: tuple[str, ...] = ("What is the weather like today?",)
    words_per_s: float = 3.0
    whole: bool = False
    uncommitted: int = 1
    partial_delay_ms: str = "0"
    flush_delay_ms: str = "50"
    fault: Fault = field(default_factory=Fault)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.texts:
            raise ConfigError("texts: expected at least one")
        if not 0 < self.words_per_s <= 50:
            raise ConfigError(f"words_per_s {self.words_per_s!r}: expected over 0, up to 50")
        if self.uncommitted < 0:
            raise ConfigError(f"uncommitted {self.uncommitted!r}: expected 0 or more")
        Delay(self.partial_delay_ms)
        Delay(self.flush_delay_ms)


class FakeStt:
    """A scripted recogniser; a `SpeechToText`."""

    name = "scripted words (simulated)"
    simulated = True

    def __init__(self, settings: FakeSttSettings | None = None) -> None:
        self.settings = settings or FakeSttSettings()
        self.partial_delay = Delay(self.settings.partial_delay_ms, self.settings.seed)
        self.flush_delay = Delay(self.settings.flush_delay_ms, self.settings.seed + 1)
        self._begun = 0
        self._streams: set[FakeStream] = set()

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the samples that streams take."""
        return SAMPLE_RATE

    async def warm(self) -> None:
        """Nothing to load."""

    def open(self, *, partials: bool = True) -> FakeStream:
        """Begin a caller's stream; see `SpeechToText.open`."""
        stream = FakeStream(self, partials)
        self._streams.add(stream)
        return stream

    def begin(self) -> tuple[int, Words]:
        """Count the next utterance, from 1, and give its words."""
        text = self.settings.texts[self._begun % len(self.settings.texts)]
        self._begun += 1
        return self._begun, tuple(text.split())

    def forget(self, stream: FakeStream) -> None:
        """Take notice that a stream was closed."""
        self._streams.discard(stream)

    async def aclose(self) -> None:
        """End all streams."""
        for stream in list(self._streams):
            await stream.aclose()


class FakeStream:
    """One caller's speech; an `SttStream`. Opened by `FakeStt.open`."""

    def __init__(self, engine: FakeStt, partials: bool) -> None:
        self._engine = engine
        self._partials = partials
        self._mailbox = Mailbox()
        self._hearing = Hearing(SAMPLE_RATE, HISTORY_S)
        self._utterance = 0
        self._start = 0
        self._call = 0
        self._script: Words = ()
        self._told = 0
        self._floor = 0
        self._delivered_to = 0
        self._hung = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_flush: asyncio.Task[None] | None = None

    def push(self, samples: Samples) -> None:
        """Take the next samples."""
        if self._mailbox.ended:
            return
        self._hearing.push(samples)
        count = self._count(0.0)
        if self._partials and count > self._told:
            self._told = count
            self._send(self._engine.partial_delay, count, flushed=False)

    def flush(self) -> None:
        """Ask for a transcript of everything pushed so far."""
        if self._mailbox.ended:
            return
        count = self._count(0.5)
        if self._hearing.speech_start(self._start) is not None:
            count = len(self._script) if self._engine.settings.whole else max(count, 1)
        self._floor = count
        self._send(self._engine.flush_delay, count, flushed=True)

    def restart(self, keep: int = 0) -> None:
        """Begin the next utterance with the last `keep` samples (at most `HISTORY_S`)."""
        for task in self._tasks:
            task.cancel()
        self._utterance += 1
        self._start = max(self._hearing.first, self._hearing.heard - max(keep, 0))
        self._call, self._script = 0, ()
        self._told = self._floor = 0

    def __aiter__(self) -> AsyncIterator[Transcript]:
        """Transcripts as they come."""
        return self._mailbox

    async def aclose(self) -> None:
        """Stop."""
        self._mailbox.end()
        self._engine.forget(self)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _count(self, rounding: float) -> int:
        """Words heard so far."""
        seconds = self._hearing.speech_since(self._start)
        if seconds and not self._call:
            self._call, self._script = self._engine.begin()
        said = int(seconds * self._engine.settings.words_per_s + rounding)
        return min(max(said, self._floor), len(self._script))

    def _send(self, delay: Delay, count: int, *, flushed: bool) -> None:
        heard = self._hearing.heard
        before = self._last_flush
        task = asyncio.create_task(self._deliver(delay, before, count, heard, flushed=flushed))
        if flushed:
            self._last_flush = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(
        self,
        delay: Delay,
        before: asyncio.Task[None] | None,
        count: int,
        heard: int,
        *,
        flushed: bool,
    ) -> None:
        await delay.wait()
        if before is not None and not before.done():
            # Answers come in the order of the questions.
            await asyncio.wait([before])
        words = self._script[:count]
        fault = self._engine.settings.fault
        if self._call and fault.strikes(self._call) and count >= fault.after:
            words = await self._strike(fault)
        # A slow partial does not come after what knows more.
        if self._hung or self._mailbox.ended or (heard < self._delivered_to and not flushed):
            return
        self._delivered_to = max(heard, self._delivered_to)
        certain = max(0, len(words) - self._engine.settings.uncommitted)
        self._mailbox.put(
            Transcript(self._utterance, heard, words[:certain], words[certain:], flushed)
        )

    async def _strike(self, fault: Fault) -> Words:
        if fault.kind == "die":
            self._mailbox.end(abandon=False)
        elif fault.kind == "hang":
            self._hung = True
        elif fault.kind == "error":
            try:
                await fault.strike("stt")
            except StageError as error:
                self._mailbox.fail(error)
        return GARBAGE
