"""The published claim, in both of its readings, and detectors against each other.

"About 45 % fewer false interruptions than VAD, under 300 ms" can mean two things: fewer
than a VAD that is as fast, or fewer than a VAD that waits 600 ms. Both are tested, on
frozen policies and on the best-on-test sweep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from turnkit.evaluate.results import BestPoint, Claim, Comparison, DetectorResult
from turnkit.metrics import (
    POINTS,
    Interval,
    PointKind,
    SpeakerSums,
    best_values,
    interval,
    policy_values,
    reduction,
)

CLAIM_TITLE = 'Claim: "about 45 % fewer false interruptions than VAD, under 300 ms"'

CLAIMED = 0.45
"""Reduction of false interruptions that is claimed."""

FROZEN, BEST = "frozen", "best on test"
"""What figures rest on: a policy fixed beforehand, or the best of a sweep on the test rows."""

READINGS = (("equal latency, 300 ms against 300 ms", "FC@300", "FC@300"),
            ("literal, 300 ms against 600 ms", "FC@300", "FC@600"))  # fmt: skip

VAD_SPEC = "vad:silero"
"""The VAD whose frozen policies stand for "VAD"."""

_Values = tuple[float, NDArray[np.float64]]
"""A figure and its resamples."""


def bounds(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Interval | None:
    """Return the interval of resampled values; None for fewer than two speakers."""
    return interval(values) if weights.shape[1] > 1 else None


def compare(
    detectors: Sequence[DetectorResult], weights: NDArray[np.float64]
) -> tuple[Comparison, ...]:
    """Paired differences of the first detector to each other one, at every point."""
    found = []
    for other in detectors[1:]:
        for basis in (FROZEN, BEST):
            for point in POINTS:
                ours = _point_values(detectors[0], basis, point.name, weights)
                theirs = _point_values(other, basis, point.name, weights)
                if ours is None or theirs is None:
                    continue
                with np.errstate(invalid="ignore"):  # both may be out of reach
                    spread = bounds(ours[1] - theirs[1], weights)
                    difference = float(np.subtract(ours[0], theirs[0]))
                found.append(Comparison(other.spec, basis, point, difference, spread))
    return tuple(found)


def _point_values(
    result: DetectorResult, basis: str, name: str, weights: NDArray[np.float64]
) -> _Values | None:
    if basis == BEST:
        best = result.best.get(name)
        return None if best is None else _best_values(best, result.sums, weights)
    frozen = (result.frozen or {}).get(name)
    if frozen is None or frozen.point is None:
        return None
    rate, latency = policy_values(frozen.sums, 0, weights)
    if frozen.point.kind is PointKind.CUTOFFS:
        return frozen.summary.rate, rate
    return frozen.summary.mean_latency_s, latency


def _best_values(best: BestPoint, sums: SpeakerSums, weights: NDArray[np.float64]) -> _Values:
    value = best.rate if best.point.kind is PointKind.CUTOFFS else best.mean_latency_s
    return value if best.reached else math.inf, best_values(best.point, sums, weights)


def check_claims(
    detectors: Sequence[DetectorResult],
    baseline: Mapping[str, BestPoint],
    baseline_sums: SpeakerSums,
    weights: NDArray[np.float64],
) -> tuple[Claim, ...]:
    """Test both readings of the claim for the first detector.

    Parameters
    ----------
    detectors : sequence of DetectorResult
    baseline : dict of str to BestPoint
        Pure delay on the annotated spans, for the best-on-test basis.
    baseline_sums : SpeakerSums
        Its sweep.
    weights : ndarray, shape (r, s)
        Draws of `resample_speakers`.

    Returns
    -------
    tuple of Claim
        Frozen first; both readings on either basis.
    """
    ours, found = detectors[0], []
    vad = next((d for d in detectors[1:] if d.spec.startswith(VAD_SPEC)), None)
    for reading, our_point, vad_point in READINGS:
        mine = _point_values(ours, FROZEN, our_point, weights)
        its = None if vad is None else _point_values(vad, FROZEN, vad_point, weights)
        why = ""
        if mine is None:
            why = "no frozen policy: give --fit-on"
        elif vad is None:
            why = f"no frozen {VAD_SPEC} on the same rows: add --detector {VAD_SPEC}"
        elif its is None:
            why = f"no frozen policy of {vad.spec}: give --fit-on"
        elif ours.frozen is not None and ours.frozen[our_point].missed:
            why = f"{our_point} missed: its mean latency was above the limit"
        found.append(_claim(reading, FROZEN, mine, its, vad.spec if vad else "", why, weights))
    for reading, our_point, vad_point in READINGS:
        mine = _point_values(ours, BEST, our_point, weights)
        point = baseline.get(vad_point)
        its = None if point is None else _best_values(point, baseline_sums, weights)
        why = "no holds or no ends" if mine is None or its is None else ""
        if mine is not None and math.isinf(mine[0]):
            why = f"{our_point} is out of reach"
        found.append(_claim(reading, BEST, mine, its, "pure delay", why, weights))
    return tuple(found)


def _claim(
    reading: str,
    basis: str,
    ours: _Values | None,
    vad: _Values | None,
    vad_name: str,
    why: str,
    weights: NDArray[np.float64],
) -> Claim:
    if ours is None or vad is None:
        nan = math.nan
        return Claim(reading, basis, nan, nan, vad_name, nan, None, None, why)
    value = float(reduction(ours[0], vad[0]))
    spread = bounds(reduction(ours[1], vad[1]), weights)
    holds = value >= CLAIMED - 1e-9 and not why
    return Claim(reading, basis, ours[0], vad[0], vad_name, value, spread, holds, why)
