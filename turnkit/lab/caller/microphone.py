"""The caller's microphone: recordings over a low noise floor, in real time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.agent.transport.pacing import FRAME_S
from turnkit.audio import Samples, as_audio, resample
from turnkit.lab.caller.line import Line


@dataclass(frozen=True, slots=True)
class _Item:
    start: int
    samples: Samples
    floor: Samples | None = None

    @property
    def stop(self) -> int:
        return self.start + len(self.samples)


class Microphone:
    """An `AudioSource` that mixes what is to be said over noise, and notes what it gave.

    A frame holds what was said in the 20 ms before it was due, as a sound card's does:
    a sample's time is when it would have been spoken.

    Parameters
    ----------
    floor_db : float
        Level of the white noise floor in dBFS.
    seed : int
    line : Line, optional
        What the sound goes through on its way out; what was spoken is noted before it.

    Attributes
    ----------
    frames : list of (float, ndarray of int16)
        When each frame was spoken, on the pacer's clock, and what was.
    """

    def __init__(self, floor_db: float = -75.0, seed: int = 0, line: Line | None = None) -> None:
        self._items: list[_Item] = []
        self._position = 0
        self._starts: list[int] = []
        self._spoken = np.zeros(0, dtype=np.float32)
        self._rng = np.random.default_rng(seed)
        self._floor = np.float32(10.0 ** (floor_db / 20.0))
        self._line = line
        self.frames: list[tuple[float, NDArray[np.int16]]] = []

    def add(
        self, start_s: float | None, samples: Samples, rate: int, floor: Samples | None = None
    ) -> int:
        """Say `samples` at `start_s` of the microphone's time, or at once; return its index.

        `floor`, at the same rate, is what goes on after it, over and over, until the next
        sound begins.
        """
        start = self._position if start_s is None else round(start_s * OPUS_RATE)
        audio = resample(as_audio(samples), rate, OPUS_RATE)
        room = None if floor is None else resample(as_audio(floor), rate, OPUS_RATE)
        self._items.append(_Item(max(start, self._position), audio, room))
        return len(self._items) - 1

    @property
    def sent_at(self) -> tuple[float | None, ...]:
        """When the first sample of each item was spoken, on the pacer's clock."""
        return tuple(self.moment(index, 0.0) for index in range(len(self._items)))

    def moment(self, index: int, offset_s: float) -> float | None:
        """When a moment of an item was spoken, on the pacer's clock; None if it never was.

        Frames that could not be sent in time shift what comes after them.
        """
        position = self._items[index].start + round(offset_s * OPUS_RATE)
        if not self.frames:
            return None
        frame = bisect_right(self._starts, position, hi=len(self.frames)) - 1
        spoken_at, samples = self.frames[frame]
        into = position - self._starts[frame]
        # The beginning of an item is over with its first sample, any other moment before it.
        known = into < len(samples) if offset_s <= 0.0 else into <= len(samples)
        return spoken_at + into / OPUS_RATE if known else None

    @property
    def remaining_s(self) -> float:
        """Seconds until everything has been said."""
        end = max((each.stop for each in self._items), default=0)
        return max(0, end - self._position) / OPUS_RATE

    def pull(self, n: int) -> Samples:
        """Next `n` samples at 48 kHz."""
        out = self._rng.standard_normal(n, dtype=np.float32) * self._floor
        begin = self._position
        for item in self._items:
            low, high = max(begin, item.start), min(begin + n, item.stop)
            if low < high:
                out[low - begin : high - begin] += item.samples[
                    low - item.start : high - item.start
                ]
        self._add_room(out)
        self._position += n
        self._spoken = np.asarray(np.clip(out, -1.0, 1.0), dtype=np.float32)
        return self._spoken if self._line is None else self._line.speak(self._spoken)

    def _add_room(self, out: Samples) -> None:
        """Go on with the room of what was said last."""
        begun = [item for item in self._items if item.start < self._position + len(out)]
        last = max(begun, key=lambda item: item.start, default=None)
        if last is None or last.floor is None or not len(last.floor):
            return
        skip = max(0, last.stop - self._position)
        if skip < len(out):
            at = self._position + np.arange(skip, len(out)) - last.stop
            out[skip:] += last.floor[at % len(last.floor)]

    def sent(self, due: float, _: Samples) -> None:
        """Note the frame that was pulled last, and when it was due."""
        self._starts.append(self._position - len(self._spoken))
        self.frames.append((due - FRAME_S, (self._spoken * 32767.0).astype(np.int16)))
