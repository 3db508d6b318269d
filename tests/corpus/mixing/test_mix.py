from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from turnkit.corpus.mixing import MixSettings, MixSource, mix, read_mix
from turnkit.corpus.reader import load_corpus, load_splits
from turnkit.corpus.split import check_leakage
from turnkit.errors import ConfigError, CorpusError

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]


@pytest.fixture
def calls(make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path) -> str:
    """Two splits at 8 kHz, five speakers of four rows in each."""
    for split, first in (("train", 0), ("test", 20)):
        rows = [
            make_row(f"c{i:03}", rate=8_000, speaker=f"c{i // 4}", transcript=f"word {i}",
                     tags=["digits"])
            for i in range(first, first + 20)
        ]  # fmt: skip
        write_parquet(tmp_path / "calls" / f"{split}.parquet", rows)
    return str(tmp_path / "calls")


@pytest.fixture
def talks(make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path) -> str:
    """One split at 16 kHz, nine speakers of two rows; neither tags nor transcripts."""
    rows = [make_row(f"t{i:03}", speaker=f"t{i // 2}") for i in range(18)]
    return str(write_parquet(tmp_path / "talks.parquet", rows))


@pytest.fixture
def settings(calls: str, talks: str) -> MixSettings:
    return MixSettings(
        (
            MixSource(calls, domain="telephone"),
            MixSource(talks, splits={"train": 0.7, "test": 0.3}, speaker_cap=1),
        ),
    )


def test_a_mix_is_a_corpus(settings: MixSettings, calls: str, talks: str, tmp_path: Path) -> None:
    record = mix(settings, tmp_path / "mix")
    splits = load_splits(str(tmp_path / "mix"))
    assert list(splits) == ["train", "test"]
    check_leakage(splits["train"], splits["test"])
    originals = {
        turn.id: turn for name in (f"{calls}:train", f"{calls}:test", talks)
        for turn in load_corpus(name)
    }  # fmt: skip
    for split, corpus in splits.items():
        assert record["splits"][split]["rows"] == len(corpus)
        for turn in corpus:
            original = originals[turn.id]
            assert np.array_equal(turn.samples, original.samples)
            assert turn.sample_rate == original.sample_rate
            assert turn.spans == original.spans
            assert turn.speaker == original.speaker
            assert turn.transcript == original.transcript
            domain = "telephone" if turn.id.startswith("c") else "talks"
            assert turn.tags == original.tags | {f"domain:{domain}"}
    assert {*splits["train"].column("source")} == {calls, talks}
    assert json.loads((tmp_path / "mix" / "mix.json").read_text()) == record
    assert not list(tmp_path.glob(".*"))


def test_the_record_counts(settings: MixSettings, tmp_path: Path) -> None:
    record = mix(settings, tmp_path / "mix")
    train, test = record["splits"]["train"], record["splits"]["test"]
    assert train["domains"]["telephone"] == {
        "rows": 20,
        "speakers": 5,
        "rows_without_speaker": 0,
        "holds": 20,
        "hours": round(20 * 3.0 / 3600, 4),
        "rows_per_speaker": {f"c{i}": 4 for i in range(5)},
    }
    assert train["domains"]["talks"]["rows"] + test["domains"]["talks"]["rows"] == 9
    assert train["sample_rates"] == {"8000": 20, "16000": train["domains"]["talks"]["rows"]}
    assert sum(one["rows"] for one in record["left_out"]) == 9
    assert {one["reason"] for one in record["left_out"]} == {"over the source's speaker cap"}
    assert record["settings"]["sources"][0]["domain"] == "telephone"


