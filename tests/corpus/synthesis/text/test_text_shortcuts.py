"""Nothing but the voice may tell an end from a hold."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from turnkit.corpus.synthesis.text import ScriptWriter, TextSettings

TURNS, FOLDS, SHRINK = 2000, 10, 5.0
SECONDS_PER_LETTER = 0.065
LIMIT = 0.55


@cache
def boundaries() -> tuple[list[str], dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Last words, what there was so far, and 1 for ends; spans from 0.2 s on."""
    writer = ScriptWriter(TextSettings(), ("train", "test"), seed=11)
    last: list[str] = []
    rows: list[tuple[float, float, float, float, float]] = []
    for index in range(TURNS):
        time = words = 0.0
        for holds, chunk in enumerate(writer.write("train", index).chunks):
            words += len(chunk.text.split())
            time += len(chunk.text) * SECONDS_PER_LETTER
            if chunk.boundary.is_end or chunk.hold_s >= 0.2:
                last.append(chunk.text.split()[-1].lower().strip(",.?"))
                rows.append((time, words, holds, chunk.boundary.is_end, index % FOLDS))
            time += chunk.hold_s
    table = np.array(rows)
    so_far = {"time": table[:, 0], "words": table[:, 1], "holds": table[:, 2], "end": table[:, 3]}
    return last, so_far, table[:, 4].astype(np.int64)


def auc(ends: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    return float(roc_auc_score(ends, scores))


def encode(last: list[str], ends: NDArray[np.float64], folds: NDArray[np.int64]) -> list[float]:
    """P(end | last word) as the other folds have it, shrunk to the mean."""
    scores = [0.0] * len(last)
    for fold in range(FOLDS):
        counts: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for word, end in zip(np.array(last)[folds != fold], ends[folds != fold], strict=True):
            counts[word][0] += end
            counts[word][1] += 1
        mean = float(ends[folds != fold].mean())
        for i in np.flatnonzero(folds == fold):
            hits, total = counts[last[i]]
            scores[i] = (hits + SHRINK * mean) / (total + SHRINK)
    return scores


def test_last_word_does_not_tell() -> None:
    last, so_far, folds = boundaries()
    found = auc(so_far["end"], np.array(encode(last, so_far["end"], folds)))
    assert found <= LIMIT, f"AUC of the last word: {found:.3f}"


@pytest.mark.parametrize("cue", ["time", "words", "holds"])
def test_what_was_so_far_does_not_tell(cue: str) -> None:
    _, so_far, _ = boundaries()
    found = auc(so_far["end"], so_far[cue])
    assert 1 - LIMIT <= found <= LIMIT, f"AUC of {cue} so far: {found:.3f}"


def test_probe_sees_a_last_word_that_tells() -> None:
    last, so_far, folds = boundaries()
    marked = [
        "over" if end and i % 3 else word
        for i, (word, end) in enumerate(zip(last, so_far["end"], strict=True))
    ]
    assert auc(so_far["end"], np.array(encode(marked, so_far["end"], folds))) > 0.7


def test_turns_without_holds_are_short_and_long_and_fillers_end_turns() -> None:
    writer = ScriptWriter(TextSettings(), ("train",), seed=2)
    scripts = [writer.write("train", i) for i in range(600)]
    single = [len(s.words.split()) for s in scripts if len(s.chunks) == 1]
    assert np.quantile(single, 0.1) <= 4
    assert np.quantile(single, 0.9) >= 15
    assert {"um", "so", "and"} <= {s.words.split()[-1] for s in scripts}
