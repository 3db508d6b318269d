from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from turnkit.lab.compare import (
    ComparedRun,
    compare,
    mcnemar,
    median_difference,
    pair_turns,
    warnings_of,
)
from turnkit.lab.report.rows import TurnRow


def turn(name: str, v2v: float | None, call: int = 0, place: int = 0, **more: Any) -> TurnRow:
    return TurnRow(call, place, name, 1.0, 1.1, 3.0, v2v_ms=v2v, **more)


def run(name: str, turns: list[TurnRow], plan: Any = None, **figures: float) -> ComparedRun:
    flat = {key: {"value": value, "n": 1} for key, value in figures.items()}
    return ComparedRun(name, plan or {}, flat, tuple(turns))


def test_turns_are_paired_by_name_and_repeats_in_order() -> None:
    a = [turn("x", 1, 0, 0), turn("y", 2, 0, 1), turn("x", 3, 1, 0), turn("only a", 9, 1, 1)]
    b = [turn("x", 30, 4, 1), turn("x", 10, 0, 0), turn("y", 20, 2, 0), turn("only b", 9, 0, 1)]
    pairs = pair_turns(a, b)
    assert [(one.v2v_ms, other.v2v_ms) for one, other in pairs] == [(1, 10), (2, 20), (3, 30)]


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(first: int, second: int) -> None:
    n = first + second
    expected = 1.0 if n == 0 else binomtest(first, n, 0.5).pvalue
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_thousands_of_pairs_does_not_overflow() -> None:
    assert mcnemar(3000, 3000) == 1.0
    assert 0 <= mcnemar(2000, 4000) < 1e-100


def test_a_constant_difference_is_found_exactly_whatever_the_turns_are() -> None:
    rng = np.random.default_rng(0)
    slow = [turn(f"t{k}", float(v), k // 3) for k, v in enumerate(rng.lognormal(6, 0.5, 60))]
    fast = [turn(each.name, (each.v2v_ms or 0) - 137, each.call) for each in slow]
    (paired,) = compare([run("a", slow), run("b", fast)]).paired
    found = paired.differences["v2v_ms"]
    assert (found.median, found.low, found.high) == pytest.approx((-137, -137, -137))
    assert (found.n, found.faster, found.drawn) == (60, 1.0, "calls")
    assert "eot_ms" not in paired.differences


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(60):
        values = rng.normal(20, 50, 50)
        found = median_difference(list(values), list(range(50)), seed)
        covered += found.low <= 20 <= found.high
    assert covered >= 51


def test_turns_of_a_call_that_move_together_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    shifts = np.repeat(rng.normal(0, 50, 20), 10)
    together = median_difference(list(shifts), list(np.repeat(range(20), 10)))
    alone = median_difference(list(shifts), list(range(200)))
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_few_calls_are_drawn_by_turns() -> None:
    assert median_difference([1.0, 2.0, 3.0], [0, 0, 1]).drawn == "turns"


def test_a_single_pair_has_a_difference() -> None:
    found = median_difference([5.0], [0])
    assert (found.median, found.low, found.high, found.faster) == (5, 5, 5, 0)


def test_false_interruptions_are_counted_as_discordant_pairs() -> None:
    kinds = [*product((True, False), repeat=2), (True, False)]
    a = [turn(f"t{k}", 1, false_interruption=x) for k, (x, _) in enumerate(kinds)]
    b = [turn(f"t{k}", 1, false_interruption=y) for k, (_, y) in enumerate(kinds)]
    found = compare([run("a", a), run("b", b)]).paired[0].interruptions
    assert (found.both, found.reference, found.other, found.neither) == (1, 2, 1, 1)
    assert found.p == 1.0


def test_turns_without_a_latency_on_either_side_pair_but_do_not_count() -> None:
    a = [turn("x", None), turn("y", 100), turn("z", 100)]
    b = [turn("x", 50), turn("y", None), turn("z", 80)]
    (paired,) = compare([run("a", a), run("b", b)]).paired
    assert paired.pairs == 3
    assert paired.differences["v2v_ms"].n == 1


def test_runs_of_other_rows_are_not_paired() -> None:
    assert compare([run("a", [turn("x", 1)]), run("b", [turn("y", 1)])]).paired == ()


def plan(corpus: str = "c", cpu: str = "fast", steal: float | None = 0.0) -> dict[str, Any]:
    machine = {"cpu": cpu, "cores": 2, "python": "3.11"}
    return {"source": {"corpus": corpus}, "machine": machine, "steal": steal, "network": None}


def test_runs_that_are_alike_get_no_warning() -> None:
    alike = plan() | {"machine": {"cpu": "fast", "cores": 2, "python": "3.13"}}
    assert warnings_of([run("a", [], plan()), run("b", [], alike, skipped_frames=0)]) == []


@pytest.mark.parametrize(
    ("other", "figures", "told"),
    [
        (plan(corpus="d"), {}, "another corpus"),
        (plan(cpu="slow"), {}, "another machine"),
        (plan() | {"network": {"name": "far"}}, {}, "another network"),
        (plan(steal=0.05), {}, "5.0 %"),
        (plan(), {"skipped_frames": 3.0}, "skipped 3 frames"),
        (plan(), {"failed_calls": 2.0}, "2 calls failed"),
    ],
)
def test_what_makes_runs_hard_to_compare_is_told(
    other: dict[str, Any], figures: dict[str, float], told: str
) -> None:
    (line,) = warnings_of([run("a", [], plan()), run("b", [], other, **figures)])
    assert line.startswith("b: ")
    assert told in line
