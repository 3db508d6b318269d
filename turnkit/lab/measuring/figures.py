"""The flat figures of a run, by the names that expressions use.

Times are in ms, rates are shares in 0 .. 1, `RESOURCES` says its own units. A figure that
cannot be known is absent: without the agent's log all that is about decisions, spans and
counts; below `P99_FROM` turns a P99.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from turnkit.lab.measuring.measured import MeasuredCall, MeasuredTurn
from turnkit.lab.measuring.overlaps import Trial
from turnkit.lab.measuring.resampling import Figure, Resampler
from turnkit.lab.measuring.run import MeasuredRun
from turnkit.lab.measuring.spans import RESIDUAL_PARTS, SPANS
from turnkit.lab.measuring.usage import usage_figures

P99_FROM = 1_000
"""Turns from which a P99 means something (protocol, layer 2)."""

_WITH_P99 = ("v2v", "post_commit")
_SPAN_NAMES = {"eot": "eot_span"} | {name: name for name in (*SPANS[1:], *RESIDUAL_PARTS)}
_QUANTILES = (
    "v2v", "eot", "post_commit", *_SPAN_NAMES.values(), "stop_from_onset",
    "stop_from_decision", "resume_gap",
)  # fmt: skip

TIMES = (
    *(f"{name}_{q}" for name in _QUANTILES for q in ("p50", "p90")),
    *(f"{name}_p99" for name in _WITH_P99),
    "v2v_max",
    "v2v_mean",
)
"""In ms. ``eot`` is the EOT delay: ``eot_span``, in audio time, and ``uplink``."""

RATES = (
    "false_interruption_rate", "barge_in_success", "false_barge_in_rate", "speculation_hit_rate",
)  # fmt: skip
"""Shares in 0 .. 1."""

COUNTED = (
    "take_backs", "speculations", "adopted", "wasted_tokens", "tokens", "hedges", "hedge_wins",
    "hedge_tokens",
)  # fmt: skip
"""What the agent itself counts."""

NUMBERS = (
    "turns", "calls", "failed_calls", "false_interruptions", "early_commits", "dead_air",
    "misses", "duplicate_replies", "barge_ins", "false_barge_ins", "resumes", "late_frames",
    "skipped_frames", *COUNTED,
)  # fmt: skip
"""Plain counts."""

RESOURCES = {"cpu_per_call": "cores", "cpu_peak": "cores", "memory_mb": "MB"}
"""What the agent took, and its unit."""

NAMES = (*TIMES, *RATES, *NUMBERS, *RESOURCES)
"""Every figure there can be."""

_Pairs = list[tuple[float, int]]


def describe(run: MeasuredRun) -> dict[str, Any]:
    """Describe a run in plain values, for JSON, reports and checks.

    Parameters
    ----------
    run : MeasuredRun

    Returns
    -------
    dict
        ``figures``: name to ``{"value", "n", "low", "high"}``, in the order of `NAMES`;
        ``bootstrap``: what was drawn for the intervals, ``"calls"`` or ``"turns"``;
        ``simulated``: stages that are; ``mode``, ``stages``, ``counts``; and a row for
        each of ``calls``, ``turns`` and ``trials``.
    """
    resampler = Resampler(len(run.calls))
    figures = _figures(run, resampler)
    first = next((call for call in run.calls if call.mode is not None), None)
    return {
        "name": run.name,
        "figures": {name: figures[name].as_dict() for name in NAMES if name in figures},
        "bootstrap": resampler.unit,
        "simulated": run.simulated,
        "mode": None if first is None else first.mode,
        "stages": {} if first is None else dict(first.stages),
        "counts": dict(_counts(run.calls)),
        "calls": [_call_row(call) for call in run.calls],
        "turns": [turn_row(turn) for turn in run.turns],
        "trials": [_trial_row(trial) for trial in run.trials],
    }


def _figures(run: MeasuredRun, resampler: Resampler) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for name, pairs in (_turn_times(run) | _trial_times(run)).items():
        if not pairs:
            continue
        values, calls = _columns(pairs)
        wanted = [50, 90, *([99] if name in _WITH_P99 and len(values) >= P99_FROM else [])]
        quantiles = resampler.quantiles(values, calls, wanted)
        figures |= {f"{name}_p{q}": each for q, each in zip(wanted, quantiles, strict=True)}
        if name == "v2v":
            figures["v2v_max"] = Figure(max(values), len(values))
            figures["v2v_mean"] = resampler.mean(values, calls)
    return figures | _turn_numbers(run, resampler) | _trial_numbers(run, resampler) | _told(run)


def _columns(pairs: _Pairs) -> tuple[list[float], list[int]]:
    return [value for value, _ in pairs], [call for _, call in pairs]


def _places(run: MeasuredRun) -> Iterable[tuple[int, MeasuredTurn]]:
    return ((place, turn) for place, call in enumerate(run.calls) for turn in call.turns)


def _turn_times(run: MeasuredRun) -> dict[str, _Pairs]:
    """Collect latencies of turns, each with the place of its call."""
    found: dict[str, _Pairs] = {name: [] for name in ("v2v", "eot", "post_commit")}
    found |= {name: [] for name in _SPAN_NAMES.values()}
    for place, turn in _places(run):
        known = {
            "v2v": turn.heard.v2v_ms,
            "eot": turn.eot_ms,
            "post_commit": turn.post_commit_ms,
        }
        for name, value in known.items():
            if value is not None:
                found[name].append((value, place))
        told = turn.told
        if told is not None and told.spans is not None and told.residual_parts is not None:
            for name, value in {**told.spans, **told.residual_parts}.items():
                found[_SPAN_NAMES[name]].append((value, place))
    return found


def _trial_times(run: MeasuredRun) -> dict[str, _Pairs]:
    """Collect times of what was said over the agent, each with the place of its call."""
    found: dict[str, _Pairs] = {}
    for place, call in enumerate(run.calls):
        for trial in call.trials:
            if trial.kind == "interruption":
                known = {
                    "stop_from_onset": trial.from_onset_ms,
                    "stop_from_decision": trial.from_decision_ms,
                }
            else:
                known = {"resume_gap": trial.gap_ms}
            for name, value in known.items():
                if value is not None:
                    found.setdefault(name, []).append((value, place))
    return found


def _turn_numbers(run: MeasuredRun, resampler: Resampler) -> dict[str, Figure]:
    """Count mistakes by ear, and decisions that came early."""
    turns, calls = run.turns, run.calls
    n = len(turns)
    found = {
        "turns": Figure(n, n),
        "calls": Figure(len(calls), len(calls)),
        "failed_calls": Figure(sum(call.failed for call in calls), len(calls)),
        "late_frames": Figure(sum(call.record.late for call in calls), len(calls)),
        "skipped_frames": Figure(sum(call.record.skipped for call in calls), len(calls)),
    }
    if not n:
        return found
    found["false_interruptions"] = Figure(sum(turn.heard.interrupted for turn in turns), n)
    found["dead_air"] = Figure(sum(turn.heard.dead_air for turn in turns), n)
    found["misses"] = Figure(sum(turn.heard.missed for turn in turns), n)
    pairs = [(float(turn.heard.interrupted), place) for place, turn in _places(run)]
    found["false_interruption_rate"] = resampler.mean(*_columns(pairs))
    early = [turn.early for turn in turns if turn.early is not None]
    if early:
        found["early_commits"] = Figure(sum(early), len(early))
    return found


def _trial_numbers(run: MeasuredRun, resampler: Resampler) -> dict[str, Figure]:
    """Count what came of what was said over the agent."""
    found: dict[str, Figure] = {}
    stops, slips = list[tuple[float, int]](), list[tuple[float, int]]()
    resumes = 0
    for place, call in enumerate(run.calls):
        for trial in call.trials:
            if trial.kind == "interruption":
                stops.append((float(trial.success), place))
            elif trial.stopped is not None:
                slips.append((float(trial.stopped), place))
                resumes += trial.gap_ms is not None
    if stops:
        found["barge_ins"] = Figure(len(stops), len(stops))
        found["barge_in_success"] = resampler.mean(*_columns(stops))
    if slips:
        found["false_barge_ins"] = Figure(round(sum(value for value, _ in slips)), len(slips))
        found["false_barge_in_rate"] = resampler.mean(*_columns(slips))
        found["resumes"] = Figure(resumes, len(slips))
    return found


def _counts(calls: Iterable[MeasuredCall]) -> Counter[str]:
    counts = Counter[str]()
    for call in calls:
        counts.update(call.counts)
    return counts


def _told(run: MeasuredRun) -> dict[str, Figure]:
    """Sum up what the agent counted, and what its processes took."""
    counted = [call for call in run.calls if call.counts]
    counts, n = _counts(counted), len(counted)
    found = {name: Figure(counts[name], n) for name in COUNTED if name in counts}
    if counts["speculations"]:
        rate = counts["adopted"] / counts["speculations"]
        found["speculation_hit_rate"] = Figure(rate, counts["speculations"])
    logged = [c.duplicate_replies for c in run.calls if c.duplicate_replies is not None]
    if logged:
        found["duplicate_replies"] = Figure(sum(logged), len(logged))
    return found | usage_figures(run.usage)


def turn_row(turn: MeasuredTurn) -> dict[str, Any]:
    """Write a turn in plain values: times in s of the recording, latencies in ms."""
    heard = turn.heard
    row = asdict(heard) | {
        "v2v_ms": heard.v2v_ms,
        "interrupted": heard.interrupted,
        "missed": heard.missed,
        "dead_air": heard.dead_air,
        "early": turn.early,
        "eot_ms": turn.eot_ms,
        "post_commit_ms": turn.post_commit_ms,
        "decisions": None if turn.decisions is None else list(turn.decisions),
    }
    return row | {"told": None if turn.told is None else asdict(turn.told)}


def _trial_row(trial: Trial) -> dict[str, Any]:
    return asdict(trial) | {
        "from_onset_ms": trial.from_onset_ms,
        "from_decision_ms": trial.from_decision_ms,
        "success": trial.success,
        "gap_ms": trial.gap_ms,
    }


def _call_row(call: MeasuredCall) -> dict[str, Any]:
    record = call.record
    return {
        "number": record.number,
        "call_id": record.call_id,
        "seconds": record.seconds,
        "ended_by": record.ended_by,
        "error": record.error,
        "turns": len(call.turns),
        "trials": len(call.trials),
        "late": record.late,
        "skipped": record.skipped,
        "network": dict(record.network),
        "duplicate_replies": call.duplicate_replies,
        "counts": dict(call.counts),
        "clocks": asdict(call.clocks),
    }
