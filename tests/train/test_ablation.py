"""The script that asks which parts of synthesis earn their keep, with a stand-in for `turnkit`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "training" / "ablation.py"

STAND_IN = """#!{python}
import json, sys
from pathlib import Path

words = sys.argv[1:]
with open("{log}", "a") as log:
    print(*words, file=log)
if words[0] == "train":
    out = Path(words[words.index("--out") + 1])
    out.mkdir(parents=True)
    (out / "policies.json").write_text("{{}}")
if words[0] == "eval":
    run = Path(words[words.index("--detector") + 1]).name
    group, seed = run.rsplit("-", 1)
    rate = 0.5 + 0.01 * int(seed) + (0.2 if group == "prosody" else 0.0)
    if "other" in words[words.index("--corpus") + 1]:
        rate /= 2
    points = {{each: {{"rate": rate, "mean_latency_ms": 900 + int(seed), "reached": True}}
              for each in ("FC@300", "FC@600", "L@5%", "L@10%")}}
    points["L@5%"]["reached"] = run != "voices-1"
    found = {{"best_on_test": points, "diagnostics": {{"0.2 s": {{"auc": 1 - rate}}}}}}
    out = Path(words[words.index("--out") + 1])
    out.mkdir(parents=True)
    (out / "results.json").write_text(json.dumps({{"detectors": {{run: found}}}}))
"""


def ablate(folder: Path, *more: str, corpus: str = "a") -> subprocess.CompletedProcess[str]:
    stand_in = folder / "bin" / "turnkit"
    stand_in.parent.mkdir(exist_ok=True)
    stand_in.write_text(STAND_IN.format(python=sys.executable, log=folder / "log"))
    stand_in.chmod(0o755)
    path = f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}"
    command = (sys.executable, SCRIPT, folder / "out", "--corpus", corpus, "--seeds", "2", *more)
    return subprocess.run(
        list(map(str, command)), env=os.environ | {"PATH": path}, capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip


def test_every_group_is_made_trained_and_measured_once(tmp_path: Path) -> None:
    wanted = ("--corpus", "other", "--set", "channel.clean=0", "--turns", "600")
    done = ablate(tmp_path, *wanted)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "log").read_text().splitlines()
    made = [line for line in asked if line.startswith("data make")]
    assert [line.rpartition("--set ")[2] for line in made] == [
        "splits.test.speakers=10", "text.plain=true", "voices.plain=true", "prosody.plain=true",
        "channel.plain=true",
    ]  # fmt: skip
    assert all("channel.clean=0" in line and "splits.train.turns=600" in line for line in made)
    assert len([line for line in asked if line.startswith("train")]) == 10
    assert len([line for line in asked if line.startswith("eval")]) == 20

    first, second = done.stdout.split("\nother: ")
    assert "| - | 50.5 % [50.0, 51.0] |" in first
    assert "| prosody | 70.5 % [70.0, 71.0], +20.0 |" in first
    assert "| prosody | 35.2 % [35.0, 35.5], +10.0 |" in second
    assert "0.295 [0.290, 0.300], -0.200 |" in first
    assert "900.5 ms [900.0, 901.0], +0.0 |" in first
    (voices,) = [line for line in first.splitlines() if line.startswith("| voices")]
    assert voices.split(" | ")[3:5] == ["not reached by 1 of 2", "900.5 ms [900.0, 901.0], +0.0"]

    # Once more: nothing is trained or measured again.
    (tmp_path / "log").unlink()
    assert ablate(tmp_path, *wanted).stdout == done.stdout
    asked = (tmp_path / "log").read_text().splitlines()
    assert {line.split()[0] for line in asked} == {"data"}


def test_other_rows_are_measured_anew(tmp_path: Path) -> None:
    assert "| - | 50.5 %" in ablate(tmp_path).stdout
    done = ablate(tmp_path, corpus="other")
    assert "other: 1500 turns, 2 seeds, best policy on 1000 rows at most" in done.stdout
    assert "| - | 25.2 % [25.0, 25.5] |" in done.stdout


@pytest.mark.parametrize("option", ["--seeds", "--jobs", "--limit", "--turns"])
def test_nothing_is_made_for_a_number_that_cannot_be(tmp_path: Path, option: str) -> None:
    done = ablate(tmp_path, option, "0")
    assert done.returncode == 2
    assert f"argument {option}: 0: expected 1 or more" in done.stderr
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("status", [1, 2])
def test_a_command_that_fails_stops_it(tmp_path: Path, status: int) -> None:
    stand_in = tmp_path / "turnkit"
    stand_in.write_text(f"#!/bin/sh\nexit {status}\n")
    stand_in.chmod(0o755)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "out"), "--corpus", "a"],
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"ablation: status {status} of: turnkit data make" in done.stderr
