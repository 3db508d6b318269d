"""Tables of measured calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from turnkit.agent.measuring.calls import MeasuredTurn
from turnkit.agent.measuring.overlaps import SUCCESS_S, Trial
from turnkit.agent.records import STAGES

_P99_FROM = 1_000
"""Turns from which a P99 means something (protocol, layer 2)."""


def quantiles(values: Iterable[float | None]) -> dict[str, Any]:
    """P50, P90 and the maximum of what is known, P99 from 1,000 values on."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return {"n": 0}
    found = {"n": len(known), "p50": _q(known, 50), "p90": _q(known, 90)}
    if len(known) >= _P99_FROM:
        found["p99"] = _q(known, 99)
    return found | {"max": round(float(known.max()), 1)}


def _q(known: Any, q: float) -> float:
    return round(float(np.percentile(known, q)), 1)


def describe_turns(turns: Sequence[MeasuredTurn], counts: Mapping[str, int]) -> dict[str, Any]:
    """Figures of one mode, as plain values."""
    return {
        "turns": len(turns),
        "v2v_ms": quantiles(turn.v2v_ms for turn in turns),
        "eot_ms": quantiles(turn.eot_ms for turn in turns),
        "post_commit_ms": quantiles(turn.post_commit_ms for turn in turns),
        "spans_ms": {stage: quantiles(turn.spans.get(stage) for turn in turns) for stage in STAGES},
        "false_interruptions": sum(turn.interrupted for turn in turns),
        "early": sum(turn.early and not turn.interrupted for turn in turns),
        "dead_air": sum(turn.dead_air for turn in turns),
        "adopted": sum(turn.adopted for turn in turns),
        "counts": dict(counts),
    }


def describe_trials(trials: Sequence[Trial], wanted: bool) -> dict[str, Any]:
    """Figures of things said over the agent; `wanted` if they were meant to stop it."""
    found: dict[str, Any] = {
        "trials": len(trials),
        "stopped": sum(trial.stopped for trial in trials),
        "resumed": sum(trial.resumed for trial in trials),
    }
    if wanted:
        stops = [trial for trial in trials if trial.decided is not None]
        onset = [trial.from_onset_ms for trial in stops]
        found["from_onset_ms"] = quantiles(onset)
        found["from_decision_ms"] = quantiles(trial.from_decision_ms for trial in stops)
        limit = SUCCESS_S * 1000
        found["within_600_ms"] = sum(each is not None and each <= limit for each in onset)
    return found


def modes_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Modes as rows of text."""
    head = (
        f"{'mode':<12} {'n':>4} {'V2V ms':^22} {'EOT ms':^15} {'post-commit ms':^15} "
        f"{'false':>6} {'early':>6} {'dead':>5} {'draft':>6} {'taken':>6} {'cached':>7}\n"
        f"{'':<12} {'':>4} {'p50':>7} {'p90':>7} {'max':>6} {'p50':>7} {'p90':>7} "
        f"{'p50':>7} {'p90':>7} {'int.':>6} {'':>6} {'air':>5} {'used':>6} {'back':>6} "
        f"{'clauses':>7}"
    )
    lines = [head]
    for mode, figures in found.items():
        v2v, eot, after = figures["v2v_ms"], figures["eot_ms"], figures["post_commit_ms"]
        lines.append(
            f"{mode:<12} {figures['turns']:>4} {_n(v2v, 'p50'):>7} {_n(v2v, 'p90'):>7} "
            f"{_n(v2v, 'max'):>6} {_n(eot, 'p50'):>7} {_n(eot, 'p90'):>7} "
            f"{_n(after, 'p50'):>7} {_n(after, 'p90'):>7} {figures['false_interruptions']:>6} "
            f"{figures['early']:>6} "
            f"{figures['dead_air']:>5} {figures['adopted']:>6} "
            f"{figures['counts'].get('take_backs', 0):>6} "
            f"{figures['counts'].get('cached_clauses', 0):>7}"
        )
    return "\n".join(lines)


def spans_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Stage spans by the agent's log, as rows of text."""
    lines = [f"{'P50 ms, log':<12} " + " ".join(f"{stage:>10}" for stage in STAGES)]
    for mode, figures in found.items():
        spans = figures["spans_ms"]
        values = " ".join(f"{_n(spans[stage], 'p50'):>10}" for stage in STAGES)
        lines.append(f"{mode:<12} {values}")
    return "\n".join(lines)


def overlaps_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Format what was said over the agent as rows of text."""
    lines = [
        f"{'over the agent':<16} {'n':>4} {'stopped':>8} {'resumed':>8} {'from onset ms':^15} "
        f"{'from decision':^15} {'<= 600 ms':>10}",
        f"{'':<16} {'':>4} {'':>8} {'':>8} {'p50':>7} {'p90':>7} {'p50':>7} {'p90':>7}",
    ]
    for name, figures in found.items():
        onset, decision = figures.get("from_onset_ms", {}), figures.get("from_decision_ms", {})
        lines.append(
            f"{name:<16} {figures['trials']:>4} {figures['stopped']:>8} {figures['resumed']:>8} "
            f"{_n(onset, 'p50'):>7} {_n(onset, 'p90'):>7} {_n(decision, 'p50'):>7} "
            f"{_n(decision, 'p90'):>7} {figures.get('within_600_ms', '-'):>10}"
        )
    return "\n".join(lines)


def _n(figures: Mapping[str, Any], name: str) -> str:
    value = figures.get(name)
    return "-" if value is None else f"{value:.0f}"
