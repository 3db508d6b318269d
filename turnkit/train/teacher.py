"""Heads that teach: what an encoder thinks of each silence, free of what it was told.

A head fitted on a speaker's turns knows their labels by heart; a network that learned
from it would learn the labels twice. So speakers are dealt into folds and each fold is
scored by a head that was fitted on the others (cross-fitting, Chernozhukov et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from turnkit.corpus.reader import Corpus
from turnkit.model.acoustic import EncoderHead, HeadConfig
from turnkit.train.shards import CachedRows
from turnkit.train.statistics import fit_scale
from turnkit.train.targets import TeacherScores

FOLDS = 5

_STEPS = 100
"""Steps of L-BFGS; the objective is convex and well conditioned."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorTable:
    """Vectors of one corpus, in memory.

    Attributes
    ----------
    vectors : ndarray of float32, shape (q, width)
    row, span : ndarray of int, shape (q,)
        Which silence they come from.
    tau : ndarray of float32, shape (q,)
        Seconds of silence.
    is_end : ndarray of bool, shape (q,)
    """

    vectors: NDArray[np.float32]
    row: NDArray[np.int64]
    span: NDArray[np.int64]
    tau: NDArray[np.float32]
    is_end: NDArray[np.bool_]

    @classmethod
    def read(cls, rows: CachedRows) -> VectorTable:
        """Read the cache of a `VectorJob`."""
        counts = [rows.length(row, "tau") for row in range(len(rows))]
        return cls(
            rows.all("vectors"),
            np.repeat(np.arange(len(rows)), counts),
            rows.all("span"),
            rows.all("tau"),
            rows.all("is_end"),
        )

    def span_weights(self) -> NDArray[np.float32]:
        """Weights that count each silence once, however often the encoder was asked in it."""
        if len(self.row) == 0:
            return np.zeros(0, dtype=np.float32)
        pairs = np.stack([self.row, self.span], axis=1)
        _, which, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
        return (1.0 / counts[which.reshape(-1)]).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class TaughtCorpus:
    """A corpus that a teacher is fitted on, or only scores.

    Attributes
    ----------
    corpus : Corpus
        Rows that train weights.
    table : VectorTable
    labels : bool
    weight : float
    """

    corpus: Corpus
    table: VectorTable
    labels: bool
    weight: float


def fit_head(
    vectors: NDArray[np.float32],
    is_end: NDArray[np.bool_],
    weights: NDArray[np.float32],
    l2: float,
) -> EncoderHead:
    """Fit a linear head: logistic regression with an L2 penalty, by L-BFGS.

    Parameters
    ----------
    vectors : ndarray, shape (q, width)
    is_end : ndarray, shape (q,)
    weights : ndarray, shape (q,)
    l2 : float
        Times half the squared weights, beside the mean loss.

    Returns
    -------
    EncoderHead
        In evaluation mode; the same input gives the same head.
    """
    head = EncoderHead(HeadConfig(hidden=0, dropout=0.0), vectors.shape[1])
    fitted = fit_scale([vectors], vectors.shape[1])
    head.load_state_dict(
        {
            "mean": torch.from_numpy(fitted.mean),
            "scale": torch.from_numpy(fitted.scale),
            "net.0.weight": torch.zeros(1, vectors.shape[1]),
            "net.0.bias": torch.zeros(1),
        }
    )
    inputs = torch.from_numpy((vectors - fitted.mean) * fitted.scale)
    wanted = torch.from_numpy(is_end.astype(np.float32))
    share = torch.from_numpy(weights / max(float(weights.sum()), 1e-9))
    weight = head.net.get_parameter("0.weight")
    optimiser = torch.optim.LBFGS(
        head.net.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe"
    )

    def objective() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            head.net(inputs)[:, 0], wanted, weight=share, reduction="sum"
        )
        total = loss + 0.5 * l2 * (weight**2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(objective)  # type: ignore[no-untyped-call]
    return head.eval()


def fold_of_speakers(speakers: Sequence[str], seed: int) -> dict[str, int]:
    """Deal speakers into `FOLDS` folds."""
    names = sorted(set(speakers))
    order = np.random.default_rng(seed).permutation(len(names))
    return {names[place]: int(i % FOLDS) for i, place in enumerate(order)}


@torch.inference_mode()
def _logits(head: EncoderHead, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(head(torch.from_numpy(vectors)).numpy(), dtype=np.float64)


def cross_fitted_logits(
    taught: Sequence[TaughtCorpus], l2: float, seed: int
) -> list[NDArray[np.float64]]:
    """Score every silence with a head that never heard its speaker.

    Parameters
    ----------
    taught : sequence of TaughtCorpus
        Training rows only.
    l2 : float
    seed : int

    Returns
    -------
    list of ndarray, shape (q,)
        One a corpus. Corpora without labels are scored by a head fitted on all the
        others, unless a speaker of theirs is among those: then as that speaker is.
    """
    labelled = [each for each in taught if each.labels]
    folds = fold_of_speakers([s for each in labelled for s in each.corpus.speakers], seed)
    vectors = np.concatenate([each.table.vectors for each in labelled])
    is_end = np.concatenate([each.table.is_end for each in labelled])
    weights = np.concatenate([each.table.span_weights() * each.weight for each in labelled])
    fold = np.concatenate([_folds_of_rows(each, folds) for each in labelled])
    scores = [np.full(len(each.table.row), np.nan) for each in taught]
    for number in sorted({*folds.values(), -1}):
        heard = fold != number
        places = [np.flatnonzero(_folds_of_rows(each, folds) == number) for each in taught]
        if not any(len(place) for place in places):
            continue
        if len(set(is_end[heard].tolist())) < 2:
            # Too few speakers to leave some out: then nobody teaches these.
            continue
        head = fit_head(vectors[heard], is_end[heard], weights[heard], l2)
        for each, place, score in zip(taught, places, scores, strict=True):
            score[place] = _logits(head, each.table.vectors[place])
    return scores


def _folds_of_rows(each: TaughtCorpus, folds: Mapping[str, int]) -> NDArray[np.int64]:
    """Fold of each vector; -1 where nobody was told anything of the speaker."""
    of_row = np.array([folds.get(speaker, -1) for speaker in each.corpus.speakers])
    return np.asarray(of_row[each.table.row], dtype=np.int64)


def scores_by_span(
    table: VectorTable, logits: NDArray[np.float64], rows: int
) -> list[dict[int, TeacherScores]]:
    """Sort logits by row and span; silences that nobody scored are left out."""
    found: list[dict[int, TeacherScores]] = [{} for _ in range(rows)]
    if len(table.row) == 0:
        return found
    change = (np.diff(table.row) != 0) | (np.diff(table.span) != 0)
    for part in np.split(np.arange(len(table.row)), np.flatnonzero(change) + 1):
        if not np.isnan(logits[part]).any():
            row, span = int(table.row[part[0]]), int(table.span[part[0]])
            tau = table.tau[part].astype(np.float64)
            found[row][span] = TeacherScores(tau, logits[part])
    return found
