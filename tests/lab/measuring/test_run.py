"""Runs in folders; and the proof that latencies and interruptions need no log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lab.measuring.synthetic import (
    HELLO,
    Message,
    event,
    frames,
    pings,
    recording,
    reply,
    said,
    speech,
    track,
    turn,
)
from turnkit.errors import RunError
from turnkit.lab.folder import AUDIO, LOG, RunFolder
from turnkit.lab.measuring.figures import describe
from turnkit.lab.measuring.run import measure_run
from turnkit.lab.records import CallRecording

CLOCK_FROM = 1.05
"""Second of the recording at which the agent's clock began; it heard 50 ms after that."""

SENT = speech(26, (2, 4), (8, 10), (15, 15.8), (19, 20))
THINGS = [
    said(2, 4, name="a"),
    said(8, 10, name="b"),
    said(15, 15.8, "interruption", over=True, name="wait"),
    said(19, 20, "backchannel", over=True, name="mm-hm"),
]
HEARD = ((4.7, 6), (9.2, 9.6), (10.9, 15.4), (16.6, 19.4), (20.4, 21.5))
"""An answer after 700 ms; an interruption, an answer after 900 ms that is stopped after
350 ms; another one that stops and goes on."""


def told(number: int) -> list[Message]:
    def at(second: float) -> float:
        return second - CLOCK_FROM

    def answer(number: int, decided: float, sent: float) -> dict[str, Any]:
        marks = {"decided_at": at(decided), "words_final_at": at(decided + 0.05)}
        marks |= {"first_token_at": at(decided + 0.1), "first_audio_at": at(sent - 0.01)}
        return turn(number, **marks, sent_at=at(sent), text="well", reply_text="Yes.")

    counts = {"take_backs": 1, "speculations": 2, "adopted": 2}
    content = [
        event(at(4.4)), answer(1, 4.4, 4.62), event(at(9.0)), reply(at(9.15), "speaking", 2, 2),
        reply(at(9.6), "taken back", 2, 2), event(at(10.4)), answer(2, 10.4, 10.8),
        reply(at(10.8), "speaking", 3, 2), reply(at(15.3), "interrupted", 3, 2),
        reply(at(19.35), "stopped", 4, 3), reply(at(20.35), "resumed", 4, 3),
        {"type": "cancelled", "at": at(15.3), "reply": 3, "what": "llm", "ms": 12.5},
        {"type": "cancelled", "at": at(15.3), "reply": 3, "what": "kettle", "ms": 1},
        {"type": "stats", "at": at(21), "counts": counts},
    ]  # fmt: skip
    messages = [(0.0, HELLO | {"call": number}), *((e["at"] + CLOCK_FROM, e) for e in content)]
    return [*messages, *frames(SENT, CLOCK_FROM - 0.05)]


