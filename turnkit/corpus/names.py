"""Names of corpora, and which split of one a name means.

As every command takes them::

    turns.parquet                     one file: parquet, arrow, json, jsonl
    corpus/                           a folder of parquet files (splits by file name), of
                                      sound files with a metadata.jsonl, or saved by
                                      ``Dataset.save_to_disk``
    owner/name                        a hub id
    owner/name/config@revision        ... one of its configurations, at a revision
    embedded                          the synthetic corpus that turnkit makes by itself

each with ``:SPLIT`` behind it, if the corpus has several.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from turnkit.errors import ConfigError, CorpusError

EMBEDDED = "embedded"
"""Name of the corpus that needs neither files nor a network."""

EMBEDDED_SPLITS = ("train", "test")

SYNTHETIC = "synthetic"
"""What the ids of rows begin with whose speech was made by a machine."""

BUILDERS = {".parquet": "parquet", ".arrow": "arrow", ".json": "json", ".jsonl": "json"}
"""What of `datasets` reads a file, by suffix."""

_HUB_ID = re.compile(
    r"(?P<repository>[\w.-]+/[\w.-]+?)(/(?P<config>[\w.-]+))?(@(?P<revision>[\w./-]+))?"
)

_SPLIT = re.compile(r"\w+(\.\w+)*")

_RESERVED = "all"
"""`datasets` keeps this word for the union of all splits."""


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus name, taken apart.

    Attributes
    ----------
    name : str
        Without the split.
    split : str or None
    repository, config, revision : str or None
        Of a hub id; `repository` is None for everything else.
    """

    name: str
    split: str | None = None
    repository: str | None = None
    config: str | None = None
    revision: str | None = None


def parse_name(name: str) -> Source:
    """Take a corpus name apart.

    Raises
    ------
    CorpusError
        If it is neither an existing file or folder, nor a hub id, nor ``embedded``.
    """
    head, split = name, None
    if not Path(name).exists():
        before, colon, after = name.rpartition(":")
        if colon and before and _SPLIT.fullmatch(after):
            head, split = before, after
    path = Path(head).expanduser()
    if head == EMBEDDED:
        return Source(head, split)
    if head and path.exists():
        return Source(head, split)
    found = _HUB_ID.fullmatch(head)
    if found and path.suffix not in BUILDERS and not head.startswith("."):
        repository, config, revision = found.group("repository", "config", "revision")
        return Source(head, split, repository, config, revision)
    raise CorpusError(
        f"corpus {name!r}: no such file or folder, and not a hub id (owner/name, "
        f"owner/name/config@revision) nor {EMBEDDED!r}"
    )


def split_name(text: str) -> str:
    """Name of a split after a file or folder, in the letters that are allowed."""
    name = re.sub(r"\W", "_", text)
    return f"{name}_" if name == _RESERVED else name


def pick_split(
    source: Source, available: list[str], wanted: str | None, default: str | None
) -> str:
    """Which split a name means.

    What was asked for comes first (`wanted`, then ``:SPLIT`` in the name), then the only
    split there is, then `default`.

    Raises
    ------
    ConfigError
        If `wanted` and the name ask for different splits.
    CorpusError
        If there is no such split, or several and nothing says which.
    """
    if wanted and source.split and wanted != source.split:
        raise ConfigError(
            f"corpus {source.name}:{source.split}: split {wanted!r} was asked for as well"
        )
    asked = wanted or source.split
    listed = ", ".join(available)
    if asked is not None:
        if asked not in available:
            raise CorpusError(f"corpus {source.name}: no split {asked!r}; it has {listed}")
        return asked
    if len(available) == 1:
        return available[0]
    if default in available:
        return str(default)
    raise CorpusError(
        f"corpus {source.name}: has the splits {listed}; say which, for example "
        f"{source.name}:{available[0]}"
    )
