"""The scenarios of serve/scenarios, as far as that goes without calls."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from turnkit.agent.preset import read_preset
from turnkit.lab.measuring.checks import parse_check
from turnkit.lab.network import load_network
from turnkit.lab.scenario.planning import plan_scenario
from turnkit.lab.scenario.schema import load_scenario, parse_scenario
from turnkit.lab.scenario.script import Say, SayOver
from turnkit.settings_file import load_yaml

FOLDER = Path(__file__).resolve().parents[3] / "serve" / "scenarios"
PATHS = sorted(FOLDER.glob("*.yaml"))
WANTED = {
    "hesitation", "interruption", "backchannel", "cough", "silence", "hangup", "vanish",
    "impatient", "short-answers", "phone", "conversation",
}  # fmt: skip

each_scenario = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_all_are_there() -> None:
    assert {path.stem for path in PATHS} >= WANTED


@each_scenario
def test_it_loads_and_plans(path: Path) -> None:
    scenario = load_scenario(path)
    assert len(scenario.about.split()) > 8
    assert scenario.expect
    scripts = plan_scenario(scenario, None, 0)
    assert len(scripts) == scenario.repeat
    for script in scripts:
        assert script.turns == scenario.turns
        for action in script.actions:
            if isinstance(action, Say | SayOver):
                sound = action.sound
                assert 0 <= sound.onset < sound.ended <= sound.seconds
                assert all(start < end < sound.ended for start, end in sound.holds)


@each_scenario
def test_its_overrides_fit_the_preset(path: Path) -> None:
    scenario = load_scenario(path)
    changed = read_preset("embedded", scenario.agent)
    assert (changed != read_preset("embedded")) == bool(scenario.agent)


@each_scenario
def test_its_expectations_and_network_mean_something(path: Path) -> None:
    scenario = load_scenario(path, parse_check)
    if scenario.network is not None:
        load_network(scenario.network)


def test_those_that_speak_over_the_agent_have_something_to_speak_over() -> None:
    for path in PATHS:
        scenario = load_scenario(path)
        needs = path.stem in {"interruption", "backchannel", "cough", "hangup", "vanish"}
        greeting = read_preset("embedded", scenario.agent).conversation.greeting
        assert (len(greeting.split()) > 40) == needs


def test_the_readme_knows_them_and_its_example_is_one() -> None:
    readme = (FOLDER / "README.md").read_text()
    linked = set(re.findall(r"\]\(([\w-]+\.yaml)\)", readme))
    assert linked == {path.name for path in PATHS}
    match = re.search(r"```yaml\n(.*?)```", readme, re.S)
    assert match is not None
    parse_scenario(yaml.safe_load(match[1]), "example")


def test_files_hold_nothing_that_is_not_read() -> None:
    for path in PATHS:
        assert set(load_yaml(path, "scenario")) <= {
            "about", "agent", "network", "repeat", "steps", "expect",
        }  # fmt: skip
