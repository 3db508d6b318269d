"""corpus -> replay -> metrics: the evaluation itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.reader import Corpus
from turnkit.corpus.split import check_leakage
from turnkit.corpus.tags import check_complete
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import TurnDetector
from turnkit.errors import ConfigError
from turnkit.evaluate.claims import check_claims, compare
from turnkit.evaluate.crew import Bench, Crew, Job, Measured, Opener
from turnkit.evaluate.fitting import FittedPolicy, fit_policies
from turnkit.evaluate.leakage import (
    check_policy_speakers,
    check_training_speakers,
    outside_training,
)
from turnkit.evaluate.machine import Machine, StealClock
from turnkit.evaluate.results import (
    CorpusFacts,
    DetectorResult,
    Evaluation,
)
from turnkit.evaluate.scoring import best_points, diagnose, frozen_point
from turnkit.evaluate.slicing import OWN, read_tags, slice_results
from turnkit.evaluate.tracing import TurnTrace, span_scores
from turnkit.evaluate.turns import TRANSCRIPT_LAG_S
from turnkit.metrics import (
    DELAY_GRID,
    POINTS,
    SCORE_GRID,
    pure_delay,
    resample_speakers,
    sweep,
)
from turnkit.metrics.bootstrap import RESAMPLES

Progress = Callable[[str, int, int], None]
"""Told what is going on, how many turns are done, and of how many."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an evaluation was asked for."""

    corpus: Corpus
    fit_on: Corpus | None
    speakers: tuple[str, ...]
    weights: NDArray[np.float64]
    lag_s: float
    progress: Progress


