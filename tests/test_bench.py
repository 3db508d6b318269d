"""Costs: measured in processes of their own, and consistent with one another."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.models import write_run
from tests.speech import talk
from turnkit.bench import PUSH_S, Cost, measure_costs
from turnkit.errors import ConfigError, InputError, MissingDependencyError
from turnkit.export import export_run

RATE = 8_000
AUDIO = talk(-0.4, 1.0, -0.9, 0.8, -1.5, 0.6, -1.0, rate=RATE)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    export_run(write_run(folder / "run", "encoder-head"), folder / "x.turnkit")
    return folder / "x.turnkit"


@pytest.fixture(scope="module")
def costs(bundle: Path) -> list[Cost]:
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    found = measure_costs([str(bundle), "vad:webrtc:300"], AUDIO, RATE, rounds=2)
    assert {name: os.environ.get(name) for name in before} == before
    return found


def test_in_order_and_over_all_rounds(bundle: Path, costs: list[Cost]) -> None:
    assert [cost.spec for cost in costs] == [str(bundle), "vad:webrtc:300"]
    pushes = len(AUDIO) // round(PUSH_S * RATE)
    for cost in costs:
        assert cost.seconds == pytest.approx(2 * pushes * PUSH_S)


def test_figures_are_sane(costs: list[Cost]) -> None:
    for cost in costs:
        assert 0.05 < cost.ms_per_second < 1_000
        assert 0 < cost.ms_per_second_p50 <= cost.ms_per_second_p99
        assert 0 < cost.decision_ms_p50 <= cost.decision_ms_p99 < 1_000
        # A decision cannot cost more than the second it lies in.
        assert cost.decision_ms_p50 <= cost.ms_per_second_p99
        assert 15 < cost.peak_mb < 2_000


def test_a_model_costs_more_than_a_gaussian_mixture(costs: list[Cost]) -> None:
    model, webrtc = costs
    assert model.ms_per_second > webrtc.ms_per_second
    assert model.peak_mb > webrtc.peak_mb
    assert model.decision_ms_p50 > webrtc.decision_ms_p50


def test_decisions_are_counted(bundle: Path, costs: list[Cost]) -> None:
    """The same pushes, here: those that gave a score or an end of turn."""
    from turnkit.detector.opening import open_detector

    step = round(PUSH_S * RATE)
    for spec, cost in zip((str(bundle), "vad:webrtc:300"), costs, strict=True):
        detector, count = open_detector(spec, RATE), 0
        for start in range(0, len(AUDIO) - step + 1, step):
            events = detector.push(AUDIO[start : start + step])
            count += any(e.score is not None or e.reason is not None for e in events)
        assert cost.decisions == 2 * count > 0


def test_bytes(bundle: Path, costs: list[Cost]) -> None:
    assert [cost.bytes for cost in costs] == [bundle.stat().st_size, None]


def test_nothing_decided_is_null_in_json() -> None:
    floor = talk(-2.5, rate=RATE)
    (cost,) = measure_costs(["vad:webrtc"], floor, RATE, rounds=1)
    assert cost.decisions == 0
    assert np.isnan(cost.decision_ms_p50)
    plain = cost.as_dict()
    assert plain["decision_ms_p50"] is None
    assert plain["ms_per_second"] == cost.ms_per_second


def test_too_short() -> None:
    with pytest.raises(InputError, match=r"1\.99 s of audio: expected at least 2 s"):
        measure_costs(["vad:webrtc"], talk(-1.99, rate=RATE), RATE)


def test_errors_come_out_of_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="detector 'none'"):
        measure_costs(["none"], AUDIO, RATE, rounds=1)
    # A package that is missing there; its error has arguments of its own.
    (tmp_path / "webrtcvad.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"turnkit\[eval\]"):
        measure_costs(["vad:webrtc"], AUDIO, RATE, rounds=1)


def test_cpu_time_is_that_of_pushes(costs: list[Cost]) -> None:
    """Within a factor of what the same loop takes here."""
    from turnkit.detector.opening import open_detector

    detector, step = open_detector("vad:webrtc:300", RATE), round(PUSH_S * RATE)
    begun = time.thread_time()
    for start in range(0, len(AUDIO) - step + 1, step):
        detector.push(AUDIO[start : start + step])
    here = (time.thread_time() - begun) * 1e3 / (len(AUDIO) / RATE)
    assert here / 5 < costs[1].ms_per_second < here * 5
