from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from turnkit.corpus.checking.corrections import Correction
from turnkit.corpus.checking.relabelling import relabel
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Span
from turnkit.errors import CorpusError

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]

MOVED = Correction("t1", spans=(Span(0.5, 0.75), Span(2.25, 3.0)))


def as_array(encoded: bytes) -> dict[str, Any]:
    from turnkit.audio import decode_audio

    samples, rate = decode_audio(encoded)
    return {"array": samples.tolist(), "sampling_rate": rate}


AUDIO: Mapping[str, Callable[[bytes], Any]] = {
    "array": as_array,
    "raw bytes": lambda encoded: encoded,
    "bytes": lambda encoded: {"bytes": encoded},
    "bytes and path": lambda encoded: {"bytes": encoded, "path": "a/b.flac"},
}


@pytest.mark.parametrize("kind", AUDIO)
def test_sound_is_kept_however_it_is_stored(
    kind: str, make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [make_row(f"t{i}") for i in range(2)]
    rows = [row | {"audio": AUDIO[kind](row["audio"]["bytes"])} for row in rows]
    before = load_corpus(str(write_parquet(tmp_path / "train.parquet", rows)))
    done = relabel(before, [MOVED], tmp_path / "out.parquet")
    assert (done.moved, done.changed) == (1, ())
    after = load_corpus(str(tmp_path / "out.parquet"))
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old.samples, new.samples)
    assert after[1].spans == MOVED.spans


@pytest.mark.parametrize("path", ["a string", "a struct"])
def test_sound_in_files_comes_along(
    path: str, make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    row, file = make_row("t1"), tmp_path / "t1.flac"
    file.write_bytes(row["audio"]["bytes"])
    row["audio"] = str(file) if path == "a string" else {"path": str(file)}
    before = load_corpus(str(write_parquet(tmp_path / "train.parquet", [row])))
    relabel(before, [MOVED], tmp_path / "out.parquet")
    file.unlink()
    assert load_corpus(str(tmp_path / "out.parquet"))[0].duration == 3.0


@pytest.mark.parametrize(
    "audio",
    [
        {"bytes": None, "path": None},
        {"bytes": b"", "path": None},
        {"array": [], "sampling_rate": 8000},
        b"",
    ],
)
def test_a_row_without_sound_is_refused(
    audio: Any, make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [make_row("t1"), make_row("t2")]
    rows[1]["audio"] = audio
    if not isinstance(audio, dict) or "array" in audio:
        kind = "raw bytes" if audio == b"" else "array"
        rows[0]["audio"] = AUDIO[kind](rows[0]["audio"]["bytes"])
    given = load_corpus(str(write_parquet(tmp_path / "train.parquet", rows)))
    out = tmp_path / "out.parquet"
    with pytest.raises(CorpusError, match="row t2: field 'audio': holds no sound"):
        relabel(given, [], out)
    assert not out.exists()
    assert relabel(given, [Correction("t2", drop=True)], out).rows == 1


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.int64()])
@pytest.mark.parametrize("columns", [False, True])
def test_spans_keep_their_type_unless_it_cannot_hold_them(
    kind: pa.DataType, columns: bool, make_row: MakeRow, tmp_path: Path
) -> None:
    """As a list of structs, or a struct of lists."""
    row = make_row("t1", spans=((1.0, 2.0), (2.0, 3.0)))
    shape = pa.list_(pa.struct({"start": kind, "end": kind}))
    if columns:
        row["silence_spans"] = {"start": [1.0, 2.0], "end": [2.0, 3.0]}
        shape = pa.struct({"start": pa.list_(kind), "end": pa.list_(kind)})
    plain = pa.Table.from_pylist([row])
    place = plain.column_names.index("silence_spans")
    path = tmp_path / "train.parquet"
    spans = pa.array([row["silence_spans"]], shape)
    pq.write_table(plain.set_column(place, "silence_spans", spans), path)
    done = relabel(load_corpus(str(path)), [MOVED], tmp_path / "out.parquet")
    assert load_corpus(str(tmp_path / "out.parquet"))[0].spans == MOVED.spans
    stored = pq.read_schema(tmp_path / "out.parquet").field("silence_spans").type
    assert (done.changed == ()) is (stored == shape) is (kind != pa.int64())


@pytest.mark.parametrize(("last", "new"), [("hold", ("tags",)), ("end", ()), (None, ())])
def test_tags_are_added_only_where_a_row_needs_them(
    last: Any, new: tuple[str, ...], make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    given = load_corpus(str(write_parquet(tmp_path / "train.parquet", [make_row("t1")])))
    done = relabel(given, [Correction("t1", last=last)], tmp_path / "out.parquet")
    assert done.changed == new
    assert ("of another type than in other splits: tags" in done.as_text()) is bool(new)
    assert ("tags" in load_corpus(str(tmp_path / "out.parquet")).rows.column_names) is bool(new)


def test_a_correction_of_an_id_that_two_rows_have_is_refused(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [make_row("t1"), make_row("t2"), make_row("t1")]
    given = load_corpus(str(write_parquet(tmp_path / "train.parquet", rows)))
    with pytest.raises(CorpusError, match="2 rows have the id t1, which is to be corrected"):
        relabel(given, [Correction("t1", drop=True)], tmp_path / "out.parquet")
    assert relabel(given, [Correction("t2", drop=True)], tmp_path / "out.parquet").rows == 2
