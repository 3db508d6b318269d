from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from turnkit.cli.main import main
from turnkit.corpus.reader import Corpus, load_splits
from turnkit.corpus.schema import Turn
from turnkit.corpus.split import check_leakage
from turnkit.corpus.synthesis import local_engine, making, ray_engine
from turnkit.corpus.synthesis.making import RECORD, Made, make_corpus
from turnkit.corpus.synthesis.settings import Spec, build_spec
from turnkit.corpus.synthesis.shards import plan_shards, write_shard
from turnkit.corpus.synthesis.talk import Talk
from turnkit.corpus.synthesis.text.writer import ScriptWriter
from turnkit.corpus.synthesis.voices.cast import Cast
from turnkit.errors import ConfigError, CorpusError, MissingDependencyError, RunError
from turnkit.files import OutputError, sha256_file

TINY: dict[str, Any] = {
    "name": "tiny",
    "splits": {"train": {"turns": 5, "speakers": 2}, "calm": {"turns": 2, "speakers": 2}},
    "voices": {"voices": {"espeak:en-us": 1.0, "espeak:en-gb-scotland": 1.0}},
    "text": {"kinds": {"short": 1.0}},
    "channel": {"room_count": 3, "babble": 0.5},
    "shard_turns": 2,
}
"""Only texts, voices and rooms that are quick."""

SCRIPT = """
import json, sys
from pathlib import Path
from turnkit.corpus.synthesis.making import make_corpus
from turnkit.corpus.synthesis.settings import build_spec
make_corpus(build_spec(json.loads(sys.argv[1])), Path(sys.argv[2]), workers=2)
"""
"""Without an `if __name__ == "__main__"`, as people write them."""

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


def tiny(**changes: Any) -> Spec:
    return build_spec(TINY | changes)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(folder.glob("data/*.parquet"))}


def run_script(code: str, folder: Path) -> list[str]:
    return [sys.executable, "-c", code, json.dumps(TINY), str(folder)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_corpus(tiny(), tmp_path_factory.mktemp("made") / "tiny", workers=1)


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


@pytest.mark.slow
def test_processes_of_an_unguarded_script_make_the_same_bytes(made: Made, tmp_path: Path) -> None:
    done = subprocess.run(
        run_script(SCRIPT, tmp_path / "x"), capture_output=True, text=True, check=True
    )
    assert hashes(tmp_path / "x") == hashes(made.folder)
    assert "synthetic turns: 100%" in done.stderr
    assert json.loads((tmp_path / "x" / RECORD).read_text())["sha256"] == made.record["sha256"]


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


@pytest.mark.slow
def test_ray_makes_the_same_bytes(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.delenv(ray_engine.ADDRESS, raising=False)
    monkeypatch.setenv("RAY_worker_niceness", "0")  # or else other tests hold it up
    out = tmp_path / "x"
    for name in sorted(hashes(made.folder))[2:]:  # two are left to be made
        (out / "data").mkdir(parents=True, exist_ok=True)
        (out / "data" / name).write_bytes((made.folder / "data" / name).read_bytes())
    begun = made.record | {"complete": False}
    (out / RECORD).write_text(json.dumps(begun))
    again = make_corpus(tiny(), out, workers=2, engine="ray")
    assert again.record["run"]["engine"] == "ray"
    assert again.fresh == 4
    assert hashes(out) == hashes(made.folder)


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


def test_workers_and_packages_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="workers=0: expected 1 or more"):
        make_corpus(tiny(), tmp_path, workers=0)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"turnkit\[ray\]"):
        make_corpus(tiny(), tmp_path, engine="ray")


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


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_engine, "write_shard", die)
    with pytest.raises(RunError, match="one of 2 processes died"):
        make_corpus(tiny(), tmp_path / "x", workers=2)
    assert json.loads((tmp_path / "x" / RECORD).read_text())["complete"] is False


# -- Ray: what it says when it cannot ---------------------------------------------------


def written(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ray_engine.ADDRESS, address)
    next(ray_engine.written_by_ray("nowhere", {}, [], 1), None)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("127.0.0.1:{port}", "refused"),
        ("ray://localhost:{port}", "refused"),
        ("localhost:ten", "Port could not be cast"),
        ("nobody.invalid:6379", r"\("),
        ("nonsense", "Invalid address format"),
    ],
)
def test_a_cluster_that_is_not_there(
    address: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(ConfigError, match=f"RAY_ADDRESS=.*no Ray cluster there.*{problem}"):
            written(address.format(port=port), monkeypatch)


class FakeRay:
    """Of Ray, what `written_by_ray` calls; the tasks fail."""

    def __init__(self, error: Exception, starts: bool = True) -> None:
        self._error, self._starts = error, starts
        self.stopped = False

    def is_initialized(self) -> bool:
        return False

    def init(self, **_: object) -> None:
        if not self._starts:
            raise self._error

    def remote(self, **_: object) -> Any:
        return lambda function: SimpleNamespace(remote=lambda *_: function)

    def wait(self, pending: list[Any], **_: object) -> tuple[list[Any], list[Any]]:
        return pending[:1], pending[1:]

    def get(self, _: object) -> None:
        raise self._error

    def shutdown(self) -> None:
        self.stopped = True


def failing(fake: FakeRay, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ray_engine.ADDRESS, raising=False)
    fake.exceptions = sys.modules["ray.exceptions"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", fake)
    list(ray_engine.written_by_ray("", {}, plan_shards(tiny(), made.record["voices"]), 1))


def test_what_fails_in_a_task_is_said_as_here(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = pytest.importorskip("ray.exceptions")
    task = errors.RayTaskError("f", "a page of traceback", ConfigError("voice 'x'"))
    fake = FakeRay(task.as_instanceof_cause())
    with pytest.raises(ConfigError, match=r"^voice 'x'$"):
        failing(fake, made, monkeypatch)
    assert fake.stopped


def test_tasks_that_are_lost_are_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = pytest.importorskip("ray.exceptions")
    fake = FakeRay(errors.WorkerCrashedError())
    with pytest.raises(RunError, match=r"a task was lost \(.*died.*the same command"):
        failing(fake, made, monkeypatch)
    assert fake.stopped


def test_ray_that_does_not_start_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.exceptions")
    with pytest.raises(ConfigError, match=r"does not start on this machine \(no room\)"):
        failing(FakeRay(RuntimeError("no room\nat all"), starts=False), made, monkeypatch)


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


# -- the background -----------------------------------------------------------------------


def test_talk_is_speech_of_any_length_and_repeats() -> None:
    spec = tiny()
    writer = ScriptWriter(spec.text, ("train",), 0)
    talk = Talk("train", writer, Cast(spec.voices, ("train",), 0), 2)
    said = talk(40_000, np.random.default_rng(1))
    assert said.shape == (40_000,)
    assert np.sqrt(np.mean(said**2)) > 0.01
    np.testing.assert_array_equal(said, talk(40_000, np.random.default_rng(1)))
    assert np.any(said != talk(40_000, np.random.default_rng(2)))
    assert talk(0, np.random.default_rng(1)).shape == (0,)


def test_the_engines_are_those_of_the_command() -> None:
    assert set(making._ENGINES) == {"local", "ray"}