def a_call(number: int) -> CallRecording:
    return recording(
        track(26, *HEARD),
        THINGS,
        sent=SENT,
        messages=told(number),
        pings=pings(CLOCK_FROM, 26),
        number=number,
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.write_plan({"agent": "x", "stages": {"tts": {"name": "fake", "simulated": True}}})
    for number in range(2):
        folder.write_call(a_call(number))
    folder.note_usage({"at": 0.0, "cpu_s": 0.0, "rss_mb": 100.0, "calls": 1})
    folder.note_usage({"at": 1.0, "cpu_s": 0.5, "rss_mb": 120.0, "calls": 1})
    return folder


def test_a_run_is_measured(folder: RunFolder) -> None:
    described = describe(measure_run(folder))
    figures = {name: figure["value"] for name, figure in described["figures"].items()}
    expected = {
        "turns": 4, "calls": 2, "v2v_p50": 800, "v2v_max": 900, "false_interruptions": 2,
        "false_interruption_rate": 0.5, "dead_air": 0, "misses": 0, "early_commits": 0,
        "eot_p50": 400, "post_commit_p50": 400, "eot_span_p50": 350, "uplink_p50": 50,
        "barge_ins": 2, "barge_in_success": 1, "stop_from_onset_p50": 350,
        "stop_from_decision_p50": 100, "false_barge_ins": 2, "resumes": 2,
        "resume_rate": 1, "resume_gap_p50": 1000, "barge_ins_moot": 0, "answered": 4,
        "interrupted_unanswered": 0, "rows": 2, "cancel_llm_p50": 12.5,
        "duplicate_replies": 0, "take_backs": 2, "adopted": 4,
        "speculation_hit_rate": 1, "cpu_per_call": 0.5, "memory_mb": 120,
    }  # fmt: skip
    for name, wanted in expected.items():
        assert figures[name] == pytest.approx(wanted, abs=2), name
    assert described["name"] == "run"
    assert described["simulated"] == ["tts (fake)"]
    first = described["turns"][0]
    assert sum(first["told"]["spans"].values()) == pytest.approx(first["v2v_ms"])


BY_EAR = (
    "turns", "calls", "failed_calls", "v2v_p50", "v2v_p90", "v2v_max", "v2v_mean",
    "false_interruptions", "false_interruption_rate", "dead_air", "misses", "barge_ins",
    "barge_in_success", "stop_from_onset_p50", "stop_from_onset_p90", "answered",
    "interrupted_unanswered", "rows", "false_barge_ins", "false_barge_in_rate", "resumes",
    "resume_rate", "resume_gap_p50", "resume_gap_p90", "late_frame_rate",
    "skipped_frame_rate",
)  # fmt: skip


def test_with_the_logs_deleted_latencies_and_interruptions_are_the_same(folder: RunFolder) -> None:
    before = describe(measure_run(folder))
    for log in folder.path.glob(f"calls/*/{LOG}"):
        log.unlink()
    after = describe(measure_run(folder))
    for name in BY_EAR:
        assert after["figures"][name] == before["figures"][name], name
    by_log = {"told", "decisions", "early", "eot_ms", "post_commit_ms"}
    for with_log, without in zip(before["turns"], after["turns"], strict=True):
        for key in with_log.keys() - by_log:
            assert without[key] == with_log[key], key
        assert with_log["told"] is not None
        assert {without[key] for key in by_log} == {None}
    for name in ("eot_p50", "uplink_p50", "residual_p50", "take_backs", "stop_from_decision_p50"):
        assert name in before["figures"]
        assert name not in after["figures"]
    told_only = {"decided", "cause", "regained", "from_decision_ms", "moot"}
    for with_log, without in zip(before["trials"], after["trials"], strict=True):
        for key in with_log.keys() - told_only:
            assert without[key] == with_log[key], key
        assert with_log["cause"] is not None
        assert {without[key] for key in told_only} == {None}


def test_a_log_that_lies_changes_nothing_that_was_heard(folder: RunFolder) -> None:
    before = describe(measure_run(folder))
    for log in folder.path.glob(f"calls/*/{LOG}"):
        log.write_text(log.read_text().replace('"sent_at": ', '"sent_at": 1'))
    after = describe(measure_run(folder))
    for name in BY_EAR:
        assert after["figures"][name] == before["figures"][name], name


def test_a_damaged_call_is_named(folder: RunFolder) -> None:
    (folder.path / "calls" / "0001" / AUDIO).write_bytes(b"no audio")
    with pytest.raises(RunError, match="0001"):
        measure_run(folder)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "reply", "state": "speaking", "reply": 1},
        {"type": "reply", "at": "soon", "state": "speaking", "reply": 1},
        {"type": "turn", "turn": 1, "decided_at": "x", "sent_at": 2.0},
        {"type": "stats", "at": 1.0},
        {"type": "cancelled", "at": 1.0, "what": "llm"},
        {"type": "cancelled", "at": 1.0, "what": "llm", "ms": "long"},
        {"type": "stats", "counts": [1]},
        {"type": "event", "kind": "turn ended", "detector": "ours"},
        {"type": "frames", "at": 1.0, "step": 0.02, "caller": [-50.0], "agent": []},
        {"type": "frames", "at": 1.0, "step": 0.02, "caller": ["loud"], "agent": [-50.0]},
        {"type": "frames", "at": 1.0},
    ],
)
def test_a_log_that_no_agent_writes_is_named(tmp_path: Path, message: dict[str, Any]) -> None:
    folder = RunFolder(tmp_path / "run")
    told = ((0.0, HELLO), (1.0, message))
    folder.write_call(recording(track(3), [said(1, 2)], messages=told, number=7))
    with pytest.raises(RunError, match=r"run: call 7: the agent's \w+: not what an agent tells"):
        measure_run(folder)


def test_a_hello_of_another_shape_says_nothing_of_the_stages(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    hello = (0.0, HELLO | {"stages": 3, "mode": ["x"]})
    folder.write_call(recording(track(3), [said(1, 2)], messages=(hello,), number=7))
    run = measure_run(folder)
    assert (run.calls[0].stages, run.calls[0].mode) == ({}, None)
    assert run.simulated == []
    describe(run)
