"""The caller's microphone: recordings over a low noise floor, in real time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.agent.transport.pacing import FRAME_S
from turnkit.audio import Samples, as_audio, resample


@dataclass
class _Item:
    start: int
    samples: Samples
    sent_at: float | None = None


class Microphone:
    """An `AudioSource` that mixes what is to be said over noise, and notes what it gave.

    A frame holds what was said in the 20 ms before it was due, as a sound card's does:
    a sample's time is when it would have been spoken.

    Parameters
    ----------
    floor_db : float
        Level of the white noise floor in dBFS.
    seed : int
    """

    def __init__(self, floor_db: float = -75.0, seed: int = 0) -> None:
        self._items: list[_Item] = []
        self._position = 0
        self._pulled = 0
        self._rng = np.random.default_rng(seed)
        self._floor = np.float32(10.0 ** (floor_db / 20.0))
        self.frames: list[tuple[float, NDArray[np.int16]]] = []

    def add(self, start_s: float | None, samples: Samples, rate: int) -> int:
        """Say `samples` at `start_s` of the microphone's time, or at once; return its index."""
        start = self._position if start_s is None else round(start_s * OPUS_RATE)
        audio = resample(as_audio(samples), rate, OPUS_RATE)
        self._items.append(_Item(max(start, self._position), audio))
        return len(self._items) - 1

    @property
    def sent_at(self) -> tuple[float | None, ...]:
        """When the first sample of each item was spoken, on the monotonic clock."""
        return tuple(each.sent_at for each in self._items)

    @property
    def remaining_s(self) -> float:
        """Seconds until everything has been said."""
        ends = [each.start + len(each.samples) for each in self._items]
        return max(0, max(ends, default=0) - self._position) / OPUS_RATE

    def pull(self, n: int) -> Samples:
        """Next `n` samples at 48 kHz."""
        out = self._rng.standard_normal(n, dtype=np.float32) * self._floor
        begin = self._pulled = self._position
        for item in self._items:
            low, high = max(begin, item.start), min(begin + n, item.start + len(item.samples))
            if low < high:
                out[low - begin : high - begin] += item.samples[
                    low - item.start : high - item.start
                ]
        self._position += n
        return np.asarray(np.clip(out, -1.0, 1.0), dtype=np.float32)

    def sent(self, due: float, samples: Samples) -> None:
        """Note the frame that was pulled last, and when it was due."""
        spoken = due - FRAME_S
        self.frames.append((spoken, (samples * 32767.0).astype(np.int16)))
        for item in self._items:
            if self._pulled <= item.start < self._pulled + len(samples):
                item.sent_at = spoken + (item.start - self._pulled) / OPUS_RATE
