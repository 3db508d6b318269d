"""Figures by slice: the same replays, counted on the rows of each tag.

Policies are those of the whole evaluation: none is chosen on a slice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.reader import Corpus
from turnkit.corpus.tags import closing_tags, meaning, tags_of
from turnkit.evaluate.results import (
    BestPoint,
    DetectorResult,
    FrozenPoint,
    Slice,
    SliceFacts,
    Slices,
)
from turnkit.evaluate.scoring import best_points, frozen_point
from turnkit.evaluate.tracing import span_scores
from turnkit.metrics import DELAY_GRID, pure_delay, resample_speakers

MIN_TURNS = 10
MIN_HOLDS = 10
"""Turns and holds below which a slice has no figures."""

SLICE_POINTS = ("FC@300", "FC@600")
"""Points that are told of a slice."""

OWN = "own policy"
"""Name under which the policy that a detector comes with is replayed."""

Tags = Sequence[frozenset[str]]
"""Tags of each row."""


def read_tags(corpus: Corpus) -> list[frozenset[str]]:
    """Tags of each row of a corpus: stored, or told from the row or from all rows."""
    own = [(tags_of(turn), turn.transcript or "") for turn in corpus]
    closing = closing_tags([transcript for _, transcript in own])
    return [tags | more for (tags, _), more in zip(own, closing, strict=True)]


def slice_results(
    detectors: Sequence[DetectorResult], tags: Tags, resamples: int, seed: int
) -> Slices:
    """Count the replays of detectors on the rows of each tag.

    Parameters
    ----------
    detectors : sequence of DetectorResult
        Of the same rows.
    tags : sequence of frozenset of str
        Of each row.
    resamples, seed : int
        Of the bootstrap over the speakers of a slice.

    Returns
    -------
    Slices
    """
    found: list[Slice] = []
    too_few: list[SliceFacts] = []
    of_all: list[SliceFacts] = []
    for tag in sorted(frozenset[str]().union(*tags)):
        rows = [row for row, own in enumerate(tags) if tag in own]
        facts = _facts(tag, detectors[0], rows)
        if len(rows) == len(tags):
            of_all.append(facts)
        elif facts.turns < MIN_TURNS or facts.holds < MIN_HOLDS:
            too_few.append(facts)
        else:
            found.append(_slice(facts, detectors, rows, resamples, seed))
    found.sort(key=lambda one: -one.facts.turns)
    return Slices(tuple(found), tuple(too_few), tuple(of_all))


def _facts(tag: str, result: DetectorResult, rows: Sequence[int]) -> SliceFacts:
    traces = [result.traces[row] for row in rows]
    return SliceFacts(
        tag=tag,
        meaning=meaning(tag),
        turns=len(rows),
        holds=sum(int(trace.marks.counts.sum()) for trace in traces),
        speakers=len({trace.speaker for trace in traces}),
    )


def _slice(
    facts: SliceFacts,
    detectors: Sequence[DetectorResult],
    rows: Sequence[int],
    resamples: int,
    seed: int,
) -> Slice:
    traces = [detectors[0].traces[row] for row in rows]
    speakers = tuple(sorted({trace.speaker for trace in traces}))
    weights = resample_speakers(len(speakers), resamples, seed)
    baseline = best_points(pure_delay(span_scores(traces, speakers)), DELAY_GRID, weights)
    return Slice(
        facts=facts,
        frozen={result.spec: _replays(result, rows, speakers, weights) for result in detectors},
        baseline=_told(baseline),
    )


def _replays(
    result: DetectorResult,
    rows: Sequence[int],
    speakers: Sequence[str],
    weights: NDArray[np.float64],
) -> dict[str, FrozenPoint]:
    frozen = result.frozen or {}
    replayed = {name: frozen[name] for name in SLICE_POINTS if name in frozen}
    if result.own is not None:
        replayed[OWN] = result.own
    return {
        name: frozen_point(
            name,
            one.policy,
            tuple(one.outcomes[row] for row in rows),
            one.fitted,
            speakers,
            weights,
        )
        for name, one in replayed.items()
    }


def _told(points: Mapping[str, BestPoint]) -> dict[str, BestPoint]:
    return {name: points[name] for name in SLICE_POINTS if name in points}
