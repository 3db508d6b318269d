from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from turnkit.train import teacher
from turnkit.train.teacher import (
    TaughtCorpus,
    VectorTable,
    cross_fitted_logits,
    fit_head,
    fold_of_speakers,
    scores_by_span,
)


def table(rows: int, seed: int = 0, width: int = 6, asked: int = 3) -> VectorTable:
    rng = np.random.default_rng(seed)
    n = rows * 2 * asked
    is_end = np.tile(np.repeat([False, True], asked), rows)
    vectors = rng.standard_normal((n, width)).astype(np.float32)
    vectors[:, 0] += 1.5 * is_end
    return VectorTable(
        vectors,
        np.repeat(np.arange(rows), 2 * asked),
        np.tile(np.repeat([0, 1], asked), rows),
        np.tile(np.linspace(0.2, 0.6, asked, dtype=np.float32), 2 * rows),
        is_end,
    )


def taught(speakers: list[str], seed: int = 0, labels: bool = True) -> TaughtCorpus:
    corpus: Any = SimpleNamespace(speakers=speakers)
    return TaughtCorpus(corpus, table(len(speakers), seed), labels, 1.0)


SPEAKERS = [f"s{i % 7}" for i in range(28)]


def test_a_head_is_sklearns_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    given, l2 = table(30), 0.05
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(given.is_end)).astype(np.float32)
    head = fit_head(given.vectors, given.is_end, weights, l2)
    scaled = (given.vectors - given.vectors.mean(0)) / given.vectors.std(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = LogisticRegression(C=1 / (l2 * weights.sum()), tol=1e-8, max_iter=1000)
        oracle.fit(scaled, given.is_end, sample_weight=weights)
    ours = head.net.get_parameter("0.weight").detach().numpy()
    np.testing.assert_allclose(ours, oracle.coef_, atol=2e-3)


def test_each_silence_weighs_one() -> None:
    given = table(5)
    weights = given.span_weights()
    for row in range(5):
        for span in range(2):
            inside = (given.row == row) & (given.span == span)
            assert weights[inside].sum() == pytest.approx(1.0)


@pytest.mark.parametrize("speaker", ["s0", "s3"])
def test_a_speakers_labels_do_not_reach_its_own_scores(speaker: str) -> None:
    before = taught(SPEAKERS)
    own = np.array([s == speaker for s in SPEAKERS])[before.table.row]
    flipped = np.where(own, ~before.table.is_end, before.table.is_end)
    after = replace(before, table=replace(before.table, is_end=flipped))
    was, now = cross_fitted_logits([before], 0.1, 0)[0], cross_fitted_logits([after], 0.1, 0)[0]
    np.testing.assert_array_equal(was[own], now[own])
    assert not np.isnan(was).any()
    # and the other folds did hear them
    assert np.abs(was[~own] - now[~own]).max() > 1e-3


def test_a_speaker_of_two_corpora_is_left_out_of_both() -> None:
    first, second = taught(SPEAKERS), taught([f"s{i % 7}" for i in range(14)], seed=3)
    own = np.array([s == "s1" for s in SPEAKERS])[first.table.row]
    other = np.array([s == "s1" for s in second.corpus.speakers])[second.table.row]
    flipped = np.where(other, ~second.table.is_end, second.table.is_end)
    changed = replace(second, table=replace(second.table, is_end=flipped))
    was = cross_fitted_logits([first, second], 0.1, 0)[0]
    now = cross_fitted_logits([first, changed], 0.1, 0)[0]
    np.testing.assert_array_equal(was[own], now[own])


def test_audio_without_labels_is_scored_by_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    original = teacher.fit_head

    def spy(
        vectors: NDArray[np.float32],
        is_end: NDArray[np.bool_],
        weights: NDArray[np.float32],
        l2: float,
    ) -> Any:
        heard.append(len(vectors))
        return original(vectors, is_end, weights, l2)

    monkeypatch.setattr(teacher, "fit_head", spy)
    labelled = taught(SPEAKERS)
    nameless = taught(["x", "y"], seed=5, labels=False)
    scores = cross_fitted_logits([labelled, nameless], 0.1, 0)
    assert not np.isnan(scores[1]).any()
    assert max(heard) == len(labelled.table.row), "a head fitted on all labelled rows"
    turned = replace(nameless, table=replace(nameless.table, is_end=~nameless.table.is_end))
    again = cross_fitted_logits([labelled, turned], 0.1, 0)
    np.testing.assert_array_equal(scores[1], again[1])
    np.testing.assert_array_equal(scores[0], again[0])


def test_folds_deal_speakers_evenly_and_by_seed() -> None:
    folds = fold_of_speakers([f"p{i}" for i in range(50)], seed=1)
    assert np.bincount(list(folds.values())).tolist() == [10] * 5
    assert folds == fold_of_speakers([f"p{i}" for i in range(50)][::-1], seed=1)
    assert folds != fold_of_speakers([f"p{i}" for i in range(50)], seed=2)


def test_scores_are_sorted_by_row_and_span() -> None:
    given = table(3)
    logits = np.arange(len(given.row), dtype=np.float64)
    logits[given.row == 1] = np.nan
    found = scores_by_span(given, logits, 4)
    assert [sorted(spans) for spans in found] == [[0, 1], [], [0, 1], []]
    np.testing.assert_array_equal(found[2][1].logit, logits[(given.row == 2) & (given.span == 1)])
    np.testing.assert_allclose(found[0][0].tau, [0.2, 0.4, 0.6], atol=1e-6)
