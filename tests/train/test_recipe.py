from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from turnkit.errors import ConfigError
from turnkit.model.acoustic import HeadConfig, StreamingConfig
from turnkit.settings_file import build
from turnkit.train.recipe import Recipe
from turnkit.train.recipe_file import read_recipe, write_recipe

RECIPES = sorted((Path(__file__).parents[2] / "training").glob("*.yaml"))

WriteRecipe = Callable[..., Path]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_repository_fit(path: Path) -> None:
    recipe = read_recipe(path, ["corpus=somewhere.parquet"])
    assert recipe.name == path.stem
    assert recipe.data.corpora[0].source == "somewhere.parquet"
    wanted = StreamingConfig if recipe.kind == "streaming" else HeadConfig
    assert isinstance(recipe.model_config(), wanted)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_repository_name_no_path(path: Path) -> None:
    for entry in read_recipe(path).data.corpora:
        assert entry.source is None or entry.source.startswith("embedded")


def test_what_is_written_is_what_is_read(tiny_recipe: WriteRecipe, tmp_path: Path) -> None:
    recipe = read_recipe(tiny_recipe(), ["loss.hidden=0", "encoder.times_s=[0.2, 0.5]"])
    write_recipe(tmp_path / "again.yaml", recipe)
    assert read_recipe(tmp_path / "again.yaml") == recipe


def test_every_default_is_spelt_out(tiny_recipe: WriteRecipe, tmp_path: Path) -> None:
    recipe = read_recipe(tiny_recipe())
    write_recipe(tmp_path / "full.yaml", recipe)
    content = yaml.safe_load((tmp_path / "full.yaml").read_text())
    assert content["loss"]["smoothing"] == recipe.loss.smoothing
    assert content["augment"]["audio"]["speeds"] == list(recipe.augment.audio.speeds)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=7", 7),
        ("optimiser.learning_rate=1e-3", 1e-3),
        ("loss.outlook=1", 1.0),
        ("data.corpora.1.source=embedded:train", "embedded:train"),
        ("data.corpora.0.labels=true", True),
        ("data.corpora.0.max_turns=", None),
        ("trainer.devices=2", 2),
        ("augment.audio.gain_db=[-3, 3]", (-3.0, 3.0)),
        ("corpus=other.parquet", None),
    ],
)
def test_overrides_reach_their_key_with_yamls_types(
    override: str, expected: Any, tiny_recipe: WriteRecipe
) -> None:
    recipe: Any = read_recipe(tiny_recipe(), [override])
    key, _, value = override.partition("=")
    if key == "corpus":
        assert recipe.data.corpora[0].source == value
        return
    for part in key.split("."):
        if part.isdigit():
            recipe = recipe[int(part)]
        elif isinstance(recipe, dict):
            recipe = recipe[part]
        else:
            recipe = getattr(recipe, part)
    assert recipe == expected
    assert type(recipe) is type(expected)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("los.hidden=0", "los: unknown; did you mean 'loss'"),
        ("loss.hiden=0", "loss.hiden: unknown; did you mean 'hidden'"),
        ("data.corpora.0.sorce=x", "data.corpora.0.sorce: unknown; did you mean 'source'"),
        ("model.widht=3", "model.widht: unknown; did you mean 'width'"),
        ("loss.hidden=-1", r"loss.hidden -1.0: expected 0 .. 1000"),
        ("loss.hidden=much", "loss.hidden 'much': expected a number"),
        ("loss.hidden=true", "loss.hidden True: expected a number"),
        ("seed=1.5", "seed 1.5: expected a whole number"),
        ("seed=-1", "seed -1: expected 0"),
        ("kind=fancy", "kind 'fancy': expected one of streaming, encoder-head"),
        ("logger=mlflow", "logger 'mlflow': expected one of tensorboard, wandb, none"),
        ("name=a/b", "name 'a/b': expected letters"),
        ("model.width=5", r"model.width 5: expected 16 .. 1024"),
        ("features.sample_rate=11025", "features.sample_rate 11025: expected 8000 or 16000"),
        ("gate.on=2", "gate.off 0.35, on 2.0: expected"),
        ("augment.audio.speeds=[]", r"augment.audio.speeds \[\]: expected one or more"),
        ("augment.audio.gain_db=[1]", r"augment.audio.gain_db \[1\]: expected 2 values"),
        ("augment.copies=0", r"augment.copies 0: expected 1 .. 100"),
        ("encoder.times_s=[0.4, 0.2]", r"encoder.times_s \[0.4, 0.2\]: expected rising"),
        ("data.validation=1", r"data.validation 1.0: expected 0 .. 0.9"),
        ("data.validation=0", r"data.validation 0.0: expected some speakers"),
        ("data.corpora.0.weight=0", "data.corpora.0.weight 0.0: expected more than 0"),
        ("data.corpora.0.copies=0", "data.corpora.0.copies 0: expected 1 .. 100"),
        ("data.corpora.5.weight=1", "override data.corpora.5.weight: '5': expected 0 .. 1"),
        ("data.corpora.0.labels=false", "data.*validation"),
        ("loss.distill=1", "encoder.source 'none': loss.distill or loss.hidden needs an encoder"),
        ("optimiser.batch_size=0", "optimiser.batch_size 0: expected 1 or more"),
        ("validation.patience=0", "validation.patience 0: expected 1 or more"),
        ("seed", "override 'seed': expected key=value"),
        ("seed=[", r"override 'seed=\[': the value is not YAML"),
        ("seed.more=1", "override seed.more: .* holds no keys|nothing below"),
    ],
)
def test_what_does_not_fit_is_named(override: str, message: str, tiny_recipe: WriteRecipe) -> None:
    with pytest.raises(ConfigError, match=message):
        read_recipe(tiny_recipe(seed=3), [override])


def test_missing_keys_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^kind: missing"):
        build(Recipe, {"name": "x"}, "")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        read_recipe(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    for content in ("a: [", "- 1", "\xff"):
        broken.write_bytes(content.encode("latin-1"))
        with pytest.raises(ConfigError, match=r"broken\.yaml"):
            read_recipe(broken)


def test_a_head_needs_an_encoder_and_labels(tiny_recipe: WriteRecipe) -> None:
    head = {"kind": "encoder-head", "model": {}, "loss": {}}
    with pytest.raises(ConfigError, match="an encoder head needs an encoder"):
        read_recipe(tiny_recipe(**head))
    corpora = [{"source": "a"}, {"source": "b", "labels": False}]
    path = tiny_recipe(**head, data={"corpora": corpora}, encoder={"source": "x.onnx"})
    with pytest.raises(ConfigError, match=r"data.corpora.1.labels false: only a streaming"):
        read_recipe(path)
