"""How late the event loop runs: the first thing that suffers on a machine that is full."""

from __future__ import annotations

import asyncio
from collections import deque

INTERVAL_S = 0.1
WINDOW = 50
"""Readings that count: the last five seconds."""


class LoopLag:
    """Measures how late the event loop calls back, from `start` until `stop`."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=WINDOW)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._next(asyncio.get_running_loop())

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def seconds(self) -> float:
        """Ninth decile of a window's readings: a few hiccups are no load."""
        # Those still to come count as punctual: at the start one would weigh too much.
        worst = sorted(self._late, reverse=True)
        return worst[WINDOW // 10] if len(worst) > WINDOW // 10 else 0.0

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + INTERVAL_S
        self._timer = loop.call_at(due, self._tick, loop, due)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._late.append(max(0.0, loop.time() - due))
        self._next(loop)
