"""From the name of a corpus to its splits: files, folders, hub ids, `embedded`.

Names, as every command takes them::

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
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from turnkit.errors import ConfigError, CorpusError, MissingDependencyError

EMBEDDED = "embedded"
"""Name of the corpus that needs neither files nor a network."""

_BUILDERS = {".parquet": "parquet", ".arrow": "arrow", ".json": "json", ".jsonl": "json"}

_HUB_ID = re.compile(
    r"(?P<repository>[\w.-]+/[\w.-]+?)(/(?P<config>[\w.-]+))?(@(?P<revision>[\w./-]+))?"
)

_SPLIT = re.compile(r"\w+(\.\w+)*")


class Rows(Protocol):
    """What is used of a `datasets.Dataset`."""

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        ...

    def __len__(self) -> int:
        """Count the rows."""
        ...

    def __getitem__(self, key: Any) -> Any:
        """Get a row by its number, or a column by its name."""
        ...

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through the rows in order."""
        ...

    def select(self, indices: list[int]) -> Rows:
        """Pick rows by number, in that order."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus name, taken apart.

    Attributes
    ----------
    name : str
        Without the split.
    split : str or None
    path : Path or None
        Set for files and folders.
    repository, config, revision : str or None
        Set for hub ids.
    """

    name: str
    split: str | None = None
    path: Path | None = None
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
    if path.exists():
        return Source(head, split, path=path)
    found = _HUB_ID.fullmatch(head)
    if found and path.suffix not in _BUILDERS and not head.startswith("."):
        repository, config, revision = found.group("repository", "config", "revision")
        return Source(head, split, None, repository, config, revision)
    raise CorpusError(
        f"corpus {name!r}: no such file or folder, and not a hub id (owner/name, "
        f"owner/name/config@revision) nor {EMBEDDED!r}"
    )


def read_splits(source: Source) -> dict[str, Rows]:
    """Open every split of a corpus; nothing is decoded.

    Raises
    ------
    CorpusError
        If it cannot be read.
    OfflineError
        If it lives on the hub, is not in the local cache, and the hub does not answer.
    MissingDependencyError
        If `datasets` is not installed.
    """
    import_datasets()
    with _quiet_when_piped():
        if source.repository is not None:
            from turnkit.corpus.hub import read_hub

            found = read_hub(source)
        elif source.path is not None:
            found = _read_local(source.path)
        else:
            found = _read_embedded()
    return {str(split): _undecoded(rows) for split, rows in found.items()}


def import_datasets() -> Any:
    """Import `datasets`, or say which extra brings it."""
    try:
        import datasets
    except ImportError as error:
        raise MissingDependencyError("datasets", "data", "reading a corpus") from error
    return datasets


def _read_local(path: Path) -> Mapping[str, Any]:
    datasets = import_datasets()
    import pyarrow

    try:
        if path.is_file():
            builder = _BUILDERS.get(path.suffix.lower())
            if builder is None:
                accepted = ", ".join(_BUILDERS)
                raise CorpusError(f"corpus {path}: expected a folder or a file ending {accepted}")
            split = re.sub(r"\W", "_", path.stem)
            found = datasets.load_dataset(builder, data_files={split: str(path)})
        elif (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            found = datasets.load_from_disk(str(path))
        else:
            found = datasets.load_dataset(str(path))
    except (datasets.exceptions.DatasetsError, pyarrow.ArrowException, ValueError) as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno is not None:
            raise error.__cause__ from error  # a full disk is no fault of the corpus
        raise CorpusError(f"corpus {path}: {error.__cause__ or error}") from error
    return found if isinstance(found, Mapping) else {str(found.split or "all"): found}


def _read_embedded() -> Mapping[str, Any]:
    from turnkit.corpus.embedded import embedded_splits

    return embedded_splits()


def _undecoded(rows: Any) -> Rows:
    """Leave the decoding of audio to us: `datasets` would need torchcodec for it."""
    datasets = import_datasets()
    if isinstance(rows.features.get("audio"), datasets.Audio):
        rows = rows.cast_column("audio", datasets.Audio(decode=False))
    return rows  # type: ignore[no-any-return]


@contextmanager
def _quiet_when_piped() -> Iterator[None]:
    """Without a terminal, progress bars are noise in a log."""
    datasets = import_datasets()
    hide = not sys.stderr.isatty() and not datasets.are_progress_bars_disabled()
    if hide:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if hide:
            datasets.enable_progress_bars()


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
