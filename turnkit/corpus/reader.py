"""A corpus as a lazy sequence of turns."""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

from turnkit.corpus.names import SYNTHETIC, Source, parse_name, pick_split
from turnkit.corpus.schema import REQUIRED, Turn, parse_row
from turnkit.corpus.source import Rows, open_splits
from turnkit.errors import CorpusError

_DESCRIBED = ("id", "language", "speaker", "silence_spans", "transcript", "words", "messages")
"""Columns that a fingerprint covers, the audio apart."""

_EDGE = 1 << 20
"""Bytes at either end of a sound file that stand for the whole of it in a digest."""


class Corpus:
    """Turns that are read, checked and decoded one at a time, when they are asked for.

    Parameters
    ----------
    name : str
        As the user gave it, with the split.
    rows : Rows
        A `datasets.Dataset` whose audio is not decoded.

    Raises
    ------
    CorpusError
        If there are no rows, or a required column is missing.
    """

    def __init__(self, name: str, rows: Rows) -> None:
        columns = rows.column_names
        missing = [column for column in REQUIRED if column not in columns]
        if missing:
            raise CorpusError(
                f"corpus {name}: no column {', '.join(missing)}; it has {', '.join(columns)}"
            )
        if len(rows) == 0:
            raise CorpusError(f"corpus {name}: holds no rows")
        self.name = name
        self.rows = rows

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self)} turns)"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: SupportsIndex) -> Turn:
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"turn {position} of a corpus of {len(self)}")
        position %= len(self)
        return parse_row(self.rows[position], position)

    def __iter__(self) -> Iterator[Turn]:
        for index in range(len(self)):
            yield self[index]

    def column(self, name: str) -> list[Any]:
        """Raw values of a column; None for each row where the corpus has no such column."""
        if name not in self.rows.column_names:
            return [None] * len(self)
        return list(self.rows[name])

    @cached_property
    def synthetic(self) -> bool:
        """Whether speech in it was made by a machine, as ids say; every table says so."""
        return any(str(row).startswith(SYNTHETIC) for row in self.column("id"))

    @cached_property
    def labels(self) -> list[str | None]:
        """Speaker of each row as the corpus has it; None where it names none."""
        return self._names("speaker")

    @cached_property
    def speakers(self) -> list[str]:
        """Speaker of each row; its id where the corpus names none."""
        return [
            label or str(row) for label, row in zip(self.labels, self.column("id"), strict=True)
        ]

    @cached_property
    def recordings(self) -> list[str | None]:
        """What each row was cut from; None where the corpus does not say."""
        return self._names("recording")

    @cached_property
    def digests(self) -> list[str]:
        """Hash of each row's encoded audio."""
        # one after the other: all of a large corpus would not fit into memory
        return [_audio_digest(audio) for audio in self.rows["audio"]]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the turns in their order: ids, labels, spans, words, tags, recordings, audio.

        Sixteen hexadecimal digits. Sound files that are not inside the corpus count by
        their size and their first and last MiB.
        """
        total = hashlib.sha256()
        columns = [self.column(name) for name in _DESCRIBED]
        optional = [self.column(name) for name in ("tags", "recording")]
        columns += [column for column in optional if any(column)]  # one of nothing is none
        for *values, digest in zip(*columns, self.digests, strict=True):
            total.update(json.dumps([*values, digest], sort_keys=True, default=str).encode())
        return total.hexdigest()[:16]

    def _names(self, column: str) -> list[str | None]:
        return [None if name in (None, "") else str(name) for name in self.column(column)]

    def subset(self, indices: Iterable[int]) -> Corpus:
        """Rows of the given numbers, in that order.

        Raises
        ------
        CorpusError
            If there are none.
        """
        return Corpus(self.name, self.rows.select(list(indices)))


def load_corpus(name: str, split: str | None = None, default_split: str | None = None) -> Corpus:
    """Open one split of a corpus.

    Parameters
    ----------
    name : str
        See `turnkit.corpus.names`: a file, a folder, a hub id or ``embedded``, each
        with ``:SPLIT`` behind it where it has several.
    split : str, optional
        The same as ``:SPLIT``.
    default_split : str, optional
        The one to take if there are several and nothing says which; training asks for
        ``train``, evaluation for ``test``.

    Returns
    -------
    Corpus

    Raises
    ------
    CorpusError
        If it cannot be read, has no rows, lacks a column or the split.
    OfflineError
        If it lives on the hub, is not in the local cache, and the hub does not answer.
    """
    source = parse_name(name)
    found = open_splits(source)
    chosen = pick_split(source, list(found), split, default_split)
    return _corpus(source, chosen, found)


def load_splits(name: str, split: str | None = None) -> dict[str, Corpus]:
    """Open every split of a corpus, or the one that is asked for.

    Raises
    ------
    CorpusError, OfflineError
        As `load_corpus`.
    """
    source = parse_name(name)
    found = open_splits(source)
    asked = split or source.split
    chosen = list(found) if asked is None else [pick_split(source, list(found), split, None)]
    return {each: _corpus(source, each, found) for each in chosen}


def _corpus(source: Source, split: str, found: Mapping[str, Callable[[], Rows]]) -> Corpus:
    name = source.name if len(found) == 1 else f"{source.name}:{split}"
    return Corpus(name, found[split]())


def _audio_digest(audio: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    encoded = audio.get("bytes") if isinstance(audio, Mapping) else audio
    path = audio.get("path") if isinstance(audio, Mapping) else None
    if isinstance(encoded, bytes):
        digest.update(encoded)
    elif path and Path(path).is_file():
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            digest.update(f"{size}:".encode() + file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            digest.update(file.read(_EDGE))
    else:
        digest.update(repr(audio).encode())
    return digest.hexdigest()
