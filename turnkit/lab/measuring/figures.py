"""The flat figures of a run, by the names that expressions use.

Times are in ms, rates are shares in 0 .. 1, `RESOURCES` says its own units. A figure that
cannot be known is absent: without the agent's log all that is about decisions, spans and
counts; below `P99_FROM` turns a P99.

Turns that were never answered, and interruptions that were never obeyed, rank above all
others in the percentiles of V2V and of stop times (right-censored: all that is known is
that they lasted longer): an agent must not look fast by answering easy turns alone. A
percentile that falls on one has no value and is ``censored``. ``v2v_max`` and
``v2v_mean`` are over answered turns, as their ``n`` says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from turnkit.lab.measuring.doubts import doubts
from turnkit.lab.measuring.measured import MeasuredCall, MeasuredTurn
from turnkit.lab.measuring.overlaps import Trial
from turnkit.lab.measuring.resampling import Figure, Resampler
from turnkit.lab.measuring.run import MeasuredRun
from turnkit.lab.measuring.times import (
    SPAN_NAMES,
    Pairs,
    cancel_times,
    columns,
    trial_times,
    trials_of,
    turn_times,
    turns_of,
)
from turnkit.lab.measuring.told import CANCELLED
from turnkit.lab.measuring.usage import usage_figures

P99_FROM = 1_000
"""Turns from which a P99 means something (protocol, layer 2)."""

_WITH_P99 = ("v2v", "post_commit")
_QUANTILES = (
    "v2v", "eot", "post_commit", *SPAN_NAMES.values(), "stop_from_onset",
    "stop_from_decision", "resume_gap", *(f"cancel_{what}" for what in CANCELLED),
)  # fmt: skip

TIMES = (
    *(f"{name}_{q}" for name in _QUANTILES for q in ("p50", "p90")),
    *(f"{name}_p99" for name in _WITH_P99),
    "v2v_max",
    "v2v_mean",
    "post_commit_max",
)
"""In ms. ``eot`` is the EOT delay: ``eot_span``, in audio time, and ``uplink``."""

RATES = (
    "false_interruption_rate", "early_commit_rate", "barge_in_success", "false_barge_in_rate",
    "resume_rate", "speculation_hit_rate", "late_frame_rate", "skipped_frame_rate",
)  # fmt: skip
"""Shares in 0 .. 1."""

_LOST = ("late", "skipped")

COUNTED = (
    "take_backs", "speculations", "adopted", "wasted_tokens", "tokens", "hedges", "hedge_wins",
    "hedge_tokens", "hedge_rescues", "hedge_cost_microunits",
)  # fmt: skip
"""What the agent itself counts."""

NUMBERS = (
    "turns", "rows", "calls", "failed_calls", "answered", "false_interruptions",
    "interrupted_unanswered", "early_commits", "dead_air", "misses", "duplicate_replies",
    "barge_ins", "barge_ins_moot", "false_barge_ins", "resumes", "late_frames",
    "skipped_frames", *COUNTED,
)  # fmt: skip
"""Plain counts."""

RESOURCES = {"cpu_per_call": "cores", "cpu_peak": "cores", "memory_mb": "MB"}
"""What the agent took, and its unit."""

NAMES = (*TIMES, *RATES, *NUMBERS, *RESOURCES)
"""Every figure there can be."""

_FRAMES_A_SECOND = 50


def describe(run: MeasuredRun) -> dict[str, Any]:
    """Describe a run in plain values, for JSON, reports and checks.

    Parameters
    ----------
    run : MeasuredRun

    Returns
    -------
    dict
        ``figures``: name to ``{"value", "n", "low", "high"}``, in the order of `NAMES`,
        with ``"censored": True`` where the value is larger than could be measured;
        ``bootstrap``: what was drawn for the intervals of turns, ``"calls"``, ``"rows"``
        or ``"turns"``, and ``bootstrap_trials`` the same of what was said over the agent;
        ``rows``: how many different things were said in turns; ``seed``; ``simulated``:
        stages and networks that are; ``incomplete`` and ``warnings``, in words; ``mode``,
        ``stages``, ``counts``; and a row for each of ``calls``, ``turns``, ``trials``.
    """
    over_turns = Resampler([origin for origin, _ in turns_of(run)])
    over_trials = Resampler([origin for origin, _ in trials_of(run)])
    figures = {
        name: figure.as_dict() for name, figure in _figures(run, over_turns, over_trials).items()
    }
    first = next((call for call in run.calls if call.mode is not None), None)
    return {
        "name": run.name,
        "figures": {name: figures[name] for name in NAMES if name in figures},
        "bootstrap": over_turns.unit,
        "bootstrap_trials": over_trials.unit,
        "rows": over_turns.rows,
        "seed": run.seed,
        "incomplete": run.incomplete,
        "warnings": doubts(run.plan, figures),
        "simulated": run.simulated,
        "mode": None if first is None else first.mode,
        "stages": {} if first is None else dict(first.stages),
        "counts": dict(_counts(run.calls)),
        "calls": [_call_row(call) for call in run.calls],
        "turns": [turn_row(turn) for turn in run.turns],
        "trials": [_trial_row(trial) for trial in run.trials],
    }


def _figures(run: MeasuredRun, over_turns: Resampler, over_trials: Resampler) -> dict[str, Figure]:
    figures = {name: Figure(count, count) for name, count in _sizes(run, over_turns).items()}
    figures |= _quantiles(turn_times(run), over_turns)
    figures |= _quantiles(trial_times(run) | cancel_times(run), over_trials)
    figures |= _extremes(run, over_turns)
    return (
        figures
        | _call_numbers(run)
        | _turn_numbers(run, over_turns)
        | _trial_numbers(run, over_trials)
        | _told(run)
    )


def _sizes(run: MeasuredRun, resampler: Resampler) -> dict[str, int]:
    return {"turns": len(run.turns), "rows": resampler.rows, "calls": len(run.calls)}


def _quantiles(times: dict[str, Pairs], resampler: Resampler) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for name, pairs in times.items():
        if not pairs:
            continue
        wanted = [50, 90, *([99] if name in _WITH_P99 and len(pairs) >= P99_FROM else [])]
        quantiles = resampler.quantiles(*columns(pairs), wanted)
        figures |= {f"{name}_p{q}": each for q, each in zip(wanted, quantiles, strict=True)}
    return figures


def _extremes(run: MeasuredRun, resampler: Resampler) -> dict[str, Figure]:
    """Longest and mean latencies, of what was answered."""
    found = {}
    times = turn_times(run)
    answered = [pair for pair in times["v2v"] if math.isfinite(pair[0])]
    if answered:
        values, origins = columns(answered)
        found["v2v_max"] = Figure(max(values), len(values))
        found["v2v_mean"] = resampler.mean(values, origins)
    if times["post_commit"]:
        values, _ = columns(times["post_commit"])
        found["post_commit_max"] = Figure(max(values), len(values))
    return found


def _call_numbers(run: MeasuredRun) -> dict[str, Figure]:
    """Count what went wrong with calls and on the caller's machine."""
    calls, n = run.calls, len(run.calls)
    late, skipped = (sum(getattr(call.record, name) for call in calls) for name in _LOST)
    found = {
        "failed_calls": Figure(sum(call.failed for call in calls), n),
        "late_frames": Figure(late, n),
        "skipped_frames": Figure(skipped, n),
    }
    frames = round(_FRAMES_A_SECOND * sum(call.record.seconds for call in calls))
    if frames:
        found["late_frame_rate"] = Figure(late / frames, frames)
        found["skipped_frame_rate"] = Figure(skipped / frames, frames)
    return found


