"""One run of the embedded model, between the event loop and a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from turnkit.errors import StageError
from turnkit.stages.llm.protocol import ChatMessage
from turnkit.stages.llm.relay import CLOSED


class Request:
    """One run of the model: stopped from the event loop, delivering from a thread.

    Parameters
    ----------
    messages : tuple of ChatMessage
    slot : int
    ahead : bool
        Compute the prompt alone, for a user message that may go on.
    """

    def __init__(self, messages: tuple[ChatMessage, ...], slot: int, ahead: bool) -> None:
        self.messages = messages
        self.slot = slot
        self.ahead = ahead
        self.stopped = False
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | Exception | None] = asyncio.Queue()

    def stop(self, reason: str = CLOSED) -> None:
        """End it: nothing more is delivered, the model stops at its next token."""
        if not self.stopped:
            self.stopped = True
            self._queue.put_nowait(StageError("llm", reason))

    def deliver(self, item: str | Exception | None) -> None:
        """Hand over a piece of text, a failure, or None for the end; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._put, item)
        except RuntimeError:
            self.stopped = True  # the event loop is gone, and nobody listens

    def _put(self, item: str | Exception | None) -> None:
        if not self.stopped:
            self._queue.put_nowait(item)

    async def pieces(self) -> AsyncGenerator[str, None]:
        """Text as it comes."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
