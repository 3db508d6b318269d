"""All turns of a run as lines that can be opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from turnkit.lab.report.rows import TurnRow
from turnkit.lab.report.worst import why
from turnkit.plot.call_turns import SPANS

COLOURS: Mapping[str, str] = {
    "eot": "s8",
    "uplink": "s5",
    "stt": "s3",
    "llm": "s1",
    "tts": "s4",
    "downlink": "s2",
    "residual": "s6",
}
"""The page's variable for each span: the twins of `turnkit.plot.call_turns.SPAN_COLOURS`."""

LISTED = 1_000
"""Turns in the list at most: the slowest ones."""


def turn_list(turns: Sequence[TurnRow]) -> tuple[list[dict[str, Any]], float, str]:
    """Lay turns out as lines to be opened, on one scale.

    Returns
    -------
    list of dict
        The slowest first; those that were never answered before them.
    float
        Where zero lies, in thousandths of a bar's width.
    str
        What the list leaves out.
    """
    order = sorted(turns, key=_slowness, reverse=True)[:LISTED]
    edges = [_edges(turn) for turn in order]
    low = min([0.0, *(min(each) for each in edges)])
    high = max([1.0, *(max(each) for each in edges)])
    # One answer that took a minute must not flatten all others.
    usual = float(np.percentile([max(each) for each in edges], 98)) if edges else 1.0
    scale = 1000 / (min(high, 2 * max(usual, 1.0)) - low)
    said = {id(turn): k for k, turn in enumerate(sorted(turns, key=lambda t: (t.call, t.place)))}
    lines = [
        _line(turn, each, low, scale, said[id(turn)])
        for turn, each in zip(order, edges, strict=True)
    ]
    note = (
        "All bars have one scale, which may cut the longest; the green line is the annotated end "
        "of speech. A line opens with a click."
    )
    if len(turns) > LISTED:
        note += f" Of {len(turns)} turns the {LISTED} slowest are listed; report.json has all."
    return lines, -low * scale, note


def _slowness(turn: TurnRow) -> float:
    return float("inf") if turn.missed else (turn.v2v_ms or 0.0)


def _edges(turn: TurnRow) -> list[float]:
    if turn.spans:
        return [0.0, *np.cumsum([turn.spans.get(name, 0.0) for name in SPANS]).tolist()]
    return [0.0, turn.v2v_ms or 0.0]


def _line(
    turn: TurnRow, edges: Sequence[float], low: float, scale: float, said: int
) -> dict[str, Any]:
    colours = [COLOURS[name] for name in SPANS] if turn.spans else ["wave"]
    bars = [
        (f"{(min(a, b) - low) * scale:.0f}", f"{abs(b - a) * scale:.1f}", colour)
        for a, b, colour in zip(edges, edges[1:], colours, strict=False)
        if abs(b - a) * scale >= 0.5
    ]
    spans = [(name, f"{turn.spans[name]:.0f} ms") for name in SPANS if name in turn.spans]
    parts = [f"{name.replace('_', '-')} {ms:.0f} ms" for name, ms in turn.parts.items()]
    tip = ", ".join(f"{name} {text}" for name, text in spans)
    return {
        "name": turn.name,
        "call": turn.call,
        "place": turn.place + 1,
        "ms": "-" if turn.v2v_ms is None else f"{turn.v2v_ms:.0f} ms",
        "flag": flag_of(turn),
        "sort": f"{min(_slowness(turn), 1e9):.0f}",
        "said": said,
        "tip": tip or why(turn),
        "bars": bars,
        "spans": spans,
        "extra": why(turn) + (f"; of the residual: {', '.join(parts)}" if parts else ""),
        "talk": talk_of(turn),
    }


def flag_of(turn: TurnRow) -> str:
    """Name what went wrong in a turn in a word or two; empty if nothing did."""
    if turn.false_interruption:
        return "interrupted"
    if turn.missed:
        return "no answer"
    return "dead air" if turn.dead_air else ""


def talk_of(turn: TurnRow) -> list[tuple[str, str]]:
    """Tell what was said, understood and answered, as far as known."""
    named = (("said", turn.text), ("understood", turn.heard), ("answered", turn.answer))
    return [(label, text) for label, text in named if text]


def legend(turns: Sequence[TurnRow], simulated: Sequence[str]) -> list[tuple[str, str]]:
    """Name the colours of bars; none if no turn has spans."""
    if not any(turn.spans for turn in turns):
        return []
    return [(f"{name} (SIMULATED)" if name in simulated else name, COLOURS[name]) for name in SPANS]
