"""What replayed detectors did: false cutoffs, latency, misses and cost.

Cutoffs inside holds and cutoffs during speech both count in the rate, the latter also
apart: a decision that comes a frame after speech has resumed is no smaller a fault.
Cutoffs in holds that do not count (shorter than 0.2 s or longer than 5 s) stay out of the
rate and are shown apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import InputError
from turnkit.metrics.spans import MISS_S
from turnkit.metrics.sweep import SpeakerSums


class CutoffKind(StrEnum):
    """Where a false cutoff fell."""

    HOLD = "hold"
    SPEECH = "speech"
    OTHER_HOLD = "hold that does not count"


@dataclass(frozen=True, slots=True)
class Cutoff:
    """A turn ended too early.

    Attributes
    ----------
    at_s : float
        Seconds from the start of the row to the decision.
    kind : CutoffKind
    span : int or None
        Index among the row's spans; None during speech.
    waited_s : float
        Seconds since the hold began; since the detector's own silence began in speech.
    score : float or None
        The detector's score at the decision.
    """

    at_s: float
    kind: CutoffKind
    span: int | None
    waited_s: float
    score: float | None = None


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """What a detector did with one turn.

    Attributes
    ----------
    turn, speaker : str
    holds : int
        Holds that count.
    cutoffs : tuple of Cutoff
        In order of time.
    latency_s : float
        From the start of the last span to the decision; 4 for a miss.
    missed : bool
        No decision within 4 s.
    wall_ms, cpu_ms : tuple of float
        Time spent in `push` for each second of audio, by the clock and by the process.
    decision_ms : float
        Clock time of the `push` that brought the decision; NaN for a miss.
    """

    turn: str
    speaker: str
    holds: int
    cutoffs: tuple[Cutoff, ...]
    latency_s: float
    missed: bool
    wall_ms: tuple[float, ...] = ()
    cpu_ms: tuple[float, ...] = ()
    decision_ms: float = math.nan

    def without_times(self) -> TurnOutcome:
        """Copy without what depends on the machine."""
        return replace(self, wall_ms=(), cpu_ms=(), decision_ms=math.nan)

    @property
    def holds_cut(self) -> int:
        """Holds with a cutoff; a hold that was cut twice counts once."""
        return len({cut.span for cut in self.cutoffs if cut.kind is CutoffKind.HOLD})

    @property
    def speech_cutoffs(self) -> int:
        """Cutoffs during speech."""
        return sum(cut.kind is CutoffKind.SPEECH for cut in self.cutoffs)

    @property
    def other_cutoffs(self) -> int:
        """Cutoffs in holds that do not count."""
        return sum(cut.kind is CutoffKind.OTHER_HOLD for cut in self.cutoffs)


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures over turns; NaN where there was nothing to count.

    Attributes
    ----------
    turns, holds : int
    rate : float
        False cutoffs per hold: holds cut plus cutoffs during speech, over holds.
    hold_rate : float
        Share of holds cut, without those during speech.
    speech_cutoffs, other_cutoffs, misses : int
    turns_cut : float
        Share of turns with at least one cutoff that counts.
    mean_latency_s, ep50_s, ep90_s, ep99_s : float
        Mean and quantiles of latency, misses included as 4 s.
    wall_ms_p50, wall_ms_p99, cpu_ms_p50, cpu_ms_p99 : float
        Compute per second of audio.
    decision_ms_p50, decision_ms_p99 : float
        Compute of the chunk that brought the decision.
    """

    turns: int
    holds: int
    rate: float
    hold_rate: float
    speech_cutoffs: int
    other_cutoffs: int
    misses: int
    turns_cut: float
    mean_latency_s: float
    ep50_s: float
    ep90_s: float
    ep99_s: float
    wall_ms_p50: float
    wall_ms_p99: float
    cpu_ms_p50: float
    cpu_ms_p99: float
    decision_ms_p50: float
    decision_ms_p99: float


def validate_outcomes(outcomes: Sequence[TurnOutcome]) -> None:
    """Check that outcomes can be counted.

    Raises
    ------
    InputError
        If a turn has more holds cut than holds, or a latency outside 0 .. 4 s.
    """
    for outcome in outcomes:
        if not 0 <= outcome.holds_cut <= outcome.holds:
            raise InputError(
                f"turn {outcome.turn}: {outcome.holds_cut} holds cut of {outcome.holds}"
            )
        if not 0 <= outcome.latency_s <= MISS_S:
            raise InputError(f"turn {outcome.turn}: latency {outcome.latency_s} s outside 0 .. 4")


def _share(part: float, whole: int) -> float:
    return part / whole if whole else math.nan


def _quantile(values: NDArray[np.float64], q: float) -> float:
    values = values[~np.isnan(values)]
    return float(np.quantile(values, q)) if len(values) else math.nan


def summarise(outcomes: Sequence[TurnOutcome]) -> Summary:
    """Bring the outcomes of replayed turns together.

    Raises
    ------
    InputError
        As `validate_outcomes` does.
    """
    validate_outcomes(outcomes)
    turns, holds = len(outcomes), sum(o.holds for o in outcomes)
    cut, speech = sum(o.holds_cut for o in outcomes), sum(o.speech_cutoffs for o in outcomes)
    latency = np.array([o.latency_s for o in outcomes])
    wall = np.array([ms for o in outcomes for ms in o.wall_ms])
    cpu = np.array([ms for o in outcomes for ms in o.cpu_ms])
    decision = np.array([o.decision_ms for o in outcomes])
    return Summary(
        turns=turns,
        holds=holds,
        rate=_share(cut + speech, holds),
        hold_rate=_share(cut, holds),
        speech_cutoffs=speech,
        other_cutoffs=sum(o.other_cutoffs for o in outcomes),
        misses=sum(o.missed for o in outcomes),
        turns_cut=_share(sum(o.holds_cut + o.speech_cutoffs > 0 for o in outcomes), turns),
        mean_latency_s=_share(float(latency.sum()), turns),
        ep50_s=_quantile(latency, 0.50),
        ep90_s=_quantile(latency, 0.90),
        ep99_s=_quantile(latency, 0.99),
        wall_ms_p50=_quantile(wall, 0.50),
        wall_ms_p99=_quantile(wall, 0.99),
        cpu_ms_p50=_quantile(cpu, 0.50),
        cpu_ms_p99=_quantile(cpu, 0.99),
        decision_ms_p50=_quantile(decision, 0.50),
        decision_ms_p99=_quantile(decision, 0.99),
    )


def outcome_sums(outcomes: Sequence[TurnOutcome], speakers: Sequence[str]) -> SpeakerSums:
    """Add up one replayed policy speaker by speaker, for intervals.

    Parameters
    ----------
    outcomes : sequence of TurnOutcome
    speakers : sequence of str
        Order of the rows of the sums; every outcome's speaker is among them.

    Returns
    -------
    SpeakerSums
        With one policy.

    Raises
    ------
    InputError
        As `validate_outcomes` does.
    """
    validate_outcomes(outcomes)
    place = {speaker: i for i, speaker in enumerate(speakers)}
    cutoffs, latency, holds, ends = np.zeros((4, len(speakers)))
    for outcome in outcomes:
        i = place[outcome.speaker]
        cutoffs[i] += outcome.holds_cut + outcome.speech_cutoffs
        latency[i] += outcome.latency_s
        holds[i] += outcome.holds
        ends[i] += 1
    return SpeakerSums(cutoffs[:, None], latency[:, None], holds, ends)
