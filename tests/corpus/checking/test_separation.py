from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from turnkit.corpus.checking.separation import (
    folds_of,
    score_names,
    score_numbers,
    separation,
)
from turnkit.errors import InputError

NAMES = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=60)


@given(NAMES, st.integers(0, 5))
def test_a_group_is_in_one_fold_only(groups: list[str], seed: int) -> None:
    folds = folds_of(groups, seed=seed)
    assert len({(group, int(fold)) for group, fold in zip(groups, folds, strict=True)}) == len(
        set(groups)
    )


def test_folds_are_of_one_size_where_groups_allow_it() -> None:
    sizes = np.bincount(folds_of([f"speaker {k // 7}" for k in range(7 * 50)]))
    assert sizes.tolist() == [70] * 5


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=80))
def test_one_fold_is_the_area_that_scikit_learn_finds(rows: list[tuple[bool, int]]) -> None:
    label, score = [end for end, _ in rows], [float(value) for _, value in rows]
    who = [str(k) for k in range(len(rows))]
    found = separation(label, score, np.zeros(len(rows), dtype=np.int64), who, resamples=0).auc
    if all(label) or not any(label):
        assert math.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(label, score))


def test_folds_are_not_compared_with_one_another() -> None:
    """In each fold the ends are above the holds, by scores of other sizes."""
    label = [False, True, False, True]
    found = separation(label, [10.0, 11.0, 0.0, 1.0], np.array([0, 0, 1, 1]), "abcd", 0)
    assert found.auc == 1.0


def test_doubled_speakers_weigh_as_much_as_doubled_rows() -> None:
    """An interval is the spread of areas over draws: it narrows as speakers are added."""
    rng = np.random.default_rng(0)
    widths = []
    for speakers in (20, 320):
        label = rng.random(speakers * 10) < 0.5
        score = label + rng.normal(0, 2.0, len(label))
        who = [str(k // 10) for k in range(len(label))]
        bounds = separation(label, score, np.zeros(len(label), dtype=np.int64), who).interval
        assert bounds is not None
        widths.append(bounds.high - bounds.low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.4)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Two normal distributions one deviation apart have an area of .7602."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        label = rng.random(600) < 0.5
        score = label + rng.normal(0, 1.0, len(label))
        folds = folds_of(who := [str(k // 6) for k in range(600)])
        bounds = separation(label, score, folds, who, resamples=200).interval
        assert bounds is not None
        held += bounds.low <= 0.7602 <= bounds.high
    assert 52 <= held <= 60


def test_what_says_nothing_comes_out_at_one_half_on_average() -> None:
    """Numbers, names and voices alike; scores compared across folds would lie below."""
    areas: dict[str, list[float]] = {"numbers": [], "names": [], "voices": []}
    for seed in range(80):
        rng = np.random.default_rng(seed)
        label = rng.random(300) < 0.5
        who = [str(k // 10) for k in range(300)]
        rows = [str(k // 2) for k in range(300)]
        by_speaker, by_row = folds_of(who), folds_of(rows)
        numbers = score_numbers(label, rng.normal(size=(300, 3)), by_speaker)
        names = score_names(label, rng.integers(0, 20, 300).tolist(), by_speaker)
        voices = score_names(label, who, by_row)
        areas["numbers"].append(separation(label, numbers, by_speaker, who, 0).auc)
        areas["names"].append(separation(label, names, by_speaker, who, 0).auc)
        areas["voices"].append(separation(label, voices, by_row, who, 0).auc)
    for kind, found in areas.items():
        error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found) - 0.5) < 3.5 * error, kind
        assert error < 0.01


@pytest.mark.parametrize("shape", ["rising", "falling", "hump"])
def test_a_number_tells_whatever_its_shape(shape: str) -> None:
    rng = np.random.default_rng(1)
    fact = rng.normal(size=1_200)
    telling = {"rising": fact, "falling": -fact, "hump": 1.0 - np.abs(fact)}[shape]
    label = telling + rng.normal(0, 0.3, len(fact)) > 0
    who = [str(k // 10) for k in range(len(fact))]
    folds = folds_of(who)
    assert separation(label, score_numbers(label, fact, folds), folds, who, 0).auc > 0.9


def test_numbers_of_other_units_tell_as_much() -> None:
    rng = np.random.default_rng(2)
    facts = rng.normal(size=(400, 2))
    label = facts[:, 0] + rng.normal(size=400) > 0
    folds = folds_of(list(range(400)))
    scores = score_numbers(label, facts, folds)
    np.testing.assert_allclose(
        score_numbers(label, facts * [1e4, 1e-4] + [3.0, -7.0], folds), scores, atol=1e-6
    )


def test_what_is_always_the_same_says_nothing() -> None:
    label = [True, False] * 50
    folds = folds_of(list(range(100)))
    assert separation(label, score_numbers(label, np.ones(100), folds), folds, range(100)).auc == (
        0.5
    )


def test_labels_are_not_learned_by_heart() -> None:
    """A name that only one speaker has is not known in the fold of that speaker."""
    who = [str(k // 10) for k in range(200)]
    label = [int(speaker) % 2 == 0 for speaker in who]
    assert not score_names(label, who, folds_of(who)).any()


def test_names_score_by_how_often_they_ended() -> None:
    """By hand: 2 of 4 known rows ended; "so" 2 of 2, with two average rows 3 of 4."""
    folds = np.array([0, 0, 0, 0, 1, 1])
    scores = score_names(
        [True, True, False, False, True, False], ["so", "so", "a", "b", "so", "new"], folds
    )
    assert scores[4] == pytest.approx(math.log(3.0))
    assert scores[5] == 0.0


def test_separable_rows_do_not_break_the_fit() -> None:
    fact = np.r_[np.full(500, -1e6), np.full(20, 1e6)]
    label = fact > 0
    folds = folds_of(list(range(520)))
    scores = score_numbers(label, fact, folds)
    assert np.isfinite(scores).all()
    assert separation(label, scores, folds, list(range(520)), 0).auc == 1.0


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ([1.0, 2.0], "expected one row each"),
        ([1.0, math.nan, 2.0], "expected finite numbers"),
    ],
)
def test_facts_that_do_not_fit(facts: list[float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        score_numbers([True, False, True], facts, np.array([0, 1, 0]))


def test_names_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="1 names of 2 silences"):
        score_names([True, False], ["a"], np.array([0, 1]))
