from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pytest

from tests.lab.runs import make_run
from turnkit.cli import compare
from turnkit.errors import ConfigError, RunError

FASTER_MS = 40.0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "slow", calls=3)
    make_run(folder / "fast", calls=3, faster_ms=FASTER_MS)
    return folder / "slow", folder / "fast"


def turnkit_compare(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    compare.add_parser(parser.add_subparsers())
    args = parser.parse_args(["compare", *map(str, arguments)])
    return int(args.run(args))


def test_a_known_difference_is_found_turn_by_turn(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "pages" / "report.html"
    assert turnkit_compare(*runs, "--json", "--out", page) == 0
    found = json.loads(capsys.readouterr().out)
    (paired,) = found["paired"]
    assert paired["differences"]["v2v_ms"]["median"] == pytest.approx(-FASTER_MS, abs=1)
    assert paired["differences"]["post_commit_ms"]["median"] == pytest.approx(-FASTER_MS, abs=1)
    assert paired["differences"]["eot_ms"]["median"] == pytest.approx(0, abs=1)
    assert paired["differences"]["v2v_ms"]["faster"] == 1.0
    assert [run["name"] for run in found["runs"]] == ["slow", "fast"]
    html = page.read_text("utf-8")
    assert "slow (reference)" in html
    assert "SIMULATED: STT, LLM" in html


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (["v2v_p90 > 1.1x"], 0),
        (["v2v_p50 > 0.5x"], 1),
        (["v2v_p90 > 1.1x", "false_interruption_rate > 1%"], 1),
        (["v2v_p99 > 900ms"], 2),
        (["v2v_p99 > 900ms", "v2v_p50 > 1ms"], 1),
    ],
)
def test_conditions_make_the_exit_status(
    runs: tuple[Path, Path],
    conditions: list[str],
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [part for each in conditions for part in ("--fail-if", each)]
    assert turnkit_compare(*runs, *given) == status
    captured = capsys.readouterr()
    assert captured.out.count("FAIL fast: ") == (status == 1)
    assert ("cannot be judged" in captured.err) == (status == 2)


def test_the_table_names_runs_and_marks_what_is_simulated(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert turnkit_compare(*runs) == 0
    text = capsys.readouterr().out
    assert "simulated: slow: STT, LLM" in text
    assert "Voice to voice, P50" in text
    assert "fast less slow, 9 same turns" in text
    assert "McNemar" in text


def test_a_run_alone_is_a_table(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert turnkit_compare(runs[0], "--fail-if", "turns < 3") == 0
    assert "same turns" not in capsys.readouterr().out


def test_runs_of_one_name_are_told_apart(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs[0], tmp_path / "other" / "slow")
    assert turnkit_compare(runs[0], tmp_path / "other" / "slow", runs[0], "--json") == 0
    names = [run["name"] for run in json.loads(capsys.readouterr().out)["runs"]]
    assert len(set(names)) == 3
    assert "other/slow" in names


def test_another_machine_is_told(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "elsewhere", calls=1, machine={"cpu": "Another", "cores": 8})
    assert turnkit_compare(runs[0], tmp_path / "elsewhere") == 0
    assert "warning: elsewhere: another machine than slow" in capsys.readouterr().out


def test_nonsense_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        turnkit_compare(tmp_path / "none")
    with pytest.raises(ConfigError, match="v2v_p9"):
        turnkit_compare(runs[0], "--fail-if", "v2v_p9 > 3ms")
    with pytest.raises(ConfigError, match=r"v2v_p90 > 1\.1x': there is nothing to compare"):
        turnkit_compare(runs[0], "--fail-if", "v2v_p90 > 1.1x")
    with pytest.raises(ConfigError, match="--seed"):
        turnkit_compare(runs[0], "--seed", "-1")
    with pytest.raises(ConfigError, match="output"):
        turnkit_compare(runs[0], "--out", tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="file is a file; expected a folder"):
        turnkit_compare(runs[0], "--out", tmp_path / "file" / "page.html")
    with pytest.raises(ConfigError, match="a folder or a device; expected a file"):
        turnkit_compare(runs[0], "--out", "/dev/full")
    with pytest.raises(RunError):
        turnkit_compare(tmp_path)
