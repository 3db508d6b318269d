from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from turnkit.cli.main import main
from turnkit.lab.folder import RunFolder
from turnkit.lab.records import AgentLog
from turnkit.lab.run import _stages


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"stages": 3}, {"detector": None}),
        ({"stages": {"stt": "x", "tts": {"name": "y"}}, "detector": "z"}, {"tts": {"name": "y"}}),
        ({"detector": {"name": "a"}}, {"detector": {"name": "a"}}),
    ],
)
def test_what_an_agent_tells_of_its_stages_makes_a_plan_that_can_be_read(
    told: dict[str, Any], kept: dict[str, Any], tmp_path: Path
) -> None:
    stages = _stages(AgentLog(((0.0, {"type": "hello", **told}),)))
    assert stages == kept
    RunFolder(tmp_path).write_plan({"stages": stages})
    assert RunFolder(tmp_path).read_plan() == json.loads(json.dumps({"stages": kept}))


def test_an_experiment_cannot_lie_inside_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "x"):
        assert main(["experiment", "modes", "--turns", "1", "--out", str(out)]) == 2
        assert "expected a folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
