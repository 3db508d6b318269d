"""An experiment from its conditions to a table, a figure and what follows from them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from turnkit.errors import ConfigError
from turnkit.lab.concluding import Conclusion, conclude
from turnkit.lab.experiments.experiment import Condition, Experiment, Options, Results
from turnkit.lab.folder import RunFolder
from turnkit.lab.measuring.doubts import doubts
from turnkit.lab.records import CallRecord
from turnkit.lab.report.names import figure_text, interval_text, name_of
from turnkit.lab.request import prepare
from turnkit.lab.run import run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Begin = Callable[[str, int, int], Callable[[CallRecord, int], object]]
"""Told that a condition begins: its name, its turns, and how many of them were said before.
Returns what is told of each call."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What an experiment showed.

    Attributes
    ----------
    columns : tuple of str
        Figures that were measured in any condition.
    table : str
        Conditions in rows of text.
    lines : tuple of str
        What follows, and what has to be known.
    plain : dict
        All of it as plain values.
    """

    columns: tuple[str, ...]
    table: str
    lines: tuple[str, ...]
    plain: dict[str, Any]


class Cell(NamedTuple):
    """A figure in a table."""

    value: str
    interval: str


def folder_name(condition: str) -> str:
    """Name of a condition's folder."""
    return re.sub(r"[^\w.@-]+", "-", condition).strip("-").lower()


async def run_experiment(
    experiment: Experiment,
    options: Options,
    out: Path,
    begin: Begin,
    report: Callable[[str], None] = lambda _: None,
    only: Sequence[str] | None = None,
) -> Results:
    """Run the conditions that are not in the folder yet, and measure them all.

    Parameters
    ----------
    experiment : Experiment
    options : Options
    out : Path
        A folder for the experiment; each condition gets one in it.
    begin : callable
    report : callable
        Told in a line what agents say while they get ready.
    only : sequence of str, optional
        Names of the conditions to run; all by default.

    Raises
    ------
    ConfigError
        If there is no such condition.
    TurnkitError
        What a run can raise.
    """
    results: dict[str, Conclusion] = {}
    async with experiment.services(options) as services:
        names = [each.name for each in experiment.conditions(options, services)]
    for name in _chosen(names, only):
        # Services begin anew, so that chance deals the same to every condition.
        async with experiment.services(options) as services:
            conditions = {each.name: each for each in experiment.conditions(options, services)}
            folder = RunFolder(out / folder_name(name))
            with _cores(experiment.pinned) as agents:
                await _run_condition(replace_cores(conditions[name], agents), folder, begin, report)
        results[name] = await asyncio.to_thread(conclude, folder)
    return results


def _chosen(names: Sequence[str], only: Sequence[str] | None) -> list[str]:
    for name in only or ():
        if name not in names:
            raise ConfigError(f"condition {name!r}: expected one of {', '.join(names)}")
    return [name for name in names if only is None or name in only]


async def _run_condition(
    condition: Condition, folder: RunFolder, begin: Begin, report: Callable[[str], None]
) -> None:
    prepared = await asyncio.to_thread(prepare, condition.request)
    done = set(folder.came_about())
    before = sum(script.turns for script in prepared.scripts if script.number in done)
    total = sum(script.turns for script in prepared.scripts)
    told = begin(condition.name, total, before)
    await run(prepared, folder, told=told, report=report)


def replace_cores(condition: Condition, cores: tuple[int, ...] | None) -> Condition:
    """Give a condition's agent its cores."""
    return replace(condition, request=replace(condition.request, cores=cores))


@contextmanager
def _cores(pinned: bool) -> Iterator[tuple[int, ...] | None]:
    """Keep this process to all cores but the first, which the agent gets."""
    if not pinned or not hasattr(os, "sched_getaffinity"):
        yield None
        return
    all_cores = sorted(os.sched_getaffinity(0))
    if len(all_cores) < 2:
        yield None
        return
    os.sched_setaffinity(0, all_cores[1:])
    try:
        yield (all_cores[0],)
    finally:
        os.sched_setaffinity(0, all_cores)


def findings(experiment: Experiment, results: Results) -> Findings:
    """Lay the results of an experiment out."""
    rows = {
        name: {column: conclusion.figures.get(column) for column in experiment.columns}
        for name, conclusion in results.items()
    }
    columns = tuple(
        column
        for column in experiment.columns
        if any((row[column] or {}).get("value") is not None for row in rows.values())
    )
    notes = (*_simulated(results), *experiment.notes)
    more, values = experiment.add(results)
    lines = (
        *experiment.say(results),
        *more,
        *_warnings(results),
        *(f"note: {note}" for note in notes),
    )
    plain = {
        "experiment": experiment.name,
        "question": experiment.question,
        "conditions": rows,
        "lines": list(lines),
        **values,
    }
    return Findings(columns, _table(columns, rows), lines, plain)


def _simulated(results: Results) -> list[str]:
    stages = sorted({each for conclusion in results.values() for each in conclusion.run.simulated})
    return [f"simulated: {', '.join(stages)}"] if stages else []


def _warnings(results: Results) -> list[str]:
    return [
        f"warning: {name}: {doubt}"
        for name, each in results.items()
        for doubt in doubts(each.run.plan, each.figures)
    ]


def cell(name: str, figure: Mapping[str, Any] | None) -> Cell:
    """Write a figure and, of latencies, its interval."""
    if figure is None:
        return Cell("-", "")
    unit = name_of(name).unit
    value = figure_text(figure, unit).removesuffix(" ms")
    return Cell(value, interval_text(figure, unit) if unit == "ms" else "")


def _table(columns: Sequence[str], rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Conditions in columns, figures in rows: there are more figures than fit beside."""
    cells = [["", *rows]]
    for column in columns:
        found = [cell(column, row[column]) for row in rows.values()]
        cells.append([column, *(f"{each.value} {each.interval}".strip() for each in found)])
    widths = [max(map(len, part)) for part in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True)]
        ).rstrip()
        for line in cells
    )


def draw(experiment: Experiment, results: Results) -> Figure:
    """Draw the experiment's figure."""
    from turnkit.plot.calls import Estimate, LoadPoint, plot_estimates, plot_load

    if experiment.pinned:
        points = [
            LoadPoint(
                int(conclusion.run.plan["request"]["callers"]),
                _number(conclusion, "post_commit_p50"),
                _number(conclusion, "post_commit_p90"),
                _number(conclusion, "cpu_peak"),
            )
            for conclusion in results.values()
        ]
        return plot_load(points, _title(experiment, results), "post-commit (ms)")
    runs: dict[str, dict[str, Estimate]] = {}
    for name, conclusion in results.items():
        known = {each: conclusion.figures.get(each) for each in experiment.drawn}
        runs[name] = {
            name_of(each).label: Estimate(found["value"], found.get("low"), found.get("high"))
            for each, found in known.items()
            if found is not None and found.get("value") is not None
        }
    return plot_estimates(runs, _title(experiment, results))


def _title(experiment: Experiment, results: Results) -> str:
    """Ask the question; what is simulated stands beneath it."""
    return "\n".join([experiment.question, *_simulated(results)])


def _number(conclusion: Conclusion, name: str) -> float:
    found = conclusion.figures.get(name) or {}
    number = found.get("value")
    return float("nan") if number is None else float(number)
