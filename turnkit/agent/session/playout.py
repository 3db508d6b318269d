"""Outgoing audio: one reply at a time, held until it may be heard, dropped at once."""

from __future__ import annotations

from collections import deque

import numpy as np

from turnkit.audio import Samples

_NOBODY = -1


class Playout:
    """A queue that a transport pulls from; an `AudioSource`.

    Parameters
    ----------
    rate : int
        Rate in Hz at which samples are pulled.

    Notes
    -----
    Audio of any reply but the open one is refused, so that nothing of a cancelled reply
    is ever sent, however late its voice delivers.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._reply = _NOBODY
        self._queue: deque[Samples] = deque()
        self._playing = False
        self._played = 0
        self._gain = self._target = 1.0

    @property
    def reply(self) -> int | None:
        """Number of the open reply."""
        return None if self._reply == _NOBODY else self._reply

    @property
    def rate(self) -> int:
        """Rate in Hz at which samples are queued and pulled."""
        return self._rate

    @property
    def played_s(self) -> float:
        """Seconds of the open reply that were pulled."""
        return self._played / self._rate

    @property
    def queued_s(self) -> float:
        """Seconds that wait."""
        return sum(len(samples) for samples in self._queue) / self._rate

    def open(self, reply: int) -> None:
        """Take audio of `reply` from now on, and of no other; nothing is sent yet."""
        self.close(self._reply)
        self._reply = reply

    def close(self, reply: int) -> None:
        """Drop a reply and what is queued of it; nothing if it is not the open one."""
        if reply != self._reply:
            return
        self._queue.clear()
        self._reply = _NOBODY
        self._playing, self._played = False, 0

    def add(self, reply: int, samples: Samples) -> float:
        """Queue audio of `reply`, at the rate at which it is pulled.

        Returns
        -------
        float
            Seconds that were queued; 0 if the reply is not the open one.
        """
        if reply != self._reply:
            return 0.0
        self._queue.append(samples)
        return len(samples) / self._rate

    def play(self, reply: int) -> None:
        """Send from where it was."""
        self._playing = self._playing or reply == self._reply

    def hold(self, reply: int) -> None:
        """Send nothing for now."""
        self._playing = self._playing and reply != self._reply

    def duck(self, gain: float) -> None:
        """Scale what is sent from the next pull on, without a click."""
        self._target = gain

    def pull(self, n: int) -> Samples:
        """Take the next `n` samples; zeros where there is nothing to send."""
        out = np.zeros(n, dtype=np.float32)
        filled = 0
        while self._playing and filled < n and self._queue:
            head = self._queue.popleft()
            part = head[: n - filled]
            out[filled : filled + len(part)] = part
            filled += len(part)
            if len(part) < len(head):
                self._queue.appendleft(head[len(part) :])
        self._played += filled
        if self._gain != 1.0 or self._target != 1.0:
            out *= np.linspace(self._gain, self._target, n, dtype=np.float32)
            self._gain = self._target
        return out
