"""Detectors in the plane of latency and cutoffs, calibration, and how long silences last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from turnkit.plot.style import INK, MARKERS, MUTED, SERIES, add_legend, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from turnkit.metrics import Interval, Reliability

Floats = NDArray[np.float64]


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
        axes.step(
            1000 * curve.latency_s, 100 * curve.rate, where="post", color=colour, linewidth=1.8,
            label=curve.label, marker=marker, markevery=(len(curve.rate) // 2, 10**6),
            markersize=5, markerfacecolor="none",
        )  # fmt: skip
        for point in curve.points:
            # Names on every detector's points would hide each other.
            _policy_point(axes, point, colour, marker, named=k == 0)
    for limit in (300, 600):
        axes.axvline(limit, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
    for limit in (5, 10):
        axes.axhline(limit, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
    axes.set_xlim(100, 1700)
    axes.set_ylim(0, 105)
    add_legend(axes)
    return figure


def _policy_point(axes: Axes, point: PolicyPoint, colour: str, marker: str, *, named: bool) -> None:
    x, y = 1000 * point.latency_s, 100 * point.rate
    if point.rate_interval is not None and np.isfinite(point.rate_interval).all():
        low, high = (100 * bound for bound in point.rate_interval)
        axes.plot([x, x], [low, high], color=colour, linewidth=1.2, alpha=0.7)
    axes.plot([x], [y], marker, color=colour, markersize=7)
    if named:
        axes.annotate(
            point.label, (x, y), xytext=(6, 5), textcoords="offset points", fontsize=8, color=INK
        )


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
    """
    figure = new_figure(5.2, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    dress(upper, "", "share of ends of turn", title)
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="calibrated")
    for k, (label, curve) in enumerate(curves.items()):
        colour, marker = SERIES[k % len(SERIES)], MARKERS[k % len(MARKERS)]
        filled = curve.count > 0
        upper.plot(
            curve.score[filled], curve.share[filled], marker=marker, markersize=5,
            color=colour, linewidth=1.8, label=label,
        )  # fmt: skip
        edges = np.linspace(0, 1, len(curve.count) + 1)
        lower.stairs(curve.count, edges, color=colour, linewidth=1.6)
    upper.set_ylim(-0.02, 1.02)
    dress(lower, "score", "pauses")
    lower.set_xlim(-0.02, 1.02)
    add_legend(upper, "upper left")
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
            label=f"{label}: {len(seconds)}, median {median:.2f} s",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if t <= edges[-1]]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    add_legend(axes)
    return figure
