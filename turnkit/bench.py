"""What a detector costs: CPU time, bytes and memory, features and VAD included.

Each detector runs in a process of its own on one thread, fed 20 ms at a time as a call
would; detectors take turns for several rounds, so that a slow minute of the machine
falls on all of them.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.errors import InputError

PUSH_S = 0.02
"""Seconds of audio in a push."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one detector cost in one run.

    Attributes
    ----------
    spec : str
    ms_per_second : float
        CPU milliseconds per second of audio over everything.
    ms_per_second_p50, ms_per_second_p99 : float
        The same over single seconds of audio.
    decision_ms_p50, decision_ms_p99 : float
        CPU milliseconds of a push in which a pause was scored or a turn ended; NaN where
        there was none.
    decisions : int
        Number of those.
    seconds : float
        Of audio pushed, over all rounds.
    bytes : int or None
        Of the bundle or model file; None for a detector without one of its own.
    peak_mb : float
        Highest memory of its process, interpreter included.
    """

    spec: str
    ms_per_second: float
    ms_per_second_p50: float
    ms_per_second_p99: float
    decision_ms_p50: float
    decision_ms_p99: float
    decisions: int
    seconds: float
    bytes: int | None
    peak_mb: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON, which has no NaN: None instead."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, slots=True)
class _Round:
    pushes_ms: NDArray[np.float64]
    decided: NDArray[np.bool_]
    peak_mb: float


def _peak_mb() -> float:
    import resource

    # ru_maxrss would start at the size of the process that spawned this one.
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _measure(spec: str, audio: Samples, rate: int) -> _Round:
    """Run in a process of its own."""
    from turnkit.detector.opening import open_detector

    detector = open_detector(spec, rate)
    step = round(PUSH_S * rate)
    for start in range(0, min(len(audio), rate) - step, step):  # warm up
        detector.push(audio[start : start + step])
    detector.reset()
    spent, decided = [], []
    for start in range(0, len(audio) - step + 1, step):
        begun = time.thread_time()
        events = detector.push(audio[start : start + step])
        spent.append((time.thread_time() - begun) * 1e3)
        decided.append(any(event.score is not None or event.reason for event in events))
    return _Round(np.array(spent), np.array(decided), _peak_mb())


def _file_size(spec: str) -> int | None:
    from turnkit.detector.opening import SHIPPED, shipped_path
    from turnkit.peers import SMART_TURN, locate

    if spec.startswith("vad:"):
        return None
    if spec.startswith("smart-turn"):
        path = locate(SMART_TURN)
        return path.stat().st_size if path else None
    path = shipped_path(spec) if spec in SHIPPED else Path(spec).expanduser()
    if path.is_dir():
        parts = (*path.glob("*.safetensors"), *path.glob("*.onnx"))
        return sum(file.stat().st_size for file in parts)
    return path.stat().st_size


def _percentile(values: NDArray[np.float64], q: float) -> float:
    return float(np.percentile(values, q)) if len(values) else float("nan")


def _combine(spec: str, rounds: Sequence[_Round]) -> Cost:
    per_second = round(1.0 / PUSH_S)
    pushes = np.concatenate([one.pushes_ms for one in rounds])
    decided = np.concatenate([one.decided for one in rounds])
    whole = len(pushes) // per_second * per_second
    seconds = pushes[:whole].reshape(-1, per_second).sum(axis=1)
    return Cost(
        spec,
        ms_per_second=float(pushes.sum() / (len(pushes) * PUSH_S)),
        ms_per_second_p50=_percentile(seconds, 50),
        ms_per_second_p99=_percentile(seconds, 99),
        decision_ms_p50=_percentile(pushes[decided], 50),
        decision_ms_p99=_percentile(pushes[decided], 99),
        decisions=int(decided.sum()),
        seconds=float(len(pushes) * PUSH_S),
        bytes=_file_size(spec),
        peak_mb=max(one.peak_mb for one in rounds),
    )


def measure_costs(specs: Sequence[str], audio: Samples, rate: int, rounds: int = 3) -> list[Cost]:
    """Cost of each detector on the same audio, in one run.

    Parameters
    ----------
    specs : sequence of str
        As `turnkit.detector.opening.open_detector` takes them.
    audio : ndarray of float32, shape (n,)
        At least two seconds.
    rate : int
        In Hz.
    rounds : int
        How often each has its turn.

    Returns
    -------
    list of Cost
        In the order of `specs`.

    Raises
    ------
    InputError
        If the audio is too short.
    TurnkitError
        If a detector cannot be opened.
    """
    if len(audio) < 2 * rate:
        raise InputError(f"{len(audio) / rate:.2f} s of audio: expected at least 2 s to measure on")
    kept: dict[str, list[_Round]] = {spec: [] for spec in specs}
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        for _ in range(rounds):
            for spec in kept:
                # A new process each time: peak memory is that of one detector alone.
                context = multiprocessing.get_context("spawn")
                with ProcessPoolExecutor(1, mp_context=context) as pool:
                    kept[spec].append(pool.submit(_measure, spec, audio, rate).result())
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return [_combine(spec, kept[spec]) for spec in specs]
