from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from turnkit.corpus.schema import Span, Turn
from turnkit.detector.base import StreamingDetector
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import TurnDetector
from turnkit.errors import ConfigError, RunError
from turnkit.evaluate import Bench, Crew, Job, Machine
from turnkit.evaluate.machine import StealClock

SPEC = "vad:webrtc"


def noisy_turns(n: int) -> list[Turn]:
    """Bursts of loud noise, which WebRTC's VAD takes for speech."""
    rng = np.random.default_rng(0)
    made = []
    for k in range(n):
        level = np.repeat(rng.choice([0.001, 0.3], 30), 800)
        samples = (level * rng.standard_normal(len(level))).clip(-1, 1).astype(np.float32)
        made.append(Turn(f"t{k}", "en", f"s{k}", samples, 8_000, (Span(2.5, 3.0),)))
    return made


def jobs(n: int) -> Iterator[Job]:
    for turn in noisy_turns(n):
        yield Job(SPEC, turn, (Policy.timeout_only(0.3), Policy.timeout_only(0.6)))


def test_processes_give_what_this_one_gives_in_the_order_of_the_jobs() -> None:
    with Crew(1) as alone, Crew(2) as crew:
        one, two = list(alone.measure(jobs(12))), list(crew.measure(jobs(12)))
    assert [m.trace.turn for m in two] == [f"t{k}" for k in range(12)]
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.trace.at, b.trace.at)
        assert np.array_equal(a.trace.silence_s, b.trace.silence_s)
        for x, y in zip(a.outcomes, b.outcomes, strict=True):
            assert x.without_times().cutoffs == y.without_times().cutoffs
            assert x.latency_s == y.latency_s
        assert math.isnan(a.peak_mb)
        assert b.peak_mb > 10
    assert any(outcome.cutoffs for m in one for outcome in m.outcomes)


def test_jobs_are_asked_for_only_a_few_ahead() -> None:
    asked = 0

    def counted() -> Iterator[Job]:
        nonlocal asked
        for job in jobs(40):
            asked += 1
            yield job

    with Crew(2) as crew:
        next(crew.measure(counted()))
        assert asked <= 2 * 4 + 1


class _Dies:
    """Ends its process when it is unpickled there, as the kernel does when memory is out."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (9,)


def test_a_worker_that_dies_is_reported() -> None:
    job = Job(SPEC, noisy_turns(1)[0], (_Dies(),))  # type: ignore[arg-type]
    with pytest.raises(RunError, match="worker process died"), Crew(2) as crew:
        list(crew.measure([job]))


def test_only_the_first_replay_keeps_its_times_and_the_policy_is_put_back() -> None:
    bench = Bench()
    detector = bench.detector(SPEC, 8_000)
    before = detector.policy
    first, second = bench.measure(next(jobs(1))).outcomes
    assert first.wall_ms
    assert second.wall_ms == ()
    assert detector.policy == before
    assert bench.detector(SPEC, 8_000) is detector
    assert bench.detector(SPEC, 16_000) is not detector


def test_an_opener_of_ones_own(coded_detector: Callable[..., StreamingDetector]) -> None:
    def opener(spec: str, sample_rate: int) -> TurnDetector:
        assert (spec, sample_rate) == (SPEC, 8_000)
        return coded_detector()

    assert Bench(opener).measure(next(jobs(1))).trace.at[-1] > 0


def test_no_workers_are_refused() -> None:
    with pytest.raises(ConfigError, match="workers 0"):
        Crew(0)


def test_the_machine_is_described() -> None:
    machine = Machine.read()
    assert machine.cpu
    assert machine.cores >= 1
    assert machine.python.startswith("3.")
    share = StealClock().share()
    assert share is None or 0 <= share <= 1
