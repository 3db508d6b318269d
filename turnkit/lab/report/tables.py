"""Figures of a run as tables: those read first, all of them, and what was said over the agent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from turnkit.lab.measuring.resampling import plain_name, weighted_quantiles
from turnkit.lab.report.names import GROUPS, NAMES, NEVER, figure_text, interval_text, name_of
from turnkit.lab.report.plan_text import simulated_spans
from turnkit.lab.report.rows import TrialRow

TILES = (
    "v2v_p50",
    "v2v_p90",
    "eot_p50",
    "post_commit_p50",
    "false_interruption_rate",
    "barge_in_success",
)
_COLUMNS = {"": "", "p50": "P50", "p90": "P90", "p99": "P99", "max": "longest", "mean": "mean"}
"""Ends of figures' names, and the columns that they stand in."""

_NAMED = 12
"""Different things said over the agent that still get a row each."""

_MADE_OF: Mapping[str, tuple[str, ...]] = {
    "v2v": ("uplink", "stt", "llm", "tts", "downlink"),
    "eot": ("uplink",),
    "post_commit": ("stt", "llm", "tts", "downlink"),
    "stop_from_onset": ("uplink", "stt", "downlink"),
    "stop_from_decision": ("downlink",),
    "barge_in": ("uplink", "stt", "downlink"),
    **{f"cancel_{stage}": (stage,) for stage in ("llm", "tts", "stt")},
}
"""Spans that are part of a figure: simulated ones make it simulated."""


def tiles(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Choose the figures that are read first."""
    found = []
    for name in TILES:
        entry = figures.get(name) or {}
        if not _known(entry):
            continue
        label, unit, _ = NAMES[name]
        text = figure_text(entry, unit)
        interval = interval_text(entry, unit)
        n = entry.get("n")
        found.append(
            {
                "label": label,
                "value": text.removesuffix(unit).strip() if unit else text,
                "unit": "" if entry.get("censored") else unit,
                "rest": " ".join(part for part in (interval, f"n = {n}" if n else "") if part),
                "simulated": is_simulated(name, plan),
            }
        )
    return found


def is_simulated(figure: str, plan: Mapping[str, Any]) -> bool:
    """Whether an injected delay is part of a figure."""
    stem = figure.rpartition("_")[0]
    return not {*_MADE_OF.get(stem, (stem,))}.isdisjoint(simulated_spans(plan))


def groups(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lay all figures of a run out in tables; what is not known here comes last.

    Quantiles of one thing share a row.
    """
    known = [(title, list(names)) for title, names in GROUPS.items()]
    others = [name for name in figures if name not in NAMES]
    found = []
    for title, names in [*known, ("Others", others)]:
        present = [name for name in names if _known(figures.get(name) or {})]
        if present:
            found.append({"title": title, **_table(present, figures, plan)})
    return found


def _known(entry: Mapping[str, Any]) -> bool:
    return entry.get("value") is not None or bool(entry.get("censored"))


def _table(
    names: Sequence[str], figures: Mapping[str, Any], plan: Mapping[str, Any]
) -> dict[str, Any]:
    rows: dict[str, dict[str, str]] = {}
    for name in names:
        rows.setdefault(_stem(name), {})[_suffix(name)] = name
    columns = [c for c in _COLUMNS if any(c in row for row in rows.values())]
    return {
        "columns": [_COLUMNS[column] for column in columns] if columns != [""] else [],
        "rows": [
            {
                "label": name_of(next(iter(row.values()))).label.split(", P")[0],
                "cells": [_cell(row.get(column), figures) for column in columns],
                "simulated": any(is_simulated(name, plan) for name in row.values()),
            }
            for row in rows.values()
        ],
    }


def _suffix(name: str) -> str:
    """Tell which quantile of something a figure is; empty for what is none."""
    suffix = name.rpartition("_")[2]
    return suffix if suffix in _COLUMNS else ""


def _stem(name: str) -> str:
    return name.removesuffix(f"_{_suffix(name)}") if _suffix(name) else name


def _cell(name: str | None, figures: Mapping[str, Any]) -> dict[str, str]:
    if name is None:
        return {"value": "", "interval": ""}
    unit = name_of(name).unit
    entry = figures[name]
    return {
        "value": figure_text(entry, unit),
        "interval": interval_text(entry, unit),
    }


def overlaps(trials: Sequence[TrialRow]) -> dict[str, Any] | None:
    """Lay out what was said over the agent: by what it was, and by name if those are few."""
    if not trials:
        return None
    rows = []
    for kind in sorted({trial.kind for trial in trials}):
        own = [trial for trial in trials if trial.kind == kind]
        rows.append([kind, "", *_overlap(own)])
        names = sorted({plain_name(trial.name) for trial in own})
        if 1 < len(names) <= _NAMED:
            rows += [
                ["", name, *_overlap([trial for trial in own if plain_name(trial.name) == name])]
                for name in names
            ]
    columns = [
        "what it was", "said", "n", "stopped the agent", "onset to silence, P50", "P90",
        "decision to silence, P50", "P90", "gap until resumed, P50",
    ]  # fmt: skip
    return {"columns": columns, "rows": rows}


def _overlap(trials: Sequence[TrialRow]) -> list[str]:
    return [
        str(len(trials)),
        f"{sum(trial.stopped for trial in trials)} of {len(trials)}",
        *_quantiles([_stop_ms(trial, trial.from_onset_ms) for trial in trials]),
        *_quantiles(
            [_stop_ms(trial, trial.from_decision_ms) if trial.decided else None for trial in trials]
        ),
        _quantiles([trial.gap_ms for trial in trials])[0],
    ]


def _stop_ms(trial: TrialRow, ms: float | None) -> float | None:
    """Give a time as the figures have it: what should have stopped and did not never did.

    What should not have stopped has a time only if it did.
    """
    if trial.kind == "interruption":
        return math.inf if trial.from_onset_ms is None else ms
    return ms if trial.stopped else None


def _quantiles(values: Sequence[float | None]) -> list[str]:
    known = np.sort([value for value in values if value is not None])
    if not len(known):
        return ["-", "-"]
    found = weighted_quantiles(known, np.ones((1, len(known))), (50, 90))[0]
    return [f"{value:.0f} ms" if math.isfinite(value) else NEVER for value in found]


def network_table(records: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Put together what the network did in all calls, by direction.

    Parameters
    ----------
    records : iterable of mapping
        By direction: counts by name, of which those that end with ``_max`` are the
        largest of something and those with ``_mean`` its mean over ``packets``. What is
        no number is left out.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        for direction, counts in record.items():
            if isinstance(counts, Mapping):
                found.setdefault(str(direction), []).append(counts)
    names = list(
        dict.fromkeys(
            name
            for calls in found.values()
            for counts in calls
            for name, count in counts.items()
            if isinstance(count, int | float) and not isinstance(count, bool)
        )
    )
    if not names:
        return None
    rows = [
        [direction, *(_total(calls, name) for name in names)] for direction, calls in found.items()
    ]
    return {"columns": ["direction", *(name.replace("_", " ") for name in names)], "rows": rows}


def _total(calls: Sequence[Mapping[str, Any]], name: str) -> str:
    known = [counts for counts in calls if isinstance(counts.get(name), int | float)]
    if not known:
        return "-"
    values = [float(counts[name]) for counts in known]
    if name.endswith("_max"):
        return f"{max(values):.1f}"
    if name.endswith("_mean"):
        weights = [float(counts.get("packets", 1)) for counts in known]
        return f"{np.average(values, weights=weights):.1f}" if sum(weights) else "-"
    return f"{sum(values):.0f}"
