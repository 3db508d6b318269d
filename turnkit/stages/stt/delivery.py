"""How transcripts get from an engine to whoever iterates over its stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from turnkit.errors import StageError
from turnkit.stages.stt.protocol import Transcript


class Mailbox(AsyncIterator[Transcript]):
    """Transcripts that wait for their reader; used in the thread of the event loop only.

    It cannot grow: of unread transcripts that answer no flush only the newest of an
    utterance stays.
    """

    def __init__(self) -> None:
        self._waiting: deque[Transcript] = deque()
        self._news = asyncio.Event()
        self._error: StageError | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether nothing is taken any more."""
        return self._ended

    def put(self, transcript: Transcript) -> None:
        """Leave a transcript, unless the mailbox has ended."""
        if self._ended:
            return
        last = self._waiting[-1] if self._waiting else None
        if last and not last.flushed and last.utterance == transcript.utterance:
            self._waiting.pop()
        self._waiting.append(transcript)
        self._news.set()

    def fail(self, error: StageError) -> None:
        """End with an error, after what is already there."""
        if not self._ended:
            self._error, self._ended = error, True
            self._news.set()

    def end(self, *, abandon: bool = True) -> None:
        """End; with `abandon`, what was not read yet is gone, an error too."""
        self._ended = True
        if abandon:
            self._waiting.clear()
            self._error = None
        self._news.set()

    def __aiter__(self) -> Mailbox:
        return self

    async def __anext__(self) -> Transcript:
        while not self._waiting:
            if self._ended:
                error, self._error = self._error, None
                raise error or StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()
