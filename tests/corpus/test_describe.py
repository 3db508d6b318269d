from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from turnkit.corpus.checking.turns import last_word
from turnkit.corpus.describe import HOLD_EDGES_S, describe, histogram
from turnkit.corpus.present import as_text, plot_description
from turnkit.corpus.reader import Corpus, load_corpus
from turnkit.errors import ConfigError

MakeRow = Callable[..., dict[str, Any]]
RATE = 16_000


def corpus_of(rows: list[dict[str, Any]]) -> Corpus:
    found: Any = datasets.Dataset.from_list(rows)
    return Corpus("made here", found)


@pytest.fixture
def good(make_row: MakeRow) -> list[dict[str, Any]]:
    """Twenty turns of ten speakers with which nothing is wrong."""
    return [
        make_row(f"t{i}", speaker=f"s{i % 10}", transcript=f"this is word{i % 10} [noise]")
        for i in range(20)
    ]


def sound(change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> dict[str, Any]:
    """Audio of a good row, changed."""
    time = np.arange(3 * RATE) / RATE
    silent = ((time >= 0.8) & (time < 1.3)) | (time >= 2.0)
    samples = np.where(silent, 0.0, 0.1 * np.sin(2 * np.pi * 150.0 * time))
    samples += 0.001 * np.random.default_rng(1).standard_normal(len(time))
    file = io.BytesIO()
    soundfile.write(file, np.clip(change(samples), -1.0, 1.0), RATE, format="FLAC")
    return {"bytes": file.getvalue(), "path": None}


def silence(samples: NDArray[np.float64]) -> NDArray[np.bool_]:
    time = np.arange(len(samples)) / RATE
    return ((time >= 0.8) & (time < 1.3)) | (time >= 2.0)


def test_what_a_good_corpus_holds(good: list[dict[str, Any]]) -> None:
    found = describe(corpus_of(good))
    assert (found.rows, found.speakers, found.rows_per_speaker) == (20, 10, (2, 2))
    assert found.hours == pytest.approx(20 * 3.0 / 3600)
    assert found.sample_rates == {RATE: 20}
    assert found.languages == {"en": 20}
    assert (len(found.hold_s), found.counted_holds, len(found.end_s)) == (20, 20, 20)
    assert found.findings == ()
    assert found.usable
    assert "nothing looks wrong" in as_text(found)


CHANGES: dict[str, dict[str, Any]] = {
    "short end": {"silence_spans": [{"start": 0.8, "end": 1.3}, {"start": 2.55, "end": 3.0}]},
    "silent start": {"silence_spans": [{"start": 0.0, "end": 0.2}, {"start": 2.0, "end": 3.0}]},
    "spans": {"silence_spans": [{"start": 0.1, "end": 0.8}, {"start": 1.3, "end": 2.0}]},
    "loud": {"audio": sound(lambda x: np.sign(x) * 0.5)},
    "clipped": {"audio": sound(lambda x: 30.0 * x)},
    "dead": {"audio": sound(lambda x: 0.0005 * x)},
    "zeros": {"audio": sound(lambda x: np.where(silence(x), 0.0, x))},
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_is_wrong_with_one_turn_is_found_in_it_alone(
    good: list[dict[str, Any]], kind: str
) -> None:
    bad = [*good[:7], good[7] | CHANGES[kind], *good[8:]]
    found = {finding.kind: finding.rows for finding in describe(corpus_of(bad)).findings}
    assert found[kind] == ("t7",)


def test_speakers(good: list[dict[str, Any]]) -> None:
    nameless = describe(corpus_of([row | {"speaker": None} for row in good]))
    assert (nameless.speakers, nameless.rows_per_speaker) == (0, (0, 0))
    assert {f.kind: len(f.rows) for f in nameless.findings} == {"no speaker": 20}
    assert "speakers not named" in as_text(nameless)
    few = describe(corpus_of([row | {"speaker": "s1"} for row in good]))
    assert [f.kind for f in few.findings] == ["few speakers"]


def test_ids_and_audio_that_come_twice(good: list[dict[str, Any]]) -> None:
    twice = [*good[:18], good[18] | {"id": "t0"}, good[19] | {"audio": good[3]["audio"]}]
    found = {finding.kind: finding.rows for finding in describe(corpus_of(twice)).findings}
    assert found == {"duplicate ids": ("t0", "t0"), "duplicate audio": ("t3", "t19")}


def test_one_last_word_too_often(good: list[dict[str, Any]]) -> None:
    said = [
        row | {"transcript": "Call the Operator. [noise]" if i < 5 else f"it was {i}"}
        for i, row in enumerate(good)
    ]
    (finding,) = describe(corpus_of(said)).findings
    assert finding.kind == "last words"
    assert "25% of the transcripts end with operator:" in finding.message


def test_a_handful_of_last_words_too_often(good: list[dict[str, Any]]) -> None:
    said = [
        row | {"transcript": f"code {'abcde'[i % 5]}" if i < 11 else f"it was {i}"}
        for i, row in enumerate(good)
    ]
    (finding,) = describe(corpus_of(said)).findings
    assert "55% of the transcripts end with a, b, c, d, e:" in finding.message


def test_rows_without_an_end_count_none(good: list[dict[str, Any]]) -> None:
    tags = {1: ["incomplete"], 2: ["backchannel"], 3: ["backchannel", "overlap"], 4: ["overlap"]}
    found = describe(corpus_of([row | {"tags": tags.get(i)} for i, row in enumerate(good)]))
    assert (found.rows, len(found.hold_s), len(found.end_s)) == (20, 20, 17)
    assert found.as_dict()["without_end"] == {"incomplete": 1, "backchannel": 2}
    told = "  ends         17; rows without one: incomplete (1), backchannel (2)\n"
    assert told in as_text(found)


@pytest.mark.parametrize("complete", [False, True])
def test_a_corpus_that_was_left_half_made(
    good: list[dict[str, Any]], write_parquet: Callable[..., Path], tmp_path: Path, complete: bool
) -> None:
    write_parquet(tmp_path / "data" / "train-00000-of-00001.parquet", good)
    (tmp_path / "made.json").write_text(json.dumps({"complete": complete}))
    found = describe(load_corpus(str(tmp_path)))
    assert ("the same 'turnkit data make' goes on" in as_text(found)) is not complete
    assert found.usable


def test_hardly_any_holds(good: list[dict[str, Any]]) -> None:
    end = {"silence_spans": [{"start": 2.0, "end": 3.0}]}
    (finding,) = describe(corpus_of([row | end for row in good[:19]] + good[19:])).findings
    assert (finding.kind, finding.message[:7]) == ("few holds", "1 holds")


def test_rows_that_cannot_be_used_are_counted_not_fatal(good: list[dict[str, Any]]) -> None:
    bad = [*good[:19], good[19] | {"language": ""}]
    found = describe(corpus_of(bad))
    assert not found.usable
    assert found.findings[0].kind == "unusable"
    assert "row t19: field 'language'" in found.findings[0].message
    assert (found.rows, len(found.end_s)) == (20, 19)


@pytest.mark.parametrize(
    ("transcript", "word"),
    [
        (None, None),
        ("", None),
        ("[breath] {noise} <unk>", None),
        ("so I said Yes!", "yes"),
        ("it is mine, isn't it [laughs]", "it"),
        ("no it isn\u2019t.", "isn't"),
        ("_Operator_", "operator"),
        ("das Gr\u00f6\u00dfte", "gr\u00f6\u00dfte"),
        ("\u662f \u597d", "\u597d"),
    ],
)
def test_last_words(transcript: str | None, word: str | None) -> None:
    assert last_word(transcript) == word


@given(st.lists(st.floats(0.0, 30.0)))
def test_a_histogram_loses_nothing(values: list[float]) -> None:
    counts = histogram(values, HOLD_EDGES_S)
    assert sum(counts) == len(values)
    assert counts[-1] == sum(value >= 5.0 for value in values)
    assert counts[0] == sum(value < 0.2 for value in values)


def test_json_holds_no_infinities(good: list[dict[str, Any]]) -> None:
    digital_silence = good[0] | {"audio": sound(np.zeros_like)}
    document = describe(corpus_of([digital_silence, *good[1:]])).as_dict()
    assert math.inf in HOLD_EDGES_S
    again = json.loads(json.dumps(document, allow_nan=False))
    assert again["hold_s"]["counts"] == [0, 0, 0, 20, 0, 0, 0, 0, 0, 0]
    assert again["hold_s"]["p50"] == 0.5
    assert [f["rows"] for f in again["findings"] if f["kind"] == "dead"] == [["t0"]]


def test_bars_grow_with_their_counts(good: list[dict[str, Any]]) -> None:
    spans = [{"start": 0.8, "end": 0.95}, {"start": 2.0, "end": 3.0}]
    text = as_text(
        describe(corpus_of([row | {"silence_spans": spans} for row in good[:5]] + good[5:]))
    )
    bars = {line.split("  ")[0]: line.count("#") for line in map(str.strip, text.splitlines())}
    assert (bars["0.1 to 0.2"], bars["0.5 to 0.7"], bars["0.2 to 0.3"]) == (14, 40, 0)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture(good: list[dict[str, Any]], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"durations.{suffix}"
    one = describe(corpus_of(good))
    plot_description({"train": one, "test": one}, path)
    head = path.read_bytes()[:60]
    assert head.startswith(b"\x89PNG" if suffix == "png" else b"<?xml")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_picture_of_no_holds(make_row: MakeRow, tmp_path: Path) -> None:
    rows = [make_row(f"t{i}", spans=[(2.0, 3.0)]) for i in range(3)]
    plot_description({"test": describe(corpus_of(rows))}, tmp_path / "x.png")
    assert (tmp_path / "x.png").is_file()
    with pytest.raises(ConfigError, match=r"x\.foo: expected a name that ends with \.png"):
        plot_description({}, tmp_path / "x.foo")


def test_real_turns(phone_turns: Path) -> None:
    found = describe(load_corpus(str(phone_turns / "dev.parquet")))
    assert (found.rows, found.speakers) == (328, 53)
    assert (len(found.hold_s), found.counted_holds, len(found.end_s)) == (430, 369, 328)
    assert found.sample_rates == {8_000: 328}
    assert found.usable
    # The callers were to end with one of five code words.
    assert "last words" in {finding.kind for finding in found.findings}
    text = as_text(found)
    assert "328, of 53 speakers" in text
    assert "430, of which 369 count" in text
