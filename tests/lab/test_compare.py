from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from turnkit.lab.compare import (
    ComparedRun,
    Difference,
    compare,
    mcnemar,
    median_difference,
    pair_turns,
    warnings_of,
)
from turnkit.lab.measuring.resampling import Origin
from turnkit.lab.report.comparing import comparison_text, difference_text, write_comparison
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
        found = median_difference(list(values), alone(50), seed)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 20 <= found.high
    assert covered >= 51


def alone(n: int) -> list[Origin]:
    return [Origin(k, f"row-{k}") for k in range(n)]


def width(found: Difference) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_turns_that_move_together_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    shifts = np.repeat(rng.normal(0, 50, 20), 10)
    single = median_difference(list(shifts), alone(200))
    calls = median_difference(list(shifts), [Origin(k // 10, f"row-{k}") for k in range(200)])
    names = [f"row-{k // 10}" + (f" #{k % 10 + 1}" if k % 10 else "") for k in range(200)]
    rows = median_difference(list(shifts), [Origin(k, name) for k, name in enumerate(names)])
    assert (single.drawn, calls.drawn, rows.drawn) == ("calls", "calls", "rows")
    assert width(calls) > 1.5 * width(single)
    assert width(rows) > 1.5 * width(single)


def test_few_calls_are_drawn_by_turns() -> None:
    found = median_difference([1.0, 2.0, 3.0], [Origin(0, "a"), Origin(0, "b"), Origin(1, "c")])
    assert found.drawn == "turns"
    assert found.low is not None


def test_few_pairs_have_a_difference_and_no_interval() -> None:
    found = median_difference([5.0], [Origin(0, "a")])
    assert (found.median, found.low, found.high, found.faster) == (5, None, None, 0)
    assert "too few" in difference_text(found)


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
    assert paired.differences["v2v_ms"].dropped == 2
    assert "1 pairs (2 dropped: no latency on one side)" in comparison_text(
        compare([run("a", a), run("b", b)])
    )


def test_a_figure_that_is_never_is_told_in_words_and_not_drawn(tmp_path: Path) -> None:
    never = {"value": None, "n": 3, "low": 400.0, "high": None, "censored": True}
    a, b = run("a", [turn("x", 1)], v2v_p90=500), run("b", [turn("x", 1)])
    comparison = compare([a, replace(b, figures={"v2v_p90": never})])
    assert "never [400 .. never]" in comparison_text(comparison)
    write_comparison(tmp_path / "page.html", comparison)
    assert "never" in (tmp_path / "page.html").read_text("utf-8")


def test_late_frames_of_a_simulated_network_are_no_warning() -> None:
    far = plan() | {"network": {"name": "far"}}
    assert warnings_of([run("a", [], far, late_frame_rate=0.2)]) == []
    assert warnings_of([run("a", [], plan() | {"calls": 2}, calls=2, late_frame_rate=0.004)]) == []


def test_runs_of_other_rows_are_not_paired() -> None:
    assert compare([run("a", [turn("x", 1)]), run("b", [turn("y", 1)])]).paired == ()


def plan(corpus: str = "c", cpu: str = "fast", steal: float | None = 0.0) -> dict[str, Any]:
    machine = {"cpu": cpu, "cores": 2, "python": "3.11"}
    return {"source": {"corpus": corpus}, "machine": machine, "steal": steal, "network": None}


def test_runs_that_are_alike_get_no_warning() -> None:
    alike = plan() | {"machine": {"cpu": "fast", "cores": 2, "python": "3.13"}}
    assert warnings_of([run("a", [], plan()), run("b", [], alike, skipped_frame_rate=0.001)]) == []


@pytest.mark.parametrize(
    ("other", "figures", "told"),
    [
        (plan(corpus="d"), {}, "another corpus"),
        (plan(cpu="slow"), {}, "another machine"),
        (plan() | {"network": {"name": "far"}}, {}, "another network"),
        (plan(steal=0.05), {}, "5.0%"),
        (plan(), {"skipped_frame_rate": 0.013}, "sent 1.3% of its frames too late"),
        (plan(), {"failed_calls": 2.0}, "2 calls failed"),
        (plan(), {"late_frame_rate": 0.0071}, "0.7% of the frames came too late"),
        (plan() | {"calls": 9}, {"calls": 7.0}, "incomplete: 7 of 9 planned calls"),
    ],
)
def test_what_makes_runs_hard_to_compare_is_told(
    other: dict[str, Any], figures: dict[str, float], told: str
) -> None:
    (line,) = warnings_of([run("a", [], plan()), run("b", [], other, **figures)])
    assert line.startswith("b: ")
    assert told in line
