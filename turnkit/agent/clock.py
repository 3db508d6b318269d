"""A call's clock: received audio, and between two frames the time since the last."""

from __future__ import annotations

from collections.abc import Callable

from turnkit.agent.session.settings import CLOCK_RATE

MOST_AHEAD = CLOCK_RATE // 50
"""Samples that the clock runs on by itself: the 20 ms until the next frame is due."""


class CallClock:
    """Counts samples received and goes on between them, but never far.

    Parameters
    ----------
    seconds : callable
        Seconds of a monotonic clock.

    Attributes
    ----------
    received : int
        Samples received: what stages that count samples mean by time.

    Notes
    -----
    Frames come every 20 ms; what happens between two of them would otherwise seem to
    happen with the earlier one. Where packets do not come, the clock stands still
    20 ms later; it never goes back.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._came: float | None = None
        self._told = 0
        self.received = 0

    def advance(self, samples: int) -> None:
        """Take note of samples that have just come."""
        self.received += samples
        self._came = self._seconds()

    def now(self) -> int:
        """Time in samples at `CLOCK_RATE`: `received` and at most a frame more."""
        since = 0.0 if self._came is None else max(0.0, self._seconds() - self._came)
        ahead = min(MOST_AHEAD, int(since * CLOCK_RATE))
        self._told = max(self._told, self.received + ahead)
        return self._told