def _turn_numbers(run: MeasuredRun, resampler: Resampler) -> dict[str, Figure]:
    """Count mistakes by ear, and decisions that came early."""
    turns = turns_of(run)
    if not turns:
        return {}
    heard = [turn.heard for _, turn in turns]
    counts = {
        "answered": sum(each.audible is not None for each in heard),
        "false_interruptions": sum(each.interrupted for each in heard),
        "interrupted_unanswered": sum(each.interrupted_unanswered for each in heard),
        "dead_air": sum(each.dead_air for each in heard),
        "misses": sum(each.missed for each in heard),
    }
    found = {name: Figure(count, len(turns)) for name, count in counts.items()}
    pairs = [(float(turn.heard.interrupted), origin) for origin, turn in turns]
    found["false_interruption_rate"] = resampler.mean(*columns(pairs))
    early = [(float(turn.early), origin) for origin, turn in turns if turn.early is not None]
    if early:
        found["early_commits"] = Figure(round(sum(value for value, _ in early)), len(early))
        found["early_commit_rate"] = resampler.mean(*columns(early))
    return found


def _trial_numbers(run: MeasuredRun, resampler: Resampler) -> dict[str, Figure]:
    """Count what came of what was said over the agent."""
    found: dict[str, Figure] = {}
    trials = trials_of(run)
    stops = [(origin, trial) for origin, trial in trials if trial.kind == "interruption"]
    slips = [(origin, trial) for origin, trial in trials if trial.kind != "interruption"]
    if stops:
        found["barge_ins"] = Figure(len(stops), len(stops))
        pairs = [(float(trial.success), origin) for origin, trial in stops]
        found["barge_in_success"] = resampler.mean(*columns(pairs))
        moot = [trial.moot for _, trial in stops if trial.moot is not None]
        if moot:
            found["barge_ins_moot"] = Figure(sum(moot), len(moot))
    if slips:
        pairs = [(float(trial.stopped), origin) for origin, trial in slips]
        again = [(float(t.gap_ms is not None), origin) for origin, t in slips if t.stopped]
        found["false_barge_ins"] = Figure(len(again), len(slips))
        found["false_barge_in_rate"] = resampler.mean(*columns(pairs))
        found["resumes"] = Figure(round(sum(value for value, _ in again)), len(slips))
        if again:
            found["resume_rate"] = resampler.mean(*columns(again))
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
        "interrupted_unanswered": heard.interrupted_unanswered,
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
        "stopped": trial.stopped,
        "moot": trial.moot,
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
