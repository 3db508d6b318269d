"""Worker processes: each opens its own detectors, on one thread, and gets turns to measure."""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from turnkit.corpus.schema import Turn
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import TurnDetector
from turnkit.errors import ConfigError, RunError
from turnkit.evaluate.replaying import replay_turn
from turnkit.evaluate.tracing import TurnTrace, trace_turn
from turnkit.evaluate.turns import TRANSCRIPT_LAG_S, words_as_inputs
from turnkit.metrics import TurnOutcome

Opener: TypeAlias = Callable[[str, int], TurnDetector]
"""Opens a detector from its spec and a sample rate."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_AHEAD = 4
"""Turns decoded and waiting for each worker."""


@dataclass(frozen=True, slots=True)
class Job:
    """One turn for one detector.

    Attributes
    ----------
    spec : str
        Of the detector.
    turn : Turn
    policies : tuple of Policy
        Each is replayed; the trace is made in any case.
    lag_s : float
        Seconds by which words of the corpus reach the detector late.
    """

    spec: str
    turn: Turn
    policies: tuple[Policy, ...] = ()
    lag_s: float = TRANSCRIPT_LAG_S


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What came of a job.

    Attributes
    ----------
    trace : TurnTrace
    outcomes : tuple of TurnOutcome
        One a policy.
    peak_mb : float
        Highest memory of the worker process so far, in MB; NaN where the work was done in
        this one, which holds more than the detector, or the system does not tell.
    """

    trace: TurnTrace
    outcomes: tuple[TurnOutcome, ...]
    peak_mb: float = math.nan


class Bench:
    """Detectors opened in this process, one for each spec and sample rate.

    Parameters
    ----------
    opener : Opener, optional
        By default `turnkit.detector.opening.open_detector`.
    """

    def __init__(self, opener: Opener | None = None) -> None:
        self._opener = opener
        self._open: dict[tuple[str, int], TurnDetector] = {}

    def detector(self, spec: str, sample_rate: int) -> TurnDetector:
        """Return the detector of this spec and rate, opened at the first call."""
        key = (spec, sample_rate)
        if key not in self._open:
            if self._opener is None:
                from turnkit.detector.opening import open_detector

                self._open[key] = open_detector(spec, sample_rate)
            else:
                self._open[key] = self._opener(spec, sample_rate)
        return self._open[key]

    def measure(self, job: Job) -> Measured:
        """Replay a turn under each policy of the job, and trace it.

        Only the first replay keeps its compute times: a detector may remember what it
        worked out on the same audio before.
        """
        detector = self.detector(job.spec, job.turn.sample_rate)
        inputs = words_as_inputs(job.turn, job.lag_s)
        outcomes: list[TurnOutcome] = []
        own = detector.policy
        for policy in job.policies:
            detector.policy = policy
            outcome = replay_turn(detector, job.turn, inputs)
            outcomes.append(outcome.without_times() if outcomes else outcome)
        detector.policy = own
        return Measured(trace_turn(detector, job.turn, inputs), tuple(outcomes))


_bench = Bench()
"""The bench of a worker process."""


def _start_worker(opener: Opener | None) -> None:
    global _bench
    _bench = Bench(opener)


def _measure(job: Job) -> Measured:
    return replace(_bench.measure(job), peak_mb=_peak_mb())


class Crew:
    """Measures jobs, in this process or in several; results come in the order of the jobs.

    Parameters
    ----------
    workers : int
        Processes; 1 works in this one.
    opener : Opener, optional
        Must be importable by the workers.
    bench : Bench, optional
        To work at in this process.

    Raises
    ------
    ConfigError
        If `workers` is below 1.
    """

    def __init__(
        self, workers: int = 1, opener: Opener | None = None, bench: Bench | None = None
    ) -> None:
        if workers < 1:
            raise ConfigError(f"workers {workers!r}: expected 1 or more")
        self.bench = bench or Bench(opener)
        self._workers = workers if _main_can_be_imported() else 1
        self._opener = opener
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Crew:
        if self._workers > 1:
            self._pool = ProcessPoolExecutor(
                self._workers,
                # A fork would copy the locks of whatever threads run here.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(self._opener,),
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def measure(self, jobs: Iterable[Job]) -> Iterator[Measured]:
        """Measure jobs one after the other, or side by side.

        Yields
        ------
        Measured
            In the order of the jobs, which are asked for only a few ahead.

        Raises
        ------
        RunError
            If a worker process dies.
        """
        if self._pool is None:
            yield from map(self.bench.measure, jobs)
            return
        pool, waiting = self._pool, iter(jobs)
        try:
            with _one_thread_each():
                running: deque[Future[Measured]] = deque(
                    pool.submit(_measure, job) for job in islice(waiting, self._workers * _AHEAD)
                )
            while running:
                yield running.popleft().result()
                running.extend(pool.submit(_measure, job) for job in islice(waiting, 1))
        except BrokenProcessPool as error:
            raise RunError(
                "a worker process died; is there memory for all of them? fewer --workers need less"
            ) from error


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start now use one thread: they share the cores."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _main_can_be_imported() -> bool:
    """Whether new processes can import what runs here: a script read from stdin cannot be."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return path is None or Path(path).exists()


def _peak_mb() -> float:
    try:
        import resource
    except ImportError:  # not on Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
