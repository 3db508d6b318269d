"""Metrics of the service in Prometheus' format, in a registry of their own.

Labels take values from closed sets only, so that no client can make new series.
"""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from turnkit.agent.records import TurnRecord
from turnkit.agent.stats import COUNTS

CONTENT_TYPE = CONTENT_TYPE_LATEST

COUNTED = frozenset(COUNTS)
"""Names that have a series of their own; others count as ``other``."""

V2V_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
STAGE_BUCKETS = (
    0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 2.0, 4.0, 8.0,
)  # fmt: skip
CANCEL_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
DURATION_BUCKETS = (1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


class Metrics:
    """Counters, histograms and gauges of one service."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._turns = Counter(
            "turnkit_turns", "Turns", ("mode", "outcome", "reason"), registry=registry
        )
        self._v2v = Histogram(
            "turnkit_v2v_seconds",
            "End of the caller's speech to the agent's first sample at the caller",
            ("mode",),
            registry=registry,
            buckets=V2V_BUCKETS,
        )
        self._post_commit = Histogram(
            "turnkit_post_commit_seconds",
            "The part of it after the detector's decision",
            ("mode",),
            registry=registry,
            buckets=V2V_BUCKETS,
        )
        self._stages = Histogram(
            "turnkit_stage_seconds",
            "Share of each stage in it; they sum to it",
            ("stage",),
            registry=registry,
            buckets=STAGE_BUCKETS,
        )
        self._cancel = Histogram(
            "turnkit_cancel_seconds",
            "Cancellation of a reply's work to its end",
            ("what",),
            registry=registry,
            buckets=CANCEL_BUCKETS,
        )
        self._events = Counter(
            "turnkit_events", "What happened in calls", ("event",), registry=registry
        )
        self._calls = Counter(
            "turnkit_calls", "Calls that ended", ("transport", "result"), registry=registry
        )
        self._duration = Histogram(
            "turnkit_call_seconds",
            "Length of calls",
            registry=registry,
            buckets=DURATION_BUCKETS,
        )
        self._refused = Counter("turnkit_refused", "Calls refused", ("cause",), registry=registry)
        self.running = Gauge("turnkit_calls_running", "Calls now", registry=registry)
        self.loop_lag = Gauge(
            "turnkit_loop_lag_seconds", "How late the event loop ran, lately", registry=registry
        )
        self.detector_load = Gauge(
            "turnkit_detector_load",
            "Computing per audio of all detectors of a call",
            registry=registry,
        )

    def turn_done(self, record: TurnRecord) -> None:
        """Count a turn and its latencies."""
        self._turns.labels(record.mode, record.outcome, record.reason or "none").inc()
        if record.outcome == "taken back":
            return  # it answered nobody, and the turn comes again
        for histogram, ms in (
            (self._v2v, record.v2v_ms),
            (self._post_commit, record.post_commit_ms),
        ):
            if ms is not None:
                histogram.labels(record.mode).observe(ms / 1000)
        for stage, ms in record.spans.items():
            if ms is not None:
                self._stages.labels(stage).observe(ms / 1000)

    def count(self, name: str, n: int = 1) -> None:
        """Count something that happened."""
        self._events.labels(name if name in COUNTED else "other").inc(n)

    def cancelled(self, what: str, seconds: float) -> None:
        """Count work that was cancelled; `what` is of `turnkit.agent.records.Work`."""
        self._cancel.labels(what).observe(seconds)

    def call_done(self, transport: str, result: str, seconds: float) -> None:
        """Count a call that ended."""
        self._calls.labels(transport, result).inc()
        self._duration.observe(seconds)

    def refused(self, cause: str) -> None:
        """Count a call that was refused."""
        self._refused.labels(cause).inc()

    def render(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)
