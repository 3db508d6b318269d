from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from turnkit.errors import InputError
from turnkit.metrics import (
    average_precision,
    expected_calibration_error,
    reliability,
    roc_auc,
)

# Few distinct scores, so that ties are common.
PAIRS = st.lists(st.tuples(st.booleans(), st.integers(0, 10)), min_size=2, max_size=60)


@given(PAIRS)
def test_auc_and_average_precision_agree_with_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    label = np.array([p[0] for p in pairs])
    score = np.array([p[1] for p in pairs]) / 10
    if label.all() or not label.any():
        assert np.isnan(roc_auc(label, score))
    else:
        assert roc_auc(label, score) == pytest.approx(roc_auc_score(label, score))
    if label.any():
        assert average_precision(label, score) == pytest.approx(
            average_precision_score(label, score)
        )
    else:
        assert np.isnan(average_precision(label, score))


def test_calibration_error_by_hand() -> None:
    # Bin 1 of 2: scores .1 .3, no ends: |.2 - 0|. Bin 2: .5 .7 1., ends 1 1 0: |2.2/3 - 2/3|.
    label = [False, False, True, True, False]
    score = [0.1, 0.3, 0.5, 0.7, 1.0]
    curve = reliability(label, score, bins=2)
    assert curve.count.tolist() == [2, 3]
    assert curve.score == pytest.approx([0.2, 2.2 / 3])
    assert curve.share == pytest.approx([0.0, 2 / 3])
    error = expected_calibration_error(label, score, bins=2)
    assert error == pytest.approx(0.4 * 0.2 + 0.6 * 0.2 / 3)


def test_calibrated_scores_have_little_error_and_sure_wrong_ones_much() -> None:
    rng = np.random.default_rng(0)
    score = rng.random(50_000)
    assert expected_calibration_error(rng.random(50_000) < score, score) < 0.01
    assert expected_calibration_error([True, False], [0.0, 1.0]) == 1.0


def test_spans_without_a_score_are_left_out() -> None:
    label, score = [True, False, True], [0.9, 0.2, np.nan]
    assert roc_auc(label, score) == 1.0
    assert average_precision(label, score) == 1.0
    assert reliability(label, score).count.sum() == 2


def test_no_scores_give_nan() -> None:
    assert np.isnan(expected_calibration_error([], []))
    assert np.isnan(roc_auc([], []))
    assert np.isnan(average_precision([], []))
    assert reliability([], []).count.tolist() == [0] * 15
    assert np.isnan(reliability([], []).share).all()


@pytest.mark.parametrize("score", [[0.5], [0.5, 1.5], [-0.1, 0.5]])
def test_scores_that_cannot_be_right_are_refused(score: list[float]) -> None:
    with pytest.raises(InputError):
        roc_auc([True, False], score)
