"""Described runs as tables of text, one row a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from turnkit.lab.measuring.spans import RESIDUAL_PARTS, SPANS
from turnkit.lab.measuring.told import CANCELLED

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
    three = f"{'n':>5} {'p50':>7} {'p90':>7}"
    lines = [
        f"{'':<{width}} {'':>5} {'':>5} {'V2V ms':^37} {'EOT delay ms':^21} "
        f"{'post-commit ms':^21} {'false':>11} {'int.,':>6} {'early':>6} {'dead':>5} {'':>6} "
        f"{'taken':>6}",
        f"{'run':<{width}} {'turns':>5} {'ans.':>5} {three} {'p99':>7} {'max':>7} {three} "
        f"{three} {'int.':>11} {'unans.':>6} {'':>6} {'air':>5} {'missed':>6} {'back':>6}",
    ]
    for name, described in found.items():
        times = " ".join(
            f"{_value(described, figure):>7}" if q else f"{_n(described, f'{group}_p50'):>5}"
            for group, qs in (
                ("v2v", ("", "p50", "p90", "p99", "max")),
                ("eot", ("", "p50", "p90")),
                ("post_commit", ("", "p50", "p90")),
            )
            for q in qs
            for figure in (f"{group}_{q}",)
        )
        wrong = f"{_value(described, 'false_interruptions')} ({_rate(described)})"
        lines.append(
            f"{name:<{width}} {_value(described, 'turns'):>5} {_value(described, 'answered'):>5} "
            f"{times} {wrong:>11} {_value(described, 'interrupted_unanswered'):>6} "
            f"{_value(described, 'early_commits'):>6} {_value(described, 'dead_air'):>5} "
            f"{_value(described, 'misses'):>6} {_value(described, 'take_backs'):>6}"
        )
    lines += _intervals(found, width)
    lines += [""] + [
        f"{name:<{width}} {_value(described, 'turns')} turns of {described['rows']} different rows "
        f"in {_value(described, 'calls')} calls, seed {_plain(described['seed'])}"
        for name, described in found.items()
    ]
    return "\n".join([*lines, *_notes(found), *_never(found)])


def _intervals(found: Mapping[str, Described], width: int) -> list[str]:
    """V2V with its intervals."""
    lines = [""]
    for name, described in found.items():
        known = [
            (label, figure)
            for label, figure in (("P50", "v2v_p50"), ("P90", "v2v_p90"), ("P99", "v2v_p99"))
            if figure in described["figures"]
        ]
        drawn = described["bootstrap"]
        parts = [
            f"{label} {_value(described, figure)} [{_bounds(described, figure)}]"
            for label, figure in known
        ]
        if any(described["figures"][figure]["low"] is not None for _, figure in known):
            lines.append(
                f"{name:<{width}} V2V ms {', '.join(parts)}; 95 % by bootstrap over {drawn}"
            )
        elif known:
            lines.append(f"{name:<{width}} V2V ms: no interval, too few {drawn} to draw from")
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
        f"{'':<{width}} {'barge-ins':>9} {'<= 600 ms':>9} {'over by':>7} {'from onset ms':^21} "
        f"{'from decision ms':^21} {'backch./noise':>13} {'stopped':>8} {'resumed':>8} "
        f"{'gap ms':>7}",
        f"{'over the agent':<{width}} {'':>9} {'':>9} {'itself':>7} {'n':>5} {'p50':>7} {'p90':>7} "
        f"{'n':>5} {'p50':>7} {'p90':>7}",
    ]
    for name, described in found.items():
        times = " ".join(
            f"{_n(described, f'{figure}_p50'):>5} {_value(described, f'{figure}_p50'):>7} "
            f"{_value(described, f'{figure}_p90'):>7}"
            for figure in ("stop_from_onset", "stop_from_decision")
        )
        over = _n(described, "false_barge_ins")
        lines.append(
            f"{name:<{width}} {_value(described, 'barge_ins'):>9} "
            f"{_percent(described, 'barge_in_success'):>9} "
            f"{_value(described, 'barge_ins_moot'):>7} {times} {over:>13} "
            f"{_value(described, 'false_barge_ins'):>8} {_value(described, 'resumes'):>8} "
            f"{_value(described, 'resume_gap_p50'):>7}"
        )
    lines += _cancels(found, width)
    lines += [
        f"{name:<{width}} 95 % of success {_bounds(described, 'barge_in_success', 100)} %, by "
        f"bootstrap over {described['bootstrap_trials']}"
        for name, described in found.items()
        if described["figures"].get("barge_in_success", {}).get("low") is not None
    ]
    return "\n".join([*lines, *_notes(found), *_never(found)])


def _cancels(found: Mapping[str, Described], width: int) -> list[str]:
    """How long cancelled work went on, where the agent told."""
    lines = []
    for name, described in found.items():
        parts = [
            f"{what.upper()} P50 {_value(described, f'cancel_{what}_p50')}, "
            f"P90 {_value(described, f'cancel_{what}_p90')} "
            f"(n {_n(described, f'cancel_{what}_p50')})"
            for what in CANCELLED
            if f"cancel_{what}_p50" in described["figures"]
        ]
        if parts:
            lines.append(f"{name:<{width}} ms until cancelled work had ended: {'; '.join(parts)}")
    return lines


def _width(found: Mapping[str, Described]) -> int:
    return max([14, *(len(name) for name in found)])


def _value(described: Described, name: str) -> str:
    figure = described["figures"].get(name)
    if figure is None:
        return "-"
    return "never" if figure.get("censored") else f"{figure['value']:.0f}"


def _n(described: Described, name: str) -> int:
    return int(described["figures"].get(name, {}).get("n", 0))


def _plain(value: object) -> str:
    return "unknown" if value is None else str(value)


def _percent(described: Described, name: str) -> str:
    figure = described["figures"].get(name)
    return "-" if figure is None else f"{figure['value']:.0%}"


def _rate(described: Described) -> str:
    figure = described["figures"].get("false_interruption_rate")
    return "-" if figure is None else f"{figure['value']:.1%}"


def _bounds(described: Described, name: str, times: float = 1.0) -> str:
    figure = described["figures"][name]
    if figure["low"] is None:
        return "-"
    high = "never" if figure["high"] is None else f"{times * figure['high']:.0f}"
    return f"{times * figure['low']:.0f} .. {high}"


def _never(found: Mapping[str, Described]) -> Sequence[str]:
    """Explain the word, where it is used."""
    censored = any(
        figure.get("censored") or (figure["low"] is not None and figure["high"] is None)
        for described in found.values()
        for figure in described["figures"].values()
    )
    if not censored:
        return []
    return [
        "never: so many turns were not answered, or interruptions not obeyed, that the percentile "
        "falls on one"
    ]


def _notes(found: Mapping[str, Described]) -> Sequence[str]:
    simulated = [
        f"{name}: simulated: {', '.join(described['simulated'])}"
        for name, described in found.items()
        if described["simulated"]
    ]
    warnings = [
        f"{name}: warning: {line}"
        for name, described in found.items()
        for line in described["warnings"]
    ]
    return [*simulated, *warnings]
