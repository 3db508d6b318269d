from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from turnkit.corpus.reader import Corpus, load_corpus, load_splits
from turnkit.corpus.schema import parse_row
from turnkit.errors import ConfigError, CorpusError, SchemaError

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]


@pytest.fixture(scope="module")
def rows(make_row: MakeRow) -> list[dict[str, Any]]:
    return [
        make_row(f"t{i}", speaker=f"s{i // 2}", rate=(8_000, 44_100)[i % 2], transcript=f"word {i}")
        for i in range(6)
    ]


@pytest.fixture
def parquet(rows: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "dev-0.parquet", rows)


def test_a_parquet_file(parquet: Path, rows: list[dict[str, Any]]) -> None:
    corpus = load_corpus(str(parquet))
    assert len(corpus) == 6
    assert corpus.name == str(parquet)
    assert not corpus.synthetic
    assert corpus.speakers == ["s0", "s0", "s1", "s1", "s2", "s2"]
    for index, turn in enumerate(corpus):
        expected = parse_row(rows[index], index)
        np.testing.assert_array_equal(turn.samples, expected.samples)
        assert turn.spans == expected.spans
        assert turn.id == f"t{index}"
    assert corpus[-1].id == "t5"
    assert corpus[np.int64(2)].id == "t2"
    for outside in (6, -7):
        with pytest.raises(IndexError):
            corpus[outside]


