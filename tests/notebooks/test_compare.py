from __future__ import annotations

import ast
import base64
import io
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import nbformat
import numpy as np
import pytest
import soundfile
from nbclient import NotebookClient

import turnkit
from turnkit.corpus.reader import load_corpus

NOTEBOOK = Path(turnkit.__file__).resolve().parent.parent / "notebooks" / "compare.py"
ROWS = 16
CPU_SECONDS = 2 * 60
"""A minute of two cores; wall time would blame the notebook for what else runs here."""
STALLED_S = 900
"""Seconds after which a cell is given up, on a machine however busy."""

Output = dict[str, Any]


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, float]:
    """The notebook with its outputs, and the CPU seconds that they took."""
    load_corpus("embedded:test")  # made here if it is not in the cache: no part of the run
    folder = tmp_path_factory.mktemp("notebook")
    converted = folder / "compare.ipynb"
    command = ["jupytext", "--quiet", "--to", "ipynb", "--output", str(converted), str(NOTEBOOK)]
    subprocess.run([sys.executable, "-m", *command], check=True)
    notebook = nbformat.read(converted, as_version=4)  # type: ignore[no-untyped-call]
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    settings = {
        "TURNKIT_NOTEBOOK_ROWS": str(ROWS),
        "IPYTHONDIR": str(folder / "ipython"),  # nobody's own profile
    }
    client = NotebookClient(
        notebook,
        timeout=STALLED_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    before = cpu_of_children()
    client.execute(env=kept | settings)
    return notebook, cpu_of_children() - before


@pytest.fixture(scope="module")
def outputs(run: tuple[Any, float]) -> list[Output]:
    return [output for cell in run[0].cells for output in cell.get("outputs", ())]


def shown(outputs: list[Output], kind: str) -> list[str]:
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})]


def test_nothing_fails_and_nothing_warns(outputs: list[Output]) -> None:
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []


def test_every_figure_is_drawn(outputs: list[Output]) -> None:
    pictures = shown(outputs, "image/png")
    # Durations, frontier, reliability, the turn by three detectors, the changed turn.
    assert len(pictures) == 7
    for picture in pictures:
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture)))
        assert min(pixels.shape[:2]) > 400
        colours = (255 * pixels[..., :3]).astype(np.int64) @ (1 << 16, 1 << 8, 1)
        assert len(np.unique(colours)) > 50


def test_the_turn_can_be_heard(outputs: list[Output]) -> None:
    players = [html for html in shown(outputs, "text/html") if "<audio" in html]
    sounds = []
    for player in players:
        found = re.search(r"data:audio/wav;base64,([\w+/=]+)", player)
        assert found is not None
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(found[1])))
        assert np.abs(samples).max() > 0.1
        sounds.append(len(samples) / rate)
    turns = {round(turn.duration, 3) for turn in load_corpus("embedded:test")}
    assert len(sounds) == 2
    assert round(sounds[0], 3) in turns
    assert 0.2 < sounds[1] <= sounds[0]


def test_figures_say_that_they_are_synthetic_and_name_three_detectors(
    outputs: list[Output],
) -> None:
    (table,) = shown(outputs, "text/markdown")
    assert "**corpus**: embedded:test (synthetic)" in table
    assert "fitted on embedded:test (synthetic)" in table
    headline = table.split("## Frozen policies")[1].split("##")[0]
    specs = [line.split("|")[1].strip() for line in headline.splitlines() if line.startswith("|")]
    assert len(specs) == 5  # with the head and its rule
    assert specs[2] == "default"
    assert specs[3] in ("smart-turn", "vad:webrtc")
    assert specs[4] == "vad:silero"
    printed = [line for o in outputs for line in o.get("text", "").splitlines() if "turns" in line]
    assert len(printed) == 2
    assert all("embedded:test (synthetic)" in line for line in printed)


def test_it_takes_a_minute_at_most(run: tuple[Any, float]) -> None:
    assert run[1] <= CPU_SECONDS


def test_it_defines_nothing_of_its_own(run: tuple[Any, float]) -> None:
    code = "\n".join(cell.source for cell in run[0].cells if cell.cell_type == "code")
    plain = "\n".join(line for line in code.splitlines() if not line.startswith("%"))
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert [node for node in ast.walk(ast.parse(plain)) if isinstance(node, named)] == []
