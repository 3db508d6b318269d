from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from turnkit.corpus import embedded
from turnkit.corpus.embedded import EmbeddedSpec, embedded_rows
from turnkit.corpus.embedded_audio import SAMPLE_RATE, noise_floor
from turnkit.corpus.embedded_text import Split, plan_turns
from turnkit.corpus.names import SYNTHETIC
from turnkit.corpus.schema import MIN_SPAN_S, Turn, parse_row
from turnkit.errors import ConfigError
from turnkit.files import CACHE_VARIABLE, sha256_file

TINY = EmbeddedSpec(train_turns=6, test_turns=3, train_speakers=2, test_speakers=2)
SPLITS: tuple[Split, ...] = ("train", "test")

SCRIPT = """
import sys
from turnkit.corpus.embedded import EmbeddedSpec, embedded_rows
spec = EmbeddedSpec(train_turns=6, test_turns=3, train_speakers=2, test_speakers=2)
print(embedded_rows("train", spec, workers=int(sys.argv[1])))
"""
"""Without an `if __name__ == "__main__"`, as people write them."""

STUCK = """
import time
from pathlib import Path
import pyarrow.parquet as pq
from turnkit.corpus.embedded import EmbeddedSpec, embedded_rows
whole, calls = pq.write_table, []
def write_table(table, path):
    calls.append(path)
    if len(calls) == 1:
        return whole(table, path)
    Path(path).write_bytes(b"half a file")
    time.sleep(600)
pq.write_table = write_table
spec = EmbeddedSpec(train_turns=6, test_turns=3, train_speakers=2, test_speakers=2)
embedded_rows("train", spec, workers=1)
"""
"""Gets stuck while it writes the second of two shards."""


@dataclass(frozen=True)
class Made:
    """The tiny corpus."""

    paths: dict[Split, Path]
    rows: dict[Split, list[dict[str, Any]]]
    turns: dict[Split, list[Turn]]

    @property
    def all_turns(self) -> list[Turn]:
        return [turn for split in SPLITS for turn in self.turns[split]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        made = Made({}, {}, {})
        for split in SPLITS:
            made.paths[split] = embedded_rows(split, TINY, workers=1)
            made.rows[split] = pq.read_table(made.paths[split]).to_pylist()
            made.turns[split] = [parse_row(row, i) for i, row in enumerate(made.rows[split])]
        yield made


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def stretch(turn: Turn, start: float, end: float) -> NDArray[np.float64]:
    return turn.samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)].astype(np.float64)


def level_db(samples: NDArray[np.float64]) -> float:
    return float(10 * np.log10(np.mean(samples**2)))


def talk(turn: Turn) -> list[tuple[float, float]]:
    """Stretches between the spans: where somebody speaks."""
    starts = [turn.words[0].start, *(span.end for span in turn.pauses)]
    return list(zip(starts, [span.start for span in turn.spans], strict=True))


# -- the same bytes, however they are made ------------------------------------------------


def test_processes_of_an_unguarded_script_make_the_same_bytes(
    made: Made, empty_cache: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), "2"], capture_output=True, text=True, check=True
    )
    path = Path(done.stdout.strip())
    assert path.is_relative_to(empty_cache)
    assert sha256_file(path) == sha256_file(made.paths["train"])
    assert f"{SYNTHETIC}" in done.stderr
    assert "2 of 2 pseudo-speakers" in done.stderr


