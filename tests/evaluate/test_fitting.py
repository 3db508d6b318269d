from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkit.corpus.schema import Turn
from turnkit.detector.base import StreamingDetector
from turnkit.detector.policy import Policy
from turnkit.evaluate.fitting import fit_policies, simulate_turn
from turnkit.evaluate.replaying import replay_turn
from turnkit.evaluate.tracing import NEVER, span_scores, trace_turn
from turnkit.metrics import DELAY_GRID, GRID_S, POINTS, SCORE_GRID, PolicyGrid

MakeTurn = Callable[..., Turn]
MakeDetector = Callable[..., StreamingDetector]

SMALL = PolicyGrid(
    np.array([0.0, 0.3, 0.5, 0.9]), np.array([0.2, 0.3, 0.7]), np.array([1.0, 1.5, 3.5])
)


@st.composite
def parts(draw: st.DrawFn) -> list[tuple[float, list[float] | None]]:
    """Speech and silence in hundredths of a second, clicks and short gaps included."""
    made: list[tuple[float, list[float] | None]] = []
    for _ in range(draw(st.integers(1, 5))):
        made.append((draw(st.sampled_from([2, 9, 10, 11, 40, 90])) / 100, None))
        frames = draw(st.sampled_from([1, 5, 9, 10, 11, 19, 20, 21, 45, 110, 160]))
        levels = draw(st.lists(st.integers(0, 10), min_size=3, max_size=3))
        scores = np.repeat(np.array(levels) / 10, -(-frames // 3))[:frames]
        made.append((frames / 100, scores.tolist()))
    return made


@settings(max_examples=25)
@given(parts(), st.integers(-25, 25), st.integers(0, 20))
def test_every_policy_does_in_the_simulation_what_it_does_in_a_replay(
    coded_detector: MakeDetector,
    coded_turn: MakeTurn,
    made: list[tuple[float, list[float] | None]],
    shift: int,
    shrink: int,
) -> None:
    # Annotated spans are not where the detector hears them.
    heard = coded_turn(made).spans
    spans: list[tuple[float, float]] = []
    for span in heard:
        start = max(span.start + shift / 100, spans[-1][1] if spans else 0.0)
        end = min(span.end - shrink / 100, heard[-1].end)
        if end - start >= 0.1:
            spans.append((start, end))
    turn = coded_turn(made, spans or [(heard[-1].start, heard[-1].end)])
    detector = coded_detector()
    cutoffs, latency = simulate_turn(trace_turn(detector, turn), SMALL)
    for p in range(len(SMALL)):
        detector.policy = SMALL.policy(p)
        outcome = replay_turn(detector, turn)
        assert outcome.holds_cut + outcome.speech_cutoffs == cutoffs[p], detector.policy
        assert outcome.latency_s == pytest.approx(latency[p]), detector.policy


def test_own_pauses_run_through_clicks_and_start_anew_after_speech(
    coded_detector: MakeDetector, coded_turn: MakeTurn
) -> None:
    # 0.05 s of sound is a click: its frames are not judged, the pause goes on.
    turn = coded_turn([(0.5, None), (0.3, 0.1), (0.05, None), (0.3, 0.2), (0.5, None), (0.4, 0.3)])
    trace = trace_turn(coded_detector(), turn)
    first, second = trace.own_pauses()
    assert trace.silence_s[first[-1]] == pytest.approx(0.65, abs=0.01)
    assert trace.silence_s[second[0]] == pytest.approx(0.1, abs=0.01)  # the hang-over
    assert np.diff(first).max() == 6


def test_a_longer_first_frame_is_still_a_new_pause(
    coded_detector: MakeDetector, coded_turn: MakeTurn
) -> None:
    # The first pause is heard for one frame; the second begins with a click inside its
    # hang-over, so that its clock is never below the first one's last.
    turn = coded_turn([(0.5, None), (0.1, 0.1), (0.5, None), (0.08, 0.1), (0.05, None), (0.5, 0.1)])
    trace = trace_turn(coded_detector(), turn)
    first, second = trace.own_pauses()
    assert len(first) == 1
    assert trace.silence_s[second[0]] > trace.silence_s[first[0]]


def test_tracing_puts_policy_and_trace_back_and_never_ends_a_turn(
    coded_detector: MakeDetector, coded_turn: MakeTurn
) -> None:
    detector = coded_detector(Policy(0.1, 0.2, 1.0))
    turn = coded_turn([(0.5, None), (9.0, 1.0), (0.5, None), (1.0, 1.0)])
    trace = trace_turn(detector, turn)
    assert detector.policy == Policy(0.1, 0.2, 1.0) != NEVER
    assert detector.trace is None
    assert trace.silence_s.max() == pytest.approx(9.0, abs=0.01)
    assert trace.at[-1] == trace.marks.limit


def test_span_scores_read_annotated_spans(
    coded_detector: MakeDetector, coded_turn: MakeTurn
) -> None:
    turns = [
        coded_turn([(0.5, None), (0.4, 0.25), (0.5, None), (5.0, 0.75)], name="a", speaker="x"),
        coded_turn([(0.5, None), (0.15, 0.5), (0.5, None), (5.0, 0.5)], name="b", speaker="y"),
    ]
    spans = span_scores([trace_turn(coded_detector(), t) for t in turns], ["x", "y"])
    assert spans.is_end.tolist() == [False, True, True]  # 0.15 s does not count
    assert spans.duration_s == pytest.approx([0.4, 5.0, 5.0])
    assert list(zip(spans.row, spans.span, strict=True)) == [(0, 0), (0, 1), (1, 1)]
    assert spans.speaker.tolist() == [0, 0, 1]
    assert spans.scores[0, :3] == pytest.approx([0.25] * 3)
    assert np.isnan(spans.scores[0, 3:]).all()
    assert spans.scores[1] == pytest.approx([0.75] * len(GRID_S))


def test_the_end_is_read_to_the_last_grid_time_of_a_row_that_ends_first(
    coded_detector: MakeDetector, coded_turn: MakeTurn
) -> None:
    turn = coded_turn([(0.5, None), (0.3, 0.5)])
    spans = span_scores([trace_turn(coded_detector(), turn)], ["turn"])
    assert not np.isnan(spans.scores[0]).any()


def test_no_traces_give_no_spans_and_no_policies() -> None:
    spans = span_scores([], [])
    assert len(spans) == 0
    assert spans.scores.shape == (0, len(GRID_S))
    assert fit_policies([]) == {}


def test_fitted_policies_are_the_best_of_all_replays(
    coded_detector: MakeDetector, coded_turn: MakeTurn
) -> None:
    rng = np.random.default_rng(2)
    turns = [
        coded_turn(
            [
                (0.4, None), (hold, float(rng.integers(0, 7) / 10)),
                (0.4, None), (1.0, float(rng.integers(4, 11) / 10)),
            ]
        )
        for hold in (0.25, 0.4, 0.6, 0.8, 1.2, 1.7)
    ]  # fmt: skip
    detector = coded_detector()
    fitted = fit_policies([trace_turn(detector, turn) for turn in turns])
    assert list(fitted) == [point.name for point in POINTS]
    for point in POINTS:
        one = fitted[point.name]
        detector.policy = one.policy
        outcomes = [replay_turn(detector, turn) for turn in turns]
        rate = sum(o.holds_cut + o.speech_cutoffs for o in outcomes) / 6
        latency = sum(o.latency_s for o in outcomes) / 6
        assert one.rate == pytest.approx(rate)
        assert one.mean_latency_s == pytest.approx(latency)
        assert one.reached != point.missed(rate, latency)


def test_a_detector_without_scores_is_fitted_as_pure_delay_and_says_what_is_out_of_reach(
    coded_detector: MakeDetector, coded_turn: MakeTurn
) -> None:
    # The detector hears the end 0.25 s late, so no delay has a mean latency <= 300 ms.
    turns = [
        coded_turn(
            [(0.4, None), (hold, 0.0), (0.65, None), (4.0, 0.0)],
            spans=[(0.4, 0.4 + hold), (0.8 + hold, 4.8 + hold)],
        )
        for hold in (0.25, 0.5, 0.85)
    ]
    fitted = fit_policies([trace_turn(coded_detector(), turn) for turn in turns])
    delays = [DELAY_GRID.policy(i) for i in range(len(DELAY_GRID))]
    assert all(one.policy in delays for one in fitted.values())
    assert not fitted["FC@300"].reached
    assert fitted["FC@300"].policy.timeout_s == 0.2
    assert fitted["FC@300"].mean_latency_s == pytest.approx(0.45)
    assert fitted["FC@600"].reached
    assert fitted["FC@600"].policy.timeout_s == 0.3  # 0.2 s would cut one more
    assert fitted["L@5%"].policy.timeout_s == 0.9
    assert len(SCORE_GRID) > len(DELAY_GRID)
