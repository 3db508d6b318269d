"""``embedded``: a small synthetic corpus, made on the spot and kept in the cache.

It lets a fresh clone train and evaluate without a download. It is **synthetic**: one
voice, changed into many pseudo-speakers, says turns from templates with prosody laid on
by rule. Figures measured on it show that the machinery works, not how well a detector
does with people; every row id begins with `SYNTHETIC`, and tables say so.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from turnkit.corpus.embedded_audio import SAMPLE_RATE, RenderedTurn, render_turn
from turnkit.corpus.embedded_text import Split, plan_turns, transcript
from turnkit.corpus.names import SYNTHETIC
from turnkit.corpus.pseudo_speakers import pseudo_speaker
from turnkit.corpus.rows import encode_flac, row_schema
from turnkit.errors import ConfigError, MissingDependencyError
from turnkit.files import atomic_path, cache_dir, sha256_file
from turnkit.stages.tts.lexicon import lexicon_path
from turnkit.stages.tts.piper import PiperTts
from turnkit.stages.tts.voice import default_voice

GENERATOR_VERSION = 2
"""Raise it whenever the rows would come out otherwise: it is part of the cache's address."""

_SPLITS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True)
class EmbeddedSpec:
    """How much to generate.

    Attributes
    ----------
    train_turns, test_turns : int
        Rows of each split, 1 or more.
    train_speakers, test_speakers : int
        Pseudo-speakers of each split, from 1 to the number of its turns.
    seed : int
        0 or more.
    voice : str
        Path of a Piper voice (``.onnx``); the default voice if empty.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    train_turns: int = 96
    test_turns: int = 64
    train_speakers: int = 12
    test_speakers: int = 8
    seed: int = 0
    voice: str = ""

    def __post_init__(self) -> None:
        for split in _SPLITS:
            turns, speakers = self.turns(split), self.speakers(split)
            if turns < 1:
                raise ConfigError(f"embedded: {split}_turns={turns}: expected 1 or more")
            if not 1 <= speakers <= turns:
                raise ConfigError(
                    f"embedded: {split}_speakers={speakers}: expected 1 to {turns}, "
                    f"the number of {split}_turns"
                )
        if self.seed < 0:
            raise ConfigError(f"embedded: seed={self.seed}: expected 0 or more")

    def turns(self, split: Split) -> int:
        """Rows of a split."""
        return self.test_turns if split == "test" else self.train_turns

    def speakers(self, split: Split) -> int:
        """Pseudo-speakers of a split."""
        return self.test_speakers if split == "test" else self.train_speakers


def embedded_rows(
    split: Split, spec: EmbeddedSpec | None = None, *, workers: int | None = None
) -> Path:
    """Rows of the embedded corpus, generated if they are not in the cache.

    What is generated depends on the arguments but `workers`, and on nothing else. If it
    is stopped half way, the next call goes on with the pseudo-speakers that are missing.

    Parameters
    ----------
    split : {"train", "test"}
    spec : EmbeddedSpec, optional
        The default size if not given.
    workers : int, optional
        Processes; as many as there are processors by default.

    Returns
    -------
    Path
        A parquet file that ``datasets.load_dataset("parquet", data_files=...)`` reads.

    Raises
    ------
    ConfigError
        If there is no such split, or `workers` is less than 1.
    MissingDependencyError, MissingAssetError
        If the voice or a package is missing; the message says how to get it.
    """
    spec = EmbeddedSpec() if spec is None else spec
    workers = (os.cpu_count() or 1) if workers is None else workers
    if split not in _SPLITS:
        raise ConfigError(f"embedded: no split {split!r}: expected 'train' or 'test'")
    if workers < 1:
        raise ConfigError(f"embedded: workers={workers}: expected 1 or more")
    folder = cache_dir() / "embedded" / _address(spec)
    final = folder / f"{split}.parquet"
    if not final.is_file():
        with _alone(folder, split):
            if not final.is_file():  # another process may have made it meanwhile
                _generate(folder, split, spec, workers)
                _join(folder, split, spec)
    return final


def _alone(folder: Path, split: Split) -> AbstractContextManager[Any]:
    """Wait until no other process generates this split; a killed one holds nothing."""
    try:
        from filelock import FileLock
    except ImportError as error:
        raise MissingDependencyError("filelock", "embedded", "the embedded corpus") from error
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f".{split}.lock")


def _address(spec: EmbeddedSpec) -> str:
    """Name of the cache folder: a hash of everything that decides what the rows are."""
    voice = _voice_path(spec)
    contents = {
        "version": GENERATOR_VERSION,
        "spec": {**asdict(spec), "voice": sha256_file(voice) if voice.is_file() else ""},
        "lexicon": sha256_file(lexicon_path()),
    }
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:16]


def _voice_path(spec: EmbeddedSpec) -> Path:
    return Path(spec.voice) if spec.voice else default_voice()


@lru_cache(maxsize=1)
def _voice(path: Path) -> PiperTts:
    """Open the voice once in a process, with one thread: there are many processes."""
    return PiperTts(path, threads=1)


def _shard(folder: Path, split: Split, speaker: int) -> Path:
    return folder / "shards" / f"{split}-{speaker:04d}.parquet"


def _generate(folder: Path, split: Split, spec: EmbeddedSpec, workers: int) -> None:
    """Write the shards that are not there yet."""
    speakers = range(spec.speakers(split))
    missing = [s for s in speakers if not _shard(folder, split, s).is_file()]
    done = len(speakers) - len(missing)
    _tell(split, done, len(speakers))
    for _ in _written(folder, split, spec, missing, min(workers, len(missing))):
        done += 1
        _tell(split, done, len(speakers))


def _written(
    folder: Path, split: Split, spec: EmbeddedSpec, missing: list[int], workers: int
) -> Iterator[None]:
    """Write shards, in other processes if there is more than one worker."""
    if workers <= 1:
        for speaker in missing:
            write_shard(folder, split, spec, speaker)
            yield
        return
    try:
        import joblib
        from joblib.externals.loky import get_reusable_executor
    except ImportError as error:
        raise MissingDependencyError("joblib", "embedded", "working in parallel") from error
    # joblib's processes do not import the caller's main module again, so that a script
    # without an `if __name__ == "__main__"` can ask for the corpus
    with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
        run = joblib.Parallel(return_as="generator_unordered")
        try:
            yield from run(
                joblib.delayed(write_shard)(folder, split, spec, speaker) for speaker in missing
            )
        finally:
            get_reusable_executor().shutdown(wait=True)


def write_shard(folder: Path, split: Split, spec: EmbeddedSpec, speaker: int) -> None:
    """Generate all rows of one pseudo-speaker and write them in one file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    voice = _voice(_voice_path(spec))
    person = pseudo_speaker(split, speaker, spec.seed)
    turns = plan_turns(split, spec.turns(split), spec.seed)
    rows = []
    for number in range(speaker, len(turns), spec.speakers(split)):
        row_id = f"{SYNTHETIC}-{split}-{speaker:03d}-{number:04d}"
        rng = np.random.default_rng([spec.seed, crc32(row_id.encode())])
        turn = render_turn(turns[number], person, voice, rng)
        rows.append(_row(row_id, person.name, transcript(turns[number]), turn))
    with atomic_path(_shard(folder, split, speaker)) as aside:
        pq.write_table(pa.Table.from_pylist(rows), aside)


