from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from turnkit import agent
from turnkit.agent.records import TurnRecord
from turnkit.agent.telemetry.logs import open_log
from turnkit.agent.telemetry.metrics import COUNTED
from turnkit.agent.telemetry.observer import DETECTOR_LOAD, Telemetry
from turnkit.agent.telemetry.spans import CallSpan, set_up_exporter
from turnkit.errors import ConfigError, MissingDependencyError

RECORD = TurnRecord(
    call_id="c",
    turn=1,
    mode="speculative",
    text="northwind",
    reply_text="and the sun",
    speech_end=2.0,
    decided_at=2.25,
    reason="model",
    words_final_at=2.30,
    first_token_at=2.40,
    first_audio_at=2.45,
    sent_at=2.46,
    speculated=True,
    adopted=True,
    outcome="answered",
    transport_ms=40.0,
)
UNANSWERED = replace(RECORD, sent_at=None, transport_ms=None, outcome="taken back", turn=2)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def samples_of(telemetry: Telemetry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = telemetry.metrics.render().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(open_log(io.StringIO()))


def test_turns_are_measured(telemetry: Telemetry) -> None:
    call = telemetry.open_call("c", "webrtc")
    call.turn_done(RECORD)
    call.turn_done(UNANSWERED)
    call.count("interruptions", 2)
    call.count("whatever a stage made up")
    call.finish("ended", "the caller hung up")
    found = samples_of(telemetry)
    mode = ("mode", "speculative")
    assert found["turnkit_v2v_seconds_count", (mode,)] == 1
    assert found["turnkit_v2v_seconds_sum", (mode,)] == pytest.approx(0.5)
    assert found["turnkit_post_commit_seconds_sum", (mode,)] == pytest.approx(0.25)
    stages = {
        dict(labels)["stage"]: value
        for (name, labels), value in found.items()
        if name == "turnkit_stage_seconds_sum"
    }
    assert sum(stages.values()) == pytest.approx(0.5)
    assert stages["eot"] == pytest.approx(0.25)
    taken_back = (mode, ("outcome", "taken back"), ("reason", "model"))
    assert found["turnkit_turns_total", taken_back] == 1
    assert found["turnkit_events_total", (("event", "interruptions"),)] == 2
    assert found["turnkit_events_total", (("event", "other"),)] == 1
    ended = (("result", "ended"), ("transport", "webrtc"))
    assert found["turnkit_calls_total", ended] == 1


def test_buckets_tell_a_budget_from_its_double(telemetry: Telemetry) -> None:
    telemetry.open_call("c", "webrtc").turn_done(RECORD)
    found = samples_of(telemetry)
    below = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "turnkit_v2v_seconds_bucket"
    }
    assert (below["0.4"], below["0.6"]) == (0, 1)


def test_everything_that_the_agent_counts_has_a_series() -> None:
    sources = [path.read_text() for path in Path(agent.__file__).parent.rglob("*.py")]
    counted = {
        name
        for text in sources
        for name in re.findall(r"(?:transition|observer)\.count\(\s*\"(\w+)\"", text)
    }
    assert len(counted) > 8
    assert counted <= COUNTED


def test_what_was_said_is_in_no_log_and_no_metric(telemetry: Telemetry) -> None:
    stream = io.StringIO()
    telemetry.log = open_log(stream)
    call = telemetry.open_call("c", "webrtc")
    call.turn_done(RECORD)
    call.note("words", text="northwind")
    call.note("stage failed", stage="llm", text="no answer within 10 s", fatal=False)
    call.finish("ended", "the caller hung up")
    text = stream.getvalue() + telemetry.metrics.render().decode()
    assert "northwind" not in text
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [each["event"] for each in entries] == [
        "call started",
        "turn",
        "words",
        "stage failed",
        "call ended",
    ]
    assert entries[1]["v2v_ms"] == pytest.approx(500)
    # What a stage says about itself is no caller's word.
    assert (entries[3]["problem"], entries[3]["level"]) == ("no answer within 10 s", "warning")


def test_telling_never_raises(telemetry: Telemetry) -> None:
    class Broken:
        def bind(self, **_: Any) -> Broken:
            return self

        def info(self, *_: Any, **__: Any) -> None:
            if self.broken:
                raise OSError("disk full")

        broken = False

    telemetry.log = broken = Broken()
    call = telemetry.open_call("c", "webrtc")
    broken.broken = True
    call.turn_done(RECORD)
    call.turn_done("no record")  # type: ignore[arg-type]
    call.note("event")
    call.note(DETECTOR_LOAD)
    call.count("interruptions", "many")  # type: ignore[arg-type]
    call.finish("ended", "")


