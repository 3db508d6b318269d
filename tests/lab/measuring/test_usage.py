"""CPU of the agent's processes over several sittings."""

from __future__ import annotations

import pytest

from turnkit.lab.measuring.usage import usage_figures


def line(sitting: int, at: float, cpu_s: float, calls: int = 1) -> dict[str, float]:
    return {"sitting": sitting, "at": at, "cpu_s": cpu_s, "rss_mb": 300.0, "calls": calls}


def test_what_lies_between_two_sittings_is_not_counted() -> None:
    usage = [line(0, 0, 1.0), line(0, 1, 1.5), line(1, 10, 90.0), line(1, 11, 90.5)]
    found = usage_figures(usage)
    assert found["cpu_per_call"].value == pytest.approx(0.5)
    assert found["cpu_peak"].value == pytest.approx(0.5)
    assert found["cpu_peak"].n == 2


def test_seconds_that_a_process_took_with_it_are_left_out() -> None:
    usage = [line(0, 0, 5.0), line(0, 1, 2.0), line(0, 2, 2.4)]
    found = usage_figures(usage)
    assert found["cpu_per_call"].value == pytest.approx(0.4)
    assert found["cpu_per_call"].n == 1


def test_lines_without_a_sitting_are_of_one() -> None:
    usage = [{k: v for k, v in line(0, at, at / 4).items() if k != "sitting"} for at in range(4)]
    assert usage_figures(usage)["cpu_per_call"].value == pytest.approx(0.25)
