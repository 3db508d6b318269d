from __future__ import annotations

import json

import numpy as np
import pytest

from turnkit.agent.measuring.calls import MeasuredTurn
from turnkit.agent.measuring.figures import (
    describe_trials,
    describe_turns,
    modes_table,
    overlaps_table,
    quantiles,
    spans_table,
)
from turnkit.agent.measuring.overlaps import Trial


def turn(audible: float | None, decided: float | None = 2.3, adopted: bool = False) -> MeasuredTurn:
    spans = {"eot": 300.0, "stt": 0.0, "transport": None}
    return MeasuredTurn("a", "batch", 0.0, 2.0, decided, audible, spans=spans, adopted=adopted)


TURNS = [turn(2.5), turn(2.7, adopted=True), turn(2.9), turn(1.5), turn(None), turn(6.0)]
"""V2V of 500, 700, 900 and 4,000 ms, an interruption and a silence."""


def test_quantiles_of_what_is_known() -> None:
    assert quantiles([]) == {"n": 0}
    assert quantiles([None]) == {"n": 0}
    assert quantiles([5.0, None, 1.0, 3.0]) == {"n": 3, "p50": 3.0, "p90": 4.6, "max": 5.0}
    assert quantiles([7.0]) == {"n": 1, "p50": 7.0, "p90": 7.0, "max": 7.0}


def test_a_p99_needs_a_thousand_values() -> None:
    values = np.arange(1_000.0)
    assert "p99" not in quantiles(values[:999])
    assert quantiles(values)["p99"] == pytest.approx(float(np.percentile(values, 99)), abs=0.05)


def test_turns_in_figures() -> None:
    found = describe_turns(TURNS, {"take_backs": 2})
    assert found["turns"] == 6
    assert found["v2v_ms"] == {"n": 4, "p50": 800.0, "p90": 3_070.0, "max": 4_000.0}
    assert found["eot_ms"]["p50"] == 300.0
    assert found["post_commit_ms"]["p50"] == 500.0
    assert found["false_interruptions"] == 1
    assert found["dead_air"] == 2
    assert found["adopted"] == 1
    assert found["spans_ms"]["eot"] == {"n": 6, "p50": 300.0, "p90": 300.0, "max": 300.0}
    assert found["spans_ms"]["transport"] == found["spans_ms"]["llm"] == {"n": 0}
    assert found["counts"] == {"take_backs": 2}
    assert json.loads(json.dumps(found)) == found


STOPS = [
    Trial("a", 3.0, 3.2, 3.4, resumed=False),
    Trial("b", 3.0, 3.5, 3.7, resumed=False),
    Trial("c", 3.0, None, 4.0, resumed=True),
    Trial("d", 3.0, None, None, resumed=False),
]


def test_interruptions_in_figures() -> None:
    found = describe_trials(STOPS, wanted=True)
    assert (found["trials"], found["stopped"], found["resumed"]) == (4, 3, 1)
    # A false stop is no success: only those with a decision are timed.
    assert found["from_onset_ms"] == {"n": 2, "p50": 550.0, "p90": 670.0, "max": 700.0}
    assert found["from_decision_ms"] == {"n": 2, "p50": 200.0, "p90": 200.0, "max": 200.0}
    assert found["within_600_ms"] == 1


def test_what_should_not_stop_it_is_only_counted() -> None:
    assert describe_trials(STOPS, wanted=False) == {"trials": 4, "stopped": 3, "resumed": 1}
    assert describe_trials([], wanted=False) == {"trials": 0, "stopped": 0, "resumed": 0}


def test_tables_hold_the_figures_in_columns() -> None:
    figures = {
        "batch": describe_turns(TURNS, {"take_backs": 2}),
        "streaming": describe_turns([], {}),
    }
    table = modes_table(figures)
    *_, batch, streaming = table.splitlines()
    assert batch.split() == [
        "batch", "6", "800", "3070", "4000", "300", "300", "500", "2770",
        "1", "0", "2", "1", "2", "0",
    ]  # fmt: skip
    assert streaming.split() == ["streaming", "0", *"-" * 7, *"0" * 6]
    assert len({len(line) for line in (batch, streaming)}) == 1

    head, batch, streaming = spans_table(figures).splitlines()
    assert head.split()[-6:] == ["eot", "stt", "llm", "tts", "transport", "residual"]
    assert batch.split() == ["batch", "300", "0", "-", "-", "-", "-"]
    assert streaming.split() == ["streaming", *"-" * 6]


def test_the_table_of_overlaps() -> None:
    table = overlaps_table(
        {
            "interruptions": describe_trials(STOPS, wanted=True),
            "noises": describe_trials(STOPS, wanted=False),
        }
    )
    *_, stops, noises = table.splitlines()
    assert stops.split() == ["interruptions", "4", "3", "1", "550", "670", "200", "200", "1"]
    assert noises.split() == ["noises", "4", "3", "1", *"-" * 5]
