"""Runs that go on from the weights of another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from turnkit.cli.main import main
from turnkit.errors import ConfigError, CorpusError, RunError
from turnkit.train.recipe import Recipe
from turnkit.train.recipe_file import read_recipe
from turnkit.train.training import train

WriteRecipe = Callable[..., Path]
MakeRows = Callable[[int, str], list[dict[str, Any]]]
STILL = "optimiser.learning_rate=1e-9"
"""A rate at which nothing is learned, so that what a run ends with is what it began with."""


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "weights.safetensors")


def description(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "model.json").read_text())
    return content


def from_first(write: WriteRecipe, first: Path, *overrides: str) -> Recipe:
    return read_recipe(write("second"), [f"start={first}", *overrides])


@pytest.fixture
def first(tiny_recipe: WriteRecipe, tmp_path: Path) -> Path:
    train(read_recipe(tiny_recipe("first"), ["trainer.max_epochs=1"]), tmp_path / "first")
    return tmp_path / "first"


@pytest.fixture
def elsewhere(tiny_rows: MakeRows, write_parquet: Callable[..., Path], tmp_path: Path) -> Path:
    rows = [{**row, "speaker": f"other-{row['speaker']}"} for row in tiny_rows(12, "other")]
    return write_parquet(tmp_path / "elsewhere.parquet", rows)


def test_a_run_begins_with_the_weights_and_scales_of_another(
    first: Path, elsewhere: Path, tiny_recipe: WriteRecipe, tmp_path: Path
) -> None:
    # another corpus has other scales, and another seed other weights
    other = (f"corpus={elsewhere}", "seed=5", "trainer.max_epochs=1", STILL)
    train(from_first(tiny_recipe, first, *other), tmp_path / "second")
    train(read_recipe(tiny_recipe("fresh"), other), tmp_path / "fresh")
    begun, ended = weights(first), weights(tmp_path / "second")
    assert begun.keys() == ended.keys()
    for name, tensor in begun.items():
        torch.testing.assert_close(ended[name], tensor, rtol=0, atol=1e-6)
    fresh = weights(tmp_path / "fresh")
    assert not torch.equal(fresh["mean"], begun["mean"])


def test_it_learns_on(first: Path, tiny_recipe: WriteRecipe, tmp_path: Path) -> None:
    train(from_first(tiny_recipe, first), tmp_path / "second")
    begun, ended = weights(first), weights(tmp_path / "second")
    assert any(not torch.equal(ended[name], tensor) for name, tensor in begun.items())


def test_what_trained_the_first_is_on_record(
    first: Path, elsewhere: Path, tiny_recipe: WriteRecipe, tmp_path: Path
) -> None:
    train(from_first(tiny_recipe, first, f"corpus={elsewhere}"), tmp_path / "second")
    before, after = description(first), description(tmp_path / "second")
    assert {*before["training_speakers"]} < {*after["training_speakers"]}
    assert [each["name"] for each in after["data"]] == ["tiny.parquet", "elsewhere.parquet"]
    assert after["started_from"]["name"] == "first"
    assert len(after["started_from"]["sha256"]) == 64
    assert "started_from" not in before


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.hidden=24", r'model .*"hidden": 16.*this recipe has .*"hidden": 24'),
        ("features.n_mels=24", r"features .*this recipe has"),
        ("block=4", "block 2: this recipe has 4"),
    ],
)
def test_another_shape_is_refused(
    first: Path, tiny_recipe: WriteRecipe, tmp_path: Path, override: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        train(from_first(tiny_recipe, first, override), tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_speakers_that_trained_the_first_may_not_judge_the_second(
    first: Path, tiny_recipe: WriteRecipe, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError, match="of the speakers that trained it would judge"):
        train(from_first(tiny_recipe, first, "data.validation=0.8"), tmp_path / "second")


def test_a_head_has_no_start(tiny_recipe: WriteRecipe) -> None:
    with pytest.raises(ConfigError, match="start somewhere: expected with kind streaming only"):
        read_recipe(tiny_recipe("head"), ["kind=encoder-head", "start=somewhere"])


def test_what_is_no_finished_run_is_named(
    tiny_recipe: WriteRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe("second")
    out = ["--out", str(tmp_path / "second")]
    assert main(["train", str(recipe), f"start={tmp_path / 'none'}", *out]) == 1
    assert "expected a finished training run" in capsys.readouterr().err


def test_a_start_that_changed_is_not_resumed(
    first: Path, tiny_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = from_first(tiny_recipe, first)
    train(recipe, tmp_path / "second")
    train(read_recipe(tiny_recipe("first"), ["seed=0"]), first, overwrite=True)
    with pytest.raises(RunError, match="its start changed since it was started"):
        train(recipe, tmp_path / "second", resume=True)
