"""Runs beside each other: rows of a table, lines of text, and one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnkit.files import atomic_path
from turnkit.lab.report.drawings import drawn
from turnkit.lab.report.names import GROUPS, Name, figure_text, interval_text
from turnkit.lab.report.page import render
from turnkit.lab.report.plan_text import marks_of, title_of
from turnkit.lab.report.tables import is_simulated
from turnkit.plot.calls import Estimate, plot_distribution, plot_estimates

if TYPE_CHECKING:
    from turnkit.lab.compare import ComparedRun, Comparison, Difference, Discordance, PairedRun
    from turnkit.lab.measuring.checks import Verdict

LATENCIES: Mapping[str, str] = {
    "v2v_ms": "voice to voice",
    "eot_ms": "EOT delay",
    "post_commit_ms": "post-commit",
}
_DRAWN = ("v2v_p50", "v2v_p90", "eot_p50", "post_commit_p50", "post_commit_p90")
_WIDTH = 30
_PASSED = {True: "fails", False: "passes", None: "unknown"}
"""What a run does whose condition for failing holds, does not, or cannot be judged."""


def comparison_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Lay figures of all runs out, in groups, with their change against the first run."""
    found = []
    for title, names in GROUPS.items():
        rows = [
            {"label": name.label, "cells": _cells(comparison.runs, figure, name)}
            for figure, name in names.items()
            if any(figure in run.figures for run in comparison.runs)
        ]
        if rows:
            found.append({"title": title, "rows": rows})
    return found


def _cells(runs: Sequence[ComparedRun], figure: str, name: Name) -> list[dict[str, Any]]:
    reference = runs[0].figures.get(figure, {})
    cells = []
    for run in runs:
        entry = run.figures.get(figure, {})
        change, tone = ("", "") if run is runs[0] else _change(reference, entry, name)
        cells.append(
            {
                "value": figure_text(entry, name.unit),
                "interval": interval_text(entry, name.unit),
                "change": change,
                "tone": tone,
                "simulated": bool(entry) and is_simulated(figure, run.plan),
            }
        )
    return cells


def _change(reference: Mapping[str, Any], entry: Mapping[str, Any], name: Name) -> tuple[str, str]:
    before, now = reference.get("value"), entry.get("value")
    if before is None or now is None or not name.better:
        return "", ""
    more = f"{100 * (now - before):+.1f} points" if name.unit == "%" else f"{now - before:+.0f}"
    if name.unit == "cores":
        more = f"{now - before:+.2f}"
    if not any(digit in more for digit in "123456789"):
        return "", ""
    if not _apart(reference, entry):
        return more, ""
    return more, "better" if (now < before) == (name.better == "less") else "worse"


