"""``turnkit call``: what it prints, its exit status, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.lab.runs import PLAN, make_call
from turnkit.cli.main import INTERRUPTED, main
from turnkit.lab.folder import RunFolder
from turnkit.lab.identity import plan_of
from turnkit.lab.request import RunRequest, prepare

SCENARIO = """
about: Two calls in which somebody waits.
repeat: 2
steps:
  - rest: 0.2
  - rest: 60
"""
AGENT = "http://127.0.0.1:9"


def scenario(folder: Path, expect: str = "[]") -> Path:
    path = folder / "waiting.yaml"
    path.write_text(f"{SCENARIO}expect: {expect}\n")
    return path


def finished(folder: Path, source: Path, network: str | None = None) -> RunFolder:
    """Write the folder of a run of which nothing is left to be done."""
    run = RunFolder(folder)
    prepared = prepare(RunRequest(str(source), AGENT, network=network))
    run.write_plan({**plan_of(prepared), "stages": PLAN["stages"], "steal": 0.0})
    for number in range(len(prepared.scripts)):
        run.write_call(make_call(number))
    return run


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nowhere.yaml"], "nowhere.yaml"),
        (["SCENARIO", "--network", "lunar"], "network 'lunar': expected far, good"),
        (["embedded:test", "--network", "lunar"], "network 'lunar': expected far, good"),
        (["SCENARIO", "--turns", "0"], "turns 0: expected 1 .. 100000"),
        (["SCENARIO", "--turns", "100001"], "turns 100001: expected 1 .. 100000"),
        (["SCENARIO", "--longest", "3"], "longest 3 s: for a corpus"),
        (["embedded:test", "--longest", "-1"], "longest -1.0 s: expected more than 0"),
        (["embedded:test", "--longest", "nan"], "longest nan s: expected more than 0"),
        (["RELATIVE"], "expect 'v2v_p90 > 1.1x': one run has no other"),
        (["SCENARIO", "--link", "plot=no/such.png"], "there is no no/such.png"),
        (["SCENARIO", "--callers", "0"], "callers 0: expected 1 .. 1000"),
        (["SCENARIO", "--seed", "-1"], "seed -1: expected 0 or more"),
        (["SCENARIO", "--link", "nonsense"], "--link 'nonsense': expected NAME=FILE"),
        (["SCENARIO", "--link", "=x"], "--link '=x': expected NAME=FILE"),
        (["SCENARIO", "--out", "FILE"], "a file; expected a folder"),
        (["SCENARIO", "--out", "FILE/run"], "file is a file; expected a folder"),
        (["SCENARIO", "--out", "x" * 300], "File name too long"),
        (["SCENARIO", "--agent", "ftp://x"], "ftp://x"),
        (["SCENARIO", "--agent", "budget", "--set", "mode=hasty"], "mode"),
        (["SCENARIO", "--agent", AGENT, "--mode", "batch"], "runs elsewhere"),
    ],
)
def test_what_does_not_fit_is_named_with_status_2(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other").mkdir()
    names = {
        "SCENARIO": str(scenario(tmp_path)),
        "RELATIVE": str(scenario(tmp_path / "other", "[v2v_p90 > 1.1x]")),
        "FILE": str(tmp_path / "file"),
        "FILE/run": str(tmp_path / "file" / "run"),
    }
    given = [names.get(each, each) for each in options]
    # The last --out wins.
    assert main(["call", given[0], "--out", str(tmp_path / "run"), *given[1:]]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("turnkit: error: ")
    assert said in error
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "content", ["steps: [", "- a\n- b\n", "steps:\n  - dance: now\n", "about: nothing\n", ""]
)
def test_a_scenario_that_is_none_is_named(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(content)
    assert main(["call", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "wrong" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_nobody_at_an_address_is_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = scenario(tmp_path)
    assert main(["call", str(source), "--agent", AGENT, "--out", str(tmp_path / "run")]) == 1
    assert f"agent {AGENT}: " in capsys.readouterr().err


def test_a_finished_run_is_measured_and_says_what_was_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = scenario(tmp_path, "[failed_calls == 0]")
    run = finished(tmp_path / "run", source, network="far")
    command = ["call", str(source), "--agent", AGENT, "--out", str(run.path)]
    assert main([*command, "--network", "far"]) == 0
    printed = capsys.readouterr().out
    (marked,) = (line for line in printed.splitlines() if line.startswith("SIMULATED: "))
    assert "stt (fake)" in marked
    assert "llm (fake)" in marked
    assert "far" in marked
    assert "seed: 0" in printed
    assert f"report: {run.path / 'report.html'}" in printed
    assert "failed_calls" in printed
    assert (run.path / "report.html").is_file()
    assert main([*command, "--network", "far", "--json"]) == 0
    assert "figures" in json.loads(capsys.readouterr().out)


def test_links_lead_to_files_and_addresses(tmp_path: Path) -> None:
    source = scenario(tmp_path)
    run = finished(tmp_path / "run", source)
    (tmp_path / "a #1 50%.png").write_text("")
    links = [f"plot={tmp_path / 'a #1 50%.png'}", "site=https://example.org/a?b=c#d"]
    command = ["call", str(source), "--agent", AGENT, "--out", str(run.path)]
    assert main([*command, *(part for each in links for part in ("--link", each))]) == 0
    page = (run.path / "report.html").read_text("utf-8")
    assert 'href="../a%20%231%2050%25.png"' in page
    assert 'href="https://example.org/a?b=c#d"' in page


def test_what_was_expected_and_did_not_happen_is_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = scenario(tmp_path, "[v2v_p50 < 1 ms]")
    run = finished(tmp_path / "run", source)
    assert main(["call", str(source), "--agent", AGENT, "--out", str(run.path)]) == 1
    assert "v2v_p50" in capsys.readouterr().out.splitlines()[-1]


def test_another_run_in_the_folder_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = scenario(tmp_path)
    run = finished(tmp_path / "run", source)
    command = ["call", str(source), "--agent", AGENT, "--out", str(run.path)]
    assert main([*command, "--turns", "3"]) == 2
    error = capsys.readouterr().err
    assert "holds another run (turns None, now 3)" in error
    assert "--out" in error
    scenario(tmp_path, "[misses == 0]")
    assert main(command) == 2
    assert "expect [], now ['misses == 0']" in capsys.readouterr().err


@contextmanager
def calling(folder: Path, text: str = SCENARIO) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Have ``turnkit call`` run in a process group of its own, as a shell's job does."""
    run, source = folder / "run", folder / "calls.yaml"
    source.write_text(text)
    command = [sys.executable, "-m", "turnkit", "call", str(source), "--agent", "budget"]
    process = subprocess.Popen(
        [*command, "--out", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield process, run
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def agents(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def soon(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


@pytest.mark.parametrize("wait_s", [0.0, 0.4])
def test_ctrl_c_while_the_agent_starts_leaves_nobody(tmp_path: Path, wait_s: float) -> None:
    with calling(tmp_path) as (process, run):
        # Imports have short-lived children, too: the agent's log is opened just before it.
        soon(lambda: (run / "agent.log").exists() and agents(process))
        served = agents(process)
        time.sleep(wait_s)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == INTERRUPTED, output
        assert "Traceback" not in output
        assert output.strip().endswith("turnkit: error: interrupted")
        soon(lambda: not any(each.is_running() for each in served), 5)
        assert "Traceback" not in (run / "agent.log").read_text()


@pytest.mark.realtime
def test_ctrl_c_during_calls_keeps_what_is_finished(tmp_path: Path) -> None:
    short = "about: Short calls.\nrepeat: 50\nsteps:\n  - rest: 0.2\n"
    with calling(tmp_path, text=short) as (process, run):
        folder = RunFolder(run)
        soon(lambda: len(folder.finished()) >= 2)
        served = agents(process)
        assert served
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == INTERRUPTED, output
        assert "Traceback" not in output
        soon(lambda: not any(each.is_running() for each in served), 5)
        assert "Traceback" not in (run / "agent.log").read_text()
        assert 2 <= len(folder.came_about()) < 50
        assert all(each.record.error is None for each in folder.calls())
        plan = folder.read_plan()
        assert plan["agent"]["mode"] == "streaming"
        assert plan["stages"]["stt"]["simulated"]
        assert len(plan["steals"]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_an_agent_dies_with_a_lab_that_is_killed(tmp_path: Path) -> None:
    with calling(tmp_path) as (process, run):
        folder = RunFolder(run)
        soon(folder.read_usage)
        served = agents(process)
        assert served
        process.kill()
        soon(lambda: not any(each.is_running() for each in served), 15)
        assert "Traceback" not in (run / "agent.log").read_text()
