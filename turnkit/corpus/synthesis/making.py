"""A corpus of many synthetic turns: planned, made in parallel, resumable, on record."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from turnkit import __version__
from turnkit.corpus.synthesis.local_engine import written_locally
from turnkit.corpus.synthesis.ray_engine import written_by_ray
from turnkit.corpus.synthesis.settings import Spec
from turnkit.corpus.synthesis.shards import (
    DATA,
    GENERATOR_VERSION,
    Shard,
    digest,
    package_digest,
    package_versions,
    plan_shards,
)
from turnkit.corpus.synthesis.voices.protocol import voice_version
from turnkit.corpus.synthesis.voices.settings import PLAIN_VOICE
from turnkit.errors import ConfigError, CorpusError, MissingDependencyError
from turnkit.files import OutputError, atomic_path, check_output, sha256_file
from turnkit.settings_file import plain

Engine = Literal["local", "ray"]

RECORD = "made.json"
"""What was made, from what, and how long it took: in the folder of the corpus."""

_LOCK = ".lock"

_ENGINES: Mapping[str, Callable[..., Iterator[Shard]]] = {
    "local": written_locally,
    "ray": written_by_ray,
}


@dataclass(frozen=True)
class Made:
    """A corpus that is complete.

    Attributes
    ----------
    folder : Path
    record : dict
        What ``made.json`` holds.
    fresh : int
        Turns that were made by this call; the others were there.
    """

    folder: Path
    record: dict[str, Any]
    fresh: int


def make_corpus(
    spec: Spec, out: Path, *, workers: int | None = None, engine: Engine = "local"
) -> Made:
    """Make a corpus, or what is missing of it.

    What is made depends on `spec` and on the versions that the record names, not on
    engine, workers or interruptions. Work that was stopped, in whatever way, goes on with
    the shards that are missing; once complete, with those that are not what they were.

    Parameters
    ----------
    spec : Spec
    out : Path
        A folder; a new one, an empty one, or one where the same corpus was begun.
    workers : int, optional
        Processes; as many as there are processors by default.
    engine : {"local", "ray"}
        Processes of this machine, or tasks of a Ray cluster.

    Raises
    ------
    OutputError
        If the folder cannot be made.
    ConfigError
        If the folder holds something else, another process works there, or a number is
        out of range.
    CorpusError
        If a file of the corpus cannot be read.
    RunError
        If a process or a task of the engine dies.
    MissingDependencyError, MissingAssetError
        If a voice or a package is missing.
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise ConfigError(f"workers={workers}: expected 1 or more")
    check_output(out, folder=True)
    heard = [PLAIN_VOICE] if spec.voices.plain else sorted(spec.voices.voices)
    voices = {voice: voice_version(voice) for voice in heard}
    shards = plan_shards(spec, voices)
    _check_folder(out, spec, shards)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"output {out}: cannot be made ({error.strerror})") from error
    with _alone(out):
        missing = _missing(out, shards)
        record = _record(spec, voices, shards)
        if not missing and (before := _read_record(out)) is not None and before["complete"]:
            return Made(out, before, 0)
        _write_record(out, record)
        started = time.perf_counter()
        content = plain(asdict(spec))
        folder = str(out.absolute())
        run = _ENGINES[engine](folder, content, missing, min(workers, max(1, len(missing))))
        _follow(run, shards, missing)
        wall_s = time.perf_counter() - started
        for leftover in (out / DATA).glob(".*.parquet"):  # of processes that were killed
            leftover.unlink(missing_ok=True)
        record |= _contents(out, shards)
        record["run"] = _run(record["shards"], missing, wall_s, workers, engine)
        record["complete"] = True
        _write_record(out, record)
    return Made(out, record, sum(shard.turns for shard in missing))


def _check_folder(out: Path, spec: Spec, shards: Sequence[Shard]) -> None:
    """Refuse a folder that holds something else than a part of this corpus."""
    if not out.is_dir():
        return
    before = _read_record(out)
    if before is not None:
        if before["address"] != _address(shards):
            raise ConfigError(
                f"{out}: holds {before['name']!r}, made from another spec or by another "
                f"version ({before['address']}; this one is {spec.name!r}, {_address(shards)}): "
                "expected a new folder, or the spec it was begun with"
            )
        return
    others = sorted(each.name for each in out.iterdir() if each.name != _LOCK)
    if others:
        raise ConfigError(f"{out}: holds {others[0]} and no {RECORD}: expected a new folder")