def test_the_same_twice(settings: MixSettings, tmp_path: Path) -> None:
    a, b = (mix(settings, tmp_path / name) for name in ("a", "b"))
    assert a == b
    file = a["splits"]["train"]["file"]
    assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_rows_are_written_a_few_at_a_time(settings: MixSettings, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    record = mix(settings, tmp_path / "mix", lambda done, total: seen.append((done, total)))
    total = sum(split["rows"] for split in record["splits"].values())
    assert seen == [(i, total) for i in range(1, total + 1)]
    file = pq.ParquetFile(tmp_path / "mix" / record["splits"]["train"]["file"])
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert max(groups) <= 16
    assert len(groups) > 1


def test_a_mix_of_mixes_keeps_domains(settings: MixSettings, tmp_path: Path) -> None:
    mix(settings, tmp_path / "one")
    again = MixSettings(
        (MixSource(f"{tmp_path / 'one'}:test", splits={"odd.split": "test"}),),
        domain_caps={"telephone": 3},
    )
    record = mix(again, tmp_path / "two")
    assert record["splits"]["odd.split"]["domains"]["telephone"]["rows"] == 3
    assert "talks" in record["splits"]["odd.split"]["domains"]
    (corpus,) = load_splits(str(tmp_path / "two")).values()
    assert all(sum(t.startswith("domain:") for t in turn.tags) == 1 for turn in corpus)
    named = MixSettings((MixSource(f"{tmp_path / 'one'}:test", domain="all-new"),))
    record = mix(named, tmp_path / "three")
    assert list(record["splits"]["test"]["domains"]) == ["all-new"]


def test_splits_of_other_names_and_in_order(calls: str, tmp_path: Path) -> None:
    source = MixSource(calls, splits={"dev": "test", "train": "train"}, turns=6)
    mixed = MixSettings((source,), splits=("train", "dev"))
    record = mix(mixed, tmp_path / "mix")
    assert list(record["splits"]) == ["train", "dev"]
    assert {name: len(c) for name, c in load_splits(str(tmp_path / "mix")).items()} == {
        "train": 6,
        "dev": 6,
    }


def test_names_that_mean_others(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    names = [("x", "train", 0.8), ("y", "test", 0.9)]
    paths = {}
    for name, split, start in names:
        row = make_row("synthetic-1", speaker="1", spans=((start, 1.3), (2.0, 3.0)))
        paths[name] = write_parquet(tmp_path / name / f"{split}.parquet", [row])
    sources = [MixSource(str(tmp_path / name)) for name, *_ in names]
    with pytest.raises(CorpusError, match="shares 1 speakers"):
        mix(MixSettings(tuple(sources)), tmp_path / "mix")
    qualified = MixSource(sources[1].corpus, domain="other", qualify=True)
    mix(MixSettings((sources[0], qualified)), tmp_path / "mix")
    splits = load_splits(str(tmp_path / "mix"))
    assert splits["train"].labels == ["1"]
    assert splits["test"].labels == ["1@other"]
    assert splits["test"].column("id") == ["synthetic-1@other"]
    assert splits["test"].synthetic


def test_the_sides_of_a_call_stay_in_one_split(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        rows = [
            make_row(f"{name}{call}-{side}", speaker=f"{name}{call}-{side}", recording=str(call))
            for call in range(8)
            for side in ("agent", "caller")
        ]
        write_parquet(tmp_path / f"{name}.parquet", rows)
    shares: dict[str, str | float] = {"train": 0.5, "test": 0.5}
    names = [str(tmp_path / f"{name}.parquet") for name in ("a", "b")]
    mix(MixSettings(tuple(MixSource(name, splits=shares) for name in names)), tmp_path / "mix")
    train, test = load_splits(str(tmp_path / "mix")).values()
    check_leakage(train, test)
    recordings = [{*corpus.column("recording")} for corpus in (train, test)]
    assert set.union(*recordings) == {f"{name}/{call}" for name in names for call in range(8)}
    assert train[0].recording in recordings[0]


def test_without_recordings_there_is_no_column_of_them(
    settings: MixSettings, tmp_path: Path
) -> None:
    record = mix(settings, tmp_path / "mix")
    columns = pq.read_schema(tmp_path / "mix" / record["splits"]["train"]["file"]).names
    assert columns[-1] == "source"


def test_sound_files_are_taken_in(make_row: MakeRow, tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    row = make_row("one", sound_format="WAV")
    (folder / "one.wav").write_bytes(row["audio"]["bytes"])
    line = {k: v for k, v in row.items() if k != "audio"} | {"file_name": "one.wav"}
    (folder / "metadata.jsonl").write_text(json.dumps(line) + "\n")
    mix(MixSettings((MixSource(str(folder)),)), tmp_path / "mix")
    (folder / "one.wav").unlink()
    (corpus,) = load_splits(str(tmp_path / "mix")).values()
    assert corpus.rows[0]["audio"] == {"bytes": row["audio"]["bytes"], "path": "one.wav"}
    assert corpus[0].tags == {"domain:sounds"}


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("incomplete", "incomplete: it ends in a hold"),
        ("backchannel", "backchannel: it takes no turn"),
    ],
)
def test_rows_without_an_end_are_no_turns(
    tag: str, reason: str, make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [make_row("good", tags=["digits"]), make_row("cut", tags=["digits", tag])]
    path = write_parquet(tmp_path / "x.parquet", rows)
    record = mix(MixSettings((MixSource(str(path)),)), tmp_path / "mix")
    (corpus,) = load_splits(str(tmp_path / "mix")).values()
    assert corpus.column("id") == ["good"]
    (left,) = record["left_out"]
    assert (left["rows"], left["reason"]) == (1, reason)


def test_nothing_is_left_behind_by_a_failure(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    late = make_row("late") | {"silence_spans": [{"start": 2.0, "end": 9.0}]}
    path = write_parquet(tmp_path / "in" / "x.parquet", [make_row("good"), late])
    with pytest.raises(CorpusError, match=r"corpus .*x\.parquet: row late: field 'silence_spans'"):
        mix(MixSettings((MixSource(str(path)),)), tmp_path / "mix")
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


def test_a_folder_that_holds_something_is_left_alone(settings: MixSettings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    mix(settings, tmp_path / "empty")
    with pytest.raises(ConfigError, match="expected a new or an empty folder"):
        mix(settings, tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="expected a folder"):
        mix(settings, tmp_path / "file")


def test_splits_that_are_not_there(calls: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no split 'dev'; it has train, test"):
        mix(MixSettings((MixSource(calls, splits={"dev": "dev"}),)), tmp_path / "mix")
    with pytest.raises(ConfigError, match="has the splits train, test; shares cut a single one"):
        mix(MixSettings((MixSource(calls, splits={"a": 0.5, "b": 0.5}),)), tmp_path / "mix")
    with pytest.raises(ConfigError, match=r"splits \['dev'\]: the sources give train, test"):
        mix(MixSettings((MixSource(calls),), splits=("dev",)), tmp_path / "mix")


def test_a_mix_file(calls: str, tmp_path: Path) -> None:
    path = tmp_path / "mix.yaml"
    path.write_text(
        f"sources:\n  - corpus: {calls}\n    splits: {{train: train, dev: test}}\n"
        "    speaker_cap: 3\ndomain_caps: {calls: 9}\nshared: drop\n"
    )
    found = read_mix(path, ["seed=3", "sources.0.turns=5"])
    source = MixSource(calls, splits={"train": "train", "dev": "test"}, speaker_cap=3, turns=5)
    assert found == MixSettings((source,), seed=3, domain_caps={"calls": 9}, shared="drop")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("sources: []", "sources: expected at least one"),
        ("sources: [{domain: x}]", "sources.0.corpus: missing"),
        ("sources: [{corpus: x, turn: 3}]", "sources.0.turn: unknown; did you mean 'turns'"),
        ("sources: [{corpus: x, turns: 0}]", r"sources.0.*turns 0: expected a whole number"),
        ("sources: [{corpus: x, turns: 3, weight: 1}]", "turns, weight: expected one of them"),
        ("sources: [{corpus: x, weight: 0}]", "weight 0.0: expected more than 0"),
        ("sources: [{corpus: x, domain: a b}]", "domain 'a b': expected letters"),
        ("sources: [{corpus: x, splits: {a: 0.5, b: 0.4}}]", "expected shares above 0 that sum"),
        ("sources: [{corpus: x, splits: {a: .nan, b: 0.5}}]", "expected shares above 0 that sum"),
        ("sources: [{corpus: x, splits: {a: 0.5, b: test}}]", "names of splits, or shares only"),
        ("sources: [{corpus: x, splits: {a: }}]", "splits.a None: expected a split, or a share"),
        ("sources: [{corpus: x, splits: {all: y}}]", "splits 'all': expected a name of letters"),
        ("sources: [{corpus: x}, {corpus: x}]", "sources: x is there twice"),
        ("sources: [{corpus: x}]\nspeaker_cap: true", "speaker_cap True: expected a whole number"),
        ("sources: [{corpus: x}]\ndomain_caps: {a: -1}", "domain_caps.a -1: expected a whole"),
        ("sources: [{corpus: x}]\nshared: keep", "expected one of refuse, drop"),
        ("sources: [{corpus: x}]\nsplits: [a, a]", "expected each once"),
        ("sources: [{corpus: x}]\nseed: -1", "seed -1: expected 0 or more"),
    ],
)
def test_what_does_not_fit_is_named(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "mix.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=told):
        read_mix(path)


def test_rows_without_a_speaker_are_counted(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [make_row(f"r{i}", speaker="s" if i else None) for i in range(3)]
    source = str(write_parquet(tmp_path / "some.parquet", rows))
    record = mix(MixSettings((MixSource(source),)), tmp_path / "mix")
    assert record["splits"]["some"]["rows_without_speaker"] == 1


def test_where_a_link_leads_a_mix_is_written(talks: str, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "mix").symlink_to("disk")
    mix(MixSettings((MixSource(talks),)), tmp_path / "mix")
    assert (tmp_path / "mix").is_symlink()
    assert len(load_corpus(str(tmp_path / "disk"))) == 18


@pytest.mark.parametrize("tags", [[None, "x"], "incomplete"])
def test_tags_that_break_the_schema_are_named(
    tags: Any, make_row: MakeRow, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    source = str(write_parquet(tmp_path / "bad.parquet", [make_row("a", tags=tags)]))
    with pytest.raises(CorpusError, match=r"corpus .*bad\.parquet: row a: field 'tags'"):
        mix(MixSettings((MixSource(source),)), tmp_path / "mix")
