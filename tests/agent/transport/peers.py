"""Two real peers in one process, over loopback only."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import aioice.ice
import numpy as np
import pytest

from turnkit.agent.transport.settings import WebRtcSettings
from turnkit.agent.transport.webrtc import WebRtcTransport
from turnkit.audio import Samples
from turnkit.lab.caller import Caller

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, timeout_s))


def run_live(
    make: Callable[[], Coroutine[Any, Any, T]], *, starved_s: float = 0.03, attempts: int = 3
) -> T:
    """Run what asserts about real time; a machine that is too busy for it gets more chances.

    A failure counts unless the process was kept waiting for a processor by more than
    `starved_s` meanwhile: time in which it computed itself is no excuse.
    """

    waits: list[float] = []

    async def watched() -> T:
        watcher = asyncio.create_task(_watch(waits))
        try:
            return await make()
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    for _ in range(attempts):
        waits.clear()
        try:
            return run(watched())
        except (AssertionError, ValueError, TimeoutError):
            if max(waits, default=0.0) < starved_s:
                raise
    pytest.skip(f"this machine is too busy: a process waited {max(waits) * 1e3:.0f} ms to run")


async def _watch(waits: list[float]) -> None:
    """Note by how much sleeps are overdue, less what this process computed meanwhile."""
    while True:
        began, computed = time.monotonic(), time.process_time()
        await asyncio.sleep(0.01)
        overdue = time.monotonic() - began - 0.01
        waits.append(overdue - (time.process_time() - computed))


@contextmanager
def loopback_only() -> Iterator[None]:
    """aioice offers every address of this machine but loopback; here it is the other way."""
    patch = pytest.MonkeyPatch()
    patch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])
    try:
        yield
    finally:
        patch.undo()


@asynccontextmanager
async def in_call(
    caller: Caller, settings: WebRtcSettings | None = None
) -> AsyncIterator[WebRtcTransport]:
    transports: list[WebRtcTransport] = []

    async def signal(offer: str) -> str:
        transports.append(await WebRtcTransport.accept(offer, settings=settings))
        return transports[0].answer_sdp

    try:
        await caller.connect(signal)
        yield transports[0]
    finally:
        await caller.aclose()
        for each in transports:
            await each.aclose()


class Clip:
    """A source that plays what it was given, and then silence."""

    def __init__(self, samples: Samples | None = None) -> None:
        self._rest = np.zeros(0, dtype=np.float32) if samples is None else samples
        self.pulls: list[tuple[float, Samples]] = []

    def add(self, samples: Samples) -> None:
        self._rest = np.concatenate([self._rest, samples])

    def flush(self) -> None:
        self._rest = self._rest[:0]

    def pull(self, n: int) -> Samples:
        out, self._rest = self._rest[:n], self._rest[n:]
        out = np.pad(out, (0, n - len(out)))
        self.pulls.append((asyncio.get_running_loop().time(), out))
        return out


def tone(seconds: float, rate: int, hertz: float = 500.0, level: float = 0.3) -> Samples:
    at = np.arange(round(seconds * rate)) / rate
    return np.asarray(level * np.sin(2 * np.pi * hertz * at), dtype=np.float32)


async def leftovers() -> tuple[int, int, int]:
    """Tasks, threads and open files, once what has just ended is gone."""
    for _ in range(20):
        await asyncio.sleep(0.01)
    gc.collect()
    return len(asyncio.all_tasks()), threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
