"""A call's detectors at work: samples in, events out, in threads of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol

import numpy as np

from turnkit.audio import Samples
from turnkit.detector.base import StreamingDetector
from turnkit.detector.protocol import Trace, TurnEvent, TurnInput


class CallTap(Protocol):
    """Hears what the deciding detector hears, for tests and recordings."""

    def heard(self, samples: Samples, inputs: Sequence[TurnInput]) -> None:
        """Note what was pushed."""
        ...

    def decided(self, events: Sequence[TurnEvent]) -> None:
        """Note what came out."""
        ...


class Listener:
    """Feeds one detector.

    Parameters
    ----------
    detector : StreamingDetector
    pool : Executor
        Where it runs.
    on_events : callable
        Gets the events of a push, on the event loop.
    tap : CallTap, optional

    Attributes
    ----------
    load : float
        Seconds of computing per second of audio, over about the last second.
    """

    def __init__(
        self,
        detector: StreamingDetector,
        pool: Executor,
        on_events: Callable[[Sequence[TurnEvent]], None],
        tap: CallTap | None = None,
    ) -> None:
        self._detector, self._pool = detector, pool
        self._on_events, self._tap = on_events, tap
        self._waiting: list[Samples] = []
        self._inputs: list[tuple[str, str]] = []
        self._more = asyncio.Event()
        self._consumed = 0
        self._seen = Trace()
        self.load = 0.0

    def push(self, samples: Samples) -> None:
        """Take samples; they are worked off in order."""
        self._waiting.append(samples)
        self._more.set()

    def tell(self, kind: str, value: str) -> None:
        """Take an input; it reaches the detector with the next samples."""
        self._inputs.append((kind, value))

    def take_trace(self) -> Trace:
        """Frames since the last time."""
        seen, self._seen = self._seen, Trace()
        return seen

    async def run(self) -> None:
        """Work off what comes, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._more.wait()
            self._more.clear()
            samples = np.concatenate(self._waiting)
            self._waiting.clear()
            self._consumed += len(samples)
            inputs = [TurnInput(self._consumed, kind, value) for kind, value in self._inputs]
            self._inputs.clear()
            job = loop.run_in_executor(self._pool, self._work, samples, inputs)
            try:
                events, trace = await asyncio.shield(job)
            except asyncio.CancelledError:
                # The thread goes on: the detector is its own until it is through.
                await asyncio.wait({job})
                raise
            for column in ("at", "speech", "silence_s", "score"):
                getattr(self._seen, column).extend(getattr(trace, column))
            if self._tap is not None:
                self._tap.heard(samples, inputs)
                self._tap.decided(events)
            if events:
                self._on_events(events)

    def _work(self, samples: Samples, inputs: Sequence[TurnInput]) -> tuple[list[TurnEvent], Trace]:
        trace = self._detector.trace = Trace()
        started = time.thread_time()
        events = self._detector.push(samples, inputs)
        spent = time.thread_time() - started
        seconds = len(samples) / self._detector.sample_rate
        self.load += min(1.0, seconds) * (spent / seconds - self.load)
        return events, trace
