from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from tests.corpus.synthesis.tiny import TINY, hashes, run_script, tiny
from turnkit.cli.main import main
from turnkit.corpus.reader import Corpus, load_splits
from turnkit.corpus.schema import Turn
from turnkit.corpus.split import check_leakage
from turnkit.corpus.synthesis import making
from turnkit.corpus.synthesis.making import RECORD, Made, make_corpus
from turnkit.corpus.synthesis.settings import build_spec
from turnkit.corpus.synthesis.shards import plan_shards, write_shard
from turnkit.errors import ConfigError, CorpusError, MissingDependencyError
from turnkit.files import OutputError, sha256_file

STUCK = """
import json, sys, time
from pathlib import Path
import pyarrow.parquet as pq
from turnkit.corpus.synthesis.making import make_corpus
from turnkit.corpus.synthesis.settings import build_spec
whole, calls = pq.write_table, []
def write_table(table, path, **options):
    calls.append(path)
    if len(calls) < 3:
        return whole(table, path, **options)
    Path(path).write_bytes(b"half a file")
    time.sleep(600)
pq.write_table = write_table
make_corpus(build_spec(json.loads(sys.argv[1])), Path(sys.argv[2]), workers=1)
"""
"""Gets stuck while it writes the third of four shards."""


@pytest.fixture(scope="module")
def splits(made: Made) -> dict[str, Corpus]:
    return load_splits(str(made.folder))


@pytest.fixture(scope="module")
def turns(splits: dict[str, Corpus]) -> list[Turn]:
    return [turn for corpus in splits.values() for turn in corpus]


# -- what is in it ------------------------------------------------------------------------


def test_it_is_a_corpus_of_splits_in_order(splits: dict[str, Corpus]) -> None:
    ids = {split: corpus.column("id") for split, corpus in splits.items()}
    assert ids == {
        "train": [f"synthetic-tiny-train-{i:06d}" for i in range(5)],
        "calm": [f"synthetic-tiny-calm-{i:06d}" for i in range(2)],
    }
    assert [len(set(corpus.labels)) for corpus in splits.values()] == [2, 2]
    assert all(corpus.synthetic for corpus in splits.values())
    check_leakage(splits["train"], splits["calm"])


def test_rows_follow_the_turn_to_the_end_of_the_protocol(turns: list[Turn]) -> None:
    for turn in turns:
        assert turn.end.duration >= 4.0
        assert turn.end.end == pytest.approx(turn.duration, abs=1e-3)
        assert turn.transcript
        assert turn.transcript[-1] in ".?"
        assert any(tag.startswith("accent:") for tag in turn.tags)
        for word, after in pairwise(turn.words):
            assert word.start <= after.start


def test_no_stretch_of_zeros_in_what_is_stored(turns: list[Turn]) -> None:
    for turn in turns:
        frame = turn.sample_rate // 50
        silent = np.convolve(turn.samples == 0.0, np.ones(frame), "valid")
        assert silent.max() < frame


def test_what_was_made_is_on_record(made: Made) -> None:
    record = json.loads((made.folder / RECORD).read_text())
    assert record == made.record
    assert record["complete"] is True
    assert made.fresh == record["run"]["turns"] == 7
    files = {Path(each["file"]).name: each["sha256"] for each in record["shards"]}
    assert files == hashes(made.folder)
    assert build_spec(record["spec"]) == tiny()
    assert record["splits"]["train"]["turns"] == 5
    audio_s = sum(size["audio_s"] for size in record["splits"].values())
    assert record["run"]["audio_s"] == pytest.approx(audio_s, abs=0.01)  # both are rounded
    run = record["run"]
    assert run["times_real_time"] == pytest.approx(audio_s / run["wall_s"], rel=0.02)
    assert set(record["voices"]) == set(TINY["voices"]["voices"])


# -- the same bytes, however they are made ------------------------------------------------


def test_a_shard_can_be_made_alone(made: Made, tmp_path: Path) -> None:
    shard = plan_shards(tiny(), made.record["voices"])[1]
    assert write_shard(str(tmp_path), made.record["spec"], shard) == shard
    assert sha256_file(tmp_path / shard.file) == sha256_file(made.folder / shard.file)