def evaluate(
    corpus: Corpus,
    detectors: Sequence[str],
    fit_on: Corpus | None = None,
    *,
    workers: int = 1,
    seed: int = 0,
    resamples: int = RESAMPLES,
    transcript_lag_s: float = TRANSCRIPT_LAG_S,
    by_slice: bool = False,
    opener: Opener | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure detectors on the same rows.

    Every detector is traced once for the best-on-test sweep, and replayed under each of
    its frozen policies: those chosen on `fit_on`, or those it comes with (the optional
    attribute ``frozen_policies``, a mapping from names of points to policies).

    Parameters
    ----------
    corpus : Corpus
        Test rows.
    detectors : sequence of str
        Specs for `open_detector`; the first is the one that others are compared with.
    fit_on : Corpus, optional
        Rows of other speakers on which policies are chosen; those of speakers that
        trained the weights of any of the detectors are left out.
    workers : int
        Processes. With more than one, a script needs ``if __name__ == "__main__"``.
    seed, resamples : int
        Of the bootstrap.
    transcript_lag_s : float
        Seconds by which words of the corpus reach a detector late.
    by_slice : bool
        Whether to count the replays by tag as well (`turnkit.corpus.tags`).
    opener : Opener, optional
        In place of `open_detector`.
    progress : Progress, optional

    Returns
    -------
    Evaluation

    Raises
    ------
    ConfigError
        If there is no detector, one is given twice, or a number is out of range.
    CorpusError
        If a speaker is in both corpora, or among those a detector was trained on, or rows
        are tagged ``incomplete``.
    RunError
        If a worker process dies.
    """
    if not detectors or len(set(detectors)) < len(detectors):
        raise ConfigError(f"detectors {list(detectors)}: expected one or more, each given once")
    if resamples < 1:
        raise ConfigError(f"resamples {resamples!r}: expected 1 or more")
    check_complete(corpus)
    if fit_on is not None:
        check_complete(fit_on)
        check_leakage(fit_on, corpus)
    steal, bench = StealClock(), Bench(opener)
    opened = [bench.detector(spec, corpus[0].sample_rate) for spec in detectors]
    if fit_on is not None:
        fit_on = outside_training(fit_on, opened)
    for detector in opened:
        check_training_speakers(detector, corpus)
        if fit_on is None:
            check_policy_speakers(detector, corpus)
    speakers = tuple(sorted(set(corpus.speakers)))
    plan = _Plan(
        corpus,
        fit_on,
        speakers,
        resample_speakers(len(speakers), resamples, seed),
        transcript_lag_s,
        progress or (lambda *_: None),
    )
    measured = []
    for spec in detectors:
        # New processes for each detector, so that its memory is its own.
        with Crew(workers, opener, bench) as crew:
            measured.append(_measure(crew, plan, spec))
    results = tuple(result for result, _ in measured)
    baseline_sums = pure_delay(results[0].spans)
    baseline = best_points(baseline_sums, DELAY_GRID, plan.weights)
    has_words = any(words for words in corpus.column("words"))
    return Evaluation(
        corpus=corpus,
        facts=_facts(corpus, results[0].traces),
        fit_facts=None if fit_on is None else _facts(fit_on, measured[0][1]),
        machine=Machine.read(),
        steal_share=steal.share(),
        seed=seed,
        resamples=resamples,
        transcript_lag_s=transcript_lag_s if has_words else None,
        detectors=results,
        baseline=baseline,
        baseline_sums=baseline_sums,
        comparisons=compare(results, plan.weights),
        claims=check_claims(results, baseline, baseline_sums, plan.weights),
        slices=slice_results(results, read_tags(corpus), resamples, seed) if by_slice else None,
    )


def _measure(crew: Crew, plan: _Plan, spec: str) -> tuple[DetectorResult, tuple[TurnTrace, ...]]:
    """One detector: fit, then trace and replay. Also returns the traces of the fitting rows."""
    detector = crew.bench.detector(spec, plan.corpus[0].sample_rate)
    fit_traces: tuple[TurnTrace, ...] = ()
    fitted: dict[str, FittedPolicy] = {}
    if plan.fit_on is not None:
        found = _run(crew, plan, f"{spec}: fitting", plan.fit_on, spec, ())
        fit_traces = tuple(one.trace for one in found)
        fitted = fit_policies(fit_traces)
    policies = _policies(detector, fitted, plan.fit_on is not None)
    distinct = tuple(dict.fromkeys(policies.values()))
    measured = _run(crew, plan, f"{spec}: testing", plan.corpus, spec, distinct)
    outcomes = {
        policy: tuple(one.outcomes[i] for one in measured) for i, policy in enumerate(distinct)
    }
    frozen = {
        name: frozen_point(
            name, policy, outcomes[policy], fitted.get(name), plan.speakers, plan.weights
        )
        for name, policy in policies.items()
    }
    own = frozen.pop(OWN, None)
    traces = tuple(one.trace for one in measured)
    spans = span_scores(traces, plan.speakers)
    grid = SCORE_GRID if spans.has_scores else DELAY_GRID
    sums = sweep(spans, grid)
    result = DetectorResult(
        spec=spec,
        name=detector.name,
        grid=grid,
        spans=spans,
        sums=sums,
        best=best_points(sums, grid, plan.weights),
        frozen=frozen or None,
        own=own,
        diagnostics=diagnose(spans),
        traces=traces,
        peak_mb=max(one.peak_mb for one in measured),
    )
    return result, fit_traces


def _policies(
    detector: TurnDetector, fitted: Mapping[str, FittedPolicy], was_fitted: bool
) -> dict[str, Policy]:
    """Policies to replay, by point; with none fitted also the one that the detector has."""
    if was_fitted:
        return {name: one.policy for name, one in fitted.items()}
    carried: Mapping[str, Policy] = getattr(detector, "frozen_policies", None) or {}
    points = {point.name: carried[point.name] for point in POINTS if point.name in carried}
    return {**points, OWN: detector.policy}


def _run(
    crew: Crew,
    plan: _Plan,
    label: str,
    corpus: Corpus,
    spec: str,
    policies: tuple[Policy, ...],
) -> list[Measured]:
    def jobs() -> Iterator[Job]:
        for turn in corpus:
            yield Job(spec, turn, policies, plan.lag_s)

    found = []
    plan.progress(label, 0, len(corpus))
    for one in crew.measure(jobs()):
        found.append(one)
        plan.progress(label, len(found), len(corpus))
    return found


def _facts(corpus: Corpus, traces: Sequence[TurnTrace]) -> CorpusFacts:
    return CorpusFacts(
        name=corpus.name,
        synthetic=corpus.synthetic,
        fingerprint=corpus.fingerprint,
        rows=len(corpus),
        holds=sum(int(trace.marks.counts.sum()) for trace in traces),
        speakers=len(set(corpus.speakers)),
    )
