"""Described runs as tables of text, one row a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from turnkit.lab.measuring.spans import RESIDUAL_PARTS, SPANS

Described = Mapping[str, Any]
"""What `turnkit.lab.measuring.figures.describe` gives."""


def turns_table(found: Mapping[str, Described]) -> str:
    """Latencies and mistakes, with what was drawn for the intervals and what is simulated.

    Parameters
    ----------
    found : mapping of str to dict
        What to call each run, and its description.
    """
    width = _width(found)
    lines = [
        f"{'':<{width}} {'turns':>5} {'V2V ms':^31} {'EOT delay ms':^15} {'post-commit ms':^15} "
        f"{'false':>11} {'early':>6} {'dead':>5} {'':>6} {'taken':>6}",
        f"{'run':<{width}} {'':>5} {'p50':>7} {'p90':>7} {'p99':>7} {'max':>7} {'p50':>7} "
        f"{'p90':>7} {'p50':>7} {'p90':>7} {'int.':>11} {'':>6} {'air':>5} {'missed':>6} "
        f"{'back':>6}",
    ]
    for name, described in found.items():
        times = " ".join(
            f"{_value(described, figure):>7}"
            for figure in (
                "v2v_p50", "v2v_p90", "v2v_p99", "v2v_max", "eot_p50", "eot_p90",
                "post_commit_p50", "post_commit_p90",
            )
        )  # fmt: skip
        wrong = f"{_value(described, 'false_interruptions')} ({_rate(described)})"
        lines.append(
            f"{name:<{width}} {_value(described, 'turns'):>5} {times} {wrong:>11} "
            f"{_value(described, 'early_commits'):>6} {_value(described, 'dead_air'):>5} "
            f"{_value(described, 'misses'):>6} {_value(described, 'take_backs'):>6}"
        )
    lines += _intervals(found, width)
    return "\n".join([*lines, *_notes(found)])


def _intervals(found: Mapping[str, Described], width: int) -> list[str]:
    """V2V with its intervals."""
    lines = [""]
    for name, described in found.items():
        parts = [
            f"{label} {_value(described, figure)} [{_bounds(described, figure)}]"
            for label, figure in (("P50", "v2v_p50"), ("P90", "v2v_p90"), ("P99", "v2v_p99"))
            if figure in described["figures"]
        ]
        if parts:
            lines.append(
                f"{name:<{width}} V2V ms {', '.join(parts)}; 95 % by bootstrap over "
                f"{described['bootstrap']}"
            )
    return lines if len(lines) > 1 else []


def spans_table(found: Mapping[str, Described]) -> str:
    """Medians of the spans; their sum is near V2V's median, but is not it."""
    names = ["eot_span", *SPANS[1:]]
    heads = ["EOT", *SPANS[1:], "|", *(part.replace("_", " ") for part in RESIDUAL_PARTS)]
    width = _width(found)
    lines = [f"{'P50 ms':<{width}} {'n':>5} " + " ".join(f"{head:>9}" for head in heads)]
    for name, described in found.items():
        values = [_value(described, f"{each}_p50") for each in names]
        parts = [_value(described, f"{each}_p50") for each in RESIDUAL_PARTS]
        n = described["figures"].get("residual_p50", {}).get("n", 0)
        row = " ".join(f"{each:>9}" for each in [*values, "|", *parts])
        lines.append(f"{name:<{width}} {n:>5} {row}")
    lines.append("right of the bar: known parts of the residual")
    return "\n".join([*lines, *_notes(found)])


def overlaps_table(found: Mapping[str, Described]) -> str:
    """Format what was said over the agent."""
    width = _width(found)
    lines = [
        f"{'':<{width}} {'barge-ins':>9} {'<= 600 ms':>9} {'from onset ms':^15} "
        f"{'from decision':^15} {'backch./noise':>13} {'stopped':>8} {'resumed':>8} {'gap ms':>7}",
        f"{'over the agent':<{width}} {'':>9} {'':>9} {'p50':>7} {'p90':>7} {'p50':>7} {'p90':>7}",
    ]
    for name, described in found.items():
        times = " ".join(
            f"{_value(described, f'{figure}_{q}'):>7}"
            for figure in ("stop_from_onset", "stop_from_decision")
            for q in ("p50", "p90")
        )
        over = described["figures"].get("false_barge_ins", {}).get("n", 0)
        lines.append(
            f"{name:<{width}} {_value(described, 'barge_ins'):>9} "
            f"{_percent(described, 'barge_in_success'):>9} {times} {over:>13} "
            f"{_value(described, 'false_barge_ins'):>8} {_value(described, 'resumes'):>8} "
            f"{_value(described, 'resume_gap_p50'):>7}"
        )
    return "\n".join([*lines, *_notes(found)])


def _width(found: Mapping[str, Described]) -> int:
    return max([14, *(len(name) for name in found)])


def _value(described: Described, name: str) -> str:
    figure = described["figures"].get(name)
    return "-" if figure is None else f"{figure['value']:.0f}"


def _percent(described: Described, name: str) -> str:
    figure = described["figures"].get(name)
    return "-" if figure is None else f"{figure['value']:.0%}"


def _rate(described: Described) -> str:
    figure = described["figures"].get("false_interruption_rate")
    return "-" if figure is None else f"{figure['value']:.1%}"


def _bounds(described: Described, name: str) -> str:
    figure = described["figures"][name]
    if figure["low"] is None:
        return "-"
    return f"{figure['low']:.0f} .. {figure['high']:.0f}"


def _notes(found: Mapping[str, Described]) -> Sequence[str]:
    return [
        f"{name}: simulated: {', '.join(described['simulated'])}"
        for name, described in found.items()
        if described["simulated"]
    ]
