from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.schema import Span
from turnkit.train.targets import HIDDEN_LATE, TeacherScores, frame_targets

HOLD, SHORT, END = Span(1.0, 1.5), Span(2.0, 2.12), Span(3.0, 4.0)
SPANS = (HOLD, SHORT, END)


def frame_at(seconds: float) -> int:
    """Frame whose end is at `seconds`."""
    return round(seconds / 0.02) - 1


def test_a_hold_is_labelled_from_a_tenth_of_a_second_on() -> None:
    targets = frame_targets(200, 1.0, SPANS, {})
    assert np.isnan(targets.label[frame_at(1.08)])
    assert targets.label[frame_at(1.10)] == 0.0
    assert targets.label[frame_at(1.50)] == 0.0
    assert np.isnan(targets.label[frame_at(1.54)])


def test_an_end_of_turn_is_labelled_to_the_end_of_the_row() -> None:
    targets = frame_targets(200, 1.0, SPANS, {})
    assert np.isnan(targets.label[frame_at(3.08)])
    assert (targets.label[frame_at(3.10) :] == 1.0).all()


def test_a_hold_too_short_to_count_teaches_nothing_but_silence() -> None:
    targets = frame_targets(200, 1.0, SPANS, {})
    during = slice(frame_at(1.54), frame_at(2.5))
    assert np.isnan(targets.label[during]).all()
    assert targets.speech[frame_at(2.06)] == 0.0


def test_weights_are_where_labels_are_and_fall_after_a_while() -> None:
    targets = frame_targets(200, 1.0, SPANS, {})
    np.testing.assert_array_equal(targets.weight > 0, ~np.isnan(targets.label))
    assert targets.weight[frame_at(3.4)] == 1.0
    assert targets.weight[frame_at(3.98)] == pytest.approx(0.49 / 0.98, rel=1e-5)


def test_speech_is_what_lies_outside_silences() -> None:
    targets = frame_targets(200, 1.0, SPANS, {})
    expected = np.ones(200)
    for span in SPANS:
        expected[frame_at(span.start) + 1 : frame_at(span.end) + 1] = 0.0
    np.testing.assert_array_equal(targets.speech, expected)


def test_beyond_the_last_silence_nothing_is_known() -> None:
    targets = frame_targets(220, 1.0, SPANS, {})
    assert np.isnan(targets.speech[frame_at(4.02) + 1 :]).all()
    assert not targets.weight[frame_at(4.02) + 1 :].any()


def test_the_outlook_begins_before_the_silence() -> None:
    targets = frame_targets(200, 1.0, SPANS, {})
    before_end = ~np.isnan(targets.outlook[100:])
    assert np.flatnonzero(before_end)[0] + 100 == frame_at(2.62)
    assert np.flatnonzero(before_end)[-1] + 100 == frame_at(3.10)
    assert targets.outlook[frame_at(0.9)] == 0.0
    assert targets.outlook[frame_at(2.9)] == 1.0


def test_the_teacher_is_read_at_the_same_silence() -> None:
    scores = TeacherScores(np.array([0.2, 0.4]), np.array([-2.0, 2.0]))
    targets = frame_targets(200, 1.0, SPANS, {2: scores})
    assert targets.teacher[frame_at(3.12)] == pytest.approx(-2.0)
    assert targets.teacher[frame_at(3.3)] == pytest.approx(0.0, abs=1e-5)
    assert targets.teacher[frame_at(3.9)] == pytest.approx(2.0)
    assert np.isnan(targets.teacher[: frame_at(3.1)]).all()


def test_without_labels_only_the_teacher_speaks() -> None:
    scores = TeacherScores(np.array([0.2]), np.array([1.0]))
    targets = frame_targets(200, 1.0, SPANS, {0: scores}, labels=False)
    assert np.isnan(targets.label).all()
    assert np.isnan(targets.outlook).all()
    assert targets.teacher[frame_at(1.3)] == 1.0
    assert targets.weight[frame_at(1.3)] == 1.0


@given(st.sampled_from([0.9, 0.95, 1.0, 1.05, 1.1]))
def test_copies_at_another_speed_are_asked_at_the_same_moments(speed: float) -> None:
    plain = frame_targets(200, 1.0, SPANS, {})
    copy = frame_targets(int(200 / speed), speed, SPANS, {})
    for moment in (0.5, 1.3, 1.8, 2.8, 3.5):
        there = round(moment / speed / 0.02) - 1
        assert copy.speech[there] == plain.speech[frame_at(moment)]
        np.testing.assert_equal(copy.label[there], plain.label[frame_at(moment)])


def test_hidden_frames_are_predicted_late_and_at_the_rows_own_pace() -> None:
    assert frame_targets(50, 1.0, SPANS, {}).hidden[10] == 10 - HIDDEN_LATE
    assert frame_targets(50, 1.1, SPANS, {}).hidden[40] == int(40.5 * 1.1) - HIDDEN_LATE


def test_a_lead_moves_everything_and_holds_no_speech() -> None:
    lead = 0.5
    plain = frame_targets(200, 1.0, SPANS, {})
    moved = frame_targets(225, 1.0, SPANS, {}, lead_s=lead)
    assert (moved.speech[:25] == 0.0).all()
    assert np.isnan(moved.label[:25]).all()
    assert (moved.weight[:25] == 0.0).all()
    for name in ("label", "weight", "speech", "outlook"):
        assert np.array_equal(getattr(moved, name)[25:], getattr(plain, name), equal_nan=True)
    assert np.array_equal(moved.hidden[25:], plain.hidden)
    assert (moved.hidden[:25] < 0).all()


def test_what_precedes_the_onset_is_no_speech() -> None:
    targets = frame_targets(200, 1.0, SPANS, {}, onset_s=0.6)
    assert (targets.speech[: frame_at(0.5)] == 0.0).all()
    assert np.isnan(targets.speech[frame_at(0.54) : frame_at(0.6)]).all()
    assert (targets.speech[frame_at(0.64) : frame_at(1.0)] == 1.0).all()
