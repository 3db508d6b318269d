from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.reader import Corpus
from turnkit.corpus.split import check_leakage, shared_audio, split_by_speaker
from turnkit.errors import ConfigError, CorpusError


def corpus_of(
    speakers: Sequence[str | None],
    name: str = "c",
    first: int = 0,
    recordings: Sequence[str | None] | None = None,
) -> Corpus:
    """Rows that say who speaks; their audio, which a split never decodes, is their number."""
    rows: Any = datasets.Dataset.from_list(
        [
            {
                "id": f"{name}-{first + i}",
                "language": "en",
                "speaker": speaker,
                "audio": {"bytes": str(first + i).encode(), "path": None},
                "silence_spans": [{"start": 0.0, "end": 1.0}],
            }
            | ({} if recordings is None else {"recording": recordings[i]})
            for i, speaker in enumerate(speakers)
        ]
    )
    return Corpus(name, rows)


fraction_lists = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(
    lambda parts: {f"part{i}": p / sum(parts) for i, p in enumerate(parts)}
)


@given(
    counts=st.lists(st.integers(1, 6), min_size=4, max_size=20),
    fractions=fraction_lists,
    seed=st.integers(0, 5),
)
def test_parts_share_no_speaker_lose_no_row_and_come_near_their_shares(
    counts: list[int], fractions: dict[str, float], seed: int
) -> None:
    corpus = corpus_of([f"s{i}" for i, n in enumerate(counts) for _ in range(n)])
    parts = split_by_speaker(corpus, fractions, seed)
    assert list(parts) == list(fractions)
    ids = [row for part in parts.values() for row in part.column("id")]
    assert Counter(ids) == Counter(corpus.column("id"))
    seen = [speaker for part in parts.values() for speaker in set(part.speakers)]
    assert len(seen) == len(set(seen))
    for name, part in parts.items():
        # Within the largest speaker, unless every part had to be given one.
        slack = max(counts) * len(fractions)
        assert abs(len(part) - fractions[name] * len(corpus)) <= slack
        assert part.column("id") == sorted(part.column("id"), key=lambda i: int(i.split("-")[1]))


def test_the_seed_decides() -> None:
    corpus = corpus_of([f"s{i}" for i in range(40)])
    halves = {"a": 0.5, "b": 0.5}
    first = split_by_speaker(corpus, halves, 1)["a"].speakers
    assert split_by_speaker(corpus, halves, 1)["a"].speakers == first
    assert split_by_speaker(corpus, halves, 2)["a"].speakers != first
    assert len(first) == 20


@pytest.mark.parametrize(
    "fractions",
    [
        {},
        {"a": 0.5},
        {"a": 1.5, "b": -0.5},
        {"a": 0.0, "b": 1.0},
        {"a": 0.7, "b": 0.7},
        {"a": math.nan, "b": 0.5},
    ],
)
def test_fractions_that_make_no_sense(fractions: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="sum to 1"):
        split_by_speaker(corpus_of(["a", "b", "c"]), fractions)


def test_too_few_speakers() -> None:
    with pytest.raises(CorpusError, match="1 speakers cannot be split into 2 parts"):
        split_by_speaker(corpus_of(["a", "a", "a"]), {"x": 0.5, "y": 0.5})


@given(
    links=st.lists(
        st.tuples(st.integers(0, 11), st.none() | st.integers(0, 11)), min_size=24, max_size=40
    ),
    seed=st.integers(0, 5),
)
def test_who_shares_a_recording_stays_together(
    links: list[tuple[int, int | None]], seed: int
) -> None:
    speakers = [*(f"s{speaker}" for speaker, _ in links), "alone", "too"]
    recordings = [*(None if r is None else f"r{r}" for _, r in links), None, "own"]
    corpus = corpus_of(speakers, recordings=recordings)
    parts = split_by_speaker(corpus, {"x": 0.5, "y": 0.5}, seed)
    check_leakage(parts["x"], parts["y"])
    assert sum(map(len, parts.values())) == len(corpus)


def test_recordings_that_link_nobody_change_nothing() -> None:
    speakers = [f"s{i // 3}" for i in range(60)]
    shares, unnamed = {"x": 0.7, "y": 0.3}, [None] * 60
    plain = split_by_speaker(corpus_of(speakers), shares)
    for recordings in (unnamed, speakers):
        linked = split_by_speaker(corpus_of(speakers, recordings=recordings), shares)
        assert [part.column("id") for part in linked.values()] == [
            part.column("id") for part in plain.values()
        ]
    # drawn once; training splits that were published depend on it
    assert sorted({*plain["y"].speakers}) == ["s0", "s1", "s15", "s17", "s18", "s8"]


def test_speakers_who_all_hang_together() -> None:
    chain = corpus_of(["a", "a", "b", "b", "c"], recordings=["1", "2", "2", "3", "3"])
    with pytest.raises(CorpusError, match="recordings link its 3 speakers into 1 group, which"):
        split_by_speaker(chain, {"x": 0.5, "y": 0.5})


def test_every_part_gets_a_speaker_even_a_small_one() -> None:
    parts = split_by_speaker(corpus_of(["a"] * 50 + ["b", "c"]), {"x": 0.98, "y": 0.01, "z": 0.01})
    assert {len(set(part.speakers)) for part in parts.values()} == {1}


def test_leaks_of_speakers_and_recordings() -> None:
    train = corpus_of(["a", "b", None], "train")
    check_leakage(train, corpus_of(["c", None], "test", first=10))
    with pytest.raises(CorpusError, match="train and test share 1 speakers: b"):
        check_leakage(train, corpus_of(["b", "c"], "test", first=10))
    same_audio = corpus_of(["c", "d"], "test", first=2)
    assert shared_audio(train, same_audio) == ["train-2"]
    with pytest.raises(CorpusError, match="share 1 recordings: train-2"):
        check_leakage(train, same_audio)


def test_leaks_by_the_name_of_a_recording() -> None:
    train = corpus_of(["a", "b"], "train", recordings=["40", None])
    test = corpus_of(["c", "d"], "test", first=10, recordings=["40", None])
    with pytest.raises(CorpusError, match="train and test share 1 recordings by name: 40"):
        check_leakage(train, test)


def test_a_long_list_of_leaks_is_cut_short() -> None:
    names: list[str | None] = [f"s{i}" for i in range(9)]
    a, b = corpus_of(names, "a"), corpus_of(names, "b", first=100)
    with pytest.raises(CorpusError, match="share 9 speakers: s0, s1, s2, s3, s4 and 4 more"):
        check_leakage(a, b)


def test_rows_that_name_no_speaker_are_told_apart_by_row_not_by_chance_of_their_ids() -> None:
    a, b = corpus_of([None, None], "x"), corpus_of([None, None], "x", first=50)
    assert set(a.speakers) == {"x-0", "x-1"}
    check_leakage(a, b)