def _apart(reference: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether the intervals of two figures do not overlap."""
    bounds = [each.get(key) for each in (reference, entry) for key in ("low", "high")]
    known = [float(bound) for bound in bounds if bound is not None]
    return len(known) == 4 and (known[2] > known[1] or known[3] < known[0])


def comparison_text(comparison: Comparison, verdicts: Sequence[Verdict] = ()) -> str:
    """Write a comparison as text."""
    lines = [f"warning: {line}" for line in comparison.warnings]
    lines += [f"simulated: {run.name}: {', '.join(m)}" for run, m in _marked(comparison.runs)]
    width = max([18, *(len(run.name) + 2 for run in comparison.runs)]) + 8
    lines.append(f"{'':<{_WIDTH}}" + "".join(f"{run.name:>{width}}" for run in comparison.runs))
    for group in comparison_rows(comparison):
        lines += ["", group["title"]]
        for row in group["rows"]:
            cells = (_text_cell(cell) for cell in row["cells"])
            lines.append(
                f"  {row['label']:<{_WIDTH - 2}}" + "".join(f"{c:>{width}}" for c in cells)
            )
    for paired in comparison.paired:
        lines += ["", f"{paired.name} less {comparison.runs[0].name}, {paired.pairs} same turns"]
        for latency, found in paired.differences.items():
            lines.append(f"  {LATENCIES[latency]:<{_WIDTH - 2}}{difference_text(found)}")
        lines.append("  " + interruptions_text(paired.interruptions))
    lines += [verdict.text for verdict in verdicts]
    return "\n".join(lines)


def _marked(runs: Sequence[ComparedRun]) -> list[tuple[ComparedRun, list[str]]]:
    marked = ((run, [m for m in marks_of(run.plan) if "SIM" in m]) for run in runs)
    return [(run, [m.removeprefix("SIMULATED: ") for m in marks]) for run, marks in marked if marks]


def _text_cell(cell: Mapping[str, Any]) -> str:
    return " ".join(part for part in (cell["value"], cell["interval"]) if part)


def difference_text(found: Difference) -> str:
    """Write a paired difference in a line."""
    dropped = f" ({_dropped(found)})" if found.dropped else ""
    return (
        f"{found.median:+.0f} ms {_bounds(found)}, {found.n} pairs{dropped}, "
        f"{100 * found.faster:.0f} % faster; 95 % by bootstrap over {found.drawn}"
    )


def _bounds(found: Difference) -> str:
    if found.low is None or found.high is None:
        return "[too few for an interval]"
    return f"[{found.low:+.0f} .. {found.high:+.0f}]"


def _dropped(found: Difference) -> str:
    return f"{found.dropped} dropped: no latency on one side"


def interruptions_text(found: Discordance) -> str:
    """Write what became of false interruptions in a line."""
    return (
        f"false interruptions: {found.reference} turns only in the reference, {found.other} only "
        f"here, {found.both} in both, {found.neither} in neither (exact McNemar p = {found.p:.3g})"
    )


def write_comparison(
    path: Path, comparison: Comparison, verdicts: Sequence[tuple[str, Verdict]] = ()
) -> None:
    """Write the page of a comparison, whole or not at all.

    Parameters
    ----------
    path : Path
    comparison : Comparison
    verdicts : sequence of (str, Verdict)
        Names of runs and what became of their conditions.

    Raises
    ------
    MissingDependencyError
        If matplotlib or jinja2 is not installed.
    """
    html = render(
        "comparison.html",
        title=" and ".join(run.name for run in comparison.runs),
        runs=[
            {"name": run.name, "about": title_of(run.plan), "marks": marks_of(run.plan)}
            for run in comparison.runs
        ],
        warnings=comparison.warnings,
        checks=[(_PASSED[verdict.holds], f"{name}: {verdict.text}") for name, verdict in verdicts],
        figures=_figures(comparison.runs),
        paired=[_paired(paired) for paired in comparison.paired],
        groups=comparison_rows(comparison),
    )
    with atomic_path(path) as aside:
        aside.write_text(html, encoding="utf-8")


def _figures(runs: Sequence[ComparedRun]) -> list[dict[str, Any]]:
    waits = {run.name: [t.v2v_ms for t in run.turns if t.v2v_ms is not None] for run in runs}
    never = {run.name: sum(turn.missed for turn in run.turns) for run in runs}
    found = [
        drawn(
            plot_distribution(waits, unanswered=never),
            "distribution",
            "How long callers waited",
            "From the annotated end of speech to the agent's first audible sample; open marks: "
            "P50, filled ones: P90.",
        )
    ]
    estimates = {
        run.name: {
            GROUPS["Latency"][name].label: _estimate(run.figures[name])
            for name in _DRAWN
            if run.figures.get(name, {}).get("value") is not None
        }
        for run in runs
    }
    if any(estimates.values()):
        caption = "Lines: 95 % intervals by bootstrap."
        figure = plot_estimates(estimates)
        found.append(drawn(figure, "estimates", "Latencies with their intervals", caption))
    return found


def _estimate(entry: Mapping[str, Any]) -> Estimate:
    return Estimate(float(entry["value"]), entry.get("low"), entry.get("high"))


def _paired(paired: PairedRun) -> dict[str, Any]:
    rows = []
    for latency, found in paired.differences.items():
        known = found.low is not None and found.high is not None
        sure = known and ((found.low or 0) > 0 or (found.high or 0) < 0)
        rows.append(
            {
                "label": LATENCIES[latency],
                "n": f"{found.n} ({_dropped(found)})" if found.dropped else found.n,
                "median": f"{found.median:+.0f} ms",
                "interval": f"{_bounds(found)}, over {found.drawn}",
                "faster": f"{100 * found.faster:.0f} %",
                "tone": ("better" if found.median < 0 else "worse") if sure else "",
            }
        )
    text = interruptions_text(paired.interruptions)
    return {"name": paired.name, "rows": rows, "interruptions": text[0].upper() + text[1:] + "."}