def test_the_busiest_detector_of_late_counts() -> None:
    clock = Clock()
    telemetry = Telemetry(open_log(io.StringIO()), clock=clock)
    assert telemetry.detector_load == 0.0
    call = telemetry.open_call("c", "webrtc")
    call.note(DETECTOR_LOAD, factor=0.9)
    call.note(DETECTOR_LOAD, factor=0.1)
    assert telemetry.detector_load == 0.9
    clock.now = 3.0
    call.note(DETECTOR_LOAD, factor=0.1)
    assert telemetry.detector_load == 0.1
    clock.now = 30.0
    assert telemetry.detector_load == 0.0


@pytest.fixture
def exported() -> Iterator[tuple[Any, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("turnkit"), exporter
    provider.shutdown()


def by_name(spans: tuple[ReadableSpan, ...]) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans}


def test_a_turn_and_its_stages_are_spans_on_the_calls_clock(
    exported: tuple[Any, InMemorySpanExporter],
) -> None:
    tracer, exporter = exported
    start = 1_700_000_000_000_000_000
    call = CallSpan(tracer, "c", "webrtc", False, start)
    call.turn_done(RECORD)
    call.finish("ended", "the caller hung up", {"interruptions": 2})
    spans = by_name(exporter.get_finished_spans())
    assert set(spans) == {
        f"turnkit.{name}"
        for name in ("call", "turn", "eot", "stt", "llm", "tts", "transport", "residual")
    }
    turn, outer = spans["turnkit.turn"], spans["turnkit.call"]
    assert turn.parent is not None
    assert outer.context is not None
    assert turn.parent.span_id == outer.context.span_id
    assert turn.start_time == start + 2_000_000_000
    assert turn.end_time == start + 2_500_000_000
    at = turn.start_time
    for name in ("eot", "stt", "llm", "tts", "residual", "transport"):
        span = spans[f"turnkit.{name}"]
        assert span.parent is not None
        assert turn.context is not None
        assert span.parent.span_id == turn.context.span_id
        assert span.start_time == at
        assert span.end_time is not None
        at = span.end_time
    assert abs(at - turn.end_time) <= 10
    assert turn.attributes is not None
    assert turn.attributes["turnkit.outcome"] == "answered"
    assert outer.attributes is not None
    assert outer.attributes["turnkit.count.interruptions"] == 2
    assert "northwind" not in str([span.to_json() for span in spans.values()])


def test_words_are_on_spans_only_where_they_were_asked_for(
    exported: tuple[Any, InMemorySpanExporter],
) -> None:
    tracer, exporter = exported
    call = CallSpan(tracer, "c", "webrtc", True, 0)
    call.turn_done(RECORD)
    call.turn_done(UNANSWERED)
    call.turn_done(replace(RECORD, speech_end=None))
    call.finish("failed", "", {})
    turns = [each for each in exporter.get_finished_spans() if each.name == "turnkit.turn"]
    assert len(turns) == 2
    assert turns[0].attributes is not None
    assert turns[0].attributes["turnkit.text"] == "northwind"


def test_nothing_is_exported_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_exporter({})()
    set_up_exporter({"OTEL_TRACES_EXPORTER": "none"})()
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    set_up_exporter(asked | {"OTEL_SDK_DISABLED": "true"})()
    with pytest.raises(ConfigError, match="OTEL_TRACES_EXPORTER"):
        set_up_exporter({"OTEL_TRACES_EXPORTER": "zipkin"})
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingDependencyError, match="opentelemetry-sdk"):
        set_up_exporter(asked)


def test_spans_go_to_standard_error_in_a_process_of_their_own() -> None:
    import subprocess
    import sys

    script = (
        "from turnkit.agent.telemetry.spans import *\n"
        "from opentelemetry import trace\n"
        "stop = set_up_exporter()\n"
        "CallSpan(trace.get_tracer('turnkit'), 'c', 'webrtc', False, 0).finish('ended', '', {})\n"
        "stop()\n"
    )
    environ = {**os.environ, "OTEL_TRACES_EXPORTER": "console"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert "turnkit.call" in done.stderr
    assert done.stdout == ""


def test_cancellations_are_measured(telemetry: Telemetry) -> None:
    call = telemetry.open_call("c", "webrtc")
    call.note("cancelled", reply=3, what="llm", ms=40.0)
    call.note("cancelled", reply=None, what="stt", ms=0.5)
    found = samples_of(telemetry)
    assert found["turnkit_cancel_seconds_sum", (("what", "llm"),)] == pytest.approx(0.04)
    assert found["turnkit_cancel_seconds_count", (("what", "stt"),)] == 1
