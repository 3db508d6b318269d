from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.errors import ConfigError
from turnkit.lab.measuring.checks import OPERATORS, Check, parse_check
from turnkit.lab.measuring.figures import NAMES, RATES, TIMES

FIGURES: dict[str, dict[str, Any]] = {
    "v2v_p90": {"value": 812.4, "n": 50, "low": 700.0, "high": 900.0},
    "false_interruption_rate": {"value": 0.05, "n": 40, "low": None, "high": None},
    "misses": {"value": 0, "n": 40, "low": None, "high": None},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("v2v_p90 < 813", True),
        ("v2v_p90<=812.4ms", True),
        ("v2v_p90 < 812.4 ms", False),
        (" v2v_p90 > 1e3", None),
        ("v2v_p90 > 1000", False),
        ("false_interruption_rate <= 5%", True),
        ("false_interruption_rate < 0.05", False),
        ("misses == 0", True),
        ("misses >= .5", False),
        ("misses > -1", True),
    ],
)
def test_what_holds(text: str, holds: bool | None) -> None:
    if holds is None:
        with pytest.raises(ConfigError, match="NAME OP NUMBER"):
            parse_check(text)
        return
    verdict = parse_check(text).judge(FIGURES)
    assert verdict.holds is holds
    assert ("holds" in verdict.text) is holds or "does not hold" in verdict.text


def test_a_verdict_says_why() -> None:
    verdict = parse_check("v2v_p90 < 800ms").judge(FIGURES)
    assert verdict.text == "v2v_p90 < 800ms: does not hold (812 ms, 95 % 700 ms .. 900 ms)"
    verdict = parse_check("false_interruption_rate <= 5%").judge(FIGURES)
    assert verdict.text == "false_interruption_rate <= 5%: holds (5.0%)"


def test_what_never_came_is_larger_than_every_number() -> None:
    never: dict[str, dict[str, Any]] = {
        "v2v_p90": {"value": None, "n": 50, "low": 700.0, "high": None, "censored": True}
    }
    verdict = parse_check("v2v_p90 <= 2500ms").judge(never)
    assert verdict.holds is False
    assert verdict.text.endswith("(never, 95 % 700 ms .. never)")
    assert parse_check("v2v_p90 > 1.1x").judge(never, FIGURES).holds is True
    assert parse_check("v2v_p90 > 1.1x").judge(FIGURES, never).holds is False
    assert parse_check("v2v_p90 > 1.1x").judge(never, never).holds is None
    assert parse_check("v2v_p90 > 0x").judge(FIGURES, never).holds is False
    unknown: dict[str, dict[str, Any]] = {"v2v_p90": {"value": None, "n": 0}}
    assert parse_check("v2v_p90 > 1").judge(unknown).holds is None


def test_against_another_run() -> None:
    check = parse_check("v2v_p90 > 1.1x")
    assert check.relative
    slower: dict[str, dict[str, Any]] = {
        "v2v_p90": {"value": 900.0, "n": 50, "low": 1.0, "high": 2.0}
    }
    assert check.judge(slower, FIGURES).holds
    assert check.judge(FIGURES, FIGURES).holds is False
    assert "1.1 x 812 ms" in check.judge(slower, FIGURES).text
    alone = check.judge(slower)
    assert alone.holds is None
    assert "no run to compare v2v_p90 with" in alone.text


def test_what_is_not_known_neither_holds_nor_fails() -> None:
    verdict = parse_check("v2v_p99 < 900").judge(FIGURES)
    assert verdict.holds is None
    assert "v2v_p99 is not known" in verdict.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v2v_p95 < 800", "did you mean .*v2v_p9"),
        ("zzzzzz < 800", "known are v2v_p50"),
        ("v2v_p90", "NAME OP NUMBER"),
        ("v2v_p90 =< 800", "NAME OP NUMBER"),
        ("v2v_p90 < 800 < 900", "NAME OP NUMBER"),
        ("", "NAME OP NUMBER"),
        ("v2v_p90 < 8%", "unit '%' of v2v_p90: expected one of none, x, ms"),
        ("v2v_p90 < 8s", "unit 's'"),
        ("misses < 8ms", "unit 'ms' of misses: expected one of none, x"),
        ("barge_in_success > 90ms", "expected one of none, x, %"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_check(text)


@given(
    st.sampled_from(NAMES),
    st.sampled_from(sorted(OPERATORS)),
    st.integers(0, 10_000),
    st.sampled_from(["", "x", "ms", "%"]),
)
def test_what_is_written_is_read(name: str, op: str, number: int, unit: str) -> None:
    fits = unit in ("", "x") or name in (TIMES if unit == "ms" else RATES)
    text = f"{name} {op} {number}{unit}"
    if not fits:
        with pytest.raises(ConfigError, match="unit"):
            parse_check(text)
        return
    check = parse_check(text)
    assert isinstance(check, Check)
    assert str(check) == text
