"""Replay: what a detector's own events do to a turn, its VAD and its clock in the loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.schema import Turn
from turnkit.detector.protocol import EventKind, TurnDetector, TurnEvent, TurnInput
from turnkit.errors import InputError
from turnkit.evaluate.turns import KINDS, SpanMarks, audio_until_miss, words_as_inputs
from turnkit.metrics import MISS_S, Cutoff, TurnOutcome
from turnkit.timing import to_samples

CHUNK_S = 0.02
"""Seconds of a chunk: a packet of telephony or WebRTC. Decisions do not depend on it."""


@dataclass(slots=True)
class _Meter:
    """Compute time of `push` for each second of audio pushed."""

    sample_rate: int
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    last_ms: float = 0.0
    _pushed: int = 0
    _wall: float = 0.0
    _cpu: float = 0.0

    def push(
        self, detector: TurnDetector, samples: Samples, inputs: Sequence[TurnInput]
    ) -> list[TurnEvent]:
        wall, cpu = time.perf_counter(), time.process_time()
        events = detector.push(samples, inputs)
        self.last_ms = 1000 * (time.perf_counter() - wall)
        self._cpu += 1000 * (time.process_time() - cpu)
        self._wall += self.last_ms
        self._pushed += len(samples)
        if self._pushed >= self.sample_rate:
            seconds = self._pushed / self.sample_rate
            self.wall_ms.append(self._wall / seconds)
            self.cpu_ms.append(self._cpu / seconds)
            self._pushed, self._wall, self._cpu = 0, 0.0, 0.0
        return events


def check_detector_rate(detector: TurnDetector, turn: Turn) -> None:
    """Make sure that a detector was opened at the rate of a turn.

    Raises
    ------
    InputError
        If it was not.
    """
    if detector.sample_rate != turn.sample_rate:
        raise InputError(
            f"turn {turn.id} has {turn.sample_rate} Hz: expected a detector opened at that rate, "
            f"{detector.name} is at {detector.sample_rate} Hz"
        )


def replay_turn(
    detector: TurnDetector,
    turn: Turn,
    inputs: Sequence[TurnInput] | None = None,
    chunk_s: float = CHUNK_S,
) -> TurnOutcome:
    """Replay a turn under the detector's present policy and score its events.

    A decision before the start of the last span is a false cutoff: the detector is reset
    and the row goes on from there. The first decision at or after it ends the turn. A
    row that ends first is continued with its own noise floor; no decision within 4 s is
    a miss.

    Parameters
    ----------
    detector : TurnDetector
        Reset first; left in any state.
    turn : Turn
    inputs : sequence of TurnInput, optional
        In order of arrival; by default the words of the corpus, 0.5 s late.
    chunk_s : float
        Seconds pushed at a time.

    Returns
    -------
    TurnOutcome

    Raises
    ------
    InputError
        If the detector was opened at another rate than the turn's.
    """
    check_detector_rate(detector, turn)
    rate, marks, samples = turn.sample_rate, SpanMarks.of(turn), audio_until_miss(turn)
    given = words_as_inputs(turn) if inputs is None else inputs
    chunk = max(1, to_samples(chunk_s, rate))
    meter, cutoffs = _Meter(rate), list[Cutoff]()
    latency_s, missed = MISS_S, True
    detector.reset()
    offset = position = 0
    while position < len(samples):
        stop = min(position + chunk, len(samples))
        arrived = _arrived(given, position, stop, offset)
        events = meter.push(detector, samples[position:stop], arrived)
        ended = next((e for e in events if e.kind is EventKind.TURN_ENDED), None)
        if ended is None:
            position = stop
            continue
        at = offset + ended.at
        if at >= marks.end_start:
            latency_s, missed = (at - marks.end_start) / rate, False
            break
        cutoffs.append(_cutoff(marks, at, offset, ended, rate))
        # What was pushed beyond the decision is pushed again, into a fresh detector.
        detector.reset()
        offset = position = max(at, offset + 1)
    return TurnOutcome(
        turn=turn.id,
        speaker=turn.speaker or turn.id,
        holds=int(marks.counts.sum()),
        cutoffs=tuple(cutoffs),
        latency_s=latency_s,
        missed=missed,
        wall_ms=tuple(meter.wall_ms),
        cpu_ms=tuple(meter.cpu_ms),
        decision_ms=float("nan") if missed else meter.last_ms,
    )


def _arrived(inputs: Sequence[TurnInput], begin: int, stop: int, offset: int) -> list[TurnInput]:
    """Pick the inputs that come with samples `begin` .. `stop`, on the clock of the last reset."""
    return [
        TurnInput(item.at - offset, item.kind, item.value)
        for item in inputs
        if begin < item.at <= stop or item.at == begin == 0
    ]


def _cutoff(marks: SpanMarks, at: int, offset: int, event: TurnEvent, rate: int) -> Cutoff:
    code, span = (int(found[0]) for found in marks.classify(np.array([at])))
    began = int(marks.starts[span]) if span >= 0 else offset + event.since
    return Cutoff(
        at_s=at / rate,
        kind=KINDS[code],
        span=span if span >= 0 else None,
        waited_s=(at - began) / rate,
        score=event.score,
    )
