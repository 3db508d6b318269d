"""Figures of turns, detectors and corpora: data in, a matplotlib `Figure` out.

Nothing is drawn on a screen and no global state of matplotlib is touched; a notebook shows
a figure that a cell ends with, once `matplotlib.pyplot` has been imported there.
"""

from __future__ import annotations

from turnkit.plot.curves import (
    Curve,
    PolicyPoint,
    plot_durations,
    plot_frontier,
    plot_reliability,
)
from turnkit.plot.turns import HasArrays, plot_turn

__all__ = [
    "Curve",
    "HasArrays",
    "PolicyPoint",
    "plot_durations",
    "plot_frontier",
    "plot_reliability",
    "plot_turn",
]
