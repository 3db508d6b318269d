"""Outgoing audio: one reply at a time, held until it may be heard, dropped at once."""

from __future__ import annotations

from collections import deque

import numpy as np

from turnkit.audio import Samples

RAMP_S = 0.005
"""Seconds in which a reply that sounds fades out where it is dropped or held."""

_NOBODY = -1
_NOTHING = np.zeros(0, dtype=np.float32)


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

    A reply that is dropped or held while it sounds would end in a step, after which Opus
    rings on. The next pull therefore begins with at most `RAMP_S` of what would have come,
    faded out by half a raised cosine. That ramp is no part of what was played: a reply
    that was held goes on where it stopped.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._reply = _NOBODY
        self._queue: deque[Samples] = deque()
        self._playing = False
        self._played = 0
        self._gain = self._target = 1.0
        self._sounding = False
        self._ramp, self._ramp_of = _NOTHING, _NOBODY

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
        self._fade_out()
        self._queue.clear()
        self._reply = _NOBODY
        self._playing = self._sounding = False
        self._played = 0

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
        if reply != self._reply:
            return
        self._playing = True
        if self._ramp_of == reply:  # held and released between two pulls: nothing ends
            self._ramp, self._ramp_of = _NOTHING, _NOBODY

    def hold(self, reply: int) -> None:
        """Send nothing for now."""
        if reply == self._reply:
            self._fade_out()
            self._playing = False

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
        self._sounding = 0 < filled == n
        if self._gain != 1.0 or self._target != 1.0:
            out *= np.linspace(self._gain, self._target, n, dtype=np.float32)
            self._gain = self._target
        if len(self._ramp):
            _add_ramp(out, self._ramp[:n])
            self._ramp, self._ramp_of = _NOTHING, _NOBODY
        return out

    def _fade_out(self) -> None:
        """Keep what the next pull is to fade out, if the open reply sounds now."""
        if not (self._playing and self._sounding):
            return
        left, parts = round(RAMP_S * self._rate), list[Samples]()
        for samples in self._queue:
            parts.append(samples[:left])
            left -= len(parts[-1])
            if not left:
                break
        if parts:
            # At the level at which it was heard last, whatever the gain does from here on.
            self._ramp = np.concatenate(parts) * np.float32(self._gain)
            self._ramp_of = self._reply


def _add_ramp(out: Samples, ramp: Samples) -> None:
    n = len(ramp)
    fall = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, n + 1) / n)
    out[:n] += ramp * fall.astype(np.float32)
