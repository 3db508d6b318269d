"""An evaluation as plain data: what ``results.json`` holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from turnkit.evaluate.results import (
    BestPoint,
    Claim,
    Comparison,
    CorpusFacts,
    DetectorResult,
    Diagnostics,
    Evaluation,
    FrozenPoint,
    Slice,
    SliceFacts,
    Slices,
)
from turnkit.metrics import POINTS, Interval, OperatingPoint, PointKind

FORMAT = 1
"""Version of ``results.json``."""


def as_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Describe an evaluation in plain numbers, strings, lists and dicts.

    Returns
    -------
    dict
        What ``results.json`` holds; None for what is not defined.
    """
    facts = evaluation.facts
    plain: dict[str, Any] = {
        "format": FORMAT,
        "corpus": asdict(facts),
        "fit_corpus": None if evaluation.fit_facts is None else asdict(evaluation.fit_facts),
        "machine": {**asdict(evaluation.machine), "steal_share": evaluation.steal_share},
        "seed": evaluation.seed,
        "resamples": evaluation.resamples,
        "transcript_lag_s": evaluation.transcript_lag_s,
        "detectors": {result.spec: _detector(result, facts) for result in evaluation.detectors},
        "vad_baseline": _by_point(
            {name: _best(p, facts.holds, facts.rows) for name, p in evaluation.baseline.items()}
        ),
        "paired_differences": [_comparison(one) for one in evaluation.comparisons],
        "claims": [_claim(one) for one in evaluation.claims],
    }
    if evaluation.slices is not None:
        plain["slices"] = _slices(evaluation.slices)
    return {key: finite(value) for key, value in plain.items()}


def _by_point(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give every operating point a place; None where it has no value."""
    return {point.name: found.get(point.name) for point in POINTS}


def finite(value: Any) -> Any:
    """Copy nested plain data with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def _bounds(interval: Interval | None, scale: float = 1.0) -> list[float] | None:
    return None if interval is None else [interval.low * scale, interval.high * scale]


def _value(point: OperatingPoint, rate: float, latency_s: float) -> dict[str, float]:
    """Give the quantity of the point first, then the other one and the mean latency."""
    ms = 1000 * latency_s
    if point.kind is PointKind.CUTOFFS:
        return {"rate": rate, "mean_latency_ms": ms}
    return {"latency_ms": ms, "rate": rate, "mean_latency_ms": ms}


def _best(best: BestPoint, holds: int, turns: int) -> dict[str, Any]:
    cutoffs = best.point.kind is PointKind.CUTOFFS
    return {
        **_value(best.point, best.rate, best.mean_latency_s),
        "interval": _bounds(best.interval, 1.0 if cutoffs else 1000.0),
        "n": holds if cutoffs else turns,
        "policy": best.policy.as_dict(),
        "reached": best.reached,
    }


def _frozen(frozen: FrozenPoint) -> dict[str, Any]:
    summary, point = frozen.summary, frozen.point
    cutoffs = point is None or point.kind is PointKind.CUTOFFS
    rate, latency = _bounds(frozen.rate_interval), _bounds(frozen.latency_interval, 1000.0)
    value = (
        {"rate": summary.rate, "mean_latency_ms": 1000 * summary.mean_latency_s}
        if point is None
        else _value(point, summary.rate, summary.mean_latency_s)
    )
    return {
        **value,
        "interval": rate if cutoffs else latency,
        "rate_interval": rate,
        "latency_interval_ms": latency,
        "n": summary.holds if cutoffs else summary.turns,
        "policy": frozen.policy.as_dict(),
        "missed": frozen.missed,
        "fitted": None if frozen.fitted is None else asdict(frozen.fitted),
        "details": asdict(summary),
    }


def _detector(result: DetectorResult, facts: CorpusFacts) -> dict[str, Any]:
    frozen = result.frozen
    return {
        "name": result.name,
        "frozen": None if frozen is None else _by_point({k: _frozen(v) for k, v in frozen.items()}),
        "own_policy": None if result.own is None else _frozen(result.own),
        "best_on_test": _by_point(
            {k: _best(v, facts.holds, facts.rows) for k, v in result.best.items()}
        ),
        "diagnostics": {k: _diagnostics(v) for k, v in result.diagnostics.items()},
        "peak_memory_mb": result.peak_mb,
    }


def _diagnostics(found: Diagnostics) -> dict[str, Any]:
    curve = found.reliability
    lists: dict[str, Sequence[float]] = {
        "score": curve.score.tolist(),
        "share": curve.share.tolist(),
        "count": curve.count.tolist(),
    }
    return {
        "spans": found.spans,
        "scored": found.scored,
        "auc": found.auc,
        "average_precision": found.average_precision,
        "expected_calibration_error": found.calibration_error,
        "reliability": lists,
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    cutoffs = one.point.kind is PointKind.CUTOFFS
    scale = 1.0 if cutoffs else 1000.0
    return {
        "other": one.other,
        "basis": one.basis,
        "point": one.point.name,
        "quantity": "rate" if cutoffs else "latency_ms",
        "difference": one.difference * scale,
        "interval": _bounds(one.interval, scale),
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "reading": claim.reading,
        "basis": claim.basis,
        "ours": claim.ours,
        "vad": claim.vad,
        "vad_name": claim.vad_name,
        "reduction": claim.reduction,
        "interval": _bounds(claim.interval),
        "verdict": claim.verdict,
        "why": claim.why,
    }


def _slices(slices: Slices) -> dict[str, Any]:
    return {
        "found": {one.facts.tag: _slice(one) for one in slices.found},
        "too_few": {one.tag: _slice_facts(one) for one in slices.too_few},
        "of_all": {one.tag: _slice_facts(one) for one in slices.of_all},
    }


def _slice(one: Slice) -> dict[str, Any]:
    facts = one.facts
    return {
        **_slice_facts(facts),
        "detectors": {
            spec: {name: _frozen(frozen) for name, frozen in points.items()}
            for spec, points in one.frozen.items()
        },
        "vad_baseline": {
            name: _best(best, facts.holds, facts.turns) for name, best in one.baseline.items()
        },
    }


def _slice_facts(facts: SliceFacts) -> dict[str, Any]:
    return {key: value for key, value in asdict(facts).items() if key != "tag"}
