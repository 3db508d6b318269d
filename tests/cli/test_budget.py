from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.runs import make_run
from turnkit.cli import budget
from turnkit.errors import ConfigError, RunError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "streaming", calls=2).path


@pytest.fixture(scope="module")
def speculative(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "speculative"
    return make_run(path, calls=2, mode="speculative").path


def turnkit_budget(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    budget.add_parser(parser.add_subparsers())
    args = parser.parse_args(["budget", *map(str, arguments)])
    return int(args.run(args))


def found(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    capsys.readouterr()
    assert turnkit_budget(*arguments, "--json") == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_with_nothing_changed_all_figures_are_those_measured(
    folder: Path, speculative: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in (folder, speculative):
        content = found(capsys, each)
        assert content["self_check_ms"] < 1
        assert content["turns"] >= 5
        assert content["simulated_ms"] == content["measured_ms"]


def test_a_region_moves_voice_to_voice_by_its_round_trip(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = found(capsys, folder, "--region", "250")
    for quantile, before in content["measured_ms"]["v2v"].items():
        assert content["simulated_ms"]["v2v"][quantile] == pytest.approx(before + 250, abs=0.2)


def test_drafts_taken_away_give_the_run_that_had_none(
    folder: Path, speculative: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both were made with the same stages; only one of them drafted its replies early."""
    there = found(capsys, folder)["measured_ms"]["v2v"]["p50"]
    simulated = found(capsys, speculative, "--mode", "streaming")["simulated_ms"]["v2v"]["p50"]
    before = found(capsys, speculative)["measured_ms"]["v2v"]["p50"]
    assert simulated == pytest.approx(there, abs=5)
    assert before < there - 20


def test_the_table_says_what_is_simulated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert turnkit_budget(folder, "--llm", "lognormal:180:0.4", "--tts", "60") == 0
    text = capsys.readouterr().out
    assert "what if: llm lognormal:180:0.4, tts 60" in text
    assert "SIMULATED" in text
    assert "self-check: taken apart and put together again with nothing changed" in text
    assert "200 draws for each, seed 0" in text
    assert "measured with SIMULATED stt, llm" in text
    assert text.index("SIMULATED, as") < text.index("measured  ")
    assert "P99" not in text


def test_nonsense_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="delay 'soon'"):
        turnkit_budget(folder, "--llm", "soon")
    with pytest.raises(ConfigError, match="--llm: delay 'lognormal:180:99': expected a sigma"):
        turnkit_budget(folder, "--llm", "lognormal:180:99")
    with pytest.raises(ConfigError, match="--tts: delay '1e12': expected 3600000 ms at most"):
        turnkit_budget(folder, "--tts", "1e12")
    with pytest.raises(ConfigError, match="region"):
        turnkit_budget(folder, "--region", "-3")
    with pytest.raises(ConfigError, match="--seed"):
        turnkit_budget(folder, "--seed", "-3")
    with pytest.raises(RunError, match="no run of calls"):
        turnkit_budget(tmp_path)


def test_a_batch_run_keeps_its_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "batch", calls=1, mode="batch").path
    with pytest.raises(ConfigError, match="batch mode"):
        turnkit_budget(run, "--mode", "streaming")
    assert found(capsys, run, "--llm", "200")["self_check_ms"] < 1


def test_a_run_without_the_agents_log_cannot_be_taken_apart(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", calls=1)
    (folder.path / "calls" / "0000" / "agent.jsonl").unlink()
    with pytest.raises(ConfigError, match="agent's log"):
        turnkit_budget(folder.path)


def test_a_run_of_real_stages_has_no_mark_on_what_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = {name: {"name": name, "simulated": False} for name in ("stt", "llm", "tts")}
    run = make_run(tmp_path / "real", calls=1, stages=stages).path
    assert turnkit_budget(run, "--seed", "3") == 0
    text = capsys.readouterr().out
    assert "with SIMULATED" not in text
    assert "SIMULATED, as" not in text
    assert "seed 3" in text
    content = found(capsys, run, "--seed", "3")
    assert (content["seed"], content["draws"]) == (3, 200)
    assert content["measured_on_simulated"] == []
