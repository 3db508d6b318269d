from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.reader import Corpus, load_corpus
from turnkit.errors import ConfigError
from turnkit.lab.scenario.planning import plan_corpus, plan_overlaps, plan_scenario
from turnkit.lab.scenario.schema import Scenario, parse_scenario
from turnkit.lab.scenario.script import AwaitReply, HangUp, Rest, Say, SayOver, Script, Sound

STEPS = """
- await: reply
- say: {corpus: CORPUS}
- over: {noise: cough}
  after_s: 1.2
- over: {backchannel: mm-hm}
  after_s: 0.5
- await: reply
- hang up
"""


@pytest.fixture(scope="module")
def path(
    tmp_path_factory: pytest.TempPathFactory,
    make_row: Callable[..., dict[str, Any]],
    write_parquet: Callable[..., Path],
) -> Path:
    rows = [
        make_row(f"row-{number}", ((1.0 + number / 10, 2.0),), 2.0, transcript="one two three")
        for number in range(4)
    ]
    return write_parquet(tmp_path_factory.mktemp("corpus") / "test.parquet", rows)


@pytest.fixture(scope="module")
def corpus(path: Path) -> Corpus:
    return load_corpus(str(path))


@pytest.fixture(scope="module")
def scenario(path: Path) -> Scenario:
    steps = yaml.safe_load(STEPS.replace("CORPUS", str(path)))
    return parse_scenario({"about": "x", "steps": steps, "repeat": 2}, "x")


def sounds(script: Script) -> list[Sound]:
    return [each.sound for each in script.actions if isinstance(each, Say | SayOver)]


def names(scripts: Sequence[Script]) -> list[list[str]]:
    return [[each.name for each in sounds(script)] for script in scripts]


def plain(scripts: Sequence[Script]) -> list[Any]:
    """Everything of the scripts in a form that can be compared."""
    return [
        (
            script.number,
            script.seed,
            script.starts_s,
            [
                (type(each), each.sound.name, each.sound.kind, each.sound.samples.tobytes())
                if isinstance(each, Say | SayOver)
                else each
                for each in script.actions
            ],
        )
        for script in scripts
    ]


def test_steps_become_actions(scenario: Scenario) -> None:
    first, second = plan_scenario(scenario, None, 0)
    assert [type(each) for each in first.actions] == [
        AwaitReply, Say, SayOver, SayOver, AwaitReply, HangUp,
    ]  # fmt: skip
    assert [each.kind for each in sounds(first)] == ["turn", "noise", "backchannel"]
    over = first.actions[2]
    assert isinstance(over, SayOver)
    assert (over.after_s, over.at_most_s) == (1.2, 20.0)
    assert [script.number for script in (first, second)] == [0, 1]
    assert first.turns == scenario.turns == 1
    assert not set(names([first])[0]) & set(names([second])[0])


def test_the_same_seed_gives_the_same_calls(scenario: Scenario) -> None:
    one = plain(plan_scenario(scenario, 3, 5, callers=2))
    assert one == plain(plan_scenario(scenario, 3, 5, callers=2))
    # More calls begin with the same ones.
    assert one[:2] == plain(plan_scenario(scenario, 2, 5, callers=2))
    assert one != plain(plan_scenario(scenario, 3, 6, callers=2))


@given(
    seed=st.integers(0, 2**40), callers=st.integers(1, 9), n=st.integers(1, 12),
    more=st.integers(0, 5),
)  # fmt: skip
def test_whatever_the_seed_and_the_callers(seed: int, callers: int, n: int, more: int) -> None:
    one = plain(plan_overlaps("noise", n, seed, callers=callers))
    assert one == plain(plan_overlaps("noise", n + more, seed, callers=callers))[:n]
    assert one != plain(plan_overlaps("noise", n, seed + 1, callers=callers))


def test_other_seeds_have_other_noise_and_other_starts(corpus: Corpus) -> None:
    plans = [plan_corpus(corpus, 40, 2, seed) for seed in range(5)]
    assert len({script.seed for plan in plans for script in plan}) == 5 * 4
    assert len({script.starts_s for plan in plans for script in plan}) == 5 * 4
    # The rows are the corpus's, whatever the seed.
    assert all(names(plan) == names(plans[0]) for plan in plans)


