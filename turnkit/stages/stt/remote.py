"""A recogniser behind an OpenAI-compatible address (``/audio/transcriptions``).

A service of this kind takes whole files: a flush sends the utterance so far as a WAV
file. Partial transcripts, if asked for, do the same again and again, and pay for it.
"""

from __future__ import annotations

import asyncio
import io
import re
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from turnkit.audio import Samples
from turnkit.errors import ConfigError, StageError
from turnkit.stages.openai_client import DEFAULT_KEY_ENV, harmless, open_client, read_key
from turnkit.stages.stt.agreement import LocalAgreement, Words
from turnkit.stages.stt.delivery import Mailbox
from turnkit.stages.stt.hearing import Hearing
from turnkit.stages.stt.protocol import Transcript

SAMPLE_RATE = 16_000
"""Rate in Hz of the audio that is sent."""

LONGEST_S = 120.0
"""Audio of an utterance that is sent: the last so many seconds of it."""

_SHORTEST_S = 0.1
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class OpenAiSttSettings:
    """Settings of a remote recogniser.

    Attributes
    ----------
    base_url : str
        Address up to and with ``/v1``.
    model : str
    api_key_env : str or None
        Name of the environment variable that holds the key; None for a service without.
    language : str or None
    prompt : str or None
        Words that the service should expect, as it defines it.
    timeout_s : float
        Seconds that one transcription may take, retries included.
    connect_timeout_s : float
    max_retries : int
    partial_every_s : float or None
        New audio between two partial transcripts; None for none.
    keep_alive : bool
        Whether connections are used again; without, every request opens one of its own.
    ca_file : str or None
        PEM file of certificates that are trusted besides those of this machine.

    Raises
    ------
    ConfigError
        If a value does not fit, or a key stands where its variable's name belongs.
    """

    base_url: str = "https://api.openai.com/v1"
    model: str = "whisper-1"
    api_key_env: str | None = DEFAULT_KEY_ENV
    language: str | None = None
    prompt: str | None = None
    timeout_s: float = 10.0
    connect_timeout_s: float = 3.0
    max_retries: int = 1
    partial_every_s: float | None = None
    keep_alive: bool = True
    ca_file: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"base_url {self.base_url!r}: expected http:// or https://")
        if parts.username or parts.password or parts.query:
            raise ConfigError("base_url: keys do not belong in it; use api_key_env")
        if self.api_key_env is not None and not _VARIABLE.fullmatch(self.api_key_env):
            # The value is not repeated: it may be a key.
            raise ConfigError(
                "api_key_env: expected the name of an environment variable in capitals, "
                "such as OPENAI_API_KEY; a key itself does not belong in a preset"
            )
        for name in ("timeout_s", "connect_timeout_s"):
            if not 0 < getattr(self, name) <= 600:
                raise ConfigError(f"{name} {getattr(self, name)!r}: expected over 0, up to 600")
        if not 0 <= self.max_retries <= 10:
            raise ConfigError(f"max_retries {self.max_retries!r}: expected 0 .. 10")
        if self.partial_every_s is not None and not 0.2 <= self.partial_every_s <= 60:
            raise ConfigError(f"partial_every_s {self.partial_every_s!r}: expected 0.2 .. 60")


class OpenAiStt:
    """A remote recogniser; a `SpeechToText`. Its connections stay open between requests.

    Raises
    ------
    ConfigError
        If the environment variable of the key is not set.
    MissingDependencyError
        If the package ``openai`` is not installed.
    """

    simulated = False

    def __init__(self, settings: OpenAiSttSettings | None = None) -> None:
        self.settings = settings = settings or OpenAiSttSettings()
        self.name = f"{settings.model} at {urlsplit(settings.base_url).hostname}"
        self._key = read_key("stt", settings.api_key_env)
        self._client = open_client(
            settings.base_url,
            self._key,
            timeout_s=settings.timeout_s,
            connect_timeout_s=settings.connect_timeout_s,
            retries=settings.max_retries,
            purpose="a remote recogniser",
            keep_alive=settings.keep_alive,
            ca_file=settings.ca_file,
        )
        self._streams: set[OpenAiStream] = set()

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the samples that streams take."""
        return SAMPLE_RATE

    async def warm(self) -> None:
        """Transcribe half a second of faint noise: opens the connection, tries the key."""
        noise = 1e-3 * np.random.default_rng(0).standard_normal(SAMPLE_RATE // 2)
        await self.transcribe(noise.astype(np.float32))

    def open(self, *, partials: bool = True) -> OpenAiStream:
        """Begin a caller's stream; see `SpeechToText.open`."""
        stream = OpenAiStream(self, self.settings.partial_every_s if partials else None)
        self._streams.add(stream)
        return stream

    def forget(self, stream: OpenAiStream) -> None:
        """Take notice that a stream was closed."""
        self._streams.discard(stream)

    async def aclose(self) -> None:
        """End all streams and close the connections."""
        for stream in list(self._streams):
            await stream.aclose()
        await self._client.close()

    async def transcribe(self, samples: Samples) -> Words:
        """Words of an utterance.

        Raises
        ------
        StageError
            If the service fails, gives something else, or takes longer than the timeout.
        """
        settings = self.settings
        options = {"language": settings.language, "prompt": settings.prompt}
        try:
            async with asyncio.timeout(settings.timeout_s):
                answer = await self._client.audio.transcriptions.create(
                    file=("speech.wav", wav_bytes(samples), "audio/wav"),
                    model=settings.model,
                    response_format="json",
                    **{name: value for name, value in options.items() if value is not None},
                )
        except Exception as error:  # nonsense in an answer raises all kinds of errors
            raise StageError("stt", f"{self.name}: {self._explain(error)}") from None
        text = getattr(answer, "text", None)
        if not isinstance(text, str):
            raise StageError("stt", f"{self.name}: answered without a text")
        return tuple(text.split())

    def _explain(self, error: Exception) -> str:
        import openai

        if isinstance(error, TimeoutError | openai.APITimeoutError):
            return f"no answer within {self.settings.timeout_s:g} s"
        if isinstance(error, openai.APIStatusError):
            text = f"status {error.status_code}: {error.message}"
        elif isinstance(error, openai.APIConnectionError):
            text = f"cannot be reached: {error.__cause__ or error}"
        else:
            text = f"answered nonsense: {type(error).__name__}"
        return harmless(text, self._key)