def test_killed_half_way_it_goes_on_and_ends_the_same(
    made: Made, empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text(STUCK)
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(empty_cache.rglob("shards/.*-train-0001.parquet")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert [path.name for path in empty_cache.rglob("train-*")] == ["train-0000.parquet"]

    written: list[int] = []
    write_shard = embedded.write_shard

    def noted(folder: Path, split: Split, spec: EmbeddedSpec, speaker: int) -> None:
        written.append(speaker)
        write_shard(folder, split, spec, speaker)

    monkeypatch.setattr(embedded, "write_shard", noted)
    path = embedded_rows("train", TINY, workers=1)
    assert written == [1]
    assert sha256_file(path) == sha256_file(made.paths["train"])
    assert not list(empty_cache.rglob("shards/*"))


def test_two_at_once_do_the_work_once(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = EmbeddedSpec(1, 1, 1, 1)
    written: list[int] = []
    write_shard = embedded.write_shard

    def noted(folder: Path, split: Split, spec: EmbeddedSpec, speaker: int) -> None:
        written.append(speaker)
        write_shard(folder, split, spec, speaker)

    monkeypatch.setattr(embedded, "write_shard", noted)
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(embedded_rows("test", spec, workers=1)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == [0]
    assert len(set(paths)) == 1
    assert paths[0].is_relative_to(empty_cache)


def test_it_is_made_once(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(made.paths["train"].parents[2]))
    before = made.paths["train"].stat().st_mtime_ns
    assert embedded_rows("train", TINY) == made.paths["train"]
    assert made.paths["train"].stat().st_mtime_ns == before


def test_the_address_is_that_of_the_contents(monkeypatch: pytest.MonkeyPatch) -> None:
    def address(**changes: Any) -> str:
        return embedded._address(EmbeddedSpec(**changes))

    plain = address()
    assert plain == address()
    others = {address(seed=1), address(train_turns=97), address(test_speakers=7)}
    monkeypatch.setattr(embedded, "GENERATOR_VERSION", embedded.GENERATOR_VERSION + 1)
    assert len({plain, address(), *others}) == 5


# -- the rows ------------------------------------------------------------------------------


def test_rows_say_that_they_are_synthetic(made: Made) -> None:
    for split in SPLITS:
        assert len(made.rows[split]) == TINY.turns(split)
        for row in made.rows[split]:
            assert row["id"].startswith("synthetic-")
            assert row["speaker"].startswith(f"synthetic-{split}-")
            assert row["language"] == "en"
            assert row["messages"] == []
    ids = [turn.id for turn in made.all_turns]
    assert len(ids) == len(set(ids))


def test_hugging_face_datasets_sees_audio_and_spans(made: Made, tmp_path: Path) -> None:
    from datasets import Audio, load_dataset

    files = {split: str(path) for split, path in made.paths.items()}
    loaded = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    assert {s: loaded[s].num_rows for s in SPLITS} == {s: TINY.turns(s) for s in SPLITS}
    features = loaded["train"].features
    assert isinstance(features["audio"], Audio)
    assert features["audio"].sampling_rate == SAMPLE_RATE
    row = loaded["train"].cast_column("audio", Audio(decode=False))[0]
    turn, expected = parse_row(row, 0), made.turns["train"][0]
    assert (turn.id, turn.spans, turn.words) == (expected.id, expected.spans, expected.words)
    assert np.array_equal(turn.samples, expected.samples)


def test_audio_is_flac_of_16_khz_and_16_bits(made: Made) -> None:
    for split in SPLITS:
        for row in made.rows[split]:
            info = soundfile.info(io.BytesIO(row["audio"]["bytes"]))
            assert (info.format, info.subtype) == ("FLAC", "PCM_16")
            assert (info.samplerate, info.channels) == (SAMPLE_RATE, 1)
            assert row["audio"]["path"] == f"{row['id']}.flac"


def test_the_splits_share_neither_speakers_nor_words(made: Made) -> None:
    for field in ("speaker", "transcript"):
        train, test = ({row[field] for row in made.rows[split]} for split in SPLITS)
        assert not train & test


def test_speakers_have_their_turns(made: Made) -> None:
    for split in SPLITS:
        speakers = [row["speaker"] for row in made.rows[split]]
        counts = {speakers.count(speaker) for speaker in set(speakers)}
        assert len(set(speakers)) == TINY.speakers(split)
        assert max(counts) - min(counts) <= 1


def test_words_are_those_of_the_transcript_where_somebody_speaks(made: Made) -> None:
    for turn in made.all_turns:
        assert " ".join(word.word for word in turn.words) == turn.transcript
        edges = [edge for word in turn.words for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        assert edges[-1] <= turn.end.start + 1e-6
        for pause in turn.holds:
            middle = (pause.start + pause.end) / 2
            assert not any(w.start + 0.1 < middle < w.end - 0.1 for w in turn.words)


def test_planned_holds_are_there_at_their_length(made: Made) -> None:
    for split in SPLITS:
        planned = plan_turns(split, TINY.turns(split), TINY.seed)
        for row, turn in zip(made.rows[split], made.turns[split], strict=True):
            chunks = planned[int(row["id"].rsplit("-", 1)[1])]
            found = [span.duration for span in turn.pauses]
            for chunk in chunks[:-1]:
                assert any(abs(length - chunk.hold_s) < 1e-3 for length in found)


def test_spans_are_silent_and_speech_is_not(made: Made) -> None:
    for turn in made.all_turns:
        floor = level_db(stretch(turn, 0.0, 0.2))
        for span in turn.spans:
            assert span.duration >= MIN_SPAN_S - 1e-6
            inside = stretch(turn, span.start + 0.01, span.end - 0.01)
            # the floor drifts by 2.25 dB up or down, and short stretches of it vary
            assert abs(level_db(inside) - floor) < 7.0, (turn.id, span)
        for start, end in talk(turn):
            assert level_db(stretch(turn, start, end)) > floor + 6.0, (turn.id, start, end)


def test_the_floor_runs_on_for_four_seconds_and_is_never_zero(made: Made) -> None:
    for turn in made.all_turns:
        assert turn.end.duration >= 4.0
        assert turn.end.end == pytest.approx(turn.duration, abs=1e-6)
        quiet = np.flatnonzero(turn.samples != 0.0)
        longest_run = int(np.max(np.diff(quiet, prepend=-1, append=len(turn.samples)))) - 1
        assert longest_run < 0.002 * SAMPLE_RATE
        for start in np.arange(turn.end.start, turn.end.end - 0.5, 0.5):
            part = stretch(turn, start, start + 0.5)
            assert abs(level_db(part) - level_db(stretch(turn, 0.0, 0.2))) < 7.0


def test_levels_change_from_row_to_row(made: Made) -> None:
    by_speaker: dict[str | None, list[float]] = {}
    for turn in made.all_turns:
        floor = level_db(stretch(turn, turn.end.start, turn.end.end))
        by_speaker.setdefault(turn.speaker, []).append(floor)
    for levels in by_speaker.values():
        assert all(abs(a - b) > 0.01 for a, b in pairwise(levels))
    assert all(0.01 < np.abs(turn.samples).max() < 1.0 for turn in made.all_turns)


@given(st.integers(100, 40_000), st.floats(0.0, 2.0), st.integers(0, 100))
def test_noise_floor_has_unit_power_and_its_colour(n: int, colour: float, seed: int) -> None:
    floor = noise_floor(n, colour, np.random.default_rng(seed), drift_db=0.0)
    assert len(floor) == n
    assert np.mean(floor**2) == pytest.approx(1.0)


def test_colour_tilts_the_floor() -> None:
    from scipy.signal import welch

    for colour in (0.0, 1.0, 2.0):
        floor = noise_floor(200_000, colour, np.random.default_rng(0))
        hertz, power = welch(floor, SAMPLE_RATE, nperseg=2048)
        band = (hertz > 150) & (hertz < 6_000)
        slope = np.polyfit(np.log(hertz[band]), np.log(power[band]), 1)[0]
        assert slope == pytest.approx(-colour, abs=0.1)


# -- settings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_turns": 0}, "train_turns=0: expected 1 or more"),
        ({"test_speakers": 65}, "test_speakers=65: expected 1 to 64"),
        ({"train_speakers": 0}, "train_speakers=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_settings_out_of_range(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EmbeddedSpec(**settings)  # type: ignore[arg-type]


def test_arguments_out_of_range(empty_cache: Path) -> None:
    with pytest.raises(ConfigError, match="no split 'dev'"):
        embedded_rows("dev", TINY)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="workers=0"):
        embedded_rows("train", TINY, workers=0)
    assert not empty_cache.exists()


def test_importing_it_is_cheap() -> None:
    program = "import sys, turnkit.corpus.embedded; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    heavy = {"torch", "datasets", "pyarrow", "onnxruntime", "pyworld", "soundfile", "num2words"}
    assert not heavy & set(done.stdout.split())
