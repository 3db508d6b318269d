from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from turnkit.corpus.checking.corrections import Correction
from turnkit.corpus.checking.relabelling import relabel
from turnkit.corpus.reader import load_corpus, load_splits
from turnkit.errors import CorpusError

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_relabelled_split_can_be_put_back_beside_the_others(
    split: str, make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    for name in ("train", "test"):
        write_parquet(tmp_path / "corpus" / f"{name}.parquet", [make_row(f"t-{name}")])
    out = tmp_path / "corpus" / f"{split}.parquet"
    given = load_corpus(str(out))
    relabel(given, [Correction(f"t-{split}", last="hold")], out)
    splits = load_splits(str(tmp_path / "corpus"))
    assert {name: corpus[0].tags == {"incomplete"} for name, corpus in splits.items()} == {
        name: name == split for name in ("train", "test")
    }


def test_files_of_a_split_with_other_columns_are_named_in_one_line(
    make_row: MakeRow,
    write_parquet: WriteParquet,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for number, more in enumerate(({}, {"mood": "good", "tone": 1})):
        file = tmp_path / "data" / f"train-0000{number}-of-00002.parquet"
        write_parquet(file, [make_row(f"t{number}") | more])
    with pytest.raises(
        CorpusError, match=r"data/train-00001-of-00002\.parquet adds mood, tone"
    ) as error:
        load_corpus(str(tmp_path))
    assert "\n" not in str(error.value)
    assert "Failed to read file" not in capfd.readouterr().err


def test_sounds_without_metadata_are_to_be_imported(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8_000)
    with pytest.raises(CorpusError, match=r"without a metadata\.jsonl.*turnkit data import"):
        load_corpus(str(tmp_path))
