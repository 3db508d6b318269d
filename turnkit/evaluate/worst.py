"""The false cutoffs most worth listening to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from turnkit.detector.policy import Policy, first_above
from turnkit.evaluate.claims import BEST, FROZEN
from turnkit.evaluate.results import DetectorResult, FrozenPoint
from turnkit.metrics import GRID_S

_POINT = "FC@300"
"""Operating point whose cutoffs are looked at."""


@dataclass(frozen=True, slots=True)
class WorstCutoff:
    """A false cutoff.

    Attributes
    ----------
    row : int
        Of the corpus.
    turn : str
    at_s : float
        Seconds from the start of the row to the decision.
    span : int or None
        Which of the row's spans; None during speech.
    waited_s : float
        Seconds of silence before the decision.
    score : float or None
    """

    row: int
    turn: str
    at_s: float
    span: int | None
    waited_s: float
    score: float | None


@dataclass(frozen=True, slots=True)
class WorstCutoffs:
    """The worst false cutoffs under one policy.

    Attributes
    ----------
    basis : str
        ``"frozen"``, ``"own policy"`` or ``"best on test"``.
    policy : Policy
    cutoffs : tuple of WorstCutoff
        The surest first: highest score, then shortest wait.
    total : int
        How many there were to choose from.
    """

    basis: str
    policy: Policy
    cutoffs: tuple[WorstCutoff, ...]
    total: int


def worst_cutoffs(result: DetectorResult, n: int = 10) -> WorstCutoffs | None:
    """Find the false cutoffs that a detector was surest of.

    Parameters
    ----------
    result : DetectorResult
        Its frozen FC@300 policy is looked at, else the one it comes with, else the
        best on test.
    n : int

    Returns
    -------
    WorstCutoffs or None
        None where there is no policy to look at.
    """
    frozen = (result.frozen or {}).get(_POINT) or result.own
    if frozen is not None:
        found = _replayed(frozen)
        basis, policy = (FROZEN if frozen.point else "own policy"), frozen.policy
    elif _POINT in result.best:
        basis, policy = BEST, result.best[_POINT].policy
        found = _swept(result, policy)
    else:
        return None
    surest = sorted(found, key=lambda cut: (-_sureness(cut), cut.waited_s, cut.row, cut.at_s))
    return WorstCutoffs(basis, policy, tuple(surest[:n]), len(found))


def _sureness(cut: WorstCutoff) -> float:
    return -math.inf if cut.score is None else cut.score


def _replayed(frozen: FrozenPoint) -> list[WorstCutoff]:
    return [
        WorstCutoff(row, outcome.turn, cut.at_s, cut.span, cut.waited_s, cut.score)
        for row, outcome in enumerate(frozen.outcomes)
        for cut in outcome.cutoffs
    ]


def _swept(result: DetectorResult, policy: Policy) -> list[WorstCutoff]:
    spans, found = result.spans, []
    threshold = np.array([policy.threshold])
    duration = spans.rounded_duration_s()
    for i in np.flatnonzero(~spans.is_end):
        above = float(first_above(GRID_S, spans.scores[i], threshold)[0])
        fire = min(max(above, policy.action_delay_s), policy.timeout_s)
        if duration[i] <= fire:
            continue
        row, span = int(spans.row[i]), int(spans.span[i])
        trace = result.traces[row]
        start = int(trace.marks.starts[span]) / trace.sample_rate
        read = spans.scores[i][: np.searchsorted(GRID_S, fire + 1e-9, side="right")]
        read = read[~np.isnan(read)]
        score = float(read[-1]) if len(read) else None
        found.append(WorstCutoff(row, trace.turn, start + fire, span, fire, score))
    return found
