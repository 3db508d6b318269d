"""When outgoing frames are due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

FRAME_S = 0.02
"""Seconds of a frame."""

MAX_LATE_S = 0.06
"""A pacer that is later than this begins anew rather than send a burst."""


class Pacer:
    """Says when each frame is due: every `FRAME_S` of a monotonic clock.

    Small delays are caught up with; after a longer one the missed slots are skipped, so
    that nothing is ever sent in a burst and the slots stay true to the clock.

    Parameters
    ----------
    clock : callable, optional
        Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start: float | None = None
        self._next = 0
        self.skipped = 0

    async def wait(self) -> int:
        """Sleep until the next slot is due and return its number."""
        if self._start is None:
            self._start = self._clock()
        wait = self.due(self._next) - self._clock()
        if wait > 0:
            await asyncio.sleep(wait)
        elif -wait > MAX_LATE_S:
            slot = int((self._clock() - self._start) / FRAME_S + 1e-6)
            self.skipped += slot - self._next
            self._next = slot
        self._next += 1
        return self._next - 1

    def due(self, slot: int) -> float:
        """When a slot is due, on the pacer's clock."""
        return (self._start or 0.0) + slot * FRAME_S
