"""Colours, markers and the look of axes.

The colours are named so that the HTML report can give each a dark twin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2328"
MUTED = "#59636f"
GRID = "#d5dae1"
WAVE = "#6e7b8a"
HOLD = "#b87a00"
END = "#14855a"
CUT = "#c8372d"
SERIES = (
    "#2a6fdb", "#d9622b", "#14906b", "#8455cf", "#a8741a", "#c9407f", "#3d7d1f", "#5d6b7a",
)  # fmt: skip
"""Colours: text, lesser text, grid, waveform, holds, ends of turn, decisions, detectors."""

MARKERS = "osD^vPX*"
"""Detectors differ by marker as well as by colour."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(text: str) -> str:
    """Keep signs of a name from being read as a formula."""
    return text.replace("$", r"\$")


def dress(axes: Axes, x: str, y: str, title: str = "") -> None:
    """Label axes and give them the colours of the house."""
    axes.set_xlabel(x, color=MUTED)
    axes.set_ylabel(y, color=MUTED)
    axes.set_title(plain(title), color=INK, loc="left", fontsize=11)
    axes.tick_params(colors=MUTED, labelsize=9)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GRID)


def add_legend(axes: Axes) -> None:
    """Add a legend if anything has a label."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)


def legend_above(figure: Figure, columns: int) -> None:
    """Put the legend of a figure's first panel above all of it, where no line crosses it."""
    if figure.axes[0].get_legend_handles_labels()[1]:
        figure.legend(
            loc="outside upper center", ncols=min(columns, 7), frameon=False, fontsize=9,
            labelcolor=INK,
        )  # fmt: skip
