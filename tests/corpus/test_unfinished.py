from __future__ import annotations

import json
from pathlib import Path

import pytest

from turnkit.corpus.synthesis import making
from turnkit.corpus.unfinished import RECORD, unfinished
from turnkit.errors import CorpusError


@pytest.mark.parametrize("part", ["", "data", "data/train.parquet", "data/train.parquet:train"])
def test_a_corpus_that_is_not_complete_is_told_by_its_record(tmp_path: Path, part: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.parquet").touch()
    name = str(tmp_path / part)
    assert unfinished(name) is None
    for complete, told in ((False, True), (True, False)):
        (tmp_path / RECORD).write_text(json.dumps({"complete": complete}))
        assert (f"{name}: not complete" in str(unfinished(name))) is told


@pytest.mark.parametrize("content", ["{", "[]", '{"complete": 0}'])
def test_another_record_tells_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / RECORD).write_text(content)
    assert unfinished(str(tmp_path)) is None


def test_other_corpora_tell_nothing() -> None:
    assert unfinished("embedded") is None
    assert unfinished("owner/name") is None
    with pytest.raises(CorpusError, match="no such file or folder"):
        unfinished("/nowhere")


def test_the_record_has_the_name_that_making_gives_it() -> None:
    assert RECORD == making.RECORD
