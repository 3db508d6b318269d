"""Corpora cut by speaker, and the caches that every cut of them shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from turnkit.corpus.schema import Turn
from turnkit.train.filling import _compute
from turnkit.train.preparation import prepare
from turnkit.train.recipe import Recipe
from turnkit.train.recipe_file import read_recipe
from turnkit.train.speakers import open_corpora

WriteRecipe = Callable[..., Path]


def cut(write: WriteRecipe, corpus: Path, share: float, seed: int = 0) -> Recipe:
    entries = [{"source": str(corpus), "validation": share}]
    entries += [{"source": str(corpus), "validation": 0.2}]
    data = {"corpora": entries, "workers": 1}
    return read_recipe(write(data=data, augment={"copies": 1}, seed=seed))


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_rows_are_those_that_train(
    tiny_recipe: WriteRecipe, tiny_corpus: Path, share: float
) -> None:
    for corpus in open_corpora(cut(tiny_recipe, tiny_corpus, share)):
        assert corpus.validation is not None
        assert 0 < len(corpus.rows) < len(corpus.whole)
        trained = corpus.training.column("id")
        assert [corpus.whole.column("id")[row] for row in corpus.rows] == trained
        assert not {*corpus.validation.column("id")} & {*trained}


def test_a_recording_that_validates_trains_nothing(
    tiny_recipe: WriteRecipe,
    tiny_rows: Callable[[int, str], list[dict[str, Any]]],
    write_parquet: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Two sides of calls; other cuts of the corpus hold out others of them."""
    rows = [row | {"recording": f"{i // 2}"} for i, row in enumerate(tiny_rows(24, "s"))]
    rows = [row | {"speaker": f"{row['recording']}-{i % 2}"} for i, row in enumerate(rows)]
    corpora = open_corpora(cut(tiny_recipe, write_parquet(tmp_path / "calls.parquet", rows), 0.3))
    judged = {r for each in corpora if each.validation for r in each.validation.recordings}
    assert judged
    for each in corpora:
        assert judged.isdisjoint(each.training.recordings)
        assert len(each.rows) == len(each.training)


def test_another_cut_of_a_corpus_computes_nothing_again(
    tiny_recipe: WriteRecipe,
    tiny_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TURNKIT_CACHE", str(tmp_path / "cache"))
    computed: list[str] = []

    def counted(job: Any, turns: Sequence[Turn], *where: Any) -> None:
        computed.extend(f"{job.kind} {turn.id}" for turn in turns)
        _compute(job, turns, *where)

    monkeypatch.setattr("turnkit.train.filling._compute", counted)
    for share, seed in ((0.2, 0), (0.6, 0), (0.2, 3)):
        recipe = cut(tiny_recipe, tiny_corpus, share, seed)
        corpora = open_corpora(recipe)
        prepared = prepare(recipe, corpora)
        assert len(prepared.dataset) == sum(len(each.training) for each in corpora)
    assert computed
    assert len(computed) == len(set(computed))
