"""How well a few facts tell ends of turns from holds, on speakers they were not fitted on.

Scores are made out of fold: whatever is fitted has not seen the rows that it scores. They
are compared *within* a fold only. Comparing across folds would be biased where the facts
say nothing: what one fold lost to another's fitting rows pulls their scores apart.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turnkit.errors import InputError
from turnkit.metrics.bootstrap import Interval, interval, resample_speakers

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Folds = NDArray[np.int64]

FOLDS = 5
"""Parts of which each is scored by what was fitted on the others."""

RESAMPLES = 400
"""Resamples of an interval: its bounds need not be better than the limit is chosen."""

BINS = 8
"""Quantile bins of a number: enough for a hump, too few to learn rows by heart."""

RIDGE = 2.0
"""Penalty of the logistic regression, in rows: it holds bins of few rows near the mean."""

PRIOR = 2.0
"""Rows of average outcome that every name is given before its own count."""

_NEWTON_STEPS = 12
_LONGEST_STEP = 3.0
_BLOCK = 64
"""Resamples taken at a time."""


class Separation(NamedTuple):
    """Area under the ROC curve of ends against holds, and its interval over speakers.

    NaN and None where there are no ends or no holds.
    """

    auc: float
    interval: Interval | None


def folds_of(groups: Sequence[Hashable], folds: int = FOLDS, seed: int = 0) -> Folds:
    """Deal items to folds so that a group is in one fold only.

    The largest groups are dealt first, each to the smallest fold.

    Parameters
    ----------
    groups : sequence of hashable, length n
        What must not be parted, such as the speaker of each item.
    folds : int
    seed : int
        Fixes the order of groups of one size.

    Returns
    -------
    ndarray of int, shape (n,)
        In 0 .. `folds` - 1.
    """
    number: dict[Hashable, int] = {}
    index = np.array([number.setdefault(group, len(number)) for group in groups], dtype=np.int64)
    sizes = np.bincount(index, minlength=len(number))
    order = np.random.default_rng(seed).permutation(len(number))
    fold_of = np.zeros(len(number), dtype=np.int64)
    filled = np.zeros(folds, dtype=np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[group] = int(np.argmin(filled))
        filled[fold_of[group]] += sizes[group]
    return fold_of[index]


def score_numbers(is_end: ArrayLike, facts: ArrayLike, folds: Folds) -> Floats:
    """Out-of-fold scores of a ridge logistic regression on binned facts.

    Every column counts with its quantile bins and its standardised value, so that a fact
    which is telling in the middle of its range is found as well as one which rises.

    Parameters
    ----------
    is_end : array_like of bool, shape (n,)
    facts : array_like, shape (n, k) or (n,)
        Finite numbers.
    folds : ndarray of int, shape (n,)
        As `folds_of` deals them.

    Returns
    -------
    ndarray, shape (n,)
        Log odds of an end, 0 for the average of the rows fitted on.

    Raises
    ------
    InputError
        If shapes disagree or a fact is not finite.
    """
    label, table = np.asarray(is_end, dtype=bool), np.asarray(facts, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or not len(label) == len(table) == len(folds):
        raise InputError(f"facts {table.shape} of {len(label)} silences: expected one row each")
    if not np.isfinite(table).all():
        raise InputError("facts: expected finite numbers")
    scores = np.zeros(len(label))
    for fold in np.unique(folds):
        there, fitted = folds == fold, folds != fold
        if label[fitted].all() or not label[fitted].any():
            continue
        known, asked = _design(table[fitted], table[there])
        scores[there] = asked @ _logistic(known, label[fitted])
    return scores


def score_names(is_end: ArrayLike, names: Sequence[Hashable], folds: Folds) -> Floats:
    """Out-of-fold scores of names: how often each went with an end elsewhere.

    Target encoding with additive smoothing (Micci-Barreca 2001).

    Parameters
    ----------
    is_end : array_like of bool, shape (n,)
    names : sequence of hashable, length n
        Such as the last word, or the speaker.
    folds : ndarray of int, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
        Log odds of an end, 0 for the average and for names that were not seen.

    Raises
    ------
    InputError
        If lengths disagree.
    """
    label = np.asarray(is_end, dtype=bool)
    if not len(label) == len(names) == len(folds):
        raise InputError(f"{len(names)} names of {len(label)} silences: expected one each")
    number: dict[Hashable, int] = {}
    index = np.array([number.setdefault(name, len(number)) for name in names], dtype=np.int64)
    scores = np.zeros(len(label))
    for fold in np.unique(folds):
        there, fitted = folds == fold, folds != fold
        if label[fitted].all() or not label[fitted].any():
            continue
        share = float(label[fitted].mean())
        seen = np.bincount(index[fitted], minlength=len(number)) + PRIOR
        ended = np.bincount(index[fitted & label], minlength=len(number)) + PRIOR * share
        odds = np.log(ended / (seen - ended)) - np.log(share / (1.0 - share))
        scores[there] = odds[index[there]]
    return scores


def separation(
    is_end: ArrayLike,
    scores: ArrayLike,
    folds: Folds,
    speakers: Sequence[Hashable],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Separation:
    """Area under the ROC curve within folds, and its 95 % interval by bootstrap over speakers.

    Parameters
    ----------
    is_end : array_like of bool, shape (n,)
    scores : array_like, shape (n,)
        Higher for an end. Ties count half.
    folds : ndarray of int, shape (n,)
    speakers : sequence of hashable, length n
    resamples : int
        0 for no interval.
    seed : int

    Returns
    -------
    Separation
    """
    label, score = np.asarray(is_end, dtype=bool), np.asarray(scores, dtype=np.float64)
    if not label.any() or label.all():
        return Separation(float("nan"), None)
    number: dict[Hashable, int] = {}
    who = np.array([number.setdefault(speaker, len(number)) for speaker in speakers])
    ranked = _Ranked(label, score, folds)
    auc = float(ranked.auc(np.ones((1, len(label))))[0])
    draws = resample_speakers(len(number), resamples, seed)
    parts = [ranked.auc(draws[k : k + _BLOCK, who]) for k in range(0, len(draws), _BLOCK)]
    return Separation(auc, interval(np.concatenate(parts)) if parts else None)


class _Ranked:
    """Silences in the order of fold and score, tied ones together."""

    def __init__(self, label: Flags, score: Floats, folds: Folds) -> None:
        # Scores that differ by rounding only are one score.
        score = np.round(score, 9)
        self._order = np.lexsort((score, folds))
        fold, value = folds[self._order], score[self._order]
        self._end = label[self._order].astype(np.float64)
        new_fold = np.r_[True, fold[1:] != fold[:-1]]
        self._tie = np.flatnonzero(new_fold | np.r_[True, value[1:] != value[:-1]])
        fold_of_tie = fold[self._tie]
        self._fold = np.flatnonzero(np.r_[True, fold_of_tie[1:] != fold_of_tie[:-1]])
        self._length = np.diff(np.r_[self._fold, len(self._tie)])

    def auc(self, weights: Floats) -> Floats:
        """Weighted areas, shape (r,), of weights of shape (r, n); NaN without pairs."""
        weights = weights[:, self._order]
        ends = np.add.reduceat(weights * self._end, self._tie, axis=1)
        holds = np.add.reduceat(weights * (1.0 - self._end), self._tie, axis=1)
        holds_of_fold = np.add.reduceat(holds, self._fold, axis=1)
        earlier = np.cumsum(holds_of_fold, axis=1) - holds_of_fold
        below = np.cumsum(holds, axis=1) - holds - np.repeat(earlier, self._length, axis=1)
        won = (ends * (below + holds / 2.0)).sum(axis=1)
        pairs = (np.add.reduceat(ends, self._fold, axis=1) * holds_of_fold).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(pairs > 0.0, won / pairs, np.nan)


def _design(known: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Bins and standardised values of facts, both by what the known rows say."""
    columns: tuple[list[Floats], list[Floats]] = ([], [])
    for k in range(known.shape[1]):
        mean, deviation = float(known[:, k].mean()), float(known[:, k].std())
        edges = np.unique(np.quantile(known[:, k], np.linspace(0.0, 1.0, BINS + 1)[1:-1]))
        for part, table in zip(columns, (known, asked), strict=True):
            values = np.clip((table[:, k] - mean) / (deviation or 1.0), -3.0, 3.0)
            index = np.searchsorted(edges, table[:, k], side="right")
            part.append(np.column_stack([values, np.eye(len(edges) + 1)[index]]))
    return np.hstack(columns[0]), np.hstack(columns[1])


def _logistic(table: Floats, label: Flags) -> Floats:
    """Weights without the intercept, by Newton's method with a ridge penalty."""
    known = np.column_stack([table, np.ones(len(table))])
    penalty = np.full(known.shape[1], RIDGE)
    penalty[-1] = 1e-6
    weights = np.zeros(known.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(known @ weights, -30.0, 30.0)))
        slope = known.T @ (label - p) - penalty * weights
        curve = (known * (p * (1.0 - p))[:, None]).T @ known + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if float(np.abs(step).max()) < 1e-6:
            break
    return np.asarray(weights[:-1], dtype=np.float64)
