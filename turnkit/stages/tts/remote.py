"""A voice behind an OpenAI-compatible ``/audio/speech``: raw samples as they are made."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from turnkit.audio import Samples
from turnkit.errors import ConfigError, StageError
from turnkit.stages.openai_client import harmless, open_client, read_key
from turnkit.stages.tts.stream import SpeechPiece
from turnkit.timing import MAX_RATE, MIN_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

WARM_TEXT = "Hello."
LONGEST_S = 120.0
"""Seconds of audio for one clause after which a service is taken to have gone wrong."""

_BYTES = 2
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


@dataclass(frozen=True)
class RemoteTtsSettings:
    """A speech service.

    Attributes
    ----------
    base_url : str
        Address up to and without ``/audio/speech``.
    model, voice : str
        As the service names them.
    api_key_env : str, optional
        Name of the environment variable that holds the key, never the key itself; for a
        service that wants none, nothing.
    sample_rate : int
        Hz of the service's ``pcm`` format: 16-bit little-endian, mono.
    speed : float
        From 0.25 to 4; not sent if 1.
    instructions : str, optional
        How to speak, for services that take it.
    extra : dict
        More keys of the request's body.
    connect_timeout_s, timeout_s : float
        Seconds to wait for the connection, and for the first and each further bytes.
    retries : int
        More tries after a failed connection or a 429 or 5xx, before any audio came.
    keep_alive : bool
        Whether connections are used again; without, every request opens one of its own.
    ca_file : str, optional
        PEM file of certificates that are trusted besides those of this machine.

    Raises
    ------
    ConfigError
        If a value does not fit; a key in the place of its variable's name is not printed.
    """

    base_url: str = "https://api.openai.com/v1"
    model: str = "gpt-4o-mini-tts"
    voice: str = "alloy"
    api_key_env: str | None = None
    sample_rate: int = 24_000
    speed: float = 1.0
    instructions: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    connect_timeout_s: float = 3.0
    timeout_s: float = 10.0
    retries: int = 1
    keep_alive: bool = True
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if urlsplit(self.base_url).scheme not in ("http", "https"):
            raise ConfigError(f"tts.base_url {self.base_url!r}: expected http:// or https://")
        if self.api_key_env is not None and not _VARIABLE.fullmatch(self.api_key_env):
            raise ConfigError(
                "tts.api_key_env: expected the name of an environment variable such as "
                "OPENAI_API_KEY, not a key"
            )
        limits = {
            "sample_rate": (MIN_RATE, MAX_RATE),
            "speed": (0.25, 4.0),
            "connect_timeout_s": (0.01, 600.0),
            "timeout_s": (0.01, 600.0),
            "retries": (0, 10),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"tts.{name} {value}: expected a number from {low:g} to {high:g}")


class RemoteTts:
    """A speech service as a `StreamingTts`; it does not time words.

    Parameters
    ----------
    settings : RemoteTtsSettings, optional

    Raises
    ------
    MissingDependencyError
        If the package ``openai`` is not installed.
    ConfigError
        If the environment variable of the key is not set.
    """

    simulated = False

    def __init__(self, settings: RemoteTtsSettings | None = None) -> None:
        self.settings = settings or RemoteTtsSettings()
        self._host = urlsplit(self.settings.base_url).netloc.rpartition("@")[2]
        self.name = f"{self.settings.model} at {self._host}"
        self._key = read_key("tts", self.settings.api_key_env)
        self._client = open_client(
            self.settings.base_url,
            self._key,
            timeout_s=self.settings.timeout_s,
            connect_timeout_s=self.settings.connect_timeout_s,
            retries=self.settings.retries,
            purpose="a remote voice",
            keep_alive=self.settings.keep_alive,
            ca_file=self.settings.ca_file,
        )
        self._closed = False

    @property
    def sample_rate(self) -> int:
        """Rate of the samples in Hz."""
        return self.settings.sample_rate

    async def warm(self) -> None:
        """Speak once, which leaves a connection open; see `StreamingTts.warm`."""
        async with aclosing(self.stream(WARM_TEXT)) as stream:
            pieces = [piece async for piece in stream]
        if not pieces:
            raise StageError("tts", f"{self._host} answered without any audio")

    async def stream(self, text: str) -> AsyncGenerator[SpeechPiece, None]:
        """Speak as the service does; see `StreamingTts.stream`."""
        if self._closed:
            raise StageError("tts", "the engine is closed")
        if not any(map(str.isalnum, text)):
            return
        spoken = 0
        with self._told_in_words():
            async with self._request(text) as response:
                self._check(response.headers.get("content-type", ""))
                async with aclosing(as_samples(response.iter_bytes())) as pieces:
                    async for samples in pieces:
                        spoken += len(samples)
                        if spoken > LONGEST_S * self.sample_rate:
                            raise StageError("tts", f"{self._host} does not stop speaking")
                        yield SpeechPiece(samples)

    async def aclose(self) -> None:
        """Close the connections."""
        self._closed = True
        await self._client.close()

    def _request(self, text: str) -> Any:
        chosen = self.settings
        optional: dict[str, Any] = {}
        if chosen.speed != 1.0:
            optional["speed"] = chosen.speed
        if chosen.instructions is not None:
            optional["instructions"] = chosen.instructions
        return self._client.audio.speech.with_streaming_response.create(
            input=text,
            model=chosen.model,
            voice=chosen.voice,
            response_format="pcm",
            extra_body=chosen.extra or None,
            **optional,
        )

    def _check(self, content_type: str) -> None:
        kind = content_type.partition(";")[0].strip()
        if kind.startswith("text/") or kind.endswith("json"):
            raise StageError("tts", f"{self._host} answered {kind} instead of audio")

    @contextmanager
    def _told_in_words(self) -> Iterator[None]:
        """Turn whatever the client raises into a StageError, without the key in it."""
        import httpx2
        import openai

        try:
            yield
        except openai.APITimeoutError as error:
            raise StageError("tts", f"{self._host} did not answer in time") from error
        except openai.APIConnectionError as error:
            cause = harmless(str(error.__cause__ or error), self._key)
            raise StageError("tts", f"cannot reach {self._host}: {cause}") from error
        except openai.APIStatusError as error:
            said = harmless(error.message, self._key)
            raise StageError("tts", f"{self._host} answered {error.status_code}: {said}") from error
        except openai.OpenAIError as error:
            raise StageError("tts", f"{self._host}: {type(error).__name__}") from error
        except httpx2.TimeoutException as error:
            raise StageError("tts", f"{self._host} stopped in the middle") from error
        except httpx2.HTTPError as error:
            said = harmless(str(error), self._key)
            raise StageError("tts", f"{self._host} broke off: {said}") from error


async def as_samples(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Samples, None]:
    """Make samples out of 16-bit little-endian bytes, wherever the chunks end.

    Parameters
    ----------
    chunks : async iterator of bytes

    Returns
    -------
    async generator of ndarray of float32, shape (n,)
        In [-1, 1); never empty. Half a sample at the very end is dropped.

    Raises
    ------
    StageError
        If the bytes are a file with a header instead of samples.
    """
    rest = b""
    first = True
    async for chunk in chunks:
        data = rest + chunk
        usable = len(data) // _BYTES * _BYTES
        if first and usable:
            first = False
            if data[:4] in (b"RIFF", b"OggS", b"fLaC") or data[:3] == b"ID3":
                raise StageError("tts", "the service sent a sound file instead of raw samples")
        rest = data[usable:]
        if usable:
            yield np.asarray(np.frombuffer(data[:usable], dtype="<i2") / 32_768, dtype=np.float32)
