from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkit.corpus.checking.corrections import (
    Correction,
    parse_corrections,
    read_corrections,
    write_corrections,
)
from turnkit.corpus.checking.relabelling import relabel
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Span
from turnkit.errors import CorpusError, SchemaError

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]

SPANS = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0.01, 5)).map(lambda p: Span(p[0], p[0] + p[1])),
    min_size=1,
    max_size=4,
).map(lambda spans: tuple(sorted(spans, key=lambda span: span.start)))

CORRECTIONS = st.builds(
    Correction,
    id=st.text(min_size=1),
    split=st.none() | st.text(),
    spans=st.none() | SPANS,
    last=st.sampled_from([None, "end", "hold"]),
    drop=st.booleans(),
    note=st.text(),
    corpus=st.none() | st.text(),
    audio=st.none() | st.text(),
)


@settings(max_examples=25)  # each is flushed to the disk
@given(st.lists(CORRECTIONS, unique_by=lambda c: (c.id, c.split), max_size=4))
def test_what_is_written_is_read(tmp_path_factory: Any, corrections: list[Correction]) -> None:
    path = tmp_path_factory.getbasetemp() / "corrections.jsonl"
    write_corrections(path, corrections)
    assert read_corrections(path) == corrections


def test_the_last_line_of_a_row_counts() -> None:
    text = '{"id": "a", "drop": true}\n\n{"id": "b"}\n{"id": "a", "note": "kept"}\n'
    assert parse_corrections(text, "here") == [Correction("b"), Correction("a", note="kept")]


