"""Experiments: their conditions can be run, and what they say follows from figures."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from turnkit.agent.preset import read_preset
from turnkit.cli.experiment import NAMES
from turnkit.errors import ConfigError
from turnkit.lab.concluding import Conclusion
from turnkit.lab.experiments import load
from turnkit.lab.experiments.experiment import Options, Results
from turnkit.lab.experiments.questions import EXPERIMENTS
from turnkit.lab.experiments.running import cell, findings, folder_name
from turnkit.lab.folder import RunFolder
from turnkit.lab.measuring.run import MeasuredRun
from turnkit.lab.network.profile import load_network
from turnkit.stages.llm.opening import read_settings


def a_conclusion(callers: int = 1, **values: float) -> Conclusion:
    plan = {"request": {"callers": callers}, "machine": {"cpu": "x", "cores": 2}}
    figures = {name: {"value": value, "n": 9} for name, value in values.items()}
    run = MeasuredRun("run", plan, ())
    return Conclusion(RunFolder(Path("nowhere")), run, {"figures": figures}, ())


async def conditions(name: str) -> list[Any]:
    experiment = EXPERIMENTS[name]
    async with experiment.services(Options()) as services:
        return experiment.conditions(Options(), services)


def test_the_command_knows_all_of_them() -> None:
    assert set(NAMES) == {*EXPERIMENTS, "ears"}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_condition_can_be_asked_for(name: str) -> None:
    found = asyncio.run(conditions(name))
    assert len(found) >= 2
    assert len({folder_name(each.name) for each in found}) == len(found)
    for each in found:
        wanted = each.request
        preset = read_preset(wanted.agent, (*wanted.overrides, *wanted.here))
        read_settings(preset.llm)
        if wanted.network is not None:
            load_network(wanted.network)


@pytest.mark.parametrize("name", ["hedging", "connections"])
def test_addresses_of_the_moment_are_no_part_of_a_request(name: str) -> None:
    first, again = (asyncio.run(conditions(name)) for _ in range(2))
    assert [each.request.here for each in first] != [each.request.here for each in again]
    assert [each.request.as_dict() for each in first] == [each.request.as_dict() for each in again]
    assert "127.0.0.1" not in json.dumps([each.request.as_dict() for each in first])


def ramp(*after: float) -> Results:
    return {
        f"{n} calls": a_conclusion(n, post_commit_p90=value, memory_mb=200.0, failed_calls=0)
        for n, value in zip((1, 2, 4, 8), after, strict=False)
    }


@pytest.mark.parametrize(
    ("after", "held"),
    [
        ((300, 310, 320, 900), 4),
        ((300, 310, 320, 340), 8),
        ((300, 351), 1),
        ((300, 351, 300, 300), 1),  # what comes after the knee does not count
    ],
)
def test_latency_is_held_up_to_the_knee(after: tuple[float, ...], held: int) -> None:
    assert load.held(ramp(*after)).calls == held


def test_calls_that_fail_are_not_held() -> None:
    results = {**ramp(300), "2 calls": a_conclusion(2, post_commit_p90=300, failed_calls=1)}
    most = load.held(results)
    assert most.calls == 1
    assert most.why == "2 calls: 1 calls failed"


def test_a_plan_scales_what_a_core_held() -> None:
    need = load.plan(1000, calls_a_core=10, memory_mb=250.0)
    assert need.workers == 167  # six calls each: 60 % of ten
    assert need.memory_gb == pytest.approx(167 * 0.25)
    assert load.plan(1, 1, 250.0).workers == 1
    assert load.plan(10, 1, None).memory_gb is None


def test_what_the_load_says_names_every_size() -> None:
    lines = load.LOAD.say(ramp(300, 310))
    assert lines[0].startswith("held: at least 2 calls")
    assert lines[1] == "the ramp ended before anything was lost"
    assert [line.split(" calls")[0] for line in lines[2:]] == ["10", "1,000", "100,000"]


def test_findings_leave_out_what_was_not_measured() -> None:
    results = {"near": a_conclusion(v2v_p50=500.0), "far": a_conclusion(v2v_p50=740.0)}
    shown = findings(EXPERIMENTS["region"], results)
    assert shown.columns == ("v2v_p50",)
    header, row = shown.table.splitlines()
    assert header.split() == ["near", "far"]
    assert row.split() == ["v2v_p50", "500", "740"]
    assert any("simulated" in line for line in shown.lines)


def test_cells_have_units_and_intervals() -> None:
    assert cell("v2v_p50", {"value": 512.4, "low": 490.0, "high": 530.0}).value == "512"
    assert "490" in cell("v2v_p50", {"value": 512.4, "low": 490.0, "high": 530.0}).interval
    assert cell("false_interruption_rate", {"value": 0.25}).value == "25.0 %"
    assert cell("v2v_p99", None).value == "-"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"turns": 0}, "turns 0: expected at least 1"),
        ({"callers": -1}, "callers -1: expected at least 1"),
        ({"agent": "http://host:80"}, "takes a preset"),
    ],
)
def test_options_that_make_no_sense_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Options(**values)
