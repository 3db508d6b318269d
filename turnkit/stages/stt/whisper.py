"""Embedded Whisper that gives words while the caller speaks.

The audio since the last cut is decoded again every 0.4 s of speech, with the committed
words forced at its beginning, and what two decodings agree on is committed (see
`turnkit.stages.stt.agreement`). Words are as Whisper writes them, split at spaces.

A short pause is decoded without being asked for. So a flush soon after the end of speech
finds its answer there, or under way; one that finds that nothing but silence came since
the last decoding is answered at once.

Long utterances: from 12 s of audio on, the words before the last committed sentence end,
or all but the last few committed words, are cut away together with their audio, at the
place where Whisper's cross-attention aligns them. They stay in the transcript.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from turnkit.audio import Samples
from turnkit.errors import StageError, TurnkitError
from turnkit.stages.stt.agreement import LocalAgreement, Words
from turnkit.stages.stt.delivery import Mailbox
from turnkit.stages.stt.hearing import LEAD_S, Hearing
from turnkit.stages.stt.protocol import Transcript
from turnkit.stages.stt.whisper_files import WhisperSettings, check_model
from turnkit.stages.stt.whisper_model import Encoded, WhisperModel
from turnkit.stages.stt.whisper_workers import Workers
from turnkit.whisper import SAMPLE_RATE

HISTORY_S = 60.0
"""Audio that a stream keeps; a restart can keep no more of it."""

LONGEST_S = 24.0
"""Audio of which all words are taken for certain, agreed on or not, to get on."""

_KEPT_WORDS = 3
_NO_WORDS_S = 4.0
_CUT_EARLY_S = 0.05


class WhisperStt:
    """The embedded Whisper; a `SpeechToText`.

    Parameters
    ----------
    settings : WhisperSettings

    Raises
    ------
    MissingAssetError, MissingDependencyError
        If the model cannot be there; one on the hub is looked for when it is loaded.
    """

    simulated = False

    def __init__(self, settings: WhisperSettings | None = None) -> None:
        self.settings = settings or WhisperSettings()
        check_model(self.settings.model)
        model = "tiny.en" if self.settings.model == "default" else self.settings.model
        self.name = f"whisper {model}"
        self._model: WhisperModel | None = None
        self._loading = threading.Lock()
        self._workers: Workers | None = None

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the samples that streams take."""
        return SAMPLE_RATE

    async def warm(self) -> None:
        """Load the model and decode once; see `SpeechToText.warm`."""
        await asyncio.wrap_future(self._start().submit(self._try_out))

    def open(self, *, partials: bool = True) -> WhisperStream:
        """Begin a caller's stream; see `SpeechToText.open`."""
        return WhisperStream(self, self._start(), partials)

    def model(self) -> WhisperModel:
        """Load the model if that has not been done, which takes a while."""
        with self._loading:
            if self._model is None:
                self._model = WhisperModel(self.settings)
            return self._model

    async def aclose(self) -> None:
        """End all streams, stop the threads and let go of the model."""
        workers, self._workers = self._workers, None
        if workers is not None:
            for client in workers.clients:
                if isinstance(client, WhisperStream):
                    client.end()
            await workers.aclose()
        self._model = None

    def _start(self) -> Workers:
        if self._workers is None:
            self._workers = Workers(self.settings.workers, "turnkit-stt")
        return self._workers

    def _try_out(self) -> None:
        import numpy as np

        model = self.model()
        noise = 0.01 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
        try:
            model.decode(model.encode(noise.astype(np.float32)))
        except RuntimeError as error:
            raise StageError("stt", f"{self.name} cannot run here: {error}") from error


@dataclass(frozen=True, slots=True)
class _Flush:
    """A flush that was asked for.

    `heard` is how much had been pushed, `needs` what a decoding must have heard to answer.
    """

    since: float
    heard: int
    needs: int


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    """What a decoding starts from; samples are counted from the first of the stream."""

    utterance: int
    cut: int
    begin: int
    end: int
    committed: Words
    audio: Samples


