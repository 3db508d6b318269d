"""Fitting pauses, and the command that does it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from turnkit.cli.main import main
from turnkit.corpus.synthesis.text import ScriptWriter, TextSettings
from turnkit.corpus.synthesis.text.comparing import (
    compare,
    distance_ks,
    distance_wasserstein,
    pauses_of_scripts,
)
from turnkit.corpus.synthesis.text.fitting import (
    fit,
    fit_mixture,
    meeting_turns,
    pauses_of,
    place_of,
    read_turns,
)
from turnkit.corpus.synthesis.text.pauses import (
    MAX_PAUSE_S,
    MIN_PAUSE_S,
    PLACES,
    LogMixture,
    load_model,
    parse_model,
)
from turnkit.errors import ConfigError, CorpusError

Segment = dict[str, object]


def segment(speaker: str, start: float, text: str, act: str = "s", gap: float = 0.0) -> Segment:
    """Words of 0.2 s each, `gap` between them."""
    words: list[list[object]] = []
    at = start
    for word in text.split():
        words.append([at, at + 0.2, word])
        at += 0.2 + gap
    end = at - gap
    return {"speaker": speaker, "start": start, "end": end, "act": act, "words": words}


def said(segments: list[Segment]) -> list[str]:
    return [" ".join(word.word for word in turn) for turn in meeting_turns(segments)]


def test_a_turn_lasts_until_another_takes_the_floor() -> None:
    segments = [
        segment("b", 3.0, "no I did not"),
        segment("a", 0.0, "well I think"),
        segment("a", 1.0, "we should go"),
        segment("a", 4.0, "oh"),
    ]
    assert said(segments) == ["well I think we should go", "no I did not", "oh"]


def test_backchannels_and_words_within_do_not_take_it() -> None:
    segments = [
        segment("a", 0.0, "one two three four five"),
        segment("c", 0.2, "what", "qw"),
        segment("b", 1.1, "mm-hmm", "b"),
        segment("b", 1.2, "uh-huh", "b.%"),
        segment("a", 1.6, "six"),
    ]
    assert said(segments) == ["one two three four five six"]
    segments[2]["act"] = "bx"
    assert len(said(segments)) == 3


def test_pauses_are_of_the_right_kind_and_length() -> None:
    segments = [
        segment("a", 0.0, "I um want to to g- go", gap=0.3),
        segment("a", 4.0, "right"),
        segment("a", 4.25, "now"),
    ]
    (turn,) = meeting_turns(segments)
    found = pauses_of(turn)
    assert [place for place, _ in found] == [
        "phrase", "filler", "phrase", "repair", "phrase", "repair", "clause",
    ]  # fmt: skip
    assert [length for _, length in found] == pytest.approx([0.3] * 6 + [0.8])


def test_places() -> None:
    assert place_of(["I", "want", "I", "want"], 1, opens=True) == "repair"
    assert place_of(["I", "want", "it"], 1, opens=True) == "clause"


def test_known_mixtures_are_found_again() -> None:
    rng = np.random.default_rng(3)
    true = LogMixture((0.3, 0.7), (0.2, 0.9), (0.3, 0.4))
    drawn = true.sample(4000, rng)
    again = fit_mixture(drawn).sample(4000, rng)
    assert distance_ks(drawn, again) < 0.05


def test_distances_agree_with_scipy() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.lognormal(size=300), rng.lognormal(0.3, size=211)
    expected: Any = ks_2samp(a, b)
    assert distance_ks(a, b) == pytest.approx(expected.statistic)
    assert distance_wasserstein(a, b) == pytest.approx(wasserstein_distance(a, b))


def test_scripts_pause_as_the_shipped_parameters_say() -> None:
    writer = ScriptWriter(TextSettings(), ("all",), seed=1)
    model, rng = load_model(), np.random.default_rng(1)
    measured = {place: model.lengths[place].sample(2000, rng) for place in PLACES}
    rows = compare(measured, pauses_of_scripts(writer.write("all", i) for i in range(1500)))
    assert [row.group for row in rows] == [
        "after a filler", "at a repair", "between phrases", "all",
    ]  # fmt: skip
    for row in rows:
        assert row.ks is not None
        assert row.ks < 0.15, row
        assert list(row.found) == sorted(row.found)


def test_shipped_parameters_hold_numbers_only() -> None:
    content = load_model().as_dict()
    assert set(content) == {"lengths", "rates"}
    assert set(content["lengths"]) == set(PLACES)
    assert parse_model(content, "x").as_dict() == content
    for place in PLACES:
        drawn = load_model().lengths[place].sample(500, np.random.default_rng(0))
        assert drawn.min() >= MIN_PAUSE_S
        assert drawn.max() <= MAX_PAUSE_S


@pytest.mark.parametrize("content", ["[]", "{}", '{"lengths": {}, "rates": {}}', "no json"])
def test_other_files_are_no_parameters(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(ConfigError, match=r"p\.json"):
        load_model(str(tmp_path / "p.json"))


def test_odd_mixtures_are_refused() -> None:
    with pytest.raises(ConfigError, match="weights"):
        LogMixture((0.5, 0.1), (1.0, 1.0), (1.0, 1.0))


@pytest.mark.parametrize(
    ("median", "spread"), [(9.0, 0.01), (0.01, 0.1), (0.0, 1.0), (6.0, 0.0), (np.nan, 1.0)]
)
def test_mixtures_that_nothing_can_be_drawn_from_are_refused(median: float, spread: float) -> None:
    with pytest.raises(ConfigError, match=r"between 0\.1 and 5 s"):
        LogMixture((1.0,), (median,), (spread,))


@pytest.mark.parametrize(("median", "spread"), [(0.5, 0.0), (6.0, 0.1), (0.11, 1.0)])
def test_mixtures_that_reach_into_the_range_are_drawn_from(median: float, spread: float) -> None:
    drawn = LogMixture((1.0,), (median,), (spread,)).sample(20, np.random.default_rng(0))
    assert MIN_PAUSE_S <= drawn.min() <= drawn.max() <= MAX_PAUSE_S


def test_what_parameters_lack_is_named() -> None:
    content = load_model().as_dict()
    with pytest.raises(ConfigError, match="x: rates: expected fragments among them"):
        parse_model(content | {"rates": {"repetitions": 1, "pause_after_filler": 0}}, "x")
    content["lengths"]["repair"] = {"weights": [0], "medians": [1], "spreads": [1]}
    with pytest.raises(ConfigError, match=r"x: not parameters of pauses .ZeroDivisionError"):
        parse_model(content, "x")


def meetings(path: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    with gzip.open(path, "wt") as file:
        for _ in range(count):
            segments = [
                segment("a", 20.0 * i, "so um I I want to g- go", gap=float(rng.uniform(0.1, 1.0)))
                for i in range(3)
            ] + [segment("a", 20.0 * i + 11.0, "right away now") for i in range(3)]
            file.write(json.dumps({"segments": segments}) + "\n")
    return path


def test_command_fits_writes_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = meetings(tmp_path / "m.jsonl.gz", 20), tmp_path / "fit.json"
    assert main(["data", "pauses", str(path), "--out", str(out), "--scripts", "50"]) == 0
    printed = capsys.readouterr().out
    assert "after a filler" in printed
    assert "Wasserstein" in printed
    writer = ScriptWriter(TextSettings(pauses=str(out)), ("all",), seed=0)
    assert writer.write("all", 0).chunks
    model, _ = fit(read_turns([path]))
    assert json.loads(out.read_text()) == model.as_dict()
    assert model.rates["fragments"] == pytest.approx(100 / 11, rel=0.01)


def test_command_compares_a_corpus(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from datasets import Audio, Dataset

    row = {
        "id": "a", "language": "en", "audio": {"bytes": b"", "path": None},
        "silence_spans": [
            {"start": start, "end": end} for start, end in ((1.0, 1.5), (2.0, 2.4), (3.0, 4.0))
        ],
        "words": [
            {"word": "so", "start": 0.5, "end": 0.7}, {"word": "um", "start": 0.7, "end": 1.0},
            {"word": "yes", "start": 1.5, "end": 2.0}, {"word": "no", "start": 2.4, "end": 3.0},
        ],
    }  # fmt: skip
    rows = Dataset.from_list([row]).cast_column("audio", Audio(decode=False))
    rows.to_parquet(tmp_path / "c.parquet")
    path = meetings(tmp_path / "m.jsonl.gz", 20)
    assert main(["data", "pauses", str(path), "--against", str(tmp_path / "c.parquet")]) == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    found = [line[1:3] for line in printed if line[:1] == ["found"]]
    assert found == [["1", "0.50"], ["0"], ["1", "0.40"], ["2", "0.40"]]


NOISE = np.random.default_rng(0).bytes(20_000)
NO_MEETINGS = {
    "noise.jsonl": (NOISE, "not text in UTF-8; expected one meeting a line"),
    "noise.jsonl.gz": (NOISE, r"cannot be read \(Not a gzipped file"),
    "header.jsonl.gz": (gzip.compress(b"")[:10] + NOISE, "cannot be read"),
    "half.jsonl.gz": (gzip.compress(NOISE.hex().encode())[:9_000], r"cannot be read \(.*end"),
    "packed.jsonl.gz": (gzip.compress(NOISE), "not text in UTF-8"),
    "words.jsonl": (b'{"segments": []}\nhello\n', "line 2: expected a meeting .*Expecting value"),
    "other.jsonl": (b'{"turns": []}\n', r"line 1: expected a meeting .*\(no 'segments'\)"),
    "deep.jsonl": (b"[" * 200_000, "line 1: expected a meeting"),
    "long.jsonl": (
        b'{"segments": [{"start": "' + b"x" * 9_000 + b'"}]}',
        r"could not convert string to float: 'x+ \.\.\.\)",
    ),
}


@pytest.mark.parametrize("name", NO_MEETINGS)
def test_what_is_no_meeting_is_told_in_short(name: str, tmp_path: Path) -> None:
    content, told = NO_MEETINGS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=told) as caught:
        list(read_turns([tmp_path / name]))
    assert len(str(caught.value)) < len(str(tmp_path)) + 250


def test_files_that_are_no_meetings_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"segments": 3}\n')
    with pytest.raises(CorpusError, match=r"x\.jsonl"):
        list(read_turns([tmp_path / "x.jsonl"]))
    with pytest.raises(CorpusError, match=r"gone\.jsonl: No such file or directory$"):
        list(read_turns([tmp_path / "gone.jsonl"]))
    with pytest.raises(CorpusError, match="fewer than 20"):
        fit([])
