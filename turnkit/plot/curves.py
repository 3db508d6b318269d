"""Detectors in the plane of latency and cutoffs, calibration, and how long silences last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from turnkit.plot.style import INK, MARKERS, MUTED, SERIES, add_legend, dress, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from turnkit.metrics import Interval, Reliability

Floats = NDArray[np.float64]

_SAME_S, _SAME_RATE = 0.09, 0.035
"""Policies closer to each other than this would have their names on top of each other."""


@dataclass(frozen=True, slots=True)
class PolicyPoint:
    """A policy in the plane of latency and cutoffs.

    Attributes
    ----------
    label : str
    latency_s, rate : float
    rate_interval : Interval or None
    """

    label: str
    latency_s: float
    rate: float
    rate_interval: Interval | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A detector in the plane of latency and cutoffs.

    Attributes
    ----------
    label : str
    latency_s, rate : ndarray, shape (n,)
        What `turnkit.metrics.frontier` gives.
    points : tuple of PolicyPoint
        Frozen policies, where they really came to lie.
    """

    label: str
    latency_s: Floats
    rate: Floats
    points: tuple[PolicyPoint, ...] = ()


def plot_frontier(curves: Sequence[Curve], title: str = "") -> Figure:
    """Mean latency against false cutoffs.

    Parameters
    ----------
    curves : sequence of Curve
        Lines are best-on-test frontiers; filled markers are frozen policies with their
        95 % intervals.
    title : str

    Returns
    -------
    Figure
        Points of the first curve are named.
    """
    figure = new_figure(9.0, 4.6)
    axes = figure.subplots()
    dress(axes, "mean latency (ms)", "false cutoffs per hold (%)", title)
    for k, curve in enumerate(curves):
        colour, marker = SERIES[k % len(SERIES)], MARKERS[k % len(MARKERS)]
        lined = len(curve.rate) > 0
        axes.step(
            1000 * curve.latency_s, 100 * curve.rate, where="post", color=colour,
            label=plain(curve.label), linewidth=1.8 if lined else 0.0, marker=marker, markersize=5,
            markevery=(len(curve.rate) // 2, 10**6), markerfacecolor="none" if lined else colour,
        )  # fmt: skip
        for point in curve.points:
            # The first detector is what a figure is about: nothing hides its points.
            _policy_point(axes, point, colour, marker, 5.0 if k == 0 else 4.0)
    if curves:
        # Names on every detector's points would hide each other.
        _name_points(axes, curves[0].points)
    for limit in (300, 600):
        axes.axvline(limit, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
    for limit in (5, 10):
        axes.axhline(limit, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
    slowest = max((1000 * point.latency_s for curve in curves for point in curve.points), default=0)
    axes.set_xlim(100, max(1700, slowest + 100))
    axes.set_ylim(-3, 105)
    add_legend(axes)
    return figure


def _policy_point(axes: Axes, point: PolicyPoint, colour: str, marker: str, height: float) -> None:
    x, y = 1000 * point.latency_s, 100 * point.rate
    if point.rate_interval is not None and np.isfinite(point.rate_interval).all():
        low, high = (100 * bound for bound in point.rate_interval)
        axes.plot([x, x], [low, high], color=colour, linewidth=1.2, alpha=0.7, zorder=height - 1)
    axes.plot([x], [y], marker, color=colour, markersize=7, zorder=height)


def _name_points(axes: Axes, points: Sequence[PolicyPoint]) -> None:
    """Write names beside points; those that lie almost in one place share a line."""
    groups: list[list[PolicyPoint]] = []
    for point in points:
        for group in groups:
            apart_s, apart = point.latency_s - group[0].latency_s, point.rate - group[0].rate
            if abs(apart_s) < _SAME_S and abs(apart) < _SAME_RATE:
                group.append(point)
                break
        else:
            groups.append([point])
    for group in groups:
        axes.annotate(
            plain(", ".join(point.label for point in group)),
            (1000 * group[0].latency_s, 100 * group[0].rate), xytext=(6, 5),
            textcoords="offset points", fontsize=8, color=INK, zorder=6,
        )  # fmt: skip


def plot_reliability(curves: Mapping[str, Reliability], title: str = "") -> Figure:
    """Score against the share of pauses that were ends of turn, and how scores spread.

    Parameters
    ----------
    curves : mapping of str to Reliability
        By detector.
    title : str

    Returns
    -------
    Figure
        Markers lie at the mean score of a bin; their area grows with its pauses.
    """
    figure = new_figure(5.2, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    dress(upper, "", "share of ends of turn", title)
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="calibrated")
    for k, (label, curve) in enumerate(curves.items()):
        colour, marker = SERIES[k % len(SERIES)], MARKERS[k % len(MARKERS)]
        filled = curve.count > 0
        score, share, count = curve.score[filled], curve.share[filled], curve.count[filled]
        upper.plot(score, share, color=colour, linewidth=1.2, alpha=0.6)
        # A bin of one pause says little: the area of a marker tells how many there are.
        area = 16 + 84 * count / max(1, count.max(initial=1))
        upper.scatter(
            score, share, area, color=colour, marker=marker, linewidth=0, label=plain(label)
        )
        edges = np.linspace(0, 1, len(curve.count) + 1)
        lower.stairs(curve.count, edges, color=colour, linewidth=1.6)
    upper.set_ylim(-0.02, 1.02)
    dress(lower, "score", "pauses")
    lower.set_xlim(-0.02, 1.02)
    lower.yaxis.get_major_locator().set_params(integer=True)
    # Curves may run anywhere inside.
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def plot_durations(durations: Mapping[str, NDArray[np.float64]], title: str = "") -> Figure:
    """How long silences last.

    Parameters
    ----------
    durations : mapping of str to ndarray of float
        Seconds, by what they are: ``{"holds": ..., "ends": ...}``, or by corpus.
    title : str

    Returns
    -------
    Figure
        Shares in bins of equal width on a logarithmic axis, so that kinds with
        different counts compare.
    """
    figure = new_figure(7.2, 3.6)
    axes = figure.subplots()
    dress(axes, "duration (s)", "share of spans (%)", title)
    filled = {label: np.asarray(d, dtype=np.float64) for label, d in durations.items() if len(d)}
    top = max([5.0, *(float(d.max()) for d in filled.values())])
    edges = np.geomspace(0.1, 1.001 * top, 31)
    for k, (label, seconds) in enumerate(filled.items()):
        counts, _ = np.histogram(np.clip(seconds, edges[0], edges[-1]), edges)
        shares, median = 100 * counts / len(seconds), float(np.median(seconds))
        axes.stairs(
            shares, edges, color=SERIES[k % len(SERIES)], linewidth=1.8,
            label=f"{plain(label)}: {len(seconds)}, median {median:.2f} s",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(edges[0], 1.02 * edges[-1])
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if t <= edges[-1]]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    add_legend(axes)
    return figure
