"""Rows of the public benchmark: checked and passed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turnkit.cli.main import main
from turnkit.corpus.importing.eot_bench import import_eot_bench
from turnkit.corpus.importing.table import TableSettings, encoded_audio, two_letters
from turnkit.corpus.reader import load_corpus
from turnkit.errors import CorpusError, InputError

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[[Path, Iterable[Mapping[str, Any]]], Path]

WORDS = [{"word": "so", "start": 0.1, "end": 0.4}, {"word": "yes", "start": 1.4, "end": 1.9}]
MESSAGES = [{"role": "assistant", "content": "Shall I?"}]


@pytest.fixture
def source(make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path) -> Path:
    common: dict[str, Any] = {"words": WORDS, "messages": MESSAGES}
    rows = [
        make_row("en-1", sound_format="WAV", **common),
        make_row("en-2", spans=((2.0, 3.0),), **common),
        make_row("de-1", language="de", **common),
        make_row("late", **common) | {"silence_spans": [{"start": 2.0, "end": 9.0}]},
        make_row("torn", **common) | {"audio": {"bytes": b"fLaC", "path": None}},
        make_row("over", spans=((2.0, 3.04),), **common),
    ]
    return write_parquet(tmp_path / "data" / "en" / "validation-00000-of-00001.parquet", rows)


def test_good_rows_pass_and_bad_ones_are_named(source: Path, tmp_path: Path) -> None:
    out, lines = tmp_path / "turns.parquet", list[str]()
    assert import_eot_bench(str(source.parent), out, None, lines.append) == 4
    before = {turn["id"]: turn for turn in load_corpus(str(source)).rows}
    corpus = load_corpus(str(out))
    assert list(corpus.column("id")) == ["en-1", "en-2", "de-1", "over"]
    for row, turn in zip(corpus.rows, corpus, strict=True):
        given = before[turn.id]
        for field in ("silence_spans", "words", "messages", "language"):
            assert row[field] == given[field]
        assert row["audio"]["bytes"] == given["audio"]["bytes"]
        assert turn.transcript == "so yes"
    said = "\n".join(lines)
    assert "left out 1: field 'silence_spans' breaks the schema (row late: " in said
    assert "left out 1: field 'audio' breaks the schema (row torn: " in said
    assert "turns without a hold that counts: 2" in said


def test_what_names_speakers_and_recordings_is_kept_and_what_does_not_is_told(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [make_row("a", speaker=None), make_row("b", speaker=None)]
    out, card = tmp_path / "out.parquet", tmp_path / "out.card.md"
    import_eot_bench(str(write_parquet(tmp_path / "a.parquet", rows)), out)
    assert "| speakers | no row names one: each counts as one, so splits may share" in (
        card.read_text()
    )
    rows[0] |= {"speaker": "ann", "recording": "monday"}
    import_eot_bench(str(write_parquet(tmp_path / "a.parquet", rows)), out)
    assert list(load_corpus(str(out)).column("recording")) == ["monday", None]
    assert "| speakers | 1, and 1 rows that name none: " in card.read_text()


def test_rows_of_one_language(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "turns.parquet"
    assert import_eot_bench(str(source), out, TableSettings(language="de")) == 1
    assert import_eot_bench(str(source), out, TableSettings(limit=2)) == 2
    with pytest.raises(CorpusError, match=r"6: not in language 'fr' \(row 0: 'en', .* 'de', "):
        import_eot_bench(str(source), out, TableSettings(language="fr"))
    # The corpus that was there is still whole.
    assert len(load_corpus(str(out))) == 2


def test_what_lies_in_a_folder_beside_its_card_is_a_corpus(source: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        given = ["data", "import", "eot-bench", str(source), str(tmp_path / "c" / f"{split}-a")]
        assert main([*given[:-1], f"{given[-1]}.parquet"]) == 0
    assert len(list((tmp_path / "c").iterdir())) == 4
    for split in ("train", "test"):
        assert len(load_corpus(f"{tmp_path / 'c'}:{split}")) == 4


def test_a_table_without_spans(tmp_path: Path, write_parquet: WriteParquet) -> None:
    path = write_parquet(tmp_path / "a.parquet", [{"id": "a", "language": "en", "audio": None}])
    with pytest.raises(CorpusError, match="no column silence_spans"):
        import_eot_bench(str(path), tmp_path / "out.parquet")


def test_samples_are_encoded(tmp_path: Path, write_parquet: WriteParquet) -> None:
    samples = 0.1 * np.sin(np.arange(8_000) / 5.0)
    row = {
        "id": "a",
        "language": "en",
        "audio": {"array": samples.tolist(), "sampling_rate": 8_000},
        "silence_spans": [{"start": 0.5, "end": 1.0}],
    }
    out = tmp_path / "out.parquet"
    import_eot_bench(str(write_parquet(tmp_path / "a.parquet", [row])), out)
    (turn,) = load_corpus(str(out))
    np.testing.assert_allclose(turn.samples, samples, atol=1e-4)


def test_the_audio_field(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"bytes")
    assert encoded_audio({"bytes": None, "path": str(path)}) == b"bytes"
    with pytest.raises(InputError, match="No such file"):
        encoded_audio({"bytes": None, "path": str(tmp_path / "b.wav")})
    with pytest.raises(InputError, match="expected encoded bytes"):
        encoded_audio(None)


@pytest.mark.parametrize(
    ("given", "expected"), [("eng", "en"), ("ZHO", "zh"), ("en", "en"), ("pt-BR", "pt-BR")]
)
def test_codes_of_languages(given: str, expected: str) -> None:
    assert two_letters(given) == expected
