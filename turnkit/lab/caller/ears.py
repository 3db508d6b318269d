"""What a caller notices while it listens: whether the other side is audible now.

Method: that of `turnkit.lab.caller.onset`, as far as it can be had without looking
ahead. Levels of pieces of 10 ms are held against a threshold over the lowest decile of
the last four seconds; a run of at least 30 ms in which no gap is as long as the hangover
counts as a sound.
"""

from __future__ import annotations

import math

import numpy as np

from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.audio import Samples
from turnkit.lab.caller.onset import OnsetSettings

PAUSE_S = 0.4
"""Shorter breaks do not end an utterance."""

_PIECE = OPUS_RATE // 100
_REMEMBERED = 400
_LEAST_POWER = 1e-12
_TINY_S = 1e-6


class Ears:
    """Follows what is played; all times are seconds of one clock, that of `hear`.

    Parameters
    ----------
    settings : OnsetSettings, optional
    """

    def __init__(self, settings: OnsetSettings | None = None) -> None:
        self._settings = settings or OnsetSettings()
        self._levels = np.zeros(_REMEMBERED)
        self._count = 0
        self._sounds: list[tuple[float, float]] = []

    def hear(self, at: float, samples: Samples) -> None:
        """Take what is played from `at` on, at 48 kHz, in the order of playing."""
        levels = []
        for begin in range(0, len(samples), _PIECE):
            piece = samples[begin : begin + _PIECE]
            power = float(np.dot(piece, piece)) / len(piece)
            levels.append(10.0 * math.log10(max(power, _LEAST_POWER)))
            self._levels[self._count % _REMEMBERED] = levels[-1]
            self._count += 1
        threshold = self._threshold()
        for number, level in enumerate(levels):
            if level > threshold:
                begin, stop = number * _PIECE, min((number + 1) * _PIECE, len(samples))
                self._loud(at + begin / OPUS_RATE, at + stop / OPUS_RATE)

    def _threshold(self) -> float:
        known = min(self._count, _REMEMBERED)
        if not known:
            return self._settings.loudest_db
        decile = (known - 1) // 10
        floor = float(np.partition(self._levels[:known], decile)[decile])
        wanted = floor + self._settings.above_db
        return min(max(wanted, self._settings.quietest_db), self._settings.loudest_db)

    def _loud(self, start: float, stop: float) -> None:
        if self._sounds and start - self._sounds[-1][1] <= self._settings.hangover_s:
            first, last = self._sounds[-1]
            self._sounds[-1] = first, max(last, stop)
            return
        if self._sounds and not self._counts(self._sounds[-1]):
            self._sounds.pop()
        self._sounds.append((start, stop))

    def _counts(self, sound: tuple[float, float]) -> bool:
        return sound[1] - sound[0] >= self._settings.shortest_s - _TINY_S

    @property
    def sounds(self) -> list[tuple[float, float]]:
        """Begin and end of everything that was audible so far."""
        return [each for each in self._sounds if self._counts(each)]

    def silent_for(self, now: float) -> float:
        """Seconds since the other side was last audible; infinite if it never was."""
        sounds = self.sounds
        return max(0.0, now - sounds[-1][1]) if sounds else math.inf

    def audible_for(self, now: float, pause_s: float = PAUSE_S) -> float:
        """Seconds since the other side began to speak, over breaks shorter than `pause_s`.

        0 if it has been silent for longer than that, or never spoke.
        """
        began, later = now, now
        for start, stop in reversed(self.sounds):
            if later - stop >= pause_s:
                break
            began = later = start
        return max(0.0, now - began)

    def spoke_since(self, then: float) -> bool:
        """Whether the other side was audible at some moment after `then`."""
        sounds = self.sounds
        return bool(sounds) and sounds[-1][1] > then
