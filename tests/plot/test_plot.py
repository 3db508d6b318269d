from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from turnkit.corpus.schema import Span, Turn
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import EventKind, Trace, TurnEvent
from turnkit.metrics import Interval, reliability
from turnkit.plot import (
    Curve,
    PolicyPoint,
    plot_durations,
    plot_frontier,
    plot_reliability,
    plot_turn,
)
from turnkit.plot.style import CUT, END, HOLD

RATE = 8_000
TURN = Turn(
    "t1", "en", "s", np.sin(np.arange(3 * RATE) / 9).astype(np.float32), RATE,
    (Span(0.5, 1.0), Span(2.0, 3.0)),
)  # fmt: skip


def drawn(figure: Figure) -> str:
    """The figure as SVG: what cannot be drawn raises here."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def test_frontier_draws_a_line_a_detector_and_names_the_points_of_the_first() -> None:
    point = PolicyPoint("FC@300", 0.29, 0.3, Interval(0.2, 0.4))
    other = PolicyPoint("FC@600", 0.58, 0.5)
    curves = [
        Curve("ours", np.array([0.2, 0.4]), np.array([0.5, 0.1]), (point,)),
        Curve("vad", np.array([0.3]), np.array([0.8]), (other,)),
        Curve("empty", np.zeros(0), np.zeros(0)),
    ]
    figure = plot_frontier(curves, "title")
    drawn(figure)
    axes = figure.axes[0]
    legend = axes.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["ours", "vad", "empty"]
    assert texts(figure) == {"FC@300"}
    ours = next(line for line in axes.lines if line.get_label() == "ours")
    assert ours.get_xydata().tolist() == [[200.0, 50.0], [400.0, 10.0]]  # type: ignore[union-attr]
    markers = [tuple(line.get_xydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1]  # type: ignore[index,arg-type]
    assert (290.0, 30.0) in [pytest.approx(m) for m in markers]


def test_names_of_points_in_one_place_share_a_line() -> None:
    points = [
        PolicyPoint(n, s, r) for n, s, r in (("a", 1.1, 0.16), ("b", 0.3, 0.5), ("c", 1.13, 0.17))
    ]
    figure = plot_frontier([Curve("ours", np.zeros(0), np.zeros(0), tuple(points))])
    drawn(figure)
    assert texts(figure) == {"a, c", "b"}


def test_slow_policies_and_rates_of_zero_are_inside_the_axes() -> None:
    points = (PolicyPoint("L@5%", 2.9, 0.0), PolicyPoint("FC@300", 0.2, 1.0))
    axes = plot_frontier([Curve("ours", np.zeros(0), np.zeros(0), points)]).axes[0]
    assert axes.get_xlim()[1] > 2_900
    assert axes.get_ylim()[0] < 0 < 100 < axes.get_ylim()[1]


def test_points_of_the_first_detector_lie_on_top() -> None:
    point = (PolicyPoint("FC@300", 0.3, 0.5),)
    axes = plot_frontier([Curve(n, np.zeros(0), np.zeros(0), point) for n in "ab"]).axes[0]
    first, second = (line for line in axes.lines if np.ravel(line.get_xdata()).tolist() == [300.0])
    assert first.get_zorder() > second.get_zorder()


def test_reliability_leaves_empty_bins_out() -> None:
    curve = reliability([True, False, True], [0.97, 0.1, 0.95])
    figure = plot_reliability({"ours": curve})
    drawn(figure)
    (bins,) = (found for found in figure.axes[0].collections if found.get_label() == "ours")
    assert np.asarray(bins.get_offsets()).tolist() == [[0.1, 0.0], [pytest.approx(0.96), 1.0]]
    assert isinstance(bins, PathCollection)
    few, many = np.ravel(bins.get_sizes())
    assert few < many


def test_turn_shades_spans_and_marks_decisions() -> None:
    trace = Trace()
    for frame in range(300):
        trace.append(80 * (frame + 1), 0.0, 0.01 * frame, 0.5 if frame % 2 else float("nan"))
    events = [
        TurnEvent(EventKind.TURN_ENDED, round(0.8 * RATE), 4_000, 0.5),
        TurnEvent(EventKind.SPEECH_STARTED, RATE, RATE),
        TurnEvent(EventKind.TURN_ENDED, round(2.3 * RATE), 16_000, 0.5),
    ]
    figure = plot_turn(TURN, trace, events, Policy(0.4, 0.2, 2.0))
    drawn(figure)
    wave, score = figure.axes
    shades = {to_hex(patch.get_facecolor()) for patch in wave.patches}
    assert shades == {HOLD, END}
    assert texts(figure) == {"hold", "end of turn", "false cutoff", "decision"}
    upright = [line for line in wave.lines if set(np.ravel(line.get_ydata())) == {0, 1}]
    found = [(round(float(np.ravel(line.get_xdata())[0]), 6), line.get_color()) for line in upright]
    assert found == [(0.8, CUT), (2.3, END)]
    assert score.get_xlim() == (0, 3.0)
    assert wave.get_title(loc="left") == "t1"


def names_drawn(figure: Figure, name: str) -> list[Bbox]:
    drawn(figure)
    found = [text for text in figure.axes[0].texts if text.get_text() == name]
    return [text.get_window_extent() for text in found]


def test_names_of_decisions_that_follow_closely_do_not_overlap() -> None:
    events = [TurnEvent(EventKind.TURN_ENDED, round(at * RATE), 0) for at in (0.6, 0.65, 0.7, 2.95)]
    figure = plot_turn(TURN, events=events)
    cuts = names_drawn(figure, "false cutoff")
    assert len(cuts) == 3
    assert not any(Bbox.intersection(a, b) for a, b in combinations(cuts, 2))
    (late,) = names_drawn(figure, "decision")
    assert late.x1 <= figure.axes[0].get_window_extent().x1


def test_no_decision_crosses_the_name_of_a_span() -> None:
    events = [TurnEvent(EventKind.TURN_ENDED, round(at * RATE), 0) for at in (0.55, 2.1)]
    figure = plot_turn(TURN, events=events)
    top = figure.axes[0].get_window_extent().y1
    for name in ("hold", "end of turn"):
        assert all(box.y0 >= top for box in names_drawn(figure, name))


def test_a_detector_without_scores_says_so() -> None:
    trace = Trace()
    trace.append(80, 0.0, 0.01, float("nan"))
    figure = plot_turn(TURN, trace)
    assert "no scores: silence alone decides" in texts(figure)
    trace.append(160, 0.0, 0.02, 0.1)
    assert "no scores: silence alone decides" not in texts(plot_turn(TURN, trace))


def test_turn_alone_and_with_a_late_decision() -> None:
    assert plot_turn(TURN).axes[0].get_xlim() == (0, 3.0)
    late = TurnEvent(EventKind.TURN_ENDED, round(3.5 * RATE), 0)
    assert plot_turn(TURN, events=[late], title="x").axes[0].get_xlim()[1] > 3.5


def test_durations_are_shares_that_sum_to_one() -> None:
    rng = np.random.default_rng(0)
    figure = plot_durations(
        {"holds": rng.exponential(0.6, 500), "ends": np.array([]), "long": np.array([0.01, 90.0])}
    )
    drawn(figure)
    steps = figure.axes[0].patches
    assert len(steps) == 2
    for step in steps:
        values = step.get_data().values  # type: ignore[attr-defined]
        assert values.sum() == pytest.approx(100)


def test_nothing_to_draw_is_drawn_empty() -> None:
    for figure in (plot_frontier([]), plot_reliability({}), plot_durations({})):
        assert "<svg" in drawn(figure)


def test_no_figure_is_left_with_pyplot() -> None:
    import matplotlib.pyplot as plt

    plot_turn(TURN)
    assert plt.get_fignums() == []