def test_the_last_line_of_a_row_counts_with_or_without_a_split(
    corpus: Path, tmp_path: Path
) -> None:
    lines = ['{"id": "t1", "split": "train"}', '{"id": "t1", "drop": true}']
    for order, dropped in ((lines, 1), (lines[::-1], 0), ([lines[0], *lines], 1)):
        given = parse_corrections("\n".join(order), "here")
        done = relabel(load_corpus(str(corpus)), given, tmp_path / "out.parquet", "train")
        assert done.dropped == dropped
    given = parse_corrections("\n".join([*lines, lines[0]]), "here")
    assert relabel(load_corpus(str(corpus)), given, tmp_path / "o.parquet", "train").dropped == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "here, line 2: not JSON"),
        ("[]", "line 2: expected an object with the id"),
        ('{"drop": true}', "expected an object with the id"),
        ('{"id": "a", "lats": "end"}', "row a: lats: expected id, split, spans"),
        ('{"id": "a", "last": "no"}', "last 'no': expected 'end' or 'hold'"),
        ('{"id": "a", "drop": "yes"}', "expected drop to be true or false"),
        ('{"id": "a", "split": 3}', "split 3: expected a text"),
        ('{"id": "a", "audio": 3}', "audio 3: expected a text"),
        ('{"id": "a", "spans": []}', "spans: expected a list"),
        ('{"id": "a", "spans": [{"start": 2, "end": 1}]}', "span 0"),
        ('{"id": "a", "spans": [{"start": NaN, "end": 1}]}', "span 0"),
        ('{"id": "a", "spans": [{"start": -1, "end": 1}]}', "span 0"),
        (f'{{"id": "a", "spans": [{{"start": 0, "end": {"9" * 400}}}]}}', "span 0"),
        (f'{{"id": "a", "spans": [{{"start": 0, "end": {"9" * 5000}}}]}}', "line 2: not JSON"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_lines_that_do_not_fit_are_named(line: str, told: str) -> None:
    with pytest.raises(CorpusError, match=told):
        parse_corrections(f'{{"id": "b"}}\n{line}\n', "here")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nothing\.jsonl: cannot be read"):
        read_corrections(tmp_path / "nothing.jsonl")


@pytest.fixture
def corpus(make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path) -> Path:
    rows = [make_row(f"t{i}", speaker=f"s{i}", transcript="so", dialect="x") for i in range(40)]
    return write_parquet(tmp_path / "train.parquet", rows)


def test_corrections_are_applied_and_nothing_else_changes(corpus: Path, tmp_path: Path) -> None:
    before = load_corpus(str(corpus))
    corrections = [
        Correction("t3", spans=(Span(1.0, 1.4), Span(2.1, 3.0))),
        Correction("t5", last="hold"),
        Correction("t7", drop=True),
        Correction("t9", note="nothing to do"),
        Correction("t11", split="test", drop=True),
    ]
    done = relabel(before, corrections, tmp_path / "out.parquet", "train")
    assert (done.rows, done.dropped, done.moved, done.marked) == (39, 1, 1, 1)
    assert done.as_text().startswith("39 turns; 1 dropped, 1 with other spans, 1 with another")
    assert done.as_text().endswith("; 1 corrections are of other splits")
    after = load_corpus(str(tmp_path / "out.parquet"))
    assert after.column("id") == [f"t{i}" for i in range(40) if i != 7]
    assert after.column("dialect") == ["x"] * 39
    turns = {turn.id: turn for turn in after}
    assert turns["t3"].spans == (Span(1.0, 1.4), Span(2.1, 3.0))
    assert {row for row, turn in turns.items() if turn.tags} == {"t5"}
    assert turns["t5"].tags == {"incomplete"}
    for turn in before:
        if turn.id not in ("t3", "t7"):
            assert turns[turn.id].spans == turn.spans
        if turn.id != "t7":
            np.testing.assert_array_equal(turns[turn.id].samples, turn.samples)
            assert turns[turn.id].transcript == "so"


def test_a_second_relabelling_takes_the_first_back(corpus: Path, tmp_path: Path) -> None:
    marked, unmarked = tmp_path / "marked.parquet", tmp_path / "unmarked.parquet"
    relabel(load_corpus(str(corpus)), [Correction("t5", last="hold")], marked)
    done = relabel(load_corpus(str(marked)), [Correction("t5", last="end")], unmarked)
    assert done.marked == 1
    assert not any(turn.tags for turn in load_corpus(str(unmarked)))


@pytest.mark.parametrize("tags", [None, []])
def test_a_corpus_without_any_tag_can_be_marked(
    tags: list[str] | None, make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [make_row(f"t{i}", tags=tags) for i in range(2)]
    given = load_corpus(str(write_parquet(tmp_path / "train.parquet", rows)))
    relabel(given, [Correction("t1", last="hold")], tmp_path / "out.parquet")
    first, second = load_corpus(str(tmp_path / "out.parquet"))
    assert not first.tags
    assert second.tags == {"incomplete"}


def test_what_is_written_opens_as_a_data_set_with_audio(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    relabel(load_corpus(str(corpus)), [Correction("t1", last="hold")], out)
    metadata = pyarrow.parquet.read_schema(out).metadata
    assert b'"_type": "Audio"' in metadata[b"huggingface"]


def test_sounds_of_a_folder_come_along(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, 16_000)
    soundfile.write(folder / "a.wav", samples, 8_000)
    (folder / "metadata.jsonl").write_text(
        '{"file_name": "a.wav", "id": "a", "language": "en", '
        '"silence_spans": [{"start": 1.0, "end": 2.0}]}\n'
    )
    given = load_corpus(str(folder))
    relabel(given, [Correction("a", spans=(Span(1.5, 2.0),))], tmp_path / "out.parquet")
    (row,) = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert str(tmp_path) not in str({**row, "audio": row["audio"]["path"]})
    assert soundfile.info(io.BytesIO(row["audio"]["bytes"])).frames == 16_000
    (turn,) = load_corpus(str(tmp_path / "out.parquet"))
    assert turn.spans == (Span(1.5, 2.0),)


@pytest.mark.parametrize(
    ("correction", "told"),
    [
        (Correction("t99"), "no row t99, which is to be corrected"),
        (Correction("t1", spans=(Span(2.0, 9.0),)), "row t1: field 'silence_spans'"),
    ],
)
def test_corrections_that_do_not_fit_leave_no_file(
    corpus: Path, tmp_path: Path, correction: Correction, told: str
) -> None:
    with pytest.raises((CorpusError, SchemaError), match=told):
        relabel(load_corpus(str(corpus)), [correction], tmp_path / "sub" / "out.parquet")
    assert not list(tmp_path.glob("sub/*"))


def test_a_corpus_of_which_nothing_is_left(corpus: Path, tmp_path: Path) -> None:
    everything = [Correction(f"t{i}", drop=True) for i in range(40)]
    with pytest.raises(CorpusError, match="every row is dropped"):
        relabel(load_corpus(str(corpus)), everything, tmp_path / "out.parquet")
