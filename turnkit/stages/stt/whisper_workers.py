"""Threads that decode for all streams: flushes first, then whoever waited longest."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Client(Protocol):
    """What the workers ask of a stream; with the lock held, but for `work`."""

    def flush_waits_since(self) -> float | None:
        """Time at which the oldest flush was asked for that no running work will answer."""
        ...

    def partial_due(self) -> bool:
        """Whether a decoding without a flush is worth it now."""
        ...

    def work(self, *, partial: bool) -> None:
        """Decode; never raises."""
        ...


class Workers:
    """A few threads and the streams they serve.

    Parameters
    ----------
    count : int
        Threads; with more than one, one of them is kept for flushes.

    Attributes
    ----------
    lock : threading.Condition
        Guards the state of all streams; notify it when there may be work.
    """

    def __init__(self, count: int, name: str) -> None:
        self.lock = threading.Condition()
        self._partials_at_once = max(1, count - 1)
        self._clients: deque[Client] = deque()
        self._flushing: set[Client] = set()
        self._partials: set[Client] = set()
        self._tasks: deque[tuple[Callable[[], None], concurrent.futures.Future[Any]]] = deque()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{i}", daemon=True)
            for i in range(count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def clients(self) -> tuple[Client, ...]:
        """Streams that are served now."""
        return tuple(self._clients)

    def add(self, client: Client) -> None:
        """Serve a stream from now on."""
        with self.lock:
            self._clients.append(client)

    def remove(self, client: Client) -> None:
        """Serve it no more; what runs for it runs on in vain."""
        with self.lock:
            if client in self._clients:
                self._clients.remove(client)

    def submit(self, task: Callable[[], T]) -> concurrent.futures.Future[T]:
        """Run something else in a worker, before all streams."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(task())
                except BaseException as error:
                    future.set_exception(error)

        with self.lock:
            if self._closed:
                raise RuntimeError("the workers have stopped")
            self._tasks.append((run, future))
            self.lock.notify()
        return future

    def flush_waits(self) -> bool:
        """Whether a stream waits for a flush that nobody works on; lock held."""
        return any(
            client.flush_waits_since() is not None
            for client in self._clients
            if client not in self._flushing
        )

    async def aclose(self) -> None:
        """Stop the threads and wait for them, without holding up the event loop."""
        with self.lock:
            self._closed = True
            self._clients.clear()
            for _, future in self._tasks:
                future.cancel()
            self._tasks.clear()
            self.lock.notify_all()
        while any(thread.is_alive() for thread in self._threads):
            await asyncio.sleep(0.005)

    def _run(self) -> None:
        while True:
            with self.lock:
                while (job := self._choose()) is None and not self._closed:
                    self.lock.wait()
            if job is None:
                return
            job()

    def _choose(self) -> Callable[[], None] | None:
        if self._closed:
            return None
        if self._tasks:
            return self._tasks.popleft()[0]
        waiting = [
            (since, i)
            for i, client in enumerate(self._clients)
            if client not in self._flushing and (since := client.flush_waits_since()) is not None
        ]
        if waiting:
            return self._take(self._clients[min(waiting)[1]], self._flushing)
        if len(self._partials) < self._partials_at_once:
            for client in self._clients:
                if client not in self._flushing | self._partials and client.partial_due():
                    return self._take(client, self._partials)
        return None

    def _take(self, client: Client, group: set[Client]) -> Callable[[], None]:
        # To the end of the line: all get their turn.
        self._clients.remove(client)
        self._clients.append(client)
        group.add(client)

        def job() -> None:
            client.work(partial=group is self._partials)
            with self.lock:
                group.discard(client)
                self.lock.notify_all()

        return job
