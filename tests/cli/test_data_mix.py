from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnkit.cli.main import main

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]


@pytest.fixture
def recipe(make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path) -> Path:
    sources = []
    for name in ("calls", "talks"):
        rows = [make_row(f"{name[0]}{i:03}", speaker=f"{name}{i // 3}") for i in range(12)]
        path = write_parquet(tmp_path / f"{name}.parquet", rows)
        sources.append({"corpus": str(path), "splits": {"train": 0.5, "test": 0.5}})
    path = tmp_path / "mix.yaml"
    path.write_text(json.dumps({"sources": sources}))
    return path


def test_a_mix_is_made_and_told(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["data", "mix", str(recipe), str(out), "--set", "sources.0.speaker_cap=2"]) == 0
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert lines[0] == ["split", "domain", "turns", "speakers", "holds", "hours"]
    assert ["train", "calls", "4", "2", "4", "0.00"] in lines
    assert ["test", "all", "10", "4", "10", "0.01"] in lines
    assert f"2 of {tmp_path / 'calls.parquet'} in train: over the source's speaker cap" in printed
    assert lines[-1] == ["written", "to", str(out)]
    assert main(["data", "describe", str(out)]) == 0


def test_json(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["data", "mix", str(recipe), str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "mix.json").read_text())


def test_mistakes_are_status_2(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["data", "mix", str(recipe), str(out), "--set", "sources.0.turns=x"]) == 2
    assert "sources.0.turns 'x': expected a whole number" in capsys.readouterr().err
    assert not out.exists()