class OpenAiStream:
    """One caller's speech; an `SttStream`. Opened by `OpenAiStt.open`."""

    def __init__(self, engine: OpenAiStt, partial_every_s: float | None) -> None:
        self._engine = engine
        self._partial_every_s = partial_every_s
        self._mailbox = Mailbox()
        self._hearing = Hearing(SAMPLE_RATE, LONGEST_S)
        self._utterance = 0
        self._start = 0
        self._agreement = LocalAgreement()
        self._decoded_to = 0
        self._partial: asyncio.Task[None] | None = None
        self._flushes: list[asyncio.Task[None]] = []

    def push(self, samples: Samples) -> None:
        """Take the next samples."""
        if not self._mailbox.ended:
            self._hearing.push(samples)
            if self._partial_due():
                self._partial = asyncio.create_task(self._transcribe(self._hearing.heard))

    def flush(self) -> None:
        """Ask for a transcript of everything pushed so far."""
        if self._mailbox.ended:
            return
        self._cancel_partial()
        if self._knows_all() and not self._flushes:
            self._post(self._hearing.heard, flushed=True)
            return
        before = self._flushes[-1] if self._flushes else None
        task = asyncio.create_task(self._transcribe(self._hearing.heard, before, flushed=True))
        self._flushes.append(task)
        task.add_done_callback(self._flushes.remove)

    def restart(self, keep: int = 0) -> None:
        """Begin the next utterance with the last `keep` samples (at most `LONGEST_S`)."""
        self._cancel()
        self._utterance += 1
        self._start = max(self._hearing.first, self._hearing.heard - max(keep, 0))
        self._decoded_to = self._start
        self._agreement = LocalAgreement()

    def __aiter__(self) -> AsyncIterator[Transcript]:
        """Transcripts as they come."""
        return self._mailbox

    async def aclose(self) -> None:
        """Stop and break off what was asked of the service."""
        tasks = self._cancel()
        self._mailbox.end()
        self._engine.forget(self)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cancel(self) -> list[asyncio.Task[None]]:
        tasks = [*self._flushes, *self._cancel_partial()]
        for task in tasks:
            task.cancel()
        return tasks

    def _cancel_partial(self) -> list[asyncio.Task[None]]:
        task, self._partial = self._partial, None
        if task is None or task.done():
            return []
        task.cancel()
        return [task]

    def _partial_due(self) -> bool:
        every = self._partial_every_s
        busy = self._flushes or (self._partial is not None and not self._partial.done())
        if every is None or busy or self._knows_all():
            return False
        begin = self._hearing.speech_start(self._start) or 0
        return self._hearing.heard - max(begin, self._decoded_to) >= every * SAMPLE_RATE

    def _knows_all(self) -> bool:
        nothing = self._hearing.speech_start(self._start) is None
        return nothing or self._hearing.covered_by(self._decoded_to)

    async def _transcribe(
        self, heard: int, before: asyncio.Task[None] | None = None, *, flushed: bool = False
    ) -> None:
        begin = self._hearing.speech_start(self._start)
        try:
            words: Words = ()
            if begin is not None:
                words = await self._engine.transcribe(self._hearing.audio(begin, heard))
            if before is not None:
                # Answers come in the order of the questions.
                await asyncio.wait([before])
        except StageError as error:
            self._mailbox.fail(error)
            return
        self._agreement.update(words)
        self._decoded_to = heard
        self._post(heard, flushed=flushed)

    def _post(self, heard: int, *, flushed: bool = False) -> None:
        said = self._agreement
        self._mailbox.put(Transcript(self._utterance, heard, said.committed, said.tail, flushed))


def wav_bytes(samples: Samples) -> bytes:
    """16-bit WAV file of mono audio at `SAMPLE_RATE`; padded to 0.1 s, which services want."""
    padded = np.pad(samples, (0, max(0, round(_SHORTEST_S * SAMPLE_RATE) - len(samples))))
    pcm = np.clip(np.round(padded * 32767.0), -32768, 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(pcm.tobytes())
    return file.getvalue()
