"""A run's folder keeps calls whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from turnkit.errors import RunError
from turnkit.lab.folder import AUDIO, CALL, LOG, USAGE, RunFolder
from turnkit.lab.records import AgentLog, CallRecord, CallRecording, Ping, Said

REST = {"rss_mb": 300.0, "calls": 2}


def a_call(number: int = 3) -> CallRecording:
    random = np.random.default_rng(number)
    said = Said("turn", "row-1", 1.0, 1.1, 2.4, 2.6, holds=((1.5, 1.9),), text="well yes")
    record = CallRecord(
        number, "c1", 4.0, (said,), "caller", playout_delay_s=0.03, network={"up": {"lost": 2}}
    )
    log = AgentLog(((0.25, {"type": "hello", "at": 0}),), (Ping(0.5, 0.52, 0.1),))
    sent, heard = (random.uniform(-1, 1, 64_000).astype(np.float32) for _ in range(2))
    return CallRecording(record, sent, heard, log)


def test_a_call_comes_back_as_it_was(tmp_path: Path) -> None:
    folder, call = RunFolder(tmp_path / "run"), a_call()
    folder.write_call(call)
    back = folder.read_call(3)
    assert back.record == call.record
    assert back.log == call.log
    np.testing.assert_allclose(back.sent, call.sent, atol=1 / 32_000)
    np.testing.assert_allclose(back.heard, call.heard, atol=1 / 32_000)
    assert [each.record.number for each in folder.calls()] == folder.finished() == [3]


def test_without_the_agents_log_the_rest_is_there(tmp_path: Path) -> None:
    folder, call = RunFolder(tmp_path), a_call()
    folder.write_call(call)
    (tmp_path / "calls" / "0003" / LOG).unlink()
    back = folder.read_call(3)
    assert back.log == AgentLog()
    assert back.record == call.record


def test_a_call_that_was_not_written_to_the_end_does_not_count(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.finished() == []
    folder.write_call(a_call(1))
    (tmp_path / "calls" / ".0002").mkdir()
    assert folder.finished() == [1]


def test_a_call_can_be_written_again(tmp_path: Path) -> None:
    folder, call = RunFolder(tmp_path), a_call()
    folder.write_call(call)
    folder.write_call(replace(call, record=replace(call.record, call_id="again")))
    assert folder.read_call(3).record.call_id == "again"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (CALL, "{", "call.json: cannot be read"),
        (CALL, '{"number": 3}', "call.json: not the record of a call"),
        (LOG, '{"came": 1}\n{}\n', "agent.jsonl: line 1: not what an agent tells"),
        (LOG, "nonsense\n{}\n", "agent.jsonl: line 1 cannot be read"),
        (AUDIO, "no sound", "audio.flac: cannot be read"),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    folder = RunFolder(tmp_path)
    folder.write_call(a_call())
    (tmp_path / "calls" / "0003" / name).write_text(content)
    with pytest.raises(RunError, match=said):
        folder.read_call(3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("number", 4), ("number", "3"), ("seconds", "x"), ("seconds", None), ("seconds", 10**400),
        ("late", "x"), ("error", 3), ("network", 3), ("call_id", None), ("said", 3),
        ("began", "x"), ("ended", None), ("ended", float("nan")), ("kind", "song"),
        ("kind", ["turn"]), ("name", 3), ("text", 3), ("over", "x"), ("holds", [["x", 1]]),
        ("holds", [[1]]), ("holds", [[0, float("inf")]]),
    ],
)  # fmt: skip
def test_wrong_values_in_a_record_are_named(tmp_path: Path, key: str, value: object) -> None:
    folder = RunFolder(tmp_path)
    folder.write_call(a_call())
    path = tmp_path / "calls" / "0003" / CALL
    content = json.loads(path.read_text())
    (content if key in content else content["said"][0])[key] = value
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"call\.json: not the record of a call"):
        folder.read_record(3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"\xff\n", "agent.jsonl: cannot be read"),
        (b'{"came": 1, "message": 3}\n', "agent.jsonl: line 1: not what an agent tells"),
    ],
)
def test_a_log_that_is_none_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    folder = RunFolder(tmp_path)
    folder.write_call(a_call())
    (tmp_path / "calls" / "0003" / LOG).write_bytes(line)
    with pytest.raises(RunError, match=said):
        folder.read_log(3)


@pytest.mark.parametrize(
    "plan",
    [[], {"machine": "y"}, {"stages": 3}, {"stages": {"stt": "x"}}, {"source": 1}, {"steal": "x"}],
)
def test_a_plan_that_is_none_is_named(tmp_path: Path, plan: object) -> None:
    (tmp_path / "run.json").write_text(json.dumps(plan))
    with pytest.raises(RunError, match=r"run\.json: .*expected"):
        RunFolder(tmp_path).read_plan()


def test_the_last_line_of_a_log_may_be_cut_off(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_call(a_call())
    log = tmp_path / "calls" / "0003" / LOG
    log.write_text(log.read_text() + '{"came": 1.0, "mess')
    assert folder.read_call(3).log == a_call().log


def test_usage_and_plan_come_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert folder.read_plan() == {}
    assert folder.read_usage() == []
    folder.write_plan({"seed": 1})
    folder.note_usage({"at": 1.0, "cpu_s": 0.5, **REST})
    folder.note_usage({"at": 2.0, "cpu_s": 0.9, **REST})
    assert folder.read_plan() == {"seed": 1}
    assert [line["cpu_s"] for line in folder.read_usage()] == [0.5, 0.9]


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run of calls.*run\.json"):
        RunFolder.existing(tmp_path)
    RunFolder(tmp_path).write_plan({})
    assert json.loads((tmp_path / "run.json").read_text()) == {}
    RunFolder.existing(tmp_path)


def test_half_a_line_of_usage_costs_that_line_only(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.note_usage({"at": 1.0, "cpu_s": 0.5, **REST})
    usage = tmp_path / USAGE
    usage.write_text(usage.read_text() + '{"at": 2.0, "cp')  # killed while writing
    folder.note_usage({"at": 0.0, "cpu_s": 0.1, **REST})
    folder.note_usage({"at": 1.0, "cpu_s": 0.2, **REST})
    assert [line["cpu_s"] for line in folder.read_usage()] == [0.5, 0.1, 0.2]
    assert usage.read_bytes().count(b"\n") == 4


@pytest.mark.parametrize(
    "line",
    [
        b"[1]", b'"x"', b"\x00\x00", b"\xff", b'{"at": "x"}', b"", b'{"at": 1, "cpu_s": 2}',
        b'{"at": 1, "cpu_s": NaN, "rss_mb": 3, "calls": 1}',
    ],
)  # fmt: skip
def test_lines_of_usage_that_are_none_are_left_out(tmp_path: Path, line: bytes) -> None:
    (tmp_path / USAGE).write_bytes(line + b"\n")
    RunFolder(tmp_path).note_usage({"at": 1.0, "cpu_s": 0.0, **REST})
    assert RunFolder(tmp_path).read_usage() == [{"at": 1.0, "cpu_s": 0.0, **REST}]


def test_a_call_that_failed_before_a_word_did_not_come_about(tmp_path: Path) -> None:
    folder, call = RunFolder(tmp_path), a_call(1)
    folder.write_call(call)
    for number, said in ((2, ()), (3, call.record.said)):
        record = replace(call.record, number=number, said=said, error="lost", ended_by="error")
        folder.write_call(replace(call, record=record))
    folder.write_call(replace(call, record=replace(call.record, number=4, said=())))
    assert folder.finished() == [1, 2, 3, 4]
    assert folder.came_about() == [1, 3, 4]
