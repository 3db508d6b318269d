"""Arrays computed once per row and kept on disk, in shards that a stopped run leaves behind.

A cache is addressed by what went into it. A shard holds a few rows: one ``.npy`` file for
each array, the rows one behind the other, and ``counts.npy``, written last, which says
how many entries of each belong to which row. Shards are memory-mapped when they are read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import RunError
from turnkit.files import atomic_path, cache_dir

Array = NDArray[Any]

ROWS_PER_SHARD = 8
"""Rows of a shard: little is lost when a run is stopped, and files stay few."""

COUNTS = "counts"


@dataclass(frozen=True, slots=True)
class ShardCache:
    """Where the arrays of some rows are, or will be.

    Attributes
    ----------
    folder : Path
    rows : int
    names : tuple of str
        Of the arrays that each row has.
    """

    folder: Path
    rows: int
    names: tuple[str, ...]

    @classmethod
    def addressed(
        cls, kind: str, contents: Mapping[str, Any], rows: int, names: Sequence[str]
    ) -> ShardCache:
        """Cache of everything that `contents` decides, in turnkit's cache folder.

        Parameters
        ----------
        kind : str
            First part of the folder's name.
        contents : mapping
            Plain values: whatever changes the arrays.
        rows : int
        names : sequence of str
        """
        text = json.dumps({"kind": kind, **contents}, sort_keys=True)
        address = hashlib.sha256(text.encode()).hexdigest()[:20]
        return cls(cache_dir() / "train" / f"{kind}-{address}", rows, tuple(names))

    @property
    def shards(self) -> list[range]:
        """Rows of each shard."""
        starts = range(0, self.rows, ROWS_PER_SHARD)
        return [range(start, min(start + ROWS_PER_SHARD, self.rows)) for start in starts]

    def _path(self, shard: int, name: str) -> Path:
        return self.folder / f"{shard:06d}.{name}.npy"

    def has(self, shard: int) -> bool:
        """Whether a shard is there, whole."""
        return self._path(shard, COUNTS).is_file()

    def missing(self) -> list[int]:
        """Shards that are yet to be computed."""
        return [shard for shard in range(len(self.shards)) if not self.has(shard)]

    def write(self, shard: int, rows: Iterable[Mapping[str, Array]]) -> None:
        """Write a shard, whole or not at all.

        Raises
        ------
        RunError
            If it cannot be written.
        """
        given = list(rows)
        arrays = {name: np.concatenate([row[name] for row in given]) for name in self.names}
        counts = np.array([[len(row[name]) for name in self.names] for row in given])
        try:
            for name, array in {**arrays, COUNTS: counts}.items():
                with atomic_path(self._path(shard, name)) as aside:
                    np.save(aside, array)
        except OSError as error:
            raise RunError(f"cache {self.folder}: cannot be written ({error})") from error

    def holding(self, rows: Iterable[int]) -> set[int]:
        """Shards that some rows are in."""
        return {row // ROWS_PER_SHARD for row in rows}

    def open(self, rows: Sequence[int] | None = None) -> CachedRows:
        """Read what was written: some rows, in that order, or all.

        Raises
        ------
        RunError
            If a shard is missing or damaged.
        """
        return CachedRows(self, range(self.rows) if rows is None else rows)

    def load(self, shard: int) -> tuple[dict[str, Array], Array]:
        """Arrays of a shard, memory-mapped, and its counts."""
        try:
            arrays = {name: np.load(self._path(shard, name), mmap_mode="r") for name in self.names}
            return arrays, np.load(self._path(shard, COUNTS))
        except (OSError, ValueError) as error:
            raise RunError(
                f"cache {self.folder}: shard {shard} cannot be read ({error}); remove the folder "
                "to have it made again"
            ) from error


class CachedRows:
    """Rows of a cache, read when they are asked for.

    Parameters
    ----------
    cache : ShardCache
    chosen : sequence of int
        Numbers of its rows, in the order in which they are wanted.
    """

    def __init__(self, cache: ShardCache, chosen: Sequence[int]) -> None:
        self._names = cache.names
        self._chosen = list(chosen)
        self._shards: dict[int, dict[str, Array]] = {}
        every = np.zeros((2, cache.rows, len(cache.names)), dtype=np.int64)
        for shard in cache.holding(self._chosen):
            self._shards[shard], count = cache.load(shard)
            rows = cache.shards[shard]
            every[:, rows.start : rows.stop] = count, np.cumsum(count, axis=0) - count
        self.counts, self._begins = every[:, self._chosen]

    def __len__(self) -> int:
        return len(self._chosen)

    def length(self, row: int, name: str) -> int:
        """Entries of an array of a row."""
        return int(self.counts[row, self._names.index(name)])

    def get(self, row: int, name: str) -> Array:
        """Return an array of a row, memory-mapped."""
        column = self._names.index(name)
        begin = int(self._begins[row, column])
        array = self._shards[self._chosen[row] // ROWS_PER_SHARD][name]
        return array[begin : begin + int(self.counts[row, column])]

    def all(self, name: str) -> Array:
        """Return an array of all rows, one behind the other, in memory."""
        return np.concatenate([self.get(row, name) for row in range(len(self))])
