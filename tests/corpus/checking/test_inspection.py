from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.speech import talk
from turnkit.corpus.checking.inspection import Report, inspect
from turnkit.corpus.checking.measuring import Measured, measure
from turnkit.corpus.checking.present import as_text
from turnkit.corpus.reader import load_corpus, load_splits
from turnkit.corpus.rows import encode_flac
from turnkit.errors import ConfigError

WriteParquet = Callable[..., Path]


def make_row(
    name: str,
    seed: int,
    *,
    spans: Sequence[tuple[float, float]] = ((1.2, 1.7), (2.9, 4.4)),
    rate: int = 8_000,
    change: Callable[[np.ndarray], np.ndarray] = lambda samples: samples,
    **fields: Any,
) -> dict[str, Any]:
    samples = talk(1.2, -0.5, 1.2, -1.5, rate=rate, seed=seed)
    return {
        "id": name,
        "language": "en",
        "speaker": f"speaker {seed}",
        "transcript": "would you tell me the time please",
        "audio": {"bytes": encode_flac(change(samples).astype(np.float32), rate), "path": None},
        "silence_spans": [{"start": start, "end": end} for start, end in spans],
        "words": [],  # a table has the columns of its first row
        **fields,
    }


def inspected(path: Path, **kwargs: Any) -> Report:
    return inspect(load_splits(str(path)), workers=1, **kwargs)


@pytest.fixture(scope="module")
def fine() -> list[dict[str, Any]]:
    return [make_row(f"fine{seed}", seed) for seed in range(12)]


