"""How long work that was cancelled takes to really end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from turnkit.agent.records import CancelTime, Work


@dataclass(slots=True, eq=False)
class _UnderWay:
    reply: int
    cancelled_at: float | None = None


class Cancelling:
    """Times the work of replies from their cancellation to its end.

    Parameters
    ----------
    seconds : callable
        Seconds of a monotonic clock.
    ended : callable
        Gets what was cancelled, once it has ended.

    Notes
    -----
    Only work that is under way in the instant of the cancellation counts: what is done,
    or has yet to be begun, costs nothing.
    """

    def __init__(self, seconds: Callable[[], float], ended: Callable[[CancelTime], None]) -> None:
        self._seconds, self._ended = seconds, ended
        self._work: list[_UnderWay] = []

    @contextmanager
    def under_way(self, reply: int, what: Work) -> Iterator[None]:
        """Work for a reply; everything that it holds is let go of inside."""
        work = _UnderWay(reply)
        self._work.append(work)
        try:
            yield
        finally:
            self._work.remove(work)
            if work.cancelled_at is not None:
                self._tell(reply, what, work.cancelled_at)

    def cancel(self, reply: int) -> None:
        """Note that all work for a reply is told to stop now; the first time counts."""
        for work in self._work:
            if work.reply == reply and work.cancelled_at is None:
                work.cancelled_at = self._seconds()

    @contextmanager
    def restarting(self, reply: int | None, what: Work) -> Iterator[None]:
        """Work that is given up for new work inside, while a reply is open or none is."""
        since = self._seconds()
        yield
        self._tell(reply, what, since)

    def _tell(self, reply: int | None, what: Work, since: float) -> None:
        self._ended(CancelTime(reply, what, (self._seconds() - since) * 1000))
