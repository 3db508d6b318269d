"""What a measurement of the stages gives: times, and words understood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from turnkit.evaluate.machine import Machine

Stage = Literal["stt", "llm", "tts"]

STAGES: tuple[Stage, ...] = ("stt", "llm", "tts")

BUDGET_MS: Mapping[Stage, tuple[int, int]] = {"stt": (50, 100), "llm": (100, 200), "tts": (50, 80)}
"""Published budget of a turn, from the end-of-turn decision on: final words, first token,
first audio."""

LOAD, FIRST_USE = "load", "first use"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long something took.

    Attributes
    ----------
    n : int
        Times it was done, at least 1.
    p50_ms, p90_ms : float
        Percentiles in milliseconds.
    budgeted : bool
        Whether it is what `BUDGET_MS` is about.
    """

    n: int
    p50_ms: float
    p90_ms: float
    budgeted: bool = True

    @classmethod
    def of(cls, seconds: Sequence[float], *, budgeted: bool = True) -> Timing:
        """Summarise durations in seconds, of which there is at least one."""
        p50, p90 = (round(float(np.percentile(seconds, q)) * 1000, 1) for q in (50, 90))
        return cls(len(seconds), p50, p90, budgeted)


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors over some utterances.

    Attributes
    ----------
    words : int
        Of the reference.
    substitutions, deletions, insertions : int
    wer : float
        All three over `words`.
    interval : tuple of float or None
        95 %, by bootstrap over utterances; None for one utterance.
    """

    words: int
    substitutions: int
    deletions: int
    insertions: int
    wer: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a recogniser made of one set of speech.

    Attributes
    ----------
    speech : str
        Name of the set.
    real_time : bool
        Whether it was pushed as a call would push it, or as fast as it goes.
    n : int
        Utterances.
    errors : WordErrors or None
        None if the words are scripted.
    long, early : int
        Utterances of more than 2 s, and those of them of which a word was committed
        before the speech was over; both 0 unless in real time.
    """

    speech: str
    real_time: bool
    n: int
    errors: WordErrors | None
    long: int = 0
    early: int = 0


@dataclass(frozen=True, slots=True)
class StageFigures:
    """What one engine took.

    Attributes
    ----------
    stage : {"stt", "llm", "tts"}
    engine : str
    simulated : bool
        Whether its words or times are scripted.
    timings : dict of str to Timing
        By what was done; `LOAD` and `FIRST_USE` are the cold ones.
    recognition : tuple of Recognition
    rates : dict of str to float
        Other figures, by name.
    """

    stage: Stage
    engine: str
    simulated: bool
    timings: Mapping[str, Timing]
    recognition: tuple[Recognition, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name that says whether the engine is simulated."""
        marked = not self.simulated or "simulated" in self.engine
        return self.engine if marked else f"{self.engine} (simulated)"


@dataclass(frozen=True, slots=True)
class StagesReport:
    """A whole measurement.

    Attributes
    ----------
    machine : Machine
    load_average : float or None
        Of the minute before it; above 0, others were computing.
    steal : float or None
        Share of CPU time in 0 .. 1 that a hypervisor gave to others meanwhile.
    preset : str
    seed, rounds : int
    speech : dict of str to str
        What each set of speech is, by name.
    stages : tuple of StageFigures
    """

    machine: Machine
    load_average: float | None
    steal: float | None
    preset: str
    seed: int
    rounds: int
    speech: Mapping[str, str]
    stages: tuple[StageFigures, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        budget = {stage: list(bounds) for stage, bounds in BUDGET_MS.items()}
        return asdict(self) | {"budget_ms": budget}
