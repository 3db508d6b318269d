"""Turns of a call: both voices, and where the time between them went."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from turnkit.audio import Samples
from turnkit.plot.style import CUT, END, GRID, HOLD, SERIES, dress, legend_above, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPANS = ("eot", "uplink", "stt", "llm", "tts", "downlink", "residual")
"""Spans of a turn in the order in which they follow each other; they sum to V2V."""

SPAN_COLOURS: Mapping[str, str] = {
    "eot": SERIES[7],
    "uplink": SERIES[4],
    "stt": SERIES[2],
    "llm": SERIES[0],
    "tts": SERIES[3],
    "downlink": SERIES[1],
    "residual": SERIES[5],
}

_LINES = 300
"""Turns in a waterfall at most: thinner lines cannot be seen."""

_COLUMNS = 700
"""Pieces into which a waveform is cut; each is drawn from its lowest to its highest sample."""


def plot_waterfall(
    spans: Mapping[str, float],
    title: str = "",
    decided_ms: float | None = None,
    simulated: Collection[str] = (),
) -> Figure:
    """Where the time of one turn went, from the annotated end of speech on.

    Parameters
    ----------
    spans : mapping of str to float
        Milliseconds of each of `SPANS`; what is missing counts as none.
    title : str
    decided_ms : float, optional
        The decision, in ms after the end of speech.
    simulated : collection of str
        Spans whose delay is injected; they are marked.

    Returns
    -------
    Figure
        A bar a span, each beginning where the one before it ended.
    """
    figure = new_figure(9.0, 2.4)
    axes = figure.subplots()
    dress(axes, "ms after the caller's end of speech", "", title)
    edges = np.cumsum([0.0, *(spans.get(name, 0.0) for name in SPANS)])
    reach = float(edges.max() - edges.min()) or 1.0
    for row, name in enumerate(SPANS):
        begin, width = float(edges[row]), float(spans.get(name, 0.0))
        axes.barh(row, width, left=begin, height=0.68, color=SPAN_COLOURS[name], linewidth=0)
        axes.plot([begin + width] * 2, [row - 0.34, row + 1.34], color=GRID, linewidth=0.9)
    axes.axvline(0, color=END, linewidth=1.6)
    axes.axvline(float(edges[-1]), color=CUT, linewidth=1.2)
    if decided_ms is not None:
        axes.axvline(decided_ms, color=HOLD, linewidth=1.2, linestyle=(0, (4, 3)))
    named = [f"{_label(name, simulated)}  {spans.get(name, 0.0):.0f} ms" for name in SPANS]
    axes.set_yticks(range(len(SPANS)), named)
    axes.set_ylim(len(SPANS) - 0.4, -0.6)
    axes.set_xlim(float(edges.min()) - 0.02 * reach, float(edges.max()) + 0.02 * reach)
    axes.grid(visible=False, axis="y")
    return figure


def plot_waterfalls(
    turns: Sequence[Mapping[str, float]], title: str = "", simulated: Collection[str] = ()
) -> Figure:
    """Spans of many turns, the fastest turn at the top.

    Parameters
    ----------
    turns : sequence of mapping of str to float
        Milliseconds of each of `SPANS`, by turn.
    title : str
    simulated : collection of str
        Spans whose delay is injected; they are marked.

    Returns
    -------
    Figure
        Every turn is a line as thick as there is room for (of very many, some evenly
        taken out of all); zero is the caller's end of speech. A decision before it
        begins left of zero.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(9.0, 4.6)
    axes = figure.subplots()
    dress(axes, "ms after the caller's end of speech", "turns, fastest first", title)
    widths = np.array([[turn.get(name, 0.0) for name in SPANS] for turn in turns], dtype=np.float64)
    widths = widths.reshape(-1, len(SPANS))
    widths = widths[np.argsort(widths.sum(axis=1), kind="stable")]
    total, lines = len(widths), min(len(widths), _LINES)
    widths = widths[np.arange(lines) * total // max(1, lines)]
    edges = np.concatenate([np.zeros((lines, 1)), np.cumsum(widths, axis=1)], axis=1)
    heights = np.linspace(0, total, lines + 1)
    for column, name in enumerate(SPANS):
        if len(widths):
            left, right = (
                np.append(edges[:, k], edges[-1, k]) for k in (column, column + 1)
            )  # a step needs its last corner twice
            axes.fill_betweenx(
                heights, left, right, step="post", color=SPAN_COLOURS[name], linewidth=0,
                label=_label(name, simulated),
            )  # fmt: skip
    axes.axvline(0, color=END, linewidth=1.6)
    axes.set_ylim(max(1, total), 0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False, axis="y")
    if len(widths):
        low, high = float(edges.min()), float(edges.max())
        axes.set_xlim(min(0.0, low) - 0.01 * (high - low), high + 0.03 * (high - low))
        legend_above(figure, len(SPANS))
    return figure


def plot_voices(
    sent: Samples,
    heard: Samples,
    rate: int,
    begin_ms: float,
    *,
    decided_ms: float | None = None,
    audible_ms: float | None = None,
    false_ms: float | None = None,
    early_ms: Sequence[float] = (),
    holds_ms: Sequence[tuple[float, float]] = (),
    title: str = "",
) -> Figure:
    """Both voices around one end of speech.

    Parameters
    ----------
    sent, heard : ndarray of float32, shape (n,)
        The caller as sent and the agent as heard, on one clock.
    rate : int
        In Hz.
    begin_ms : float
        Of the first sample, in ms after the annotated end of speech: negative.
    decided_ms, audible_ms : float, optional
        The agent's decision and its first audible sample, likewise.
    false_ms : float, optional
        Where it became audible before the caller was done.
    early_ms : sequence of float
        Decisions before the caller was done.
    holds_ms : sequence of (float, float)
        Annotated pauses, likewise.
    title : str

    Returns
    -------
    Figure
        The caller above, the agent below; green: the end of speech, dashed: decisions,
        red: the agent's onsets.
    """
    figure = new_figure(9.0, 2.7)
    upper, lower = figure.subplots(2, 1, sharex=True)
    dress(upper, "", "caller", title)
    dress(lower, "ms after the caller's end of speech", "agent")
    for axes, samples, colour in ((upper, sent, SERIES[0]), (lower, heard, SERIES[1])):
        _wave(axes, samples, rate, begin_ms, colour)
        axes.set_yticks([])
        axes.axvline(0, color=END, linewidth=1.6)
        if decided_ms is not None:
            axes.axvline(decided_ms, color=HOLD, linewidth=1.4, linestyle=(0, (4, 3)))
        for early in early_ms:
            axes.axvline(early, color=CUT, linewidth=1.4, linestyle=(0, (4, 3)))
        for onset in (false_ms, audible_ms):
            if onset is not None:
                axes.axvline(onset, color=CUT, linewidth=1.4)
        for low, high in holds_ms:
            axes.axvspan(low, high, color=HOLD, alpha=0.14, linewidth=0)
    if audible_ms is not None and audible_ms > 0:
        upper.axvspan(0, audible_ms, color=END, alpha=0.10, linewidth=0)
    lower.set_xlim(begin_ms, begin_ms + 1000 * max(len(sent), 1) / rate)
    return figure


def _wave(axes: Axes, samples: Samples, rate: int, begin_ms: float, colour: str) -> None:
    pieces = np.array_split(samples, min(_COLUMNS, max(1, len(samples))))
    edges = begin_ms + np.linspace(0, 1000 * len(samples) / rate, len(pieces) + 1)
    low, high = np.array([(p.min(), p.max()) if len(p) else (0, 0) for p in pieces]).T
    axes.fill_between((edges[1:] + edges[:-1]) / 2, low, high, color=colour, linewidth=0.4)
    top = max(0.02, 1.1 * float(np.abs([low, high]).max()))
    axes.set_ylim(-top, top)


def _label(span: str, simulated: Collection[str]) -> str:
    return f"{span} (simulated)" if span in simulated else span
