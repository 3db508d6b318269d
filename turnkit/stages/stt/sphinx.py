"""PocketSphinx: a truly streaming recogniser, cheap and of modest accuracy.

Each stream has a decoder and a thread of its own. Words are lower case, without marks.
Once two hypotheses, 0.2 s of audio apart, agree on words, all but the newest are
committed. A flush ends the decoder's utterance, takes the words of its last pass, and
begins another.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import queue
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from turnkit.audio import Samples
from turnkit.errors import ConfigError, MissingDependencyError, StageError
from turnkit.stages.stt.agreement import LocalAgreement, Words
from turnkit.stages.stt.delivery import Mailbox
from turnkit.stages.stt.hearing import Hearing
from turnkit.stages.stt.protocol import Transcript

SAMPLE_RATE = 16_000
"""Rate in Hz of PocketSphinx's English model."""

HISTORY_S = 30.0
"""Audio that a restart can keep."""

MOST_BEHIND_S = 30.0
"""Audio that may wait to be decoded before the stream gives up."""


@dataclass(frozen=True, slots=True)
class SphinxSettings:
    """Settings of PocketSphinx.

    Attributes
    ----------
    partial_every_s : float
        Audio between two hypotheses.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    partial_every_s: float = 0.2

    def __post_init__(self) -> None:
        if not 0.05 <= self.partial_every_s <= 10.0:
            raise ConfigError(f"partial_every_s {self.partial_every_s!r}: expected 0.05 .. 10")


class SphinxStt:
    """PocketSphinx with its own English model; a `SpeechToText`.

    Raises
    ------
    MissingDependencyError
        If PocketSphinx is not installed.
    """

    name = "pocketsphinx"
    simulated = False

    def __init__(self, settings: SphinxSettings | None = None) -> None:
        self.settings = settings or SphinxSettings()
        try:
            import pocketsphinx
        except ImportError as error:
            raise MissingDependencyError("pocketsphinx", "agent", "stt kind sphinx") from error
        self._make: Any = pocketsphinx.Decoder
        self._idle: list[Any] = []
        self._streams: set[SphinxStream] = set()
        self._lock = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the samples that streams take."""
        return SAMPLE_RATE

    async def warm(self) -> None:
        """Load a decoder, which the first stream will use."""
        stream = self.open()
        rng = np.random.default_rng(0)
        stream.push((0.01 * rng.standard_normal(SAMPLE_RATE // 2)).astype(np.float32))
        stream.flush()
        try:
            async for transcript in stream:
                if transcript.flushed:
                    break
        finally:
            await stream.aclose()
            await stream.stopped()

    def open(self, *, partials: bool = True) -> SphinxStream:  # noqa: ARG002 - it streams
        """Begin a caller's stream; see `SpeechToText.open`."""
        stream = SphinxStream(self)
        self._streams.add(stream)
        return stream

    def borrow(self) -> Any:
        """Take a decoder that no stream uses; one is loaded if there is none."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._make(samprate=SAMPLE_RATE, loglevel="FATAL")

    def give_back(self, stream: SphinxStream, decoder: Any) -> None:
        """Take a stream's decoder back; at most one is kept idle."""
        with self._lock:
            if decoder is not None and not self._idle:
                self._idle.append(decoder)
        self._streams.discard(stream)

    async def aclose(self) -> None:
        """End all streams and let go of the decoders."""
        streams = list(self._streams)
        for stream in streams:
            stream.leave()
        for stream in streams:
            await stream.stopped()
        self._idle.clear()


@dataclass(frozen=True, slots=True)
class _Audio:
    utterance: int
    samples: Samples
    heard: int


@dataclass(frozen=True, slots=True)
class _Flush:
    utterance: int
    heard: int


@dataclass(frozen=True, slots=True)
class _Restart:
    utterance: int
    kept: Samples
    heard: int


_Command: TypeAlias = _Audio | _Flush | _Restart | None


class SphinxStream:
    """One caller's speech; an `SttStream`. Opened by `SphinxStt.open`."""

    def __init__(self, engine: SphinxStt) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox()
        self._hearing = Hearing(SAMPLE_RATE, HISTORY_S)
        self._commands: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._utterance = 0
        self._leaving = threading.Event()
        self._stopped: concurrent.futures.Future[None] = concurrent.futures.Future()
        # The thread's own.
        self._said = _Said()
        self._decoded_to = 0
        self._thread = threading.Thread(target=self._run, name="turnkit-sphinx", daemon=True)
        self._thread.start()

    def push(self, samples: Samples) -> None:
        """Take the next samples."""
        if self._leaving.is_set():
            return
        self._hearing.push(samples)
        heard = self._hearing.heard
        if heard - self._decoded_to > MOST_BEHIND_S * SAMPLE_RATE:
            problem = f"pocketsphinx is more than {MOST_BEHIND_S:g} s behind the caller"
            self._mailbox.fail(StageError("stt", problem))
            self.leave()
            return
        self._commands.put(_Audio(self._utterance, np.array(samples, dtype=np.float32), heard))

    def flush(self) -> None:
        """Ask for a transcript of everything pushed so far."""
        self._commands.put(_Flush(self._utterance, self._hearing.heard))

    def restart(self, keep: int = 0) -> None:
        """Begin the next utterance with the last `keep` samples (at most `HISTORY_S`)."""
        self._utterance += 1
        heard = self._hearing.heard
        kept = self._hearing.audio(heard - max(keep, 0), heard)
        self._commands.put(_Restart(self._utterance, kept, heard))

    def __aiter__(self) -> AsyncIterator[Transcript]:
        """Transcripts as they come."""
        return self._mailbox

    async def aclose(self) -> None:
        """Stop; the thread ends within the time of one step."""
        self.leave()
        self._mailbox.end()
        await self.stopped()

    def leave(self) -> None:
        """Have the thread stop."""
        self._leaving.set()
        self._commands.put(None)

    async def stopped(self) -> None:
        """Wait until the thread has stopped."""
        while self._thread.is_alive():
            await asyncio.sleep(0.005)

    def _run(self) -> None:
        decoder = None
        try:
            decoder = self._engine.borrow()
            decoder.start_utt()
            while (command := self._commands.get()) is not None and not self._leaving.is_set():
                self._obey(decoder, command)
            decoder.end_utt()
            self._engine.give_back(self, decoder)
            self._call(lambda: self._mailbox.end(abandon=False))
        except Exception as error:  # whatever the decoder raises ends this stream only
            problem = StageError("stt", f"pocketsphinx: {error}")
            self._leaving.set()
            self._engine.give_back(self, None)
            self._call(lambda: self._mailbox.fail(problem))

    def _obey(self, decoder: Any, command: _Audio | _Flush | _Restart) -> None:
        if command.utterance < self._utterance:
            return  # a restart is waiting
        said = self._said
        if isinstance(command, _Restart):
            decoder.end_utt()
            decoder.start_utt()
            self._said = said = _Said(command.utterance)
            command = _Audio(command.utterance, command.kept, command.heard)
        if isinstance(command, _Flush):
            decoder.end_utt()
            said.take(_words(decoder))
            self._post(command.heard, flushed=True)
            said.settle()
            decoder.start_utt()
            return
        self._decoded_to = command.heard
        if not len(command.samples):
            return
        pcm = np.clip(command.samples * 32768.0, -32768, 32767).astype("<i2")
        decoder.process_raw(pcm.tobytes(), no_search=False, full_utt=False)
        said.unread_s += len(pcm) / SAMPLE_RATE
        if said.unread_s >= self._engine.settings.partial_every_s:
            said.take(_words(decoder))
            if said.any:
                self._post(command.heard)

    def _post(self, heard: int, *, flushed: bool = False) -> None:
        said = self._said
        transcript = Transcript(said.utterance, heard, said.committed, said.tail, flushed)
        self._call(lambda: self._mailbox.put(transcript))

    def _call(self, action: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:  # the loop has closed: nobody listens any more
            self._leaving.set()


class _Said:
    """Words of an utterance, which a flush cuts into pieces for the decoder."""

    def __init__(self, utterance: int = 0) -> None:
        self.utterance = utterance
        self.unread_s = 0.0
        self._settled: Words = ()
        self._agreement = LocalAgreement(held_back=1)

    @property
    def committed(self) -> Words:
        """Certain words."""
        return self._settled + self._agreement.committed

    @property
    def tail(self) -> Words:
        """Words after those."""
        return self._agreement.tail

    @property
    def any(self) -> bool:
        """Whether there are words."""
        return bool(self.committed or self.tail)

    def take(self, words: Words) -> None:
        """Take the next hypothesis about the piece that is decoded now."""
        self.unread_s = 0.0
        self._agreement.update(words)

    def settle(self) -> None:
        """Take all words for certain: their piece is over."""
        self._settled = self.committed + self.tail
        self._agreement = LocalAgreement(held_back=1)


def _words(decoder: Any) -> Words:
    hypothesis = decoder.hyp()
    if hypothesis is None or not math.isfinite(hypothesis.score):
        return ()
    return tuple(hypothesis.hypstr.split())