def _row(row_id: str, speaker: str, said: str, turn: RenderedTurn) -> dict[str, Any]:
    return {
        "id": row_id,
        "language": "en",
        "speaker": speaker,
        "transcript": said,
        "audio": {"bytes": encode_flac(turn.samples, SAMPLE_RATE), "path": f"{row_id}.flac"},
        "silence_spans": [asdict(span) for span in turn.spans],
        "words": [asdict(word) for word in turn.words],
        "messages": [],
    }


def _join(folder: Path, split: Split, spec: EmbeddedSpec) -> None:
    """One file of all shards, with the features that Hugging Face datasets reads."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = row_schema(SAMPLE_RATE)
    shards = [_shard(folder, split, speaker) for speaker in range(spec.speakers(split))]
    rows = [row for shard in shards for row in pq.read_table(shard).to_pylist()]
    with atomic_path(folder / f"{split}.parquet") as aside:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), aside, row_group_size=16)
    # half-written files of processes that were killed as well: nobody else is at work here
    for shard in (folder / "shards").glob(f"*{split}-*.parquet"):
        shard.unlink(missing_ok=True)


def _tell(split: Split, done: int, speakers: int) -> None:
    """Progress on stderr: one line that is overwritten, or first and last in a log."""
    line = f"embedded corpus ({SYNTHETIC}), {split}: {done} of {speakers} pseudo-speakers"
    if sys.stderr.isatty():
        print(f"\r{line}", end="\n" if done == speakers else "", file=sys.stderr, flush=True)
    elif done in (0, speakers):
        print(line, file=sys.stderr, flush=True)
