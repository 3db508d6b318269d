"""Replies under way: each runs in a task of its own, so that any of them can be stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from turnkit.errors import StageError

CLOSED = "the conversation was closed"


class Relay:
    """Pass generators on, and stop them when the conversation ends.

    Closing a generator from another task than the one that waits in it is not allowed in
    Python; cancelling a task is.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def pieces(self, source: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """Pass a generator's pieces on; closing this closes `source` before it returns.

        Raises
        ------
        StageError
            If the conversation was closed; and whatever `source` raises.
        """
        if self._closed:
            await source.aclose()
            raise StageError("llm", CLOSED)
        queue: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
        task = asyncio.create_task(_pump(source, queue))
        task.add_done_callback(lambda done: queue.put_nowait(_outcome(done)))
        self._tasks.add(task)
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._tasks.discard(task)
            await _stop({task})

    async def aclose(self) -> None:
        """Stop all of them, and refuse new ones. May be called twice."""
        self._closed = True
        await _stop(self._tasks)


async def _pump(
    source: AsyncGenerator[str, None], queue: asyncio.Queue[str | BaseException | None]
) -> None:
    async with aclosing(source):
        async for piece in source:
            queue.put_nowait(piece)


def _outcome(task: asyncio.Task[None]) -> BaseException | None:
    return StageError("llm", CLOSED) if task.cancelled() else task.exception()


async def _stop(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        # Once: another time would disturb it while it closes its connection.
        if not task.cancelling():
            task.cancel()
    if tasks:
        await asyncio.wait(set(tasks))
