from __future__ import annotations

import html
import io
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from turnkit.lab.measuring.resampling import weighted_quantiles
from turnkit.plot.call_turns import SPANS, plot_voices, plot_waterfall, plot_waterfalls
from turnkit.plot.calls import (
    Estimate,
    LoadPoint,
    _percentile,
    plot_distribution,
    plot_estimates,
    plot_load,
)

SPAN_MS: dict[str, float] = dict(
    zip(SPANS, (200.0, 30.0, 70.0, 120.0, 60.0, 40.0, 20.0), strict=True)
)


def drawn(figure: Figure) -> str:
    """The figure as SVG: what cannot be drawn raises here."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def drawn_text(figure: Figure) -> str:
    """The figure as SVG whose words are text."""
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        return html.unescape(drawn(figure))


def xy(line: Any) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)]


def bars(figure: Figure) -> list[tuple[float, float]]:
    """Left edge and width of each bar."""
    patches: list[Any] = list(figure.axes[0].patches)
    return [(float(patch.get_x()), float(patch.get_width())) for patch in patches]


def corners(figure: Figure) -> list[tuple[float, float]]:
    """Outline of the last area."""
    paths = figure.axes[0].collections[-1].get_paths()
    return [(float(x), float(y)) for x, y in np.asarray(paths[0].vertices)]


def test_a_distribution_reaches_half_at_its_median_and_leaves_nan_out() -> None:
    values = np.array([100.0, 200.0, 300.0, np.nan, 400.0, 500.0])
    figure = plot_distribution({"a": values, "empty": np.array([np.nan])})
    drawn(figure)
    axes = figure.axes[0]
    line = next(each for each in axes.lines if str(each.get_label()).startswith("a:"))
    assert line.get_label() == "a: P50 300, P90 460 ms, 5 turns"
    steps = xy(line)
    assert steps[0] == (100.0, 0.0)
    assert steps[-1] == (500.0, 100.0)
    # "post": at 300 ms three of five turns have been answered
    assert (300.0, 60.0) in steps
    marks = [xy(each)[0] for each in axes.lines if each.get_marker() not in ("None", None)]
    assert [(round(x), y) for x, y in marks] == [(300, 50.0), (460, 90.0)]


def test_a_distribution_of_many_turns_is_a_line_of_few_corners() -> None:
    line = plot_distribution({"a": np.arange(50_000.0)}).axes[0].lines[0]
    assert len(xy(line)) <= 401
    assert xy(line)[-1] == (49_999.0, 100.0)


def test_estimates_have_a_dot_a_run_and_a_line_over_the_interval() -> None:
    figure = plot_estimates(
        {
            "a": {"P50": Estimate(300, 280, 330), "P90": Estimate(500)},
            "b": {"P50": Estimate(200, 190, 220)},
        }
    )
    drawn(figure)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["P50", "P90"]
    spans = [[x for x, _ in xy(line)] for line in axes.lines if len(xy(line)) == 2]
    assert spans == [[280, 330], [190, 220]]
    assert sorted(xy(line)[0][0] for line in axes.lines if len(xy(line)) == 1) == [200, 300, 500]


def test_bars_of_a_waterfall_follow_each_other_and_end_at_v2v() -> None:
    figure = plot_waterfall(SPAN_MS, decided_ms=230.0, simulated=["llm"])
    drawn(figure)
    found = bars(figure)
    assert len(found) == len(SPANS)
    for (begin, width), (following, _) in pairwise(found):
        assert begin + width == pytest.approx(following)
    assert found[0][0] == 0
    assert sum(found[-1]) == pytest.approx(sum(SPAN_MS.values()))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[3] == "llm (simulated)  120 ms"
    assert labels[4] == "tts  60 ms"


def test_an_early_decision_begins_left_of_zero() -> None:
    figure = plot_waterfall(SPAN_MS | {"eot": -150.0})
    assert sum(bars(figure)[0]) == pytest.approx(-150)
    assert figure.axes[0].get_xlim()[0] < -150


def test_many_turns_are_sorted_by_their_sum() -> None:
    turns = [SPAN_MS | {"llm": ms} for ms in (500.0, 100.0, 300.0)]
    figure = plot_waterfalls(turns)
    drawn(figure)
    rest = sum(SPAN_MS.values()) - SPAN_MS["llm"]
    rightmost = {y: max(x for x, z in corners(figure) if z == y) for y in (0.0, 3.0)}
    assert rightmost == {0.0: rest + 100, 3.0: rest + 500}


def test_very_many_turns_are_drawn_by_few_lines_on_a_scale_of_all() -> None:
    figure = plot_waterfalls([SPAN_MS | {"llm": float(k)} for k in range(3_000)])
    assert len(corners(figure)) < 1_500
    assert figure.axes[0].get_ylim() == (3_000, 0)


def test_no_turns_are_an_empty_picture() -> None:
    for figure in (plot_waterfalls([]), plot_distribution({}), plot_estimates({}), plot_load([])):
        drawn(figure)


def test_voices_span_what_was_given_on_the_clock_of_the_end() -> None:
    tone = np.sin(np.arange(16_000) / 9).astype(np.float32)
    figure = plot_voices(
        tone,
        0 * tone,
        16_000,
        -400,
        decided_ms=200,
        audible_ms=500,
        false_ms=-50,
        early_ms=[-120],
        holds_ms=[(-300, -100)],
    )
    drawn(figure)
    upper, lower = figure.axes
    assert lower.get_xlim() == pytest.approx((-400, 600))
    for axes in (upper, lower):
        assert [xy(line)[0][0] for line in axes.lines] == [0, 200, -120, -50, 500]


def test_load_is_drawn_in_order_of_calls() -> None:
    points = [LoadPoint(8, 500, 900, 1.1), LoadPoint(1, 300, 400), LoadPoint(4, 320, 450, 0.5)]
    figure = plot_load(points)
    drawn(figure)
    assert xy(figure.axes[0].lines[0]) == [(1, 300), (4, 320), (8, 500)]


@pytest.mark.parametrize(
    ("never", "said", "marks"),
    [
        (0, "P50 300, P90 460 ms, 5 turns", 2),
        (1, "P50 350 ms, P90 never, 6 turns, 1 never answered", 1),
        (5, "P50 and P90 never, 10 turns, 5 never answered", 0),
    ],
)
def test_turns_that_were_never_answered_are_later_than_all_others(
    never: int, said: str, marks: int
) -> None:
    values = [100.0, 200.0, 300.0, 400.0, 500.0]
    figure = plot_distribution({"a": values}, unanswered={"a": never, "b": 7})
    drawn(figure)
    lines: list[Any] = list(figure.axes[0].lines)
    line = next(each for each in lines if str(each.get_label()).startswith("a:"))
    assert line.get_label() == f"a: {said}"
    last, share = xy(line)[-1]
    assert last == 500.0
    assert share == pytest.approx(100 * 5 / (5 + never))
    assert sum(each.get_marker() not in ("None", None) for each in lines) == marks


@given(
    known=st.lists(st.integers(1, 5000), min_size=1, max_size=30),
    never=st.integers(0, 30),
    q=st.sampled_from([50, 90]),
)
def test_percentiles_with_turns_never_answered_are_those_of_tables(
    known: list[int], never: int, q: int
) -> None:
    values = np.array([*sorted(known), *[np.inf] * never], dtype=np.float64)
    wanted = weighted_quantiles(values, np.ones((1, len(values))), [q])[0, 0]
    assert _percentile(values[: len(known)], len(values), q) == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["x$^$", "$", "$a$ b", r"\$x$"])
def test_names_are_no_formulas(name: str) -> None:
    for figure in (
        plot_distribution({name: [1.0, 2.0]}, title=name),
        plot_estimates({name: {"P50": Estimate(1.0, 0.5, 2.0)}}, title=name),
        plot_load([LoadPoint(1, 1.0, 2.0, 0.5)], title=name),
    ):
        assert name in drawn_text(figure)