class WhisperStream:
    """One caller's speech; an `SttStream`. Opened by `WhisperStt.open`."""

    def __init__(self, engine: WhisperStt, workers: Workers, partials: bool) -> None:
        self._engine = engine
        self._partials = partials
        self._settings = engine.settings
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox()
        self._workers = workers
        self._lock = workers.lock
        # All below is guarded by the lock.
        self._hearing = Hearing(SAMPLE_RATE, HISTORY_S)
        self._utterance = 0
        self._cut = 0
        self._cut_words: Words = ()
        self._agreement = LocalAgreement()
        self._decoded_to = 0
        self._flushes: deque[_Flush] = deque()
        self._running: set[_Snapshot] = set()
        self._closed = False
        self._cost_s = 0.0
        workers.add(self)

    def push(self, samples: Samples) -> None:
        """Take the next samples."""
        with self._lock:
            if not self._closed:
                self._hearing.push(samples)
                if self.partial_due():
                    self._lock.notify()

    def flush(self) -> None:
        """Ask for a transcript of everything pushed so far."""
        with self._lock:
            if self._closed:
                return
            heard = self._hearing.heard
            if self._knows_all():
                self._post(heard, flushed=True)
                return
            needs = self._hearing.complete_at()
            self._flushes.append(_Flush(time.monotonic(), heard, needs))
            self._lock.notify()

    def restart(self, keep: int = 0) -> None:
        """Begin the next utterance with the last `keep` samples (at most `HISTORY_S`)."""
        with self._lock:
            self._utterance += 1
            start = max(self._hearing.first, self._hearing.heard - max(keep, 0))
            self._cut = self._decoded_to = start
            self._cut_words = ()
            self._agreement = LocalAgreement()
            self._flushes.clear()
            self._lock.notify()

    def __aiter__(self) -> AsyncIterator[Transcript]:
        """Transcripts as they come."""
        return self._mailbox

    async def aclose(self) -> None:
        """Stop; a decoding that runs for this stream ends in vain within its time."""
        self._leave()
        self._mailbox.end()

    def end(self) -> None:
        """End the iteration, from any thread: the engine closes."""
        self._leave()
        self._call(lambda: self._mailbox.end(abandon=False))

    def _leave(self) -> None:
        with self._lock:
            self._closed = True
            self._flushes.clear()
        self._workers.remove(self)

    @property
    def busy(self) -> bool:
        """Whether a decoding runs for this stream or waits for a worker."""
        with self._lock:
            return bool(self._running or self._flushes) or self.partial_due()

    # What the workers ask.

    def flush_waits_since(self) -> float | None:
        """See `Client.flush_waits_since`."""
        running = max((each.end for each in self._running if self._is_now(each)), default=0)
        return next((flush.since for flush in self._flushes if flush.needs > running), None)

    def partial_due(self) -> bool:
        """See `Client.partial_due`."""
        if self._closed or not self._partials:
            return False
        if self._flushes or self._running or self._knows_all():
            return False
        hearing = self._hearing
        begin = hearing.speech_start(self._cut) or 0
        known = max(self._decoded_to, begin + round(LEAD_S * SAMPLE_RATE))
        # On a busy machine partials make way: they fill half of the time at most.
        every_s = max(self._settings.partial_every_s, 2.0 * self._cost_s)
        if hearing.heard - known >= every_s * SAMPLE_RATE:
            return True
        return hearing.heard - hearing.speech_end >= self._settings.pause_s * SAMPLE_RATE

    def work(self, *, partial: bool) -> None:
        """Decode what there is and post the outcome."""
        snapshot = self._snapshot()
        if snapshot is None:
            return
        try:
            model = self._engine.model()
            began = time.monotonic()
            encoded = model.encode(snapshot.audio)
            if not (partial and self._overtaken(snapshot)):
                words = model.decode(encoded, snapshot.committed)
                self._take_in(snapshot, words, time.monotonic() - began)
                self._trim(snapshot, encoded, model)
        except TurnkitError as error:
            self._fail(StageError("stt", str(error)))
        except Exception as error:  # whatever the engine raises ends this stream only
            self._fail(StageError("stt", f"{self._engine.name}: {error}"))
        finally:
            with self._lock:
                self._running.discard(snapshot)

    def _snapshot(self) -> _Snapshot | None:
        with self._lock:
            begin = self._hearing.speech_start(self._cut)
            if self._closed or begin is None:
                return None
            end = min(self._hearing.heard, begin + round(LONGEST_S * SAMPLE_RATE))
            audio = self._hearing.audio(begin, end)
            committed = self._agreement.committed
            made = _Snapshot(self._utterance, self._cut, begin, end, committed, audio)
            self._running.add(made)
            return made

    def _overtaken(self, snapshot: _Snapshot) -> bool:
        """Whether something more urgent came up than this partial decoding."""
        with self._lock:
            quiet_s = (self._hearing.heard - self._hearing.speech_end) / SAMPLE_RATE
            paused = quiet_s >= self._settings.pause_s
            late = paused and not self._hearing.covered_by(snapshot.end)
            return late or not self._is_now(snapshot) or self._workers.flush_waits()

    def _take_in(self, snapshot: _Snapshot, words: Words, cost_s: float) -> None:
        with self._lock:
            self._cost_s = cost_s
            if not self._is_now(snapshot) or snapshot.end <= self._decoded_to:
                return
            self._agreement.update(words)
            self._decoded_to = snapshot.end
            if not words and snapshot.end - self._cut > _NO_WORDS_S * SAMPLE_RATE:
                # Noise: its last second may be the beginning of a word.
                self._cut = snapshot.end - SAMPLE_RATE
            if not self._flushes:
                self._post(snapshot.end)
            while self._flushes and self._flushes[0].needs <= snapshot.end:
                self._post(self._flushes.popleft().heard, flushed=True)

    def _trim(self, snapshot: _Snapshot, encoded: Encoded, model: WhisperModel) -> None:
        """Cut committed words and their audio off the front of a long utterance."""
        seconds = len(snapshot.audio) / SAMPLE_RATE
        if seconds < self._settings.trim_s:
            return
        with self._lock:
            committed, tail = self._agreement.committed, self._agreement.tail
        count = place_to_cut(committed)
        cut = snapshot.end
        if count:
            at = model.word_ends(encoded, (*committed, *tail))[count - 1] - _CUT_EARLY_S
            cut = snapshot.begin + round(max(at, 0.0) * SAMPLE_RATE)
        with self._lock:
            if not self._is_now(snapshot) or self._agreement.committed != committed:
                return
            if count:
                self._cut_words += self._agreement.forget(count)
                self._cut = cut
            elif seconds >= LONGEST_S:
                self._cut_words += (*committed, *tail)
                self._agreement = LocalAgreement()
                self._cut = cut

    def _is_now(self, snapshot: _Snapshot) -> bool:
        return (snapshot.utterance, snapshot.cut) == (self._utterance, self._cut)

    def _knows_all(self) -> bool:
        """Whether all speech so far was decoded."""
        nothing = self._hearing.speech_start(self._cut) is None
        return nothing or self._hearing.covered_by(self._decoded_to)

    # Delivery; the loop keeps the order of the calls.

    def _post(self, heard: int, *, flushed: bool = False) -> None:
        committed = self._cut_words + self._agreement.committed
        tail = self._agreement.tail
        transcript = Transcript(self._utterance, heard, committed, tail, flushed)
        self._call(lambda: self._mailbox.put(transcript))

    def _fail(self, error: StageError) -> None:
        self._leave()
        self._call(lambda: self._mailbox.fail(error))

    def _call(self, action: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:  # the loop has closed: nobody listens any more
            self._leave()


def place_to_cut(committed: Words) -> int:
    """How many of the committed words may be cut off: up to a sentence end where possible.

    The last `_KEPT_WORDS` stay for the next decoding to begin with.
    """
    most = len(committed) - _KEPT_WORDS
    for count in range(most, most // 2, -1):
        if committed[count - 1][-1] in ".?!":
            return count
    return max(most, 0)
