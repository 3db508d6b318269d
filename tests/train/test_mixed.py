"""A corpus made by ``turnkit data mix`` trains a detector as any other does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnkit.corpus.mixing import MixSettings, MixSource, mix
from turnkit.corpus.split import check_leakage
from turnkit.detector.opening import open_detector
from turnkit.errors import CorpusError
from turnkit.metrics import POINTS
from turnkit.train.recipe_file import read_recipe
from turnkit.train.speakers import open_corpora
from turnkit.train.training import train

WriteRecipe = Callable[..., Path]
MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]


def test_a_mix_beside_another_corpus(
    tiny_recipe: WriteRecipe,
    tiny_corpus: Path,
    make_row: MakeRow,
    write_parquet: WriteParquet,
    tmp_path: Path,
) -> None:
    wide = write_parquet(
        tmp_path / "wide.parquet", [make_row(f"w{i}", speaker=f"w{i % 4}") for i in range(8)]
    )
    halves: dict[str, str | float] = {"train": 0.5, "test": 0.5}
    sources = tuple(MixSource(str(path), splits=halves) for path in (tiny_corpus, wide))
    mix(MixSettings(sources), tmp_path / "mixed")
    entries = [
        {"source": str(tmp_path / "mixed"), "validation": 0.5},
        {"source": str(wide), "weight": 0.5, "validation": 0},
    ]
    recipe = read_recipe(tiny_recipe(data={"corpora": entries, "workers": 1}))
    mixed, other = open_corpora(recipe)
    assert mixed.training.name.endswith("mixed:train")
    assert {turn.sample_rate for turn in mixed.training} | {
        turn.sample_rate for turn in mixed.validation or ()
    } == {8_000, 16_000}
    assert mixed.validation is not None
    check_leakage(mixed.validation, mixed.training)
    check_leakage(mixed.validation, other.training)
    assert (mixed.weight, other.weight) == (1.0, 0.5)
    trained = train(recipe, tmp_path / "run")
    assert trained is not None
    assert set(trained.policies) == {point.name for point in POINTS}
    for rate in (8_000, 16_000):
        assert open_detector(str(tmp_path / "run"), rate).sample_rate == rate


def test_rows_without_an_end_teach_no_labels(
    tiny_recipe: WriteRecipe, make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [make_row(f"{i}abc", speaker=f"s{i}", tags=["incomplete"]) for i in range(4)]
    cut = str(write_parquet(tmp_path / "cut.parquet", rows))
    recipe = read_recipe(tiny_recipe(data={"corpora": [{"source": cut}]}))
    with pytest.raises(CorpusError, match="4 rows are tagged 'incomplete'"):
        open_corpora(recipe)