@pytest.mark.parametrize("callers", [2, 3, 8])
def test_callers_do_not_begin_together(corpus: Corpus, callers: int) -> None:
    starts = [script.starts_s for script in plan_corpus(corpus, 10 * callers, callers, 3)]
    assert len(starts) == callers
    assert all(0 <= each < 3.0 for each in starts)
    assert starts == sorted(starts)
    # Each has its own part of the three seconds.
    parts = [int(each / (3.0 / callers) + 1e-9) for each in starts]
    assert parts == list(range(callers))


def test_who_is_alone_does_not_wait(corpus: Corpus) -> None:
    assert all(script.starts_s <= 0.3 for script in plan_corpus(corpus, 40, 1, 0))


def test_rows_come_in_order_and_again_under_other_names(corpus: Corpus) -> None:
    scripts = plan_corpus(corpus, 9, 1, 0, turns_a_call=5)
    assert names(scripts) == [
        ["row-0", "row-1", "row-2", "row-3", "row-0 #2"],
        ["row-1 #2", "row-2 #2", "row-3 #2", "row-0 #3"],
    ]
    assert [script.turns for script in scripts] == [5, 4]
    assert [each.ended for each in sounds(scripts[0])] == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.0])
    assert [type(each) for each in scripts[1].actions] == [Rest, *[Say, AwaitReply] * 4]


def test_every_row_once_unless_asked_otherwise(path: Path) -> None:
    assert names(plan_corpus(str(path), None, 1, 0)) == [["row-0", "row-1", "row-2", "row-3"]]


@given(turns=st.integers(1, 60), callers=st.integers(1, 12), size=st.integers(1, 20))
def test_all_turns_are_said_once(corpus: Corpus, turns: int, callers: int, size: int) -> None:
    scripts = plan_corpus(corpus, turns, callers, 0, turns_a_call=size)
    said = [name for call in names(scripts) for name in call]
    assert len(said) == len(set(said)) == turns
    assert max(script.turns for script in scripts) <= size
    # Nobody says more than a fair share.
    assert max(script.turns for script in scripts) <= -(-turns // callers)
    assert [script.number for script in scripts] == list(range(len(scripts)))


def test_who_is_greeted_listens_first(corpus: Corpus) -> None:
    (script,) = plan_corpus(corpus, 1, 1, 0, greeted=True)
    assert script.actions[0] == AwaitReply()
    assert isinstance(script.actions[1], Say)


@pytest.mark.parametrize("kind", ["interruption", "backchannel", "noise"])
def test_overlaps_speak_at_different_places(path: Path, kind: Any) -> None:
    scripts = plan_overlaps(kind, 9, 0, corpus=str(path))
    trials = []
    for script in scripts:
        over, rest = script.actions
        assert isinstance(over, SayOver)
        assert isinstance(rest, Rest)
        assert over.sound.kind == kind
        trials.append(over)
    places = [each.after_s for each in trials]
    assert len(set(places)) == 7
    assert places[:2] == [1.2, 1.33] == places[7:]
    assert len({each.sound.name for each in trials}) == 9
    assert plain(scripts) == plain(plan_overlaps(kind, 9, 0, corpus=str(path)))


def test_turns_are_not_said_over_an_agent() -> None:
    with pytest.raises(ConfigError, match="'turn': expected interruption, backchannel or noise"):
        plan_overlaps("turn", 1, 0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"turns": 0}, "turns 0"),
        ({"callers": 0}, "callers 0"),
        ({"turns_a_call": 0}, "turns_a_call 0"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_numbers_out_of_range_are_named(
    corpus: Corpus, options: dict[str, Any], named: str
) -> None:
    asked: dict[str, Any] = {"turns": 1, "callers": 1, "seed": 0} | options
    with pytest.raises(ConfigError, match=named):
        plan_corpus(corpus, **asked)


def test_calls_out_of_range_are_named(scenario: Scenario) -> None:
    with pytest.raises(ConfigError, match="repeat 0"):
        plan_scenario(scenario, 0, 0)
    with pytest.raises(ConfigError, match="n 0"):
        plan_overlaps("noise", 0, 0)


def test_samples_are_within_full_scale(scenario: Scenario) -> None:
    for script in plan_scenario(scenario, 5, 0):
        for sound in sounds(script):
            assert float(np.max(np.abs(sound.samples))) <= 1.0
            assert 0 <= sound.onset < sound.ended <= sound.seconds


def test_importing_it_costs_little() -> None:
    heavy = "aiortc", "onnxruntime", "datasets", "torch"
    code = (
        "import sys, turnkit.lab.scenario.planning, turnkit.lab.scenario.stimuli; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