def test_killed_half_way_it_goes_on_and_ends_the_same(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "x"
    process = subprocess.Popen(run_script(STUCK, out), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(out.glob("data/.*-train-00002-of-*")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(hashes(out)) == 3  # the half one, under its name aside, included
    assert json.loads((out / RECORD).read_text())["complete"] is False

    again = make_corpus(tiny(), out, workers=1)
    assert again.fresh == 3
    assert hashes(out) == hashes(made.folder)
    assert again.record["sha256"] == made.record["sha256"]


def test_what_is_complete_is_left_alone(made: Made) -> None:
    before = (made.folder / RECORD).read_bytes()
    again = make_corpus(tiny(), made.folder)
    assert again.fresh == 0
    assert (made.folder / RECORD).read_bytes() == before


def test_another_seed_makes_other_rows(made: Made) -> None:
    voices = made.record["voices"]
    plans = [
        plan_shards(spec, voices)
        for spec in (tiny(), tiny(seed=1), tiny(channel={"room_count": 4}), tiny(name="b"))
    ]
    addresses = [{shard.address for shard in plan} for plan in plans]
    assert len(set.union(*addresses)) == sum(len(each) for each in addresses) == 16
    other_voice = plan_shards(tiny(), voices | {"espeak:en-us": "another"})
    assert not addresses[0] & {shard.address for shard in other_voice}


# -- what is refused ----------------------------------------------------------------------


def test_a_folder_of_another_spec_is_refused(made: Made) -> None:
    before = hashes(made.folder)
    with pytest.raises(ConfigError, match="holds 'tiny', made from another spec"):
        make_corpus(tiny(seed=1), made.folder)
    assert hashes(made.folder) == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigError, match=r"holds thesis\.tex and no made\.json"):
        make_corpus(tiny(), tmp_path)
    (tmp_path / RECORD).write_text("{}")
    with pytest.raises(ConfigError, match="not the record of a synthetic corpus"):
        make_corpus(tiny(), tmp_path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_a_folder_that_cannot_be_is_told() -> None:
    with pytest.raises(OutputError, match=r"output /proc/none/there: cannot be made"):
        make_corpus(tiny(), Path("/proc/none/there"))


def test_parameters_of_pauses_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pauses nowhere\.json: cannot be read"):
        make_corpus(tiny(text={"pauses": "nowhere.json"}), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(ConfigError, match="another process"):
        make_corpus(tiny(), tmp_path)


def test_a_file_that_is_not_what_it_was_is_made_again(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "x"
    shutil.copytree(made.folder, out)
    first = next(iter(hashes(out)))
    (out / "data" / first).write_bytes(b"half a file")
    assert make_corpus(tiny(), out, workers=1).fresh == 2
    assert hashes(out) == hashes(made.folder)


def test_a_file_that_cannot_be_read_is_named(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "x"
    shutil.copytree(made.folder, out)
    first = next(iter(hashes(out)))
    (out / "data" / first).write_bytes(b"half a file")
    begun = {key: made.record[key] for key in ("name", "address")} | {"complete": False}
    (out / RECORD).write_text(json.dumps(begun))
    with pytest.raises(CorpusError, match=f"{first}: cannot be read .* remove it"):
        make_corpus(tiny(), out, workers=1)


def test_workers_and_packages_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="workers=0: expected 1 or more"):
        make_corpus(tiny(), tmp_path, workers=0)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"turnkit\[ray\]"):
        make_corpus(tiny(), tmp_path, engine="ray")


def test_the_engines_are_those_of_the_command() -> None:
    assert set(making._ENGINES) == {"local", "ray"}


# -- the command --------------------------------------------------------------------------


@pytest.fixture
def command_of(tmp_path: Path) -> list[str]:
    path = tmp_path / "spec.yaml"
    path.write_text(json.dumps(TINY))
    return ["data", "make", str(path)]


def test_the_command_says_what_there_is(
    made: Made, command_of: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command_of, str(made.folder)]) == 0
    text = capsys.readouterr().out
    assert "train: 5 turns of 2 speakers" in text
    assert "all of it was there already" in text
    assert made.record["sha256"] in text


def test_the_command_makes_and_times(
    command_of: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = "splits={train: {turns: 1, speakers: 1}}"
    assert main([*command_of, str(tmp_path / "x"), "--workers", "1", "--set", size]) == 0
    text = capsys.readouterr().out
    assert "made now: 1 turns" in text
    assert "x real time" in text


def test_the_command_names_what_does_not_fit(
    command_of: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command_of, str(tmp_path / "x"), "--set", "sed=1"]) == 2
    assert "sed: unknown; did you mean 'seed'?" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