def test_the_layout_of_the_public_benchmark(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    words = [{"word": "so", "start": 0.1, "end": 0.4}]
    messages = [{"role": "assistant", "content": "Ready?"}]
    rows = [make_row(f"en_{i}", words=words, messages=messages) for i in range(3)]
    columns = ["id", "language", "audio", "silence_spans", "words", "messages"]
    assert sorted(rows[0]) == sorted(columns)
    corpus = load_corpus(str(write_parquet(tmp_path / "validation.parquet", rows)))
    assert corpus.speakers == ["en_0", "en_1", "en_2"]
    assert corpus.labels == [None, None, None]
    turn = corpus[1]
    assert (turn.speaker, turn.transcript) == (None, None)
    assert turn.words[0].word == "so"
    assert turn.messages[0].content == "Ready?"


def test_an_audio_column_as_the_hub_stores_it(
    parquet: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Features in the file's metadata would make `datasets` decode with torchcodec."""
    table = pyarrow.parquet.read_table(parquet)
    features = {"audio": {"sampling_rate": 16_000, "_type": "Audio"}} | {
        name: {"dtype": "string", "_type": "Value"}
        for name in ("id", "language", "speaker", "transcript")
    }
    seconds = {"dtype": "float64", "_type": "Value"}
    features["silence_spans"] = {
        "feature": {"start": seconds, "end": seconds},
        "_type": "List",
    }
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    path = tmp_path / "typed.parquet"
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)
    turn = load_corpus(str(path))[1]
    assert turn.sample_rate == 44_100
    np.testing.assert_array_equal(turn.samples, parse_row(rows[1], 1).samples)


def test_a_folder_has_its_splits_from_file_names(
    rows: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    write_parquet(tmp_path / "train-00000-of-00002.parquet", rows[:2])
    write_parquet(tmp_path / "train-00001-of-00002.parquet", rows[2:4])
    write_parquet(tmp_path / "test-00000-of-00001.parquet", rows[4:])
    name = str(tmp_path)
    assert {split: len(corpus) for split, corpus in load_splits(name).items()} == {
        "train": 4,
        "test": 2,
    }
    assert len(load_corpus(name, default_split="train")) == 4
    assert len(load_corpus(f"{name}:test", default_split="train")) == 2
    assert load_corpus(name, "test").name == f"{name}:test"
    assert list(load_splits(f"{name}:test")) == ["test"]
    with pytest.raises(CorpusError, match=r"splits train, test; say which, for example .*:train"):
        load_corpus(name)
    with pytest.raises(CorpusError, match="no split 'dev'; it has train, test"):
        load_corpus(f"{name}:dev")
    with pytest.raises(CorpusError, match="no split 'dev'"):
        load_splits(name, "dev")
    with pytest.raises(ConfigError, match="'train' was asked for as well"):
        load_corpus(f"{name}:test", "train")


def test_one_split_is_taken_whatever_the_default(parquet: Path) -> None:
    assert len(load_corpus(str(parquet), default_split="test")) == 6
    assert len(load_corpus(f"{parquet}:dev_0")) == 6


def test_a_saved_dataset(parquet: Path, tmp_path: Path) -> None:
    import datasets

    rows = datasets.Dataset.from_parquet(str(parquet))
    one, several = tmp_path / "one", tmp_path / "several"
    rows.save_to_disk(str(one))
    datasets.DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk(str(several))
    assert len(load_corpus(str(one))) == 6
    assert len(load_corpus(f"{several}:test")) == 1


def test_sound_files_with_a_metadata_file(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    (folder / "a").mkdir(parents=True)
    lines = []
    for row in rows:
        (folder / "a" / f"{row['id']}.flac").write_bytes(row["audio"]["bytes"])
        fields = {key: value for key, value in row.items() if key != "audio"}
        lines.append(json.dumps({"file_name": f"a/{row['id']}.flac", **fields}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    corpus = load_corpus(str(folder))
    assert [turn.id for turn in corpus] == [f"t{i}" for i in range(6)]
    np.testing.assert_array_equal(corpus[3].samples, parse_row(rows[3], 3).samples)
    assert len(set(corpus.digests)) == 6
    (folder / "a" / "t3.flac").unlink()
    with pytest.raises(SchemaError, match=r"row t3: field 'audio': .*t3\.flac"):
        list(corpus)


def test_sound_files_in_a_folder_a_split(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    for split, part in (("train", rows[:4]), ("test", rows[4:])):
        (tmp_path / split).mkdir()
        with (tmp_path / split / "metadata.jsonl").open("w") as metadata:
            for row in part:
                (tmp_path / split / f"{row['id']}.flac").write_bytes(row["audio"]["bytes"])
                line = {"file_name": f"{row['id']}.flac"} | row | {"audio": None}
                metadata.write(json.dumps({k: v for k, v in line.items() if v is not None}) + "\n")
    assert [turn.id for turn in load_corpus(f"{tmp_path}:test")] == ["t4", "t5"]
    assert [turn.id for turn in load_corpus(f"{tmp_path}:train")] == ["t0", "t1", "t2", "t3"]


@pytest.mark.parametrize(
    ("line", "told"), [({"id": "x"}, "no field 'file_name'"), ({"file_name": None}, "line 1")]
)
def test_metadata_that_names_no_sound_file(tmp_path: Path, line: dict[str, Any], told: str) -> None:
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line))
    with pytest.raises(CorpusError, match=told):
        load_corpus(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere.parquet", "no such file or folder"),
        ("./nowhere", "no such file or folder"),
        ("embeded", "nor 'embedded'"),
        ("/nowhere/at/all", "no such file or folder"),
        ("", "no such file or folder"),
    ],
)
def test_names_that_mean_nothing(name: str, told: str) -> None:
    with pytest.raises(CorpusError, match=told):
        load_corpus(name)


def test_files_that_are_no_corpora(tmp_path: Path, parquet: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(CorpusError, match=r"ending \.parquet, \.arrow, \.json, \.jsonl"):
        load_corpus(str(text))
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(parquet.read_bytes()[:-100])
    with pytest.raises(CorpusError, match=r"broken\.parquet"):
        load_corpus(str(broken))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CorpusError, match="empty"):
        load_corpus(str(empty))


def test_a_missing_column_and_no_rows(
    rows: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    import datasets

    bare = [{k: v for k, v in row.items() if k != "silence_spans"} for row in rows]
    path = write_parquet(tmp_path / "bare.parquet", bare)
    with pytest.raises(CorpusError, match="no column silence_spans; it has id, language"):
        load_corpus(str(path))
    none: Any = datasets.Dataset.from_dict({column: [] for column in rows[0]})
    with pytest.raises(CorpusError, match="no rows"):
        Corpus("none", none)


def test_a_bad_row_is_found_when_it_is_read_and_named(
    rows: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [dict(row) for row in rows]
    rows[4]["audio"] = {"bytes": rows[4]["audio"]["bytes"][:2_000], "path": None}
    corpus = load_corpus(str(write_parquet(tmp_path / "x.parquet", rows)))
    assert corpus[3].id == "t3"
    with pytest.raises(SchemaError, match="row t4: field 'audio'"):
        list(corpus)


def test_subsets(parquet: Path) -> None:
    corpus = load_corpus(str(parquet))
    part = corpus.subset([4, 1])
    assert [turn.id for turn in part] == ["t4", "t1"]
    assert part.speakers == ["s2", "s0"]
    with pytest.raises(CorpusError, match="no rows"):
        corpus.subset([])


def test_the_fingerprint_is_of_content_and_order(
    rows: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path, parquet: Path
) -> None:
    corpus = load_corpus(str(parquet))
    copy = load_corpus(str(write_parquet(tmp_path / "elsewhere" / "copy.parquet", rows)))
    assert copy.fingerprint == corpus.fingerprint
    untagged = write_parquet(tmp_path / "untagged.parquet", [row | {"tags": []} for row in rows])
    assert load_corpus(str(untagged)).fingerprint == corpus.fingerprint
    assert corpus.subset(range(6)).fingerprint == corpus.fingerprint
    seen = {corpus.fingerprint, corpus.subset([1, 0, 2, 3, 4, 5]).fingerprint}
    spans = [{"start": 0.8, "end": 1.31}, {"start": 2.0, "end": 3.0}]
    changes: list[dict[str, Any]] = [
        {"id": "other"},
        {"speaker": "other"},
        {"silence_spans": spans},
        {"audio": rows[0]["audio"]},
        {"tags": ["digits"]},
    ]
    for number, change in enumerate(changes):
        changed = [{"tags": None} | row for row in (*rows[:5], rows[5] | change)]
        path = write_parquet(tmp_path / f"changed{number}.parquet", changed)
        seen.add(load_corpus(str(path)).fingerprint)
    assert len(seen) == 2 + len(changes)


def test_a_corpus_goes_to_a_worker_process(parquet: Path) -> None:
    corpus = load_corpus(str(parquet))
    copy: Corpus = pickle.loads(pickle.dumps(corpus))
    assert copy.fingerprint == corpus.fingerprint


def test_a_full_disk_is_told_as_such(parquet: Path, tmp_path: Path) -> None:
    """Reading copies a corpus into the cache of `datasets`; files here may hold 4 KiB."""
    script = (
        "import resource, signal, sys\n"
        "import datasets\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from turnkit.cli.main import main\n"
        "sys.exit(main(['data', 'describe', sys.argv[1]]))\n"
    )
    environment = os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", script, str(parquet)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert os.strerror(errno.EFBIG) in done.stderr
    assert "Traceback" not in done.stderr


def test_real_turns(phone_turns: Path) -> None:
    corpus = load_corpus(str(phone_turns / "dev.parquet"))
    assert (len(corpus), len(set(corpus.speakers))) == (328, 53)
    assert sum(len(turn.pauses) for turn in corpus) == 430
    assert sum(len(turn.holds) for turn in corpus) == 369


def test_the_embedded_corpus_is_labelled_synthetic_wherever_it_lies(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    from turnkit.corpus import names

    rows = [make_row(f"{names.SYNTHETIC}-test-000-0001"), make_row("recorded")]
    assert load_corpus(str(write_parquet(tmp_path / "a.parquet", rows))).synthetic
    assert not load_corpus(str(write_parquet(tmp_path / "b.parquet", rows[1:]))).synthetic


def test_a_split_of_the_embedded_corpus_is_made_only_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    make_row: MakeRow,
    write_parquet: WriteParquet,
    tmp_path: Path,
) -> None:
    from turnkit.corpus import embedded

    made: list[str] = []

    def rows_of(split: str) -> Path:
        made.append(split)
        return write_parquet(tmp_path / f"{split}.parquet", [make_row(f"synthetic-{split}")])

    monkeypatch.setattr(embedded, "embedded_rows", rows_of)
    assert load_corpus("embedded", default_split="test").name == "embedded:test"
    assert load_corpus("embedded:train", default_split="test")[0].id == "synthetic-train"
    assert made == ["test", "train"]
    assert list(load_splits("embedded")) == ["train", "test"]
    with pytest.raises(CorpusError, match="say which, for example embedded:train"):
        load_corpus("embedded")
    with pytest.raises(CorpusError, match="no split 'dev'; it has train, test"):
        load_corpus("embedded:dev")
    assert made == ["test", "train", "train", "test"]
