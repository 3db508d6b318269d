"""Threads that speak: a few for all calls, one clause each, first come first served."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from turnkit.errors import StageError
from turnkit.stages.tts.stream import SpeechPiece

T = TypeVar("T")

THREAD_NAME = "turnkit-tts"
"""First part of the threads' names."""


class Stop:
    """Tells a running engine to stop; it may be told more than once, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = False
        self._actions: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return self._set

    def set(self) -> None:
        """Stop, and do what was asked for in this case."""
        with self._lock:
            actions, self._actions = self._actions, []
            self._set = True
        for action in actions:
            action()

    def then(self, action: Callable[[], None]) -> None:
        """Do `action` when it is set; at once if it is already."""
        with self._lock:
            if not self._set:
                self._actions.append(action)
                return
        action()


Emit = Callable[[SpeechPiece], None]
Speak = Callable[[Emit, Stop], None]
"""Speaks one clause in a worker thread: hands on pieces until done or told to stop."""


class _Clause:
    """One clause between the thread that speaks it and the task that hears it."""

    def __init__(self) -> None:
        self.stop = Stop()
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[SpeechPiece | Exception | None] = asyncio.Queue()

    def hand_on(self, item: SpeechPiece | Exception | None) -> None:
        """Pass a piece, the end (None) or a failure to the task; from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has gone: nobody listens
            self._loop.call_soon_threadsafe(self._heard.put_nowait, item)

    def run(self, speak: Speak) -> None:
        """Speak, in a worker thread."""
        try:
            if not self.stop:
                speak(self.hand_on, self.stop)
        except Exception as error:
            self.hand_on(error)
        else:
            self.hand_on(None)

    async def next(self) -> SpeechPiece | None:
        """Wait for the next piece; None at the end.

        Raises
        ------
        StageError
            If the engine failed.
        """
        item = await self._heard.get()
        if isinstance(item, StageError):
            raise item
        if isinstance(item, Exception):
            problem = str(item) or type(item).__name__
            raise StageError("tts", problem) from item
        return item


class SpeechWorkers:
    """A bounded set of worker threads for one engine.

    Parameters
    ----------
    workers : int
        Most clauses spoken at the same time, at least 1. Others wait in the order in
        which they came, so that no call can hold up another for more than a clause each.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=THREAD_NAME)
        self._clauses: dict[_Clause, Future[None]] = {}
        self._closed = False

    async def stream(self, speak: Speak) -> AsyncGenerator[SpeechPiece, None]:
        """Speak a clause in a thread as soon as one is free; give its pieces.

        Closing the generator drops a clause that waits, and stops one that is spoken.

        Raises
        ------
        StageError
            If `speak` raised anything, or the engine is closed.
        """
        if self._closed:
            raise StageError("tts", "the engine is closed")
        clause = _Clause()
        job = self._threads.submit(clause.run, speak)
        self._clauses[clause] = job
        job.add_done_callback(lambda _: self._clauses.pop(clause, None))
        try:
            while (piece := await clause.next()) is not None:
                yield piece
        finally:
            clause.stop.set()
            job.cancel()

    async def run(self, work: Callable[[], T]) -> T:
        """Do something else in a worker thread, such as loading.

        Raises
        ------
        StageError
            If the engine is closed; and whatever `work` raises.
        """
        if self._closed:
            raise StageError("tts", "the engine is closed")
        return await asyncio.wrap_future(self._threads.submit(work))

    async def aclose(self) -> None:
        """Stop all clauses, whose listeners get a StageError, and end the threads."""
        self._closed = True
        clauses = dict(self._clauses)
        for clause, job in clauses.items():
            clause.hand_on(StageError("tts", "the engine was closed"))
            clause.stop.set()
            job.cancel()
        waiting = [asyncio.wrap_future(job) for job in clauses.values()]
        await asyncio.gather(*waiting, return_exceptions=True)
        self._threads.shutdown(wait=True)
