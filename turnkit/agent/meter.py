"""Levels and scores on one clock, for the client's timeline."""

from __future__ import annotations

import math
from typing import Any

from turnkit.agent.session.settings import CLOCK_RATE
from turnkit.audio import Samples
from turnkit.detector.protocol import Trace

STEP = CLOCK_RATE // 50
"""Samples of the clock in one slot of the timeline: 20 ms."""

SILENCE_DB = -100.0
"""Level in dBFS that stands for digital silence."""

BEHIND = 5
"""Slots that the timeline lags, so that detectors have caught up."""


def level_db(samples: Samples) -> float:
    """Root mean square in dBFS."""
    if not len(samples):
        return SILENCE_DB
    return _power_db(float(samples @ samples) / len(samples))


def _power_db(power: float) -> float:
    return SILENCE_DB if power < 1e-10 else 10 * math.log10(power)


class Meter:
    """Collects what happened in each slot of 20 ms; hands it out once, in order."""

    def __init__(self) -> None:
        self._next = 0
        self._caller: dict[int, float] = {}
        self._agent: dict[int, float] = {}
        self._seen: dict[int, tuple[float, float]] = {}

    def heard(self, at: int, samples: Samples) -> None:
        """Take samples that end at `at` on the clock."""
        begin = at - len(samples)
        # Pieces of a resampler end anywhere: a slot's level is that of its own samples.
        for slot in range(begin // STEP, -(-at // STEP)):
            part = samples[max(0, slot * STEP - begin) : (slot + 1) * STEP - begin]
            self._caller[slot] = self._caller.get(slot, 0.0) + float(part @ part)

    def said(self, at: int, samples: Samples) -> None:
        """Take outgoing samples that were handed over at `at`."""
        slot = at // STEP
        self._agent[slot] = max(level_db(samples), self._agent.get(slot, SILENCE_DB))

    def traced(self, trace: Trace) -> None:
        """Take what the detector saw."""
        for at, speech, score in zip(trace.at, trace.speech, trace.score, strict=True):
            self._seen[at // STEP] = (speech, score)

    def take(self, now: int) -> dict[str, Any] | None:
        """Fields of a ``frames`` message up to shortly before `now`; None if empty."""
        end = now // STEP - BEHIND
        slots = range(self._next, end)
        if not slots:
            return None
        nothing = (math.nan, math.nan)
        seen = [self._seen.pop(slot, nothing) for slot in slots]
        fields = {
            "at": end * STEP / CLOCK_RATE,
            "step": STEP / CLOCK_RATE,
            "caller": [round(_power_db(self._caller.pop(slot, 0.0) / STEP), 1) for slot in slots],
            "agent": [round(self._agent.pop(slot, SILENCE_DB), 1) for slot in slots],
            "speech": [_number(speech) for speech, _ in seen],
            "score": [_number(score) for _, score in seen],
        }
        self._next = end
        for kept in (self._caller, self._agent, self._seen):
            for slot in [slot for slot in kept if slot < end]:
                del kept[slot]
        return fields


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
