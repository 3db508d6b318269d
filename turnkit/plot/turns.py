"""One turn: its waveform, its annotated spans, the running score and the decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from turnkit.detector.policy import FIRST_SCORE_S, Policy
from turnkit.detector.protocol import EventKind, TurnEvent
from turnkit.plot.style import CUT, END, HOLD, INK, MUTED, SERIES, WAVE, dress, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from turnkit.corpus.schema import Turn

Floats = NDArray[np.float64]

_COLUMNS = 900
"""Pieces into which a waveform is cut; each is drawn from its lowest to its highest sample."""

_NAME_SHARE, _DECISION_SHARE = 0.035, 0.09
"""Width of a hold's and of a decision's name, as shares of the panel."""

_LEVELS = 3
"""Heights at which names of decisions that follow each other closely are written."""


class HasArrays(Protocol):
    """A `Trace` or a `TurnTrace`."""

    def arrays(self) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Decision samples, seconds of silence and scores."""
        ...


def plot_turn(
    turn: Turn,
    trace: HasArrays | None = None,
    events: Sequence[TurnEvent] = (),
    policy: Policy | None = None,
    title: str | None = None,
) -> Figure:
    """Waveform with its annotated spans, the running score, and what was decided when.

    Parameters
    ----------
    turn : Turn
    trace : Trace or TurnTrace, optional
        Of the detector over this turn.
    events : sequence of TurnEvent
        Ends of turn are marked with a line; what came before the true end in red.
    policy : Policy, optional
        Draws its threshold.
    title : str, optional
        By default the turn's id.

    Returns
    -------
    Figure
        Both panels span the row, and what comes until the last event.
    """
    figure = new_figure(9.0, 3.6)
    wave, score = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    seconds = max([turn.duration, *(0.1 + event.at / turn.sample_rate for event in events)])
    if trace is not None:
        at, silence, scores = trace.arrays()
        _score_line(score, at / turn.sample_rate, scores, silence)
    dress(wave, "", "samples")
    head, above = turn.id if title is None else title, 18 if turn.spans else 6
    # above names of spans
    wave.set_title(plain(head), color=INK, loc="left", fontsize=11, pad=above)
    dress(score, "seconds", "score")
    _waveform(wave, turn)
    for axes in (wave, score):
        for index, span in enumerate(turn.spans):
            colour = END if index == len(turn.spans) - 1 else HOLD
            axes.axvspan(span.start, span.end, color=colour, alpha=0.16, linewidth=0)
    _name_spans(wave, turn, seconds)
    if policy is not None and policy.threshold < 1:
        score.axhline(policy.threshold, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    _decisions(wave, score, turn, [e for e in events if e.kind is EventKind.TURN_ENDED], seconds)
    score.set_ylim(-0.04, 1.04)
    score.set_xlim(0, seconds)
    return figure


def _waveform(axes: Axes, turn: Turn) -> None:
    pieces = np.array_split(turn.samples, min(_COLUMNS, max(1, len(turn.samples))))
    edges = np.linspace(0, turn.duration, len(pieces) + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    low, high = np.array([(p.min(), p.max()) if len(p) else (0, 0) for p in pieces]).T
    axes.fill_between(middle, low, high, color=WAVE, linewidth=0.4)
    top = max(0.01, 1.15 * float(np.abs([low, high]).max()))
    axes.set_ylim(-top, top)


def _score_line(axes: Axes, times: Floats, scores: Floats, silence: Floats) -> None:
    """Draw scores: boldly where the detector hears a pause long enough to act on."""
    scored = ~np.isnan(scores)
    if not scored.any():
        axes.annotate(
            "no scores: silence alone decides", (0.995, 0.25), xycoords="axes fraction",
            ha="right", va="center", fontsize=9, color=MUTED,
        )  # fmt: skip
        return
    # NaN breaks the line: a detector that is asked now and then has points alone.
    axes.plot(times, scores, color=SERIES[0], linewidth=0.9, alpha=0.45)
    acting = scored & (silence >= FIRST_SCORE_S)
    axes.plot(
        times[acting], scores[acting], linestyle="none", marker="o", markersize=3.2,
        color=SERIES[0], zorder=3,
    )  # fmt: skip


def _name_spans(axes: Axes, turn: Turn, seconds: float) -> None:
    """Write names above the panel, where no decision crosses them."""
    edge = (1 - _DECISION_SHARE) * seconds
    taken = min(turn.end.start, edge) if turn.spans else seconds
    free = -np.inf
    for index, span in enumerate(turn.spans):
        last = index == len(turn.spans) - 1
        if not last and not free < span.start < taken - _NAME_SHARE * seconds:
            continue  # its name would lie over its neighbour's
        free = span.start + _NAME_SHARE * seconds
        late = last and span.start > edge
        axes.annotate(
            "end of turn" if last else "hold", (seconds if late else span.start, 1),
            xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
            ha="right" if late else "left", va="bottom", fontsize=8, color=END if last else HOLD,
        )  # fmt: skip


def _decisions(
    wave: Axes, score: Axes, turn: Turn, events: Sequence[TurnEvent], seconds: float
) -> None:
    """Draw a line a decision; names of neighbours lie one above the other."""
    free, level = -np.inf, 0
    for event in events:
        at = event.at / turn.sample_rate
        # Without annotated spans nobody can say whether a decision came too early.
        colour = CUT if turn.spans and at < turn.end.start else END
        for axes in (wave, score):
            axes.axvline(at, color=colour, linewidth=1.6)
        level = (level + 1) % _LEVELS if at < free else 0
        free = at + _DECISION_SHARE * seconds
        left = at > (1 - _DECISION_SHARE) * seconds
        wave.annotate(
            "false cutoff" if colour == CUT else "decision", (at, 0),
            xycoords=("data", "axes fraction"), xytext=(-4 if left else 4, 4 + 11 * level),
            textcoords="offset points", ha="right" if left else "left", fontsize=8, color=colour,
            fontweight="bold",
        )  # fmt: skip