def test_a_good_corpus_has_no_doubts(
    fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    report = inspected(write_parquet(tmp_path / "train.parquet", fine))
    assert report.usable
    assert report.splits["train"].doubts == ()
    # All of them end with the same word, which is another matter.
    assert {finding.kind for finding in report.splits["train"].findings} == {"last words"}


FAULTS: dict[str, dict[str, Any]] = {
    "end cut": {"spans": ((1.2, 1.7), (2.4, 4.4))},
    "hold cut": {"spans": ((0.8, 1.7), (2.9, 4.4))},
    "speech in a silence": {"spans": ((1.2, 4.4),)},
    "clipped wave": {"change": lambda x: 0.3 * np.clip(10 * x, -1, 1)},
    "upsampled": {"rate": 16_000, "change": lambda x: _narrow(x)},
    "gaps": {"change": lambda x: np.where(np.arange(len(x)) // 480 == 8, 0.0, x)},
    "transcript rate": {"transcript": "so " * 40},
    "word times": {"words": [{"word": "so", "start": 3.2, "end": 3.6}]},
}


def _narrow(x: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(x)
    spectrum[len(spectrum) // 2 :] = 0.0
    return np.fft.irfft(spectrum, len(x))


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_found_in_its_row_and_in_no_other(
    kind: str, fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [*fine, make_row("faulty", 20, **FAULTS[kind])]
    report = inspected(write_parquet(tmp_path / "train.parquet", rows))
    doubts = report.splits["train"].doubts
    assert {doubt.row for doubt in doubts} == {"faulty"}
    assert kind in {doubt.kind for doubt in doubts}
    assert f"  - {kind}: rows " in as_text(report)
    found = next(doubt for doubt in doubts if doubt.kind == kind)
    assert found.index == 12
    if kind == "end cut":
        assert found.places[0].start == pytest.approx(2.4)
        assert found.places[0].end == pytest.approx(2.9, abs=0.1)
    assert report.usable  # somebody should listen, but it can be read


@pytest.mark.parametrize(
    ("spans", "late"), [(((1.2, 2.3), (2.9, 4.4)), True), (((1.2, 4.4),), False)]
)
def test_a_hold_that_ends_late_is_told_as_such(
    spans: Any, late: bool, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    report = inspected(write_parquet(tmp_path / "train.parquet", [make_row("a", 20, spans=spans)]))
    (doubt,) = (d for d in report.splits["train"].doubts if d.kind == "speech in a silence")
    assert ("a hold ends late" in doubt.what) is late


def test_copies_in_two_splits_are_a_leak_whatever_their_names(
    fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    copy = make_row("other", 7, change=lambda x: 0.3 * x, speaker="somebody")
    new = [make_row(f"new{seed}", seed) for seed in range(30, 33)]
    write_parquet(tmp_path / "corpus" / "train.parquet", fine)
    write_parquet(tmp_path / "corpus" / "test.parquet", [*new, copy])
    report = inspected(tmp_path / "corpus")
    (leak,) = report.leaks
    assert (leak.kind, leak.between) == ("copies", ("train", "test"))
    assert leak.items[0].startswith("fine7 = other (")
    assert not report.usable
    assert "LEAK: train and test share 1 copies: fine7 = other" in as_text(report)
    assert report.as_dict()["leaks"][0]["kind"] == "copies"
    # The page plays both.
    doubts = [(d.row, d.kind, d.what) for s in report.splits.values() for d in s.doubts]
    assert doubts == [
        ("fine7", "copies", "same speech as other of test"),
        ("other", "copies", "same speech as fine7 of train"),
    ]
    assert "copies" not in {f.kind for s in report.splits.values() for f in s.findings}


def test_ids_and_recordings_of_two_splits_are_leaks(
    fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    train = [row | {"recording": f"call {i}" if i else None} for i, row in enumerate(fine)]
    test = [make_row(f"new{i}", 30 + i, recording=name) for i, name in enumerate((None, "call 5"))]
    test.append(make_row("fine3", 40, recording="call 50"))
    write_parquet(tmp_path / "corpus" / "train.parquet", train)
    write_parquet(tmp_path / "corpus" / "test.parquet", test)
    report = inspected(tmp_path / "corpus")
    assert [(leak.kind, leak.items) for leak in report.leaks] == [
        ("ids", ("fine3",)),
        ("recordings by name", ("call 5",)),
    ]
    assert not report.usable
    assert "LEAK: train and test share 1 ids: fine3" in as_text(report)


def test_copies_inside_a_split_are_doubts(
    fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [*fine, make_row("again", 3, change=lambda x: 0.5 * x)]
    report = inspected(write_parquet(tmp_path / "train.parquet", rows))
    doubts = [(d.row, d.what) for d in report.splits["train"].doubts if d.kind == "copies"]
    assert doubts == [("fine3", "same speech as again"), ("again", "same speech as fine3")]
    assert report.usable


def test_speakers_and_recordings_of_another_corpus_are_leaks(
    fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    own = load_splits(str(write_parquet(tmp_path / "train.parquet", fine)))
    others = [fine[2], make_row("x", 40, speaker="speaker 5"), make_row("y", 41)]
    other = load_splits(str(write_parquet(tmp_path / "other.parquet", others)))["other"]
    report = inspect(own, {"the other": other}, workers=1)
    assert {(leak.kind, leak.items) for leak in report.leaks} == {
        ("speakers", ("speaker 2", "speaker 5")),
        ("recordings", ("fine2",)),
    }
    assert list(report.splits) == ["train"]


def test_rows_that_break_the_schema_are_named_and_the_rest_is_looked_at(
    fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [*fine, make_row("late", 20, spans=((2.0, 9.0),))]
    report = inspected(write_parquet(tmp_path / "train.parquet", rows))
    assert not report.usable
    assert "unusable: row late: field 'silence_spans'" in as_text(report)
    assert report.splits["train"].looked_at == 13
    assert "13 turns, all looked at" in as_text(report)


def test_processes_find_what_one_finds(
    fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [*fine, *(make_row(f"more{seed}", seed) for seed in range(12, 20))]
    splits = load_splits(str(write_parquet(tmp_path / "train.parquet", rows)))
    seen: list[tuple[str, int, int]] = []
    many = inspect(splits, workers=2, progress=lambda *told: seen.append(told))
    assert many.as_dict() == inspect(splits, workers=1).as_dict()
    assert [done for _, done, _ in seen] == list(range(1, 21))


def test_some_rows_are_spread_over_all(
    fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    corpus = load_corpus(str(write_parquet(tmp_path / "train.parquet", fine)))
    assert [found.index for found in measure(corpus, 4, workers=1)] == [0, 3, 6, 9]
    assert len(list(measure(corpus, 99, workers=1))) == 12
    with pytest.raises(ConfigError, match="limit=0: expected 1 or more"):
        list(measure(corpus, 0))
    with pytest.raises(ConfigError, match="workers=0: expected 1 or more"):
        list(measure(corpus, workers=0))


def test_a_recogniser_hears_which_transcript_is_another_rows() -> None:
    """Of the embedded corpus: one row with its transcript, one with a stranger's."""
    from tests.agent import live
    from turnkit.corpus.checking.doubts import doubts_of
    from turnkit.corpus.checking.measuring import measure_turn

    if (reason := live.missing()) is not None:
        pytest.skip(reason)
    turn = max(
        (load_corpus("embedded:test")[k] for k in range(8)), key=lambda t: len(t.transcript or "")
    )
    right = measure_turn(turn, stt=True)
    assert isinstance(right, Measured)
    assert right.word_errors is not None
    assert right.word_errors < 0.6
    strange = dataclasses.replace(turn, transcript="purple monkeys never dance under water")
    wrong = measure_turn(strange, stt=True)
    assert "transcript" in {doubt.kind for doubt in doubts_of(wrong)}


def test_what_else_breaks_the_schema_is_found(
    fine: list[dict[str, Any]], write_parquet: WriteParquet, tmp_path: Path
) -> None:
    bad = {**fine[0], "messages": [{"role": None, "content": "hello"}]}
    report = inspected(write_parquet(tmp_path / "train.parquet", [bad]))
    assert not report.usable
    assert "field 'messages'" in as_text(report)


@pytest.mark.parametrize("place", [0, 1])
def test_doubts_of_rows_with_one_id_lead_to_the_row(
    fine: list[dict[str, Any]], place: int, write_parquet: WriteParquet, tmp_path: Path
) -> None:
    rows = [fine[0]]
    rows.insert(place, make_row("fine0", 40, change=lambda x: np.clip(30 * x, -1, 1)))
    report = inspected(write_parquet(tmp_path / "train.parquet", rows))
    doubts = report.splits["train"].doubts
    assert place in {doubt.index for doubt in doubts if doubt.kind == "loud"}
