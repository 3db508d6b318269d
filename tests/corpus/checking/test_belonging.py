from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnkit.corpus.checking.belonging import check_saved
from turnkit.corpus.checking.corrections import CORRECTIONS, Correction, write_corrections
from turnkit.corpus.checking.doubts import Doubt
from turnkit.corpus.checking.inspection import Report, SplitReport
from turnkit.corpus.checking.page import write_page
from turnkit.corpus.checking.relabelling import relabel
from turnkit.corpus.reader import Corpus, load_corpus, load_splits
from turnkit.errors import CorpusError

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]


@pytest.fixture
def one(make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path) -> Corpus:
    rows = [make_row(f"t{i}") for i in range(3)]
    return load_corpus(str(write_parquet(tmp_path / "one" / "train.parquet", rows)))


@pytest.fixture
def other(make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path) -> Corpus:
    """Rows of the same ids and spans, and other sounds but for the last."""
    rows = [make_row(f"u{i}") | {"id": f"t{i}"} for i in range(2)]
    path = write_parquet(tmp_path / "other" / "train.parquet", [*rows, make_row("t2")])
    return load_corpus(str(path))


def of(corpus: Corpus, index: int, **fields: Any) -> Correction:
    audio = corpus.digests[index]
    return Correction(f"t{index}", "train", corpus=corpus.name, audio=audio, **fields)


def test_corrections_of_another_corpus_are_not_applied(
    one: Corpus, other: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(CorpusError, match="row t1 has other audio") as told:
        relabel(other, [of(one, 1, drop=True)], out, "train")
    assert one.name in str(told.value)
    assert other.name in str(told.value)
    assert not out.exists()
    assert relabel(one, [of(one, 1, drop=True)], out, "train").dropped == 1
    # A copy of the corpus will do, whatever its name.
    assert relabel(other, [of(one, 2, drop=True)], out, "train").dropped == 1
    with pytest.raises(CorpusError, match=f"no row t1, which is to be corrected in {one.name}"):
        relabel(one.subset([0]), [of(one, 1)], out, "train")


def test_a_page_is_not_put_over_corrections_of_another_corpus(
    one: Corpus, other: Corpus, tmp_path: Path
) -> None:
    page = tmp_path / "page"
    write_corrections(page / CORRECTIONS, [of(one, 0, drop=True)])
    before = (page / CORRECTIONS).read_bytes()
    report = Report(
        {"train": SplitReport("train", False, 3, 3, (), (), (Doubt(0, "t0", "loud", "too loud"),))},
        (),
    )
    with pytest.raises(CorpusError, match=r"holds corrections of another corpus .*--page") as told:
        write_page(page, {"train": other}, report)
    assert one.name in str(told.value)
    assert other.name in str(told.value)
    assert [file.name for file in page.iterdir()] == [CORRECTIONS]
    assert write_page(page, {"train": one}, report) == 1
    assert (page / CORRECTIONS).read_bytes() == before


def test_corrections_of_other_splits_stay_if_the_corpus_has_one_name(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    for split in ("train", "test"):
        write_parquet(tmp_path / "corpus" / f"{split}.parquet", [make_row(f"t-{split}")])
    splits = load_splits(str(tmp_path / "corpus"))
    test = {"test": splits["test"]}
    one = Correction("t-train", "train", corpus=splits["train"].name)
    write_corrections(tmp_path / CORRECTIONS, [one])
    check_saved(tmp_path, test)
    check_saved(tmp_path, splits)
    write_corrections(tmp_path / CORRECTIONS, [dataclasses.replace(one, corpus="calls:train")])
    with pytest.raises(CorpusError, match="no split train in calls:train"):
        check_saved(tmp_path, test)


def test_a_folder_without_corrections_is_anyones(one: Corpus, tmp_path: Path) -> None:
    check_saved(tmp_path / "nowhere", {"train": one})
