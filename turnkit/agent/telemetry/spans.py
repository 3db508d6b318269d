"""Spans of calls, turns and stages through OpenTelemetry's API.

A turn's stages follow each other as in its record, where work that overlapped counts once:
laid end to end they are the waterfall that the page draws. Timestamps come from the call's
clock, so that a slow exporter or a late callback does not move them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from opentelemetry import context, trace
from opentelemetry.trace import Span, Status, StatusCode, Tracer

from turnkit.agent.records import STAGES, TurnRecord

CALL, TURN = "turnkit.call", "turnkit.turn"
"""Names of the outer spans; stages are ``turnkit.eot`` and so on."""

_PLAIN_FIELDS = ("turn", "mode", "reason", "outcome", "speculated", "adopted")
_WORD_FIELDS = ("text", "reply_text")


class CallSpan:
    """The span of one call.

    Parameters
    ----------
    tracer : Tracer
    call_id, transport : str
    log_words : bool
        Whether spans may hold what was said.
    start_ns : int
        Nanoseconds since 1970 at which the call's clock began.
    """

    def __init__(
        self, tracer: Tracer, call_id: str, transport: str, log_words: bool, start_ns: int
    ) -> None:
        self._tracer, self._start_ns, self._log_words = tracer, start_ns, log_words
        attributes = {"turnkit.call": call_id, "turnkit.transport.kind": transport}
        self._span = tracer.start_span(
            CALL, context=context.Context(), attributes=attributes, start_time=start_ns
        )

    def turn_done(self, record: TurnRecord) -> None:
        """Add a turn and its stages."""
        if record.speech_end is None or record.decided_at is None:
            return
        begin = record.speech_end
        end = max(record.decided_at, record.sent_at or 0.0)
        end += (record.transport_ms or 0.0) / 1000
        names = _PLAIN_FIELDS + (_WORD_FIELDS if self._log_words else ())
        values = {f"turnkit.{name}": getattr(record, name) for name in names}
        span = self._child(self._span, TURN, begin)
        span.set_attributes({name: each for name, each in values.items() if each is not None})
        if record.outcome == "failed":
            span.set_status(Status(StatusCode.ERROR))
        at = begin
        # The residual lies before the transport: samples wait to be sent.
        for stage in (*(each for each in STAGES if each != "transport"), "transport"):
            ms = record.spans[stage]
            if ms is not None:
                child = self._child(span, f"turnkit.{stage}", at)
                at += ms / 1000
                child.end(self._ns(at))
        span.end(self._ns(end))

    def finish(self, result: str, reason: str, counts: Mapping[str, int]) -> None:
        """End the call's span."""
        self._span.set_attributes({"turnkit.result": result, "turnkit.end": reason})
        self._span.set_attributes({f"turnkit.count.{name}": n for name, n in counts.items()})
        if result == "failed":
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def _child(self, parent: Span, name: str, at: float) -> Span:
        inside = trace.set_span_in_context(parent, context.Context())
        return self._tracer.start_span(name, context=inside, start_time=self._ns(at))

    def _ns(self, at: float) -> int:
        return self._start_ns + round(at * 1e9)


def call_started_ns() -> int:
    """Nanoseconds since 1970, for the beginning of a call's clock."""
    return time.time_ns()


def set_up_exporter(environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Export spans if OpenTelemetry's own variables ask for it, and a way to stop.

    ``OTEL_TRACES_EXPORTER`` (``console``, ``otlp``) or ``OTEL_EXPORTER_OTLP_ENDPOINT``
    ask. A program that has set up a provider of its own keeps it.

    Returns
    -------
    callable
        Sends what is left and stops the exporter.

    Raises
    ------
    MissingDependencyError
        If what was asked for is not installed.
    """
    default = "otlp" if environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") else "none"
    wanted = environ.get("OTEL_TRACES_EXPORTER", default)
    if wanted in {"none", ""} or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return lambda: None
    from turnkit.agent.telemetry.exporting import start_exporter

    return start_exporter(wanted)
