"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from turnkit.corpus.reader import Corpus
from turnkit.detector.policy import Policy
from turnkit.evaluate.fitting import FittedPolicy
from turnkit.evaluate.machine import Machine
from turnkit.evaluate.tracing import TurnTrace
from turnkit.metrics import (
    Interval,
    OperatingPoint,
    PolicyGrid,
    Reliability,
    SpanScores,
    SpeakerSums,
    Summary,
    TurnOutcome,
)


@dataclass(frozen=True, slots=True)
class CorpusFacts:
    """A corpus in figures; holds are those that count."""

    name: str
    synthetic: bool
    fingerprint: str
    rows: int
    holds: int
    speakers: int

    @property
    def label(self) -> str:
        """Name, and "synthetic" where the speech was made by a machine."""
        return f"{self.name} (synthetic)" if self.synthetic else self.name


@dataclass(frozen=True, slots=True)
class BestPoint:
    """The best policy on the test rows themselves, read from score traces.

    Attributes
    ----------
    point : OperatingPoint
    policy : Policy
    rate, mean_latency_s : float
    reached : bool
        False where no policy keeps the point's limit; then this is the closest one.
    interval : Interval or None
        Of the point's own quantity (share, or seconds), the policy chosen anew in each
        resample; None for fewer than two speakers.
    """

    point: OperatingPoint
    policy: Policy
    rate: float
    mean_latency_s: float
    reached: bool
    interval: Interval | None


@dataclass(frozen=True, slots=True, eq=False)
class FrozenPoint:
    """A policy fixed beforehand and replayed on the test rows.

    Attributes
    ----------
    point : OperatingPoint or None
        None for the policy that a detector comes with.
    policy : Policy
    fitted : FittedPolicy or None
        What it did on the fitting rows; None where it came with the detector.
    summary : Summary
    outcomes : tuple of TurnOutcome
    sums : SpeakerSums
    rate_interval, latency_interval : Interval or None
        Shares and seconds; None for fewer than two speakers.
    missed : bool
        Outside the point's limit on the test rows (10 % of latency forgiven).
    """

    point: OperatingPoint | None
    policy: Policy
    fitted: FittedPolicy | None
    summary: Summary
    outcomes: tuple[TurnOutcome, ...]
    sums: SpeakerSums
    rate_interval: Interval | None
    latency_interval: Interval | None
    missed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Diagnostics:
    """Calibration and ranking of the scores read at one moment; they rank no detector.

    Attributes
    ----------
    spans, scored : int
        Spans that last until then, and those that had a score.
    """

    spans: int
    scored: int
    auc: float
    average_precision: float
    calibration_error: float
    reliability: Reliability


@dataclass(frozen=True, slots=True, eq=False)
class DetectorResult:
    """Everything measured of one detector.

    Attributes
    ----------
    spec, name : str
    grid : PolicyGrid
        Policies of `sums`.
    spans : SpanScores
    sums : SpeakerSums
        The sweep over score traces.
    best : dict of str to BestPoint
        By point; empty where there are no holds.
    frozen : dict of str to FrozenPoint, or None
        By point; None where no policy was fitted and none came with the detector.
    own : FrozenPoint or None
        The policy it comes with, where none was fitted.
    diagnostics : dict of str to Diagnostics
        By moment: "0.2 s", "0.5 s" and "first score"; empty without scores.
    traces : tuple of TurnTrace
        One a row.
    peak_mb : float
        Highest memory of a worker process that ran it; NaN without workers.
    """

    spec: str
    name: str
    grid: PolicyGrid
    spans: SpanScores
    sums: SpeakerSums
    best: Mapping[str, BestPoint]
    frozen: Mapping[str, FrozenPoint] | None
    own: FrozenPoint | None
    diagnostics: Mapping[str, Diagnostics]
    traces: tuple[TurnTrace, ...]
    peak_mb: float

    @property
    def replayed(self) -> list[FrozenPoint]:
        """Every replay there is, the points first."""
        points = list((self.frozen or {}).values())
        return points if self.own is None else [*points, self.own]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The first detector against another, on the same rows.

    Attributes
    ----------
    other : str
        Spec of the other.
    basis : str
        ``"frozen"`` or ``"best on test"``.
    point : OperatingPoint
    difference : float
        First minus other, in the point's quantity (share, or seconds).
    interval : Interval or None
        Paired: both on the same resamples of speakers.
    """

    other: str
    basis: str
    point: OperatingPoint
    difference: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Claim:
    """One reading of "about 45 % fewer false interruptions than VAD, under 300 ms".

    Attributes
    ----------
    reading, basis : str
    ours, vad : float
        Shares of holds cut.
    vad_name : str
    reduction : float
        ``1 - ours / vad``.
    interval : Interval or None
        Of the reduction, paired.
    holds : bool or None
        None where it could not be tested.
    why : str
        What speaks against it, if anything does.
    """

    reading: str
    basis: str
    ours: float
    vad: float
    vad_name: str
    reduction: float
    interval: Interval | None
    holds: bool | None
    why: str = ""

    @property
    def verdict(self) -> str:
        """``"holds"``, ``"does not hold"`` or ``"not tested"``."""
        return {True: "holds", False: "does not hold", None: "not tested"}[self.holds]


@dataclass(frozen=True, slots=True)
class SliceFacts:
    """The rows of a tag in figures; holds are those that count.

    Attributes
    ----------
    tag, meaning : str
        `meaning` is empty where the tag is nobody's but its corpus'.
    turns, holds, speakers : int
    """

    tag: str
    meaning: str
    turns: int
    holds: int
    speakers: int


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Replays of all detectors on the rows of a tag, policies as on all rows.

    Attributes
    ----------
    facts : SliceFacts
    frozen : dict of str to dict of str to FrozenPoint
        By detector and point; the policy that a detector comes with is under its name.
    baseline : dict of str to BestPoint
        Pure delay on the annotated spans, by point.
    """

    facts: SliceFacts
    frozen: Mapping[str, Mapping[str, FrozenPoint]]
    baseline: Mapping[str, BestPoint]


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """An evaluation by tag.

    Attributes
    ----------
    found : tuple of Slice
        The one with most turns first.
    too_few : tuple of SliceFacts
        Too few turns or holds to tell figures of.
    of_all : tuple of SliceFacts
        Tags that every row has.
    """

    found: tuple[Slice, ...]
    too_few: tuple[SliceFacts, ...]
    of_all: tuple[SliceFacts, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The whole of it.

    Attributes
    ----------
    corpus : Corpus
    facts, fit_facts : CorpusFacts
        Of the test and of the fitting rows (None without them).
    machine : Machine
    steal_share : float or None
        CPU time that the host gave to others meanwhile.
    seed, resamples : int
        Of the bootstrap.
    transcript_lag_s : float or None
        None where the corpus has no word times.
    detectors : tuple of DetectorResult
        The first is ours.
    baseline : dict of str to BestPoint
        Pure delay on the annotated spans.
    baseline_sums : SpeakerSums
    comparisons : tuple of Comparison
    claims : tuple of Claim
    slices : Slices or None
        None where they were not asked for.
    """

    corpus: Corpus
    facts: CorpusFacts
    fit_facts: CorpusFacts | None
    machine: Machine
    steal_share: float | None
    seed: int
    resamples: int
    transcript_lag_s: float | None
    detectors: tuple[DetectorResult, ...]
    baseline: Mapping[str, BestPoint]
    baseline_sums: SpeakerSums
    comparisons: tuple[Comparison, ...]
    claims: tuple[Claim, ...]
    slices: Slices | None = None
