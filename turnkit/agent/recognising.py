"""A call's recogniser: one stream after another, on the call's count of samples."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from turnkit.audio import Samples
from turnkit.errors import StageError
from turnkit.stages.stt.protocol import SpeechToText, SttStream, Transcript

Spawn = Callable[[Coroutine[Any, Any, None], str], object]


class Recogniser:
    """The caller's words; a stream that failed is replaced by another.

    Parameters
    ----------
    engine : SpeechToText
    partials : bool
        Whether words are wanted while the caller speaks.
    take : callable
        Gets transcripts, whose counts are those of the call.
    failed : callable
        Gets the error of the stream that is in use.
    spawn : callable
        Starts a task of the call.
    """

    def __init__(
        self,
        engine: SpeechToText,
        partials: bool,
        take: Callable[[Transcript], None],
        failed: Callable[[StageError], None],
        spawn: Spawn,
    ) -> None:
        self._engine, self._partials = engine, partials
        self._take, self._failed, self._spawn = take, failed, spawn
        self._stream: SttStream | None = None

    @property
    def _open(self) -> SttStream:
        assert self._stream is not None, "opened with the call"
        return self._stream

    def open(self, utterance: int, heard: int) -> None:
        """Open a stream, whose counts begin now, in place of one that failed.

        Parameters
        ----------
        utterance : int
            Number of the utterance that begins, on the call's count.
        heard : int
            Samples that the call has received.
        """
        failed, stream = self._stream, self._engine.open(partials=self._partials)
        self._stream = stream
        self._spawn(self._read(stream, utterance, heard), "words")
        if failed is not None:
            self._spawn(failed.aclose(), "failed recogniser")

    def push(self, samples: Samples) -> None:
        """Take the next samples."""
        self._open.push(samples)

    def flush(self) -> None:
        """Ask for everything heard so far."""
        self._open.flush()

    def restart(self, keep: int) -> None:
        """Begin the next utterance with the last `keep` samples."""
        self._open.restart(keep)

    async def aclose(self) -> None:
        """Free the stream; nothing if there is none."""
        if self._stream is not None:
            await self._stream.aclose()

    async def _read(self, stream: SttStream, utterance: int, since: int) -> None:
        try:
            async for told in stream:
                self._take(
                    replace(told, utterance=told.utterance + utterance, heard=told.heard + since)
                )
        except StageError as error:
            if stream is self._stream:
                self._failed(error)
