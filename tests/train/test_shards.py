from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turnkit.corpus.reader import Corpus, load_corpus
from turnkit.corpus.schema import Turn
from turnkit.errors import RunError
from turnkit.train.filling import cache_for, fill
from turnkit.train.shards import ROWS_PER_SHARD, Array, ShardCache

computed: list[str] = []


@dataclass(frozen=True, slots=True)
class LengthJob:
    """Something quick to compute."""

    version: int = 0

    kind = "length"
    names = ("samples", "spans")

    def contents(self) -> dict[str, Any]:
        return {"job": self.version}

    def compute(self, turn: Turn) -> Mapping[str, Array]:
        computed.append(turn.id)
        return {
            "samples": turn.samples[: 10 * (1 + len(turn.id))].astype(np.float32),
            "spans": np.array([(s.start, s.end) for s in turn.spans]),
        }


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setenv("TURNKIT_CACHE", str(tmp_path / "cache"))
    computed.clear()
    return load_corpus(str(tiny_corpus))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_kept_is_what_was_computed(corpus: Corpus, workers: int) -> None:
    job = LengthJob()
    rows = fill(job, corpus, workers).open()
    assert len(rows) == len(corpus)
    for number, turn in enumerate(corpus):
        for name, expected in job.compute(turn).items():
            np.testing.assert_array_equal(rows.get(number, name), expected)
            assert rows.length(number, name) == len(expected)
    assert len(rows.all("spans")) == sum(len(turn.spans) for turn in corpus)


def test_rows_that_are_wanted_come_in_their_order_from_shards_that_hold_them(
    corpus: Corpus,
) -> None:
    job, chosen = LengthJob(), [len(corpus) - 1, ROWS_PER_SHARD]
    cache = fill(job, corpus, 1, chosen)
    assert cache.missing() == [0]
    rows = cache.open(chosen)
    assert len(rows) == 2
    wanted = [job.compute(corpus[row]) for row in chosen]
    for number, arrays in enumerate(wanted):
        for name, expected in arrays.items():
            np.testing.assert_array_equal(rows.get(number, name), expected)
            assert rows.length(number, name) == len(expected)
    np.testing.assert_array_equal(
        rows.all("samples"), np.concatenate([arrays["samples"] for arrays in wanted])
    )
    with pytest.raises(RunError, match="shard 0 cannot be read"):
        cache.open()


def test_what_is_there_is_not_computed_again(corpus: Corpus) -> None:
    cache = fill(LengthJob(), corpus, 1)
    assert len(computed) == len(corpus)
    fill(LengthJob(), corpus, 1)
    assert len(computed) == len(corpus)
    # as a stopped run leaves it: the arrays of a shard, but not its counts
    (cache.folder / "000001.counts.npy").unlink()
    assert cache.missing() == [1]
    fill(LengthJob(), corpus, 1)
    assert len(computed) == len(corpus) + len(corpus) - ROWS_PER_SHARD
    assert cache.missing() == []


def test_a_row_that_fails_leaves_what_was_done(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = LengthJob.compute

    def stop(self: LengthJob, turn: Turn) -> Mapping[str, Array]:
        if len(computed) == ROWS_PER_SHARD + 1:
            raise KeyboardInterrupt
        return original(self, turn)

    monkeypatch.setattr(LengthJob, "compute", stop)
    with pytest.raises(KeyboardInterrupt):
        fill(LengthJob(), corpus, 1)
    monkeypatch.setattr(LengthJob, "compute", original)
    computed.clear()
    fill(LengthJob(), corpus, 1)
    assert len(computed) == len(corpus) - ROWS_PER_SHARD


def test_the_address_is_what_went_in(corpus: Corpus) -> None:
    folder = cache_for(LengthJob(), corpus).folder
    assert cache_for(LengthJob(), corpus).folder == folder
    assert cache_for(LengthJob(version=1), corpus).folder != folder
    assert cache_for(LengthJob(), corpus.subset(range(11))).folder != folder
    assert cache_for(LengthJob(), corpus.subset([1, 0, *range(2, 12)])).folder != folder


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_shards(
    corpus: Corpus, world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("turnkit.train.shards.ROWS_PER_SHARD", 2)
    first_share: list[list[str]] = []
    original = ShardCache.has
    for rank in range(world):
        computed.clear()
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(world))
        cache = fill(LengthJob(version=world), corpus, 1)
        first_share.append(list(computed))
        assert cache.missing() == [], "each process can go on alone"
    # run one after the other, the first does everything and the others nothing
    assert [len(share) for share in first_share] == [len(corpus)] + [0] * (world - 1)
    assert (
        first_share[0][:4]
        == [turn.id for turn in corpus][:2]
        + [turn.id for turn in corpus][2 * world : 2 * world + 2]
    )
    assert ShardCache.has is original


def test_a_damaged_shard_is_named(corpus: Corpus) -> None:
    cache = fill(LengthJob(), corpus, 1)
    path = cache.folder / "000000.samples.npy"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match=r"length-.*shard 0 cannot be read.*remove the folder"):
        cache.open()


def test_a_full_disk_leaves_no_half_shard(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match=r"cache .*length-.*No space left"):
            fill(LengthJob(), corpus, 1)
    assert list(Path(os.environ["TURNKIT_CACHE"]).rglob("*.npy")) == []
