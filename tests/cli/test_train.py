"""``turnkit train``: what it refuses, and with which status. Whole runs: tests/train."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from turnkit.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    content = {
        "kind": "streaming",
        "name": "mine",
        "encoder": {"source": "none"},
        "loss": {"distill": 0, "hidden": 0},
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "expected a recipe (training/NAME.yaml) or --resume RUN"),
        (["seed=1"], 2, "expected a recipe"),
        (["nowhere.yaml"], 2, "recipe nowhere.yaml: no such file"),
        (["RECIPE", "los.label=1"], 2, "los: unknown; did you mean 'loss'"),
        (["RECIPE", "loss.label=-1"], 2, "loss.label -1.0: expected 0 .. 1000"),
        (["RECIPE"], 2, "data.corpora.0.source: not set: give it as corpus=PATH"),
        (["RECIPE", "corpus=x", "trainer.devises=2"], 2, "did you mean 'devices'"),
        (["RECIPE", "corpus=x.parquet"], 1, "x.parquet"),
        (["--resume", "nowhere"], 1, "nowhere: holds no run to resume"),
        (["--resume", "nowhere", "--out", "elsewhere"], 2, "leave --out away"),
        (["--resume", "nowhere", "out=elsewhere"], 2, "leave --out away"),
        (["--resume", "nowhere", "--overwrite"], 2, "leave --out away"),
    ],
)
def test_what_does_not_fit_is_named(
    arguments: list[str],
    status: int,
    said: str,
    recipe: str,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [recipe if word == "RECIPE" else word for word in arguments]
    assert main(["train", *given]) == status
    output = capsys.readouterr()
    assert said in output.err
    assert output.out == ""
    assert not (tmp_path / "runs").exists(), "nothing is left of what did not begin"


def test_a_logger_that_is_not_installed_names_its_extra(
    recipe: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from turnkit.train.lightning_trainer import check_logger
    from turnkit.train.recipe_file import read_recipe

    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setattr("turnkit.train.training.open_corpora", lambda _: pytest.fail("too late"))
    assert main(["train", recipe, "corpus=x", "logger=wandb"]) == 1
    assert "pip install 'turnkit[wandb]'" in capsys.readouterr().err
    check_logger(read_recipe(recipe))
