"""Figures of runs whose turns are known, and their tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from turnkit.lab.measuring.checks import parse_check
from turnkit.lab.measuring.figures import NAMES, P99_FROM, describe
from turnkit.lab.measuring.measured import ClockQuality, MeasuredCall, MeasuredTurn
from turnkit.lab.measuring.overlaps import Trial
from turnkit.lab.measuring.run import MeasuredRun
from turnkit.lab.measuring.spans import RESIDUAL_PARTS, SPANS, ToldTurn
from turnkit.lab.measuring.tables import overlaps_table, spans_table, turns_table
from turnkit.lab.measuring.turns import HeardTurn
from turnkit.lab.measuring.usage import usage_figures
from turnkit.lab.records import CallRecord


def turn(
    v2v_s: float | None,
    eot_s: float | None = None,
    *,
    false_start: float | None = None,
    name: str = "row",
) -> MeasuredTurn:
    """Make a turn that ends at 2.0; what interrupts runs on over its end."""
    audible = None if v2v_s is None else 2.0 + v2v_s
    heard_s = 0.0 if audible is None and false_start is None else 1.0
    heard = HeardTurn(
        0, 0, name, None, 0.0, 2.0, 9.0, false_start, audible, heard_s,
        sounded=None if false_start is None else 2.0,
    )  # fmt: skip
    if eot_s is None or v2v_s is None:
        return MeasuredTurn(heard)
    spans = dict.fromkeys(SPANS, 0.0) | {"eot": eot_s * 1000, "residual": (v2v_s - eot_s) * 1000}
    told = ToldTurn(
        1, 2.0 + eot_s, "yes", "Good.", "model", True, spans, dict.fromkeys(RESIDUAL_PARTS, 1.0)
    )
    return MeasuredTurn(heard, told, decisions=(2.0 + eot_s,))


def call(
    turns: Sequence[MeasuredTurn] = (),
    trials: Sequence[Trial] = (),
    counts: dict[str, int] | None = None,
    **fields: Any,
) -> MeasuredCall:
    known: dict[str, Any] = {"ended_by": "caller"} | fields
    return MeasuredCall(
        record=CallRecord(0, "id", 30.0, (), **known),
        turns=tuple(turns),
        trials=tuple(trials),
        counts=counts or {},
        duplicate_replies=None if counts is None else 1,
        stages={} if counts is None else {"llm": {"name": "fake", "simulated": True}},
        mode=None if counts is None else "streaming",
        clocks=ClockQuality(0, None, None),
    )


def run(*calls: MeasuredCall, **fields: Any) -> MeasuredRun:
    return MeasuredRun("r", fields.pop("plan", {}), calls, **fields)


def value(described: dict[str, Any], name: str) -> Any:
    return described["figures"][name]["value"]


TURNS = [
    turn(0.5, 0.3, name="a"),
    turn(0.7, 0.3, name="b"),
    turn(0.9, -0.1, name="c"),
    turn(None, false_start=1.5, name="d"),
    turn(None, name="e"),
]
"""V2V of 500, 700 and 900 ms; one decided early, an interruption that never ended, a miss."""

COUNTS = {"take_backs": 2, "speculations": 4, "adopted": 3, "tokens": 90, "wasted_tokens": 9}


def stop(onset: float, silent: float | None, decided: float | None = None) -> Trial:
    return Trial(0, 0, "interruption", f"i {silent}", onset, silent, None, decided)


def slip(kind: str, silent: float | None, resumed: float | None = None) -> Trial:
    return Trial(0, 0, kind, f"b {silent}", 3.0, silent, resumed, None)


TRIALS = [
    stop(3.0, 3.4, 3.2),
    stop(3.0, 3.7),
    stop(3.0, None),
    slip("backchannel", 3.5, 4.5),
    slip("noise", 3.6),
    slip("noise", 5.0),
    slip("noise", None),
]
"""Of the backchannels and noises the first two stopped the agent, and one was resumed after."""


def test_turns_in_figures() -> None:
    described = describe(run(call(TURNS, counts=COUNTS), call(error="refused", late=3, skipped=1)))
    expected = {
        "turns": 5, "calls": 2, "failed_calls": 1, "v2v_p50": 800, "v2v_max": 900,
        "post_commit_max": 400,
        "v2v_mean": 700, "answered": 3, "interrupted_unanswered": 1, "rows": 5,
        "early_commit_rate": 1 / 3, "late_frame_rate": 3 / 3000,
        "skipped_frame_rate": 1 / 3000,
        "eot_p50": 300, "post_commit_p50": 300, "eot_span_p50": 300,
        "detector_p50": 1, "false_interruptions": 1, "false_interruption_rate": 0.2,
        "early_commits": 1, "dead_air": 1, "misses": 1, "take_backs": 2, "speculations": 4,
        "adopted": 3, "speculation_hit_rate": 0.75, "tokens": 90, "wasted_tokens": 9,
        "duplicate_replies": 1, "late_frames": 3, "skipped_frames": 1,
    }  # fmt: skip
    for name, wanted in expected.items():
        assert value(described, name) == pytest.approx(wanted), name
    assert described["figures"]["early_commits"]["n"] == 3
    assert described["figures"]["early_commit_rate"]["n"] == 3
    assert described["figures"]["v2v_p50"]["n"] == 4
    assert described["figures"]["v2v_mean"]["n"] == described["figures"]["v2v_max"]["n"] == 3
    assert value(described, "v2v_p90") is None
    assert described["figures"]["v2v_p90"]["censored"]
    assert not {"v2v_p99", "hedges", "barge_ins", "cpu_peak"} & set(described["figures"])
    assert described["bootstrap"] == "turns"
    assert described["simulated"] == ["llm (fake)"]
    assert described["mode"] == "streaming"
    assert [len(described[each]) for each in ("calls", "turns", "trials")] == [2, 5, 0]
    assert set(described["figures"]) <= set(NAMES)
    assert json.loads(json.dumps(described)) == described


def test_only_what_was_understood_in_time_has_parts() -> None:
    described = describe(run(call(TURNS)))
    assert described["figures"]["eot_p50"]["n"] == 2
    assert described["figures"]["eot_span_p50"]["n"] == 3


def test_a_p99_needs_a_thousand_turns() -> None:
    many = [turn(index / 1000, 0.0) for index in range(P99_FROM)]
    described = describe(run(call(many)))
    assert value(described, "v2v_p99") == pytest.approx(989.01)
    assert value(described, "post_commit_p99") == pytest.approx(989.01)
    assert "v2v_p99" not in describe(run(call(many[1:])))["figures"]


def test_who_answers_only_what_is_easy_does_not_look_fast() -> None:
    every = [turn(0.1 * k, name=f"r{k}") for k in range(1, 11)]
    easy = [turn(0.1 * k if k < 6 else None, name=f"r{k}") for k in range(1, 11)]
    honest, picky = (describe(run(call(turns)))["figures"] for turns in (every, easy))
    assert honest["v2v_p90"]["value"] == pytest.approx(910)
    assert picky["v2v_p90"] == {
        "value": None, "n": 10, "low": picky["v2v_p90"]["low"], "high": None, "censored": True,
    }  # fmt: skip
    assert picky["v2v_p50"].get("censored")  # between an answer and none
    assert parse_check("v2v_p90 <= 2500ms").judge(picky).holds is False
    assert parse_check("v2v_p90 > 1.1x").judge(picky, honest).holds is True
    interrupting = [*every[:9], turn(None, false_start=1.5, name="x")]
    figures = describe(run(call(interrupting)))["figures"]
    assert (figures["v2v_p90"]["n"], figures["interrupted_unanswered"]["value"]) == (9, 1)


def test_intervals_are_over_calls_where_there_are_enough() -> None:
    calls = [
        call([turn(0.1 * index, name=f"{index} {k}") for k in range(4)]) for index in range(1, 14)
    ]
    described = describe(run(*calls))
    assert described["bootstrap"] == "calls"
    figure = described["figures"]["v2v_p50"]
    assert figure["value"] == pytest.approx(700)
    assert figure["low"] < 550
    assert figure["high"] > 850
    assert figure["n"] == 52


def test_intervals_are_over_rows_where_they_are_said_again() -> None:
    calls = [
        call([turn(0.1 * k, name=f"r{k}" + (f" #{n}" if n else "")) for k in range(1, 6)])
        for n in range(13)
    ]
    described = describe(run(*calls))
    assert (described["bootstrap"], described["rows"]) == ("rows", 5)
    assert value(described, "rows") == 5
    assert described["figures"]["v2v_p50"]["high"] > 400
    assert "65 turns of 5 different rows in 13 calls" in turns_table({"r": described})


def test_what_was_said_over_the_agent_in_figures() -> None:
    described = describe(run(call(trials=TRIALS)))
    expected = {
        "barge_ins": 3, "barge_in_success": 1 / 3, "stop_from_onset_p50": 700,
        "stop_from_decision_p50": 200, "false_barge_ins": 2, "false_barge_in_rate": 0.5,
        "resumes": 1, "resume_rate": 0.5, "resume_gap_p50": 1000, "turns": 0,
    }  # fmt: skip
    for name, wanted in expected.items():
        assert value(described, name) == pytest.approx(wanted), name
    assert described["figures"]["false_barge_ins"]["n"] == 4
    assert described["figures"]["resume_rate"]["n"] == 2
    # One was never obeyed: it ranks above those that were.
    assert described["figures"]["stop_from_onset_p90"]["censored"]
    assert described["figures"]["stop_from_onset_p50"]["n"] == 3
    assert "barge_ins_moot" not in described["figures"]
    assert "false_interruption_rate" not in described["figures"]


def test_the_log_tells_of_trials_that_were_moot_beside_the_headline() -> None:
    trials = [
        replace(stop(3.0, 3.3), cause="done", regained=False),
        replace(stop(3.0, 3.4, 3.2), cause="interrupted", regained=False),
        replace(stop(3.0, None), regained=False),
    ]
    described = describe(run(call(trials=trials)))
    assert described["figures"]["barge_ins_moot"] == {
        "value": 1, "n": 3, "low": None, "high": None,
    }  # fmt: skip
    assert value(described, "barge_in_success") == pytest.approx(2 / 3)


def test_an_interruption_that_was_decided_and_never_obeyed_ranks_above_all() -> None:
    described = describe(run(call(trials=[stop(3.0, 3.4, 3.2), stop(3.0, None, 3.3)])))
    assert described["figures"]["stop_from_decision_p50"]["censored"]
    assert described["figures"]["stop_from_decision_p50"]["n"] == 2


def test_how_long_cancelled_work_goes_on() -> None:
    calls = [
        replace(call(), cancels=(("llm", 10.0 * k), ("llm", 20.0 * k), ("tts", 5.0)))
        for k in range(1, 4)
    ]
    described = describe(run(*calls))
    assert value(described, "cancel_llm_p50") == pytest.approx(25)
    assert described["figures"]["cancel_llm_p90"]["n"] == 6
    assert described["figures"]["cancel_llm_p50"]["low"] is not None
    assert value(described, "cancel_tts_p90") == 5
    assert "cancel_stt_p50" not in described["figures"]
    assert "LLM P50 25, P90 50 (n 6); TTS P50 5" in overlaps_table({"r": described})


def test_a_run_without_calls_has_hardly_any_figures() -> None:
    described = describe(run())
    assert set(described["figures"]) == {
        "turns", "rows", "calls", "failed_calls", "late_frames", "skipped_frames",
    }  # fmt: skip


def test_the_agents_processes() -> None:
    usage = [
        {"at": 0.0, "cpu_s": 10.0, "rss_mb": 300.0, "calls": 0},
        {"at": 1.0, "cpu_s": 15.0, "rss_mb": 500.0, "calls": 0},
        {"at": 2.0, "cpu_s": 15.1, "rss_mb": 400.0, "calls": 2},
        {"at": 3.0, "cpu_s": 15.7, "rss_mb": 400.0, "calls": 2},
        {"at": 4.0, "cpu_s": 16.7, "rss_mb": 450.0, "calls": 2},
        {"at": 0.0, "cpu_s": 2.0, "rss_mb": 450.0, "calls": 2},
    ]
    found = usage_figures(usage)
    assert found["cpu_per_call"].value == pytest.approx(1.6 / 4)
    assert found["cpu_peak"].value == pytest.approx(1.0)
    assert found["memory_mb"].value == 500
    assert usage_figures([]) == {}
    assert set(usage_figures(usage[:2])) == {"memory_mb"}
    assert value(describe(run(call(), usage=usage)), "cpu_peak") == pytest.approx(1.0)


def test_what_the_plan_says_is_simulated_is() -> None:
    stages = {"detector": {"name": "ours"}, "tts": {"name": "fake", "simulated": True}}
    measured = run(call(counts=COUNTS), plan={"stages": stages})
    assert measured.simulated == ["llm (fake)", "tts (fake)"]
    assert run(call()).simulated == []


def test_a_simulated_network_is_simulated() -> None:
    measured = run(call(counts=COUNTS), plan={"network": {"name": "mobile"}})
    assert measured.simulated == ["llm (fake)", "network (mobile)"]
    described = describe(run(call(TURNS), plan={"network": {"name": "far"}}))
    assert "r: simulated: network (far)" in turns_table({"r": described})
    assert run(call(), plan={"network": None}).simulated == []


def test_a_run_that_is_not_done_or_was_overloaded_says_so() -> None:
    short = run(call(TURNS), plan={"calls": 3, "request": {"seed": 5}})
    assert short.incomplete == "incomplete: 1 of 3 planned calls are finished"
    described = describe(short)
    table = turns_table({"r": described})
    assert described["incomplete"] == short.incomplete
    assert "r: warning: incomplete: 1 of 3" in table
    assert "seed 5" in table
    assert run(call(), plan={"calls": 1}).incomplete is None
    assert run(call()).incomplete is None
    # 30 seconds are 1,500 frames.
    assert describe(run(call(late=7)))["warnings"] == []
    (line,) = describe(run(call(late=8)))["warnings"]
    assert line.startswith("0.5% of the frames came too late")
    network = {"network": {"name": "mobile"}}
    assert describe(run(call(late=800), plan=network))["warnings"] == []


def test_tables_hold_the_figures_in_columns() -> None:
    found = {
        "ours": describe(run(call(TURNS, TRIALS, COUNTS))),
        "a much longer name": describe(run(call([turn(None)]))),
    }
    table = turns_table(found)
    lines = table.splitlines()
    assert lines[2].split() == [
        "ours", "5", "3", "4", "800", "never", "-", "900", "2", "300", "300", "2", "300", "380",
        "1", "(20.0%)", "1", "1", "1", "1", "2",
    ]  # fmt: skip
    assert lines[3].split()[4:] == [
        "1", "0", "1", "never", "never", *"--", "0", *"--", "0", *"--", "0", "(0.0%)", "0", "-",
        "1", "1", "-",
    ]  # fmt: skip
    assert len({len(line) for line in lines[1:4]}) == 1
    assert "V2V ms P50 800 [500 .. never], P90 never [700 .. never]" in table
    assert "\nnever: so many turns were not answered" in table
    assert "V2V ms: no interval, too few turns to draw from" in table
    assert "bootstrap over turns" in table
    assert "ours: simulated: llm (fake)" in table

    lines = spans_table(found).splitlines()
    assert lines[1].split() == ["ours", "3", "300", *"0" * 5, "400", "|", *"1111"]
    assert lines[2].split()[4:] == ["0", *"-" * 7, "|", *"-" * 4]
    assert "ours: simulated: llm (fake)" in lines

    lines = overlaps_table(found).splitlines()
    assert lines[2].split() == [
        "ours", "3", "33%", "-", "3", "700", "never", "1", "200", "200", "4", "2", "1", "1000",
    ]  # fmt: skip
    assert lines[3].split()[4:] == [*"---", "0", *"--", "0", *"--", "0", *"---"]


def test_a_turn_that_came_early_is_no_interruption_twice() -> None:
    early = turn(0.9, -0.1)
    assert early.early
    assert early.eot_ms is None
    assert early.post_commit_ms is None
    heard = replace(early.heard, false_start=1.9)
    assert replace(early, heard=heard).early is False
    assert turn(0.9).early is None
