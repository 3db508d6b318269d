"""What a stream has heard: its last seconds, and where somebody spoke in them.

The level gate only spares work and keeps ghost words out (a recogniser that is given
silence invents some); when a turn is over is for the detector to say, never for this.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from turnkit.audio import Samples

FRAME_S = 0.02
"""Seconds of one level."""

LEAD_S = 0.3
"""Seconds before the first loud frame that belong to speech: soft beginnings."""

TRAIL_S = 0.06
"""Seconds after the last loud frame that a decoding must have heard to be complete: soft
ends of words."""

_FLOOR_RANGE_DB = (-75.0, -42.0)
_FLOOR_RISE_DB = 3.0 * FRAME_S
_ABOVE_FLOOR_DB = 9.0
_QUIETEST_DB = -58.0


class LevelGate:
    """Tells loud frames from quiet ones by a noise floor that follows slowly."""

    def __init__(self) -> None:
        self._floor: float | None = None

    def loud(self, frame: Samples) -> bool:
        """Whether a frame of `FRAME_S` seconds stands out from the noise before it."""
        level = 10.0 * math.log10(float(frame @ frame) / len(frame) + 1e-12)
        low, high = _FLOOR_RANGE_DB
        floor = level if self._floor is None else min(level, self._floor + _FLOOR_RISE_DB)
        self._floor = min(max(floor, low), high)
        return level > max(self._floor + _ABOVE_FLOOR_DB, _QUIETEST_DB)


class Hearing:
    """The last `keep_s` seconds pushed to a stream; samples are counted from its first.

    Attributes
    ----------
    heard : int
        Samples pushed.
    speech_end : int
        Where the last loud frame ended; 0 if there was none.
    """

    def __init__(self, sample_rate: int, keep_s: float) -> None:
        self.heard = 0
        self.speech_end = 0
        self._frame = round(FRAME_S * sample_rate)
        self._lead = round(LEAD_S * sample_rate)
        self._trail = round(TRAIL_S * sample_rate)
        self._capacity = round(keep_s * sample_rate)
        self._chunks: deque[Samples] = deque()
        self._first = 0
        self._gate = LevelGate()
        self._rest: Samples = np.zeros(0, dtype=np.float32)
        self._loud: deque[int] = deque()

    @property
    def first(self) -> int:
        """Oldest sample that is still there."""
        return self._first

    def push(self, samples: Samples) -> None:
        """Take the next samples."""
        if not len(samples):
            return
        chunk = np.array(samples, dtype=np.float32)
        self._chunks.append(chunk)
        self._find_loud(chunk)
        self.heard += len(chunk)
        while self.heard - self._first - len(self._chunks[0]) >= self._capacity:
            self._first += len(self._chunks.popleft())
        while self._loud and self._loud[0] < self._first:
            self._loud.popleft()

    def _find_loud(self, chunk: Samples) -> None:
        at = self.heard - len(self._rest)
        signal = np.concatenate([self._rest, chunk])
        whole = len(signal) // self._frame * self._frame
        for start in range(0, whole, self._frame):
            if self._gate.loud(signal[start : start + self._frame]):
                self._loud.append(at + start)
                self.speech_end = at + start + self._frame
        self._rest = signal[whole:]

    def speech_start(self, after: int) -> int | None:
        """Where to begin decoding the speech after sample `after`; None if there is none."""
        loud = next((start for start in self._loud if start + self._frame > after), None)
        return None if loud is None else max(after, self._first, loud - self._lead)

    def speech_since(self, sample: int) -> float:
        """Seconds of loud frames that end after `sample`."""
        return FRAME_S * sum(1 for start in self._loud if start + self._frame > sample)

    def complete_at(self) -> int:
        """Sample that a decoding must have heard to have heard all the speech."""
        return min(self.heard, self.speech_end + self._trail)

    def covered_by(self, end: int) -> bool:
        """Whether a decoding of everything before `end` heard all the speech."""
        return end >= self.complete_at()

    def audio(self, start: int, end: int) -> Samples:
        """Copy the samples from `start` to `end`, as far as they are still there."""
        pieces: list[Samples] = []
        at = self.heard
        for chunk in reversed(self._chunks):
            begin = at - len(chunk)
            if at <= start:
                break
            if begin < end:
                pieces.append(chunk[max(start - begin, 0) : end - begin])
            at = begin
        return np.concatenate(pieces[::-1]) if pieces else np.zeros(0, dtype=np.float32)
