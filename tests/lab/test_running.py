"""Runs of calls: side by side, kept as they finish, gone on with, given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turnkit.errors import CallError, ConfigError, RunError
from turnkit.evaluate.machine import Machine, StealClock
from turnkit.lab import running
from turnkit.lab.agents.agent import Agent, Usage
from turnkit.lab.folder import RunFolder
from turnkit.lab.identity import digest
from turnkit.lab.network.profile import NetworkProfile, Way, load_network
from turnkit.lab.records import AgentLog, CallRecord, CallRecording
from turnkit.lab.request import Prepared, RunRequest, prepare
from turnkit.lab.run import run
from turnkit.lab.running import run_calls
from turnkit.lab.scenario.script import Rest, Say, Script, Sound

Place = Callable[..., Any]


class StubAgent(Agent):
    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")

    def usage(self) -> Usage:
        return Usage(1.5, 200.0)


AGENT = "http://127.0.0.1:9"
DESCRIPTION = {"mode": "streaming", "detector": "default"}


@contextmanager
def against(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Iterator[None]:
    """Have an agent at `AGENT` that nothing but describes itself."""

    async def describe(_: Agent) -> dict[str, Any]:
        return {**DESCRIPTION, "ice_servers": [], **more}

    with monkeypatch.context() as patch:
        patch.setattr(Agent, "describe", describe)
        yield


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
        self.fail_from: int | None = None
        self._error, self._seconds = error, seconds

    async def __call__(self, script: Script, *_: object, **__: object) -> CallRecording:
        self.placed.append(script.number)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(self._seconds)
        self.at_once -= 1
        late = self.fail_from is not None and script.number >= self.fail_from
        return a_recording(script.number, "no connection" if late else self._error)


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
        ({"turns": 0}, "turns 0: expected 1 .. "),
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


def test_a_run_that_failed_fails_again_and_its_calls_are_placed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Calls("nobody answered")
    monkeypatch.setattr(running, "place_call", failing)
    prepared, folder = prepare(RunRequest("embedded:test", AGENT, turns=1)), RunFolder(tmp_path)
    with against(monkeypatch):
        for times in (1, 2):
            with pytest.raises(RunError, match="no call came about: nobody answered"):
                asyncio.run(run(prepared, folder))
            assert failing.placed == [0] * times
        monkeypatch.setattr(running, "place_call", good := Calls())
        asyncio.run(run(prepared, folder))
    assert good.placed == folder.came_about() == [0]


def test_failures_after_good_calls_give_the_run_up_and_it_goes_on_later(
    tmp_path: Path, calls: Calls
) -> None:
    folder, calls.fail_from = RunFolder(tmp_path), 3
    with pytest.raises(CallError, match="5 calls in a row failed"):
        go(folder, 20)
    assert folder.came_about() == [0, 1, 2]
    calls.fail_from = None
    calls.placed.clear()
    go(folder, 20)
    assert calls.placed == list(range(3, 20))


@pytest.mark.usefixtures("calls")
def test_a_call_is_on_the_disk_before_it_is_told(tmp_path: Path) -> None:
    folder, seen = RunFolder(tmp_path), list[tuple[str, list[int]]]()
    asyncio.run(
        run_calls(
            scripts(2),
            StubAgent(),
            folder,
            kept=lambda _: seen.append(("kept", folder.came_about())),
            told=lambda *_: seen.append(("told", folder.came_about())),
        )
    )
    assert seen == [("kept", [0]), ("told", [0]), ("kept", [0, 1]), ("told", [0, 1])]


@pytest.mark.usefixtures("calls")
def test_each_sitting_counts_its_own_seconds(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for n in (1, 2, 3):
        go(folder, n)
    assert [line["sitting"] for line in folder.read_usage()] == [0, 1, 2]


def test_an_interrupted_run_keeps_its_stages_and_every_sittings_steal(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter((0.04, 0.04, 0.2, 0.2, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01))
    monkeypatch.setattr(StealClock, "share", lambda _: next(shares))
    prepared, folder = (
        prepare(RunRequest("embedded:test", AGENT, turns=40)),
        RunFolder(tmp_path),
    )
    assert len(prepared.scripts) > 2

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with against(monkeypatch):
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(run(prepared, folder, told=stop))
        plan = folder.read_plan()
        assert plan["stages"]["stt"] == {"simulated": True}
        assert plan["agent"] == DESCRIPTION
        assert plan["steal"] == 0.2
        calls.placed.clear()
        asyncio.run(run(prepared, folder))
    plan = folder.read_plan()
    assert calls.placed == list(range(1, len(prepared.scripts)))
    assert plan["steals"] == [0.2, 0.01]
    assert plan["steal"] == 0.2


CHANGES: list[tuple[Callable[[Prepared], Prepared], str]] = [
    (lambda p: replace(p, network=load_network("far")), r"network None, now 'far'"),
    (lambda p: replace(p, expect=("misses == 0",)), r"expect \[\], now \['misses == 0'\]"),
    (lambda p: replace(p, scripts=[replace(p.scripts[0], starts_s=9.0)]), "scripts are not"),
    (lambda p: replace(p, request=replace(p.request, callers=2)), "callers 1, now 2"),
]


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_only_the_same_run_is_gone_on_with(
    change: Callable[[Prepared], Prepared],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared, folder = prepare(RunRequest("embedded:test", AGENT, turns=1)), RunFolder(tmp_path)
    with against(monkeypatch):
        asyncio.run(run(prepared, folder))
        before = folder.read_plan()
        with pytest.raises(ConfigError, match=f"holds another run \\(.*{said}.*--out"):
            asyncio.run(run(change(prepared), folder))
    assert folder.read_plan() == before


@pytest.mark.usefixtures("calls")
def test_a_network_whose_settings_changed_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, folder = prepare(RunRequest("embedded:test", AGENT, turns=1)), RunFolder(tmp_path)
    one, other = (
        replace(prepared, network=NetworkProfile("mine", up=Way(delay_ms=d))) for d in (20, 30)
    )
    with against(monkeypatch):
        asyncio.run(run(one, folder))
        with pytest.raises(ConfigError, match=r"network up\.delay_ms 20, now 30"):
            asyncio.run(run(other, folder))


@pytest.mark.usefixtures("calls")
def test_cores_and_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, folder = prepare(RunRequest("embedded:test", AGENT, turns=1)), RunFolder(tmp_path)
    pinned = replace(prepared, request=replace(prepared.request, cores=(0,), here=("a=b",)))
    with against(monkeypatch):
        asyncio.run(run(prepared, folder))
        asyncio.run(run(pinned, folder))
        machine = replace(Machine.read(), turnkit="99.0")
        monkeypatch.setattr(Machine, "read", lambda: machine)
        with pytest.raises(ConfigError, match=r"machine turnkit '.*', now '99\.0'"):
            asyncio.run(run(prepared, folder))


def test_another_agent_at_the_same_address_is_refused(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.fail_from = 0
    prepared, folder = prepare(RunRequest("embedded:test", AGENT, turns=1)), RunFolder(tmp_path)
    with against(monkeypatch), pytest.raises(RunError):
        asyncio.run(run(prepared, folder))
    relays = {"ice_servers": [{"urls": "turn:x", "credential": "secret"}]}
    with against(monkeypatch, **relays), pytest.raises(RunError):
        asyncio.run(run(prepared, folder))
    assert "secret" not in (tmp_path / "run.json").read_text()
    with (
        against(monkeypatch, mode="batch"),
        pytest.raises(ConfigError, match="the agent's mode 'streaming', now 'batch'"),
    ):
        asyncio.run(run(prepared, folder))


@pytest.mark.parametrize("field", ["samples", "floor", "onset", "ended", "holds", "name", "text"])
def test_a_digest_hears_every_change_of_a_sound(field: str) -> None:
    silence = np.zeros(16, dtype=np.float32)
    sound = Sound("turn", "row", silence, 16_000, 0.1, 0.2, ((0.3, 0.4),), "well", silence)
    hum = silence.copy()
    hum[7] = 1e-4
    other: dict[str, Any] = {
        "samples": hum, "floor": hum, "onset": 0.11, "ended": 0.21, "holds": ((0.3, 0.5),),
        "name": "row #2", "text": None,
    }  # fmt: skip
    one, two = (
        digest([Script(0, (Say(each),), 1)])
        for each in (sound, replace(sound, **{field: other[field]}))
    )
    assert one == digest([Script(0, (Say(replace(sound)),), 1)])
    assert one != two


def test_a_refused_agent_leaves_no_plan_behind(tmp_path: Path, calls: Calls) -> None:
    folder = RunFolder(tmp_path / "run")
    wrong = RunRequest("embedded:test", "budget", ("llm.api_key=sk-abcdefghijk",), turns=1)
    with pytest.raises(ConfigError) as caught:
        asyncio.run(run(prepare(wrong), folder))
    kept = [path.read_text() for path in folder.path.rglob("*") if path.is_file()]
    assert not any("sk-abcdefghijk" in text for text in (*kept, str(caught.value)))
    asyncio.run(run(prepare(RunRequest("embedded:test", "budget", turns=1)), folder))
    assert calls.placed == [0]
