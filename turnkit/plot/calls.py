"""Runs of calls beside each other: how long callers waited, figures with intervals, load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turnkit.plot.style import (
    MARKERS,
    MUTED,
    SERIES,
    add_legend,
    dress,
    legend_above,
    new_figure,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

_STEPS = 400
"""Corners of a distribution's line at most: more cannot be seen, but make the page heavy."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the bounds of its 95 % interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """What was measured with so many parallel calls.

    Attributes
    ----------
    calls : int
    p50_ms, p90_ms : float
        Of the latency; NaN where nothing was answered.
    cpu : float
        Cores that the agent used; NaN where it is not known.
    """

    calls: int
    p50_ms: float
    p90_ms: float
    cpu: float = float("nan")


def plot_distribution(
    runs: Mapping[str, ArrayLike],
    title: str = "",
    x: str = "voice to voice (ms)",
    unanswered: Mapping[str, int] | None = None,
) -> Figure:
    """Share of turns that were answered within a time.

    Parameters
    ----------
    runs : mapping of str to array_like
        Milliseconds of each turn, by run; NaN is left out.
    title, x : str
    unanswered : mapping of str to int, optional
        Turns of each run that were never answered: later than all others, so that a line
        ends below 100 %. Default: none.

    Returns
    -------
    Figure
        One step line a run; open and filled markers are its P50 and P90, where it gets
        there.
    """
    figure = new_figure(9.0, 4.0)
    axes = figure.subplots()
    dress(axes, x, "turns answered by then (%)", title)
    slowest = 0.0
    for k, (label, values) in enumerate(runs.items()):
        known = _known(values)
        if not len(known):
            continue
        colour, marker = SERIES[k % len(SERIES)], MARKERS[k % len(MARKERS)]
        corners = min(len(known), _STEPS)
        counts = np.arange(corners + 1) * len(known) // corners
        never = (unanswered or {}).get(label, 0)
        turns = len(known) + never
        times, shares = known[counts[1:] - 1], counts / turns
        p50, p90 = (_percentile(known, turns, q) for q in (50, 90))
        lost = f", {never} never answered" if never else ""
        axes.step(
            [times[0], *times], 100 * shares, where="post", color=colour, linewidth=1.8,
            label=f"{plain(label)}: {_marks(p50, p90)}, {turns} turns{lost}",
        )  # fmt: skip
        for share, at, face in ((50, p50, "white"), (90, p90, colour)):
            if not np.isfinite(at):
                continue
            axes.plot(
                [at], [share], marker, color=colour, markersize=7, markeredgewidth=1.6,
                markerfacecolor="none" if face == "white" else face, zorder=5,
            )  # fmt: skip
        slowest = max(slowest, float(known.max()), 1.05 * p90 if np.isfinite(p90) else 0.0)
    for share in (50, 90):
        axes.axhline(share, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
    axes.set_ylim(0, 102)
    if slowest:
        axes.set_xlim(min(0.0, *axes.get_xlim()), 1.03 * slowest)
    legend_above(figure, 2)
    return figure


def plot_estimates(
    runs: Mapping[str, Mapping[str, Estimate]], title: str = "", x: str = "ms"
) -> Figure:
    """Figures of several runs beside each other, with their intervals.

    Parameters
    ----------
    runs : mapping of str to mapping of str to Estimate
        By run, then by the name of the figure.
    title, x : str

    Returns
    -------
    Figure
        A row a figure, in it a dot a run and a line over its interval.
    """
    names = list(dict.fromkeys(name for figures in runs.values() for name in figures))
    figure = new_figure(9.0, 1.4 + max(1, len(names)) * (0.3 + 0.17 * max(1, len(runs))))
    axes = figure.subplots()
    dress(axes, x, "", title)
    for k, (label, figures) in enumerate(runs.items()):
        colour, marker = SERIES[k % len(SERIES)], MARKERS[k % len(MARKERS)]
        shift = (k - (len(runs) - 1) / 2) * min(0.22, 0.75 / len(runs))
        for row, name in enumerate(names):
            found = figures.get(name)
            if found is None:
                continue
            if found.low is not None and found.high is not None:
                axes.plot(
                    [found.low, found.high], [row + shift] * 2, color=colour, linewidth=1.8,
                    alpha=0.55, solid_capstyle="round",
                )  # fmt: skip
            axes.plot([found.value], [row + shift], marker, color=colour, markersize=6, zorder=4)
        axes.plot([], [], marker, color=colour, label=plain(label))
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(0.5, len(names) - 0.5), -0.5)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    legend_above(figure, len(runs))
    return figure


def plot_load(
    points: Sequence[LoadPoint], title: str = "", y: str = "voice to voice (ms)"
) -> Figure:
    """Latency and CPU against parallel calls.

    Parameters
    ----------
    points : sequence of LoadPoint
    title, y : str

    Returns
    -------
    Figure
        Latency above, cores below.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(7.6, 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    dress(upper, "", y, title)
    dress(lower, "parallel calls", "CPU (cores)")
    ordered = sorted(points, key=lambda point: point.calls)
    calls = [point.calls for point in ordered]
    for k, name in enumerate(("p50_ms", "p90_ms")):
        values = [getattr(point, name) for point in ordered]
        upper.plot(
            calls, values, marker=MARKERS[k], color=SERIES[k], linewidth=1.8, markersize=5,
            label=name[:3].upper(),
        )  # fmt: skip
    lower.plot(
        calls, [p.cpu for p in ordered], marker="D", color=SERIES[2], linewidth=1.8, markersize=5
    )
    upper.set_ylim(bottom=0)
    lower.set_ylim(bottom=0)
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(upper)
    return figure


def _percentile(known: Floats, turns: int, q: float) -> float:
    """Percentile of `turns`, of which those that are not known are later than all others."""
    at = (turns - 1) * q / 100
    if np.ceil(at) >= len(known):
        return float("inf")
    return float(np.interp(at, np.arange(len(known)), known))


def _marks(p50: float, p90: float) -> str:
    if np.isfinite(p90):
        return f"P50 {p50:.0f}, P90 {p90:.0f} ms"
    return f"P50 {p50:.0f} ms, P90 never" if np.isfinite(p50) else "P50 and P90 never"


def _known(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return np.sort(array[np.isfinite(array)])
