"""Runs of calls: side by side, kept as they finish, gone on with, given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turnkit.errors import CallError, ConfigError, RunError
from turnkit.lab import running
from turnkit.lab.agents.agent import Agent, Usage
from turnkit.lab.folder import RunFolder
from turnkit.lab.records import AgentLog, CallRecord, CallRecording
from turnkit.lab.request import RunRequest, prepare
from turnkit.lab.run import run
from turnkit.lab.running import run_calls
from turnkit.lab.scenario.script import Rest, Script

Place = Callable[..., Any]


class StubAgent(Agent):
    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")

    def usage(self) -> Usage:
        return Usage(1.5, 200.0)


def scripts(n: int) -> list[Script]:
    return [Script(number, (Rest(0.0),), seed=number) for number in range(n)]


def a_recording(number: int, error: str | None = None) -> CallRecording:
    silence = np.zeros(160, dtype=np.float32)
    hello = {"type": "hello", "detector": {"name": "d"}, "stages": {"stt": {"simulated": True}}}
    ended = "caller" if error is None else "error"
    log = AgentLog(((0.0, hello),)) if error is None else AgentLog()
    return CallRecording(
        CallRecord(number, f"c{number}", 0.01, (), ended, error=error), silence, silence, log
    )


class Calls:
    """Stands in for `place_call`."""

    def __init__(self, error: str | None = None, seconds: float = 0.01) -> None:
        self.placed: list[int] = []
        self.at_once = self.most = 0
        self._error, self._seconds = error, seconds

    async def __call__(self, script: Script, *_: object, **__: object) -> CallRecording:
        self.placed.append(script.number)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(self._seconds)
        self.at_once -= 1
        return a_recording(script.number, self._error)


def go(folder: RunFolder, n: int, callers: int = 1) -> None:
    asyncio.run(run_calls(scripts(n), StubAgent(), folder, callers=callers))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    stand_in = Calls()
    monkeypatch.setattr(running, "place_call", stand_in)
    return stand_in


def test_every_script_is_called_once_and_kept(tmp_path: Path, calls: Calls) -> None:
    folder = RunFolder(tmp_path)
    go(folder, 7, callers=3)
    assert sorted(calls.placed) == folder.finished() == list(range(7))
    assert calls.most == 3
    assert folder.read_usage()[0]["rss_mb"] == 200.0


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path, calls: Calls) -> None:
    folder = RunFolder(tmp_path)
    go(folder, 3)
    calls.placed.clear()
    go(folder, 5)
    assert calls.placed == [3, 4]


def test_calls_that_fail_one_after_the_other_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = Calls("no connection")
    monkeypatch.setattr(running, "place_call", stand_in)
    with pytest.raises(CallError, match="5 calls in a row failed, the last one: no connection"):
        go(RunFolder(tmp_path), 20)
    assert len(stand_in.placed) == running.GIVE_UP_AFTER


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"turns": 0}, "turns 0: expected at least 1"),
        ({"callers": 0}, "callers 0: expected 1 .. 1000"),
        ({"seed": -1}, "seed -1: expected 0 or more"),
        ({"playout_delay_s": 3.0}, "playout delay 3"),
        ({"agent": "http://host", "overrides": ("mode=batch",)}, "runs elsewhere"),
    ],
)
def test_a_request_that_makes_no_sense_names_what_is_wrong(
    values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        RunRequest("embedded:test", **values)


def test_a_folder_of_another_run_is_left_alone(tmp_path: Path, calls: Calls) -> None:
    folder = RunFolder(tmp_path)
    asyncio.run(run(prepare(RunRequest("embedded:test", "budget", turns=1)), folder))
    assert calls.placed == [0]
    plan = folder.read_plan()
    assert plan["stages"]["stt"] == {"simulated": True}
    assert plan["agent"]["mode"] == "streaming"
    with pytest.raises(ConfigError, match=r"holds another run \(seed 0, now 1\)"):
        asyncio.run(run(prepare(RunRequest("embedded:test", "budget", turns=1, seed=1)), folder))
    asyncio.run(run(prepare(RunRequest("embedded:test", "budget", turns=1)), folder))
    assert calls.placed == [0]


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty, and no run of calls"):
        asyncio.run(
            run(prepare(RunRequest("embedded:test", "budget", turns=1)), RunFolder(tmp_path))
        )


def test_a_run_without_one_call_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "place_call", Calls("nobody answered"))
    with pytest.raises(RunError, match="no call came about: nobody answered"):
        asyncio.run(
            run(prepare(RunRequest("embedded:test", "budget", turns=1)), RunFolder(tmp_path))
        )
