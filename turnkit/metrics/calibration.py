"""Do scores mean what they say, and do they rank? Diagnostics that never rank detectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turnkit.errors import InputError

Floats = NDArray[np.float64]

BINS = 15
"""Equal-width bins over 0 .. 1, as in Guo et al., ICML 2017."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Score against truth, bin by bin; empty bins hold NaN.

    Attributes
    ----------
    score : ndarray, shape (bins,)
        Mean score.
    share : ndarray, shape (bins,)
        Share of ends of turn.
    count : ndarray of int, shape (bins,)
        Spans in the bin.
    """

    score: Floats
    share: Floats
    count: NDArray[np.int64]


def _validate(is_end: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Check labels and scores, and leave out spans without a score."""
    label, score = np.asarray(is_end, dtype=bool), np.asarray(scores, dtype=np.float64)
    if label.ndim != 1 or label.shape != score.shape:
        raise InputError(f"labels {label.shape} and scores {score.shape}: expected one shape (n,)")
    scored = ~np.isnan(score)
    label, score = label[scored], score[scored]
    if score.size and not (score.min() >= 0 and score.max() <= 1):
        raise InputError("scores: expected values in 0 .. 1")
    return label, score


def reliability(is_end: ArrayLike, scores: ArrayLike, bins: int = BINS) -> Reliability:
    """Reliability curve.

    Parameters
    ----------
    is_end : array_like of bool, shape (n,)
    scores : array_like, shape (n,)
        In 0 .. 1; spans with NaN are left out.
    bins : int

    Returns
    -------
    Reliability

    Raises
    ------
    InputError
        If shapes disagree or a score lies outside 0 .. 1.
    """
    label, score = _validate(is_end, scores)
    index = np.minimum((score * bins).astype(np.int64), bins - 1)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(index, weights=score, minlength=bins) / count
        share = np.bincount(index, weights=label.astype(np.float64), minlength=bins) / count
    return Reliability(mean, share, count)


def expected_calibration_error(is_end: ArrayLike, scores: ArrayLike, bins: int = BINS) -> float:
    """Mean distance of score and truth over bins, weighted by their spans (Naeini 2015).

    Returns
    -------
    float
        In 0 .. 1; NaN for no scores. Parameters and errors as in `reliability`.
    """
    curve = reliability(is_end, scores, bins)
    total = int(curve.count.sum())
    if total == 0:
        return float("nan")
    gap = np.nan_to_num(np.abs(curve.score - curve.share))
    return float((gap * curve.count).sum() / total)


def roc_auc(is_end: ArrayLike, scores: ArrayLike) -> float:
    """Probability that an end scores above a hold; ties count half (Mann & Whitney 1947).

    Returns
    -------
    float
        NaN unless there are both. Parameters and errors as in `reliability`.
    """
    label, score = _validate(is_end, scores)
    ends, holds = int(label.sum()), int((~label).sum())
    if ends == 0 or holds == 0:
        return float("nan")
    ordered = np.sort(score[~label])
    below = np.searchsorted(ordered, score[label], side="left")
    not_above = np.searchsorted(ordered, score[label], side="right")
    return float((below + not_above).sum() / (2 * ends * holds))


def average_precision(is_end: ArrayLike, scores: ArrayLike) -> float:
    """Precision averaged over the steps of recall, without interpolation.

    Returns
    -------
    float
        NaN where there is no end of turn. Parameters and errors as in `reliability`.
    """
    label, score = _validate(is_end, scores)
    if not label.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits, ranked = np.cumsum(label[order]), score[order]
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    found = hits[last_of_tie]
    precision = found / (np.flatnonzero(last_of_tie) + 1)
    recall = found / hits[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())
