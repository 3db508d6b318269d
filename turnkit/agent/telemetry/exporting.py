"""Spans out of the process, where OpenTelemetry's SDK is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from turnkit.errors import ConfigError, MissingDependencyError

_OTLP = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_PURPOSE = "exporting spans"


def _load(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(package, "otel", _PURPOSE) from error


def start_exporter(wanted: str) -> Callable[[], None]:
    """Send spans to ``console`` (standard error) or by ``otlp``; returns how to stop it.

    Raises
    ------
    ConfigError
        If `wanted` is neither.
    MissingDependencyError
        If the SDK or the exporter is not installed.
    """
    if wanted not in {"console", "otlp"}:
        raise ConfigError(f"$OTEL_TRACES_EXPORTER {wanted!r}: expected none, console or otlp")
    import sys

    from opentelemetry import trace

    sdk = _load("opentelemetry.sdk.trace", "opentelemetry-sdk")
    export = _load("opentelemetry.sdk.trace.export", "opentelemetry-sdk")
    resources = _load("opentelemetry.sdk.resources", "opentelemetry-sdk")
    if wanted == "otlp":
        exporter = _load(_OTLP, "opentelemetry-exporter-otlp-proto-http").OTLPSpanExporter()
        processor = export.BatchSpanProcessor(exporter)
    else:
        processor = export.SimpleSpanProcessor(export.ConsoleSpanExporter(out=sys.stderr))
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": "turnkit"}))
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    return provider.shutdown  # type: ignore[no-any-return]