def _missing(out: Path, shards: Sequence[Shard]) -> list[Shard]:
    """Shards that are not there, or not what they were when all was complete."""
    told = {each["file"]: each["sha256"] for each in (_read_record(out) or {}).get("shards", ())}

    def is_there(shard: Shard) -> bool:
        path = out / shard.file
        return path.is_file() and (shard.file not in told or told[shard.file] == sha256_file(path))

    return [shard for shard in shards if not is_there(shard)]


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep others away from this folder; a killed process holds nothing."""
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise MissingDependencyError("filelock", "synthesis", "making a corpus") from error
    lock = FileLock(out / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(f"{out}: another process is at work there") from error
    try:
        yield
    finally:
        lock.release()


def _follow(run: Iterator[Shard], shards: Sequence[Shard], missing: Sequence[Shard]) -> None:
    """Do the work with a progress bar in turns; a log gets a line now and then."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise MissingDependencyError("tqdm", "synthesis", "making a corpus") from error
    total = sum(shard.turns for shard in shards)
    there = total - sum(shard.turns for shard in missing)
    often = 0.1 if sys.stderr.isatty() else 30.0
    with tqdm(
        total=total, initial=there, unit="turn", desc="synthetic turns", mininterval=often
    ) as bar:
        for shard in run:
            bar.update(shard.turns)


def _address(shards: Sequence[Shard]) -> str:
    return digest([shard.address for shard in shards])


def _record(spec: Spec, voices: Mapping[str, str], shards: Sequence[Shard]) -> dict[str, Any]:
    return {
        "name": spec.name,
        "complete": False,
        "address": _address(shards),
        "spec": plain(asdict(spec)),
        "generator": {
            "turnkit": __version__,
            "version": GENERATOR_VERSION,
            "data": package_digest(),
        },
        "voices": dict(voices),
        "packages": package_versions(),
    }


def _contents(out: Path, shards: Sequence[Shard]) -> dict[str, Any]:
    """Read what the files hold."""
    import pyarrow.parquet as pq

    listed: list[dict[str, Any]] = []
    splits: dict[str, dict[str, Any]] = {}
    people: dict[str, set[str]] = {}
    for shard in shards:
        try:
            table = pq.read_table(out / shard.file, columns=["silence_spans", "speaker"])
        except (OSError, ValueError) as error:  # Arrow's own are of these
            raise CorpusError(
                f"{out / shard.file}: cannot be read ({error}); remove it, and the same command "
                "makes it again"
            ) from error
        spans = table.column("silence_spans").to_pylist()
        people.setdefault(shard.split, set()).update(table.column("speaker").to_pylist())
        audio_s = sum(each[-1]["end"] for each in spans)
        found = splits.setdefault(shard.split, {"turns": 0, "holds": 0, "audio_s": 0.0})
        found["turns"] += len(spans)
        found["holds"] += sum(len(each) - 1 for each in spans)
        found["audio_s"] = round(found["audio_s"] + audio_s, 3)
        listed.append(
            {
                "file": shard.file,
                "turns": shard.turns,
                "audio_s": round(audio_s, 3),
                "sha256": sha256_file(out / shard.file),
            }
        )
    for split, names in people.items():
        splits[split]["speakers"] = len(names)
    whole = hashlib.sha256("\n".join(each["sha256"] for each in listed).encode())
    return {"splits": splits, "sha256": whole.hexdigest(), "shards": listed}


def _run(
    listed: Sequence[Mapping[str, Any]],
    missing: Sequence[Shard],
    wall_s: float,
    workers: int,
    engine: str,
) -> dict[str, Any]:
    """How the last call went: of shards that were there already, nothing is known."""
    files = {shard.file for shard in missing}
    audio_s = sum(each["audio_s"] for each in listed if each["file"] in files)
    return {
        "engine": engine,
        "workers": workers,
        "turns": sum(shard.turns for shard in missing),
        "audio_s": round(audio_s, 3),
        "wall_s": round(wall_s, 3),
        "times_real_time": round(audio_s / wall_s, 2) if wall_s else None,
        "machine": {
            "platform": platform.platform(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        },
    }


def _read_record(out: Path) -> dict[str, Any] | None:
    path = out / RECORD
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict) or not {"name", "address", "complete"} <= set(content):
        raise ConfigError(f"{path}: not the record of a synthetic corpus")
    return content


def _write_record(out: Path, record: Mapping[str, Any]) -> None:
    with atomic_path(out / RECORD) as aside:
        aside.write_text(json.dumps(record, indent=1) + "\n")
