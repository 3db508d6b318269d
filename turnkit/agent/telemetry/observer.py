"""One observer for each call, which tells spans, metrics and logs."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from opentelemetry import trace

from turnkit.agent.records import TurnRecord
from turnkit.agent.telemetry.metrics import Metrics
from turnkit.agent.telemetry.spans import CallSpan, call_started_ns

DETECTOR_LOAD = "detector load"
"""Event by which a call tells how busy its detectors keep it: ``factor`` in seconds of
computing per second of audio."""

CANCELLED = "cancelled"
"""Event by which a call tells how long cancelled work took to end: ``what`` and ``ms``."""

STAGE_FAILED = "stage failed"
_TROUBLE = frozenset({STAGE_FAILED, "call broke"})


class CallTelemetry:
    """What one call tells; never raises, because a call must not end over a log line.

    Parameters
    ----------
    telemetry : Telemetry
    call_id, transport : str
    """

    def __init__(self, telemetry: Telemetry, call_id: str, transport: str) -> None:
        self._telemetry, self._transport = telemetry, transport
        self._log = telemetry.log.bind(call=call_id)
        self._started = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._span = CallSpan(
            telemetry.tracer, call_id, transport, telemetry.log_words, call_started_ns()
        )
        self._log.info("call started", transport=transport)

    def turn_done(self, record: TurnRecord) -> None:
        """Note a turn."""
        with suppress(Exception):
            self._telemetry.metrics.turn_done(record)
            self._span.turn_done(record)
            entry = record.as_dict()
            entry.pop("call_id")
            self._log.info("turn", **entry)

    def count(self, name: str, n: int = 1) -> None:
        """Count something that happened."""
        with suppress(Exception):
            self._counts[name] += n
            self._telemetry.metrics.count(name, n)

    def note(self, event: str, **fields: object) -> None:
        """Write a line; loads of detectors and times of cancellations are measured instead."""
        with suppress(Exception):
            if event == DETECTOR_LOAD:
                self._telemetry.take_detector_load(float(fields["factor"]))  # type: ignore[arg-type]
                return
            if event == CANCELLED:
                seconds = float(fields["ms"]) / 1000  # type: ignore[arg-type]
                self._telemetry.metrics.cancelled(str(fields["what"]), seconds)
                return
            if event == STAGE_FAILED:
                # Told in our own words, unlike what callers say.
                fields["problem"] = fields.pop("text", None)
            level = logging.WARNING if event in _TROUBLE else logging.INFO
            self._log.log(level, event, **fields)

    def finish(self, result: str, reason: str) -> None:
        """End of the call: ``ended``, ``refused`` or ``failed``, and why in words."""
        with suppress(Exception):
            seconds = time.monotonic() - self._started
            self._telemetry.metrics.call_done(self._transport, result, seconds)
            self._span.finish(result, reason, self._counts)
            self._log.info(
                "call ended",
                result=result,
                reason=reason,
                seconds=round(seconds, 3),
                counts=dict(self._counts),
            )


class Telemetry:
    """Spans, metrics and logs of one service.

    Parameters
    ----------
    log : structlog logger
    log_words : bool
        Whether spans may hold what was said; the log has its own redaction.
    clock : callable
        Seconds, rising.

    Attributes
    ----------
    metrics : Metrics
    """

    def __init__(
        self, log: Any, log_words: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.log, self.log_words = log, log_words
        self.metrics = Metrics()
        self.tracer = trace.get_tracer("turnkit")
        self._clock = clock
        self._detector: tuple[float, float] = (-1e9, 0.0)

    def open_call(self, call_id: str, transport: str) -> CallTelemetry:
        """Observer of one more call."""
        return CallTelemetry(self, call_id, transport)

    def take_detector_load(self, factor: float) -> None:
        """Keep how busy detectors are."""
        now = self._clock()
        at, kept = self._detector
        # The busiest of the last seconds: calls report one after the other.
        if factor >= kept or now - at > 2.0:
            self._detector = (now, factor)

    @property
    def detector_load(self) -> float:
        """Computing per audio of the busiest call in the last seconds; 0 if unknown."""
        at, kept = self._detector
        return kept if self._clock() - at < 10.0 else 0.0
