"""From the name of a corpus to the rows of its splits: files, folders, hub, `embedded`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from turnkit.corpus.names import BUILDERS, EMBEDDED, EMBEDDED_SPLITS, Source, split_name
from turnkit.corpus.sound_folder import METADATA, metadata_files, read_sound_folder
from turnkit.errors import CorpusError, MissingDependencyError

_LONGEST = 400
"""Letters of a message of `datasets` that are shown."""


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


def open_splits(source: Source) -> dict[str, Callable[[], Rows]]:
    """Find the splits of a corpus; each is read when it is called for, nothing is decoded.

    Raises
    ------
    CorpusError
        If it cannot be read.
    OfflineError
        If it lives on the hub, is not in the local cache, and the hub does not answer.
    MissingDependencyError
        If `datasets` is not installed.
    """
    if source.name == EMBEDDED:
        return {split: partial(_read_embedded, split) for split in EMBEDDED_SPLITS}
    with _quiet_when_piped():
        if source.repository is not None:
            from turnkit.corpus.hub import read_hub

            found = read_hub(source)
        else:
            found = _read_local(Path(source.name).expanduser())
    return {str(split): partial(_undecoded, rows) for split, rows in found.items()}


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
            builder = BUILDERS.get(path.suffix.lower())
            if builder is None:
                accepted = ", ".join(BUILDERS)
                raise CorpusError(f"corpus {path}: expected a folder or a file ending {accepted}")
            split = split_name(path.stem)
            found = datasets.load_dataset(builder, data_files={split: str(path)})
        elif (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            found = datasets.load_from_disk(str(path))
        elif files := metadata_files(path):
            found = read_sound_folder(files, datasets)
        else:
            found = _read_folder(path, datasets)
    except (
        datasets.exceptions.DatasetsError,
        pyarrow.ArrowException,
        FileNotFoundError,
        ValueError,
    ) as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno is not None:
            raise error.__cause__ from error  # a full disk is no fault of the corpus
        raise CorpusError(f"corpus {path}: {_told(path, error)}") from error
    return found if isinstance(found, Mapping) else {str(found.split or "all"): found}


def _read_folder(path: Path, datasets: Any) -> Mapping[str, Any]:
    """Read a folder of files; splits may differ in their columns, files of a split may not."""
    with _silent(datasets):
        try:
            found: Mapping[str, Any] = datasets.load_dataset(str(path))
        except datasets.exceptions.DatasetGenerationError as error:
            if not isinstance(error.__cause__, datasets.table.CastError):
                raise
            builder = datasets.load_dataset_builder(str(path))
            found = {
                str(split): datasets.load_dataset(
                    builder.name, data_files={str(split): list(files)}, split=str(split)
                )
                for split, files in builder.config.data_files.items()
            }
    return found


def _told(path: Path, error: Exception) -> str:
    """One line about what `datasets` says on many."""
    cause = error.__cause__ or error
    if isinstance(cause, ImportError) and "torchcodec" in str(cause):
        return (
            f"sound files without a {METADATA}, which says what they hold: 'turnkit data import' "
            "makes a corpus of recordings"
        )
    given: list[str] = getattr(cause, "table_column_names", [])
    asked: list[str] = getattr(cause, "requested_column_names", [])
    differing = (
        ("lacks", [name for name in asked if name not in given]),
        ("adds", [name for name in given if name not in asked]),
    )
    told = " and ".join(f"{verb} {', '.join(names)}" for verb, names in differing if names)
    if not told:
        return textwrap.shorten(str(cause), _LONGEST)
    return f"{_with_columns(path, given)} {told}: expected the columns of the split's first file"


def _with_columns(path: Path, names: list[str]) -> str:
    """Name the first file that has these columns."""
    import pyarrow
    import pyarrow.parquet as pq

    for file in sorted(path.rglob("*.parquet")):
        with suppress(OSError, pyarrow.ArrowException):
            if pq.read_schema(file).names == names:
                return str(file.relative_to(path))
    return "a file"


def _read_embedded(split: str) -> Rows:
    from turnkit.corpus.embedded import embedded_rows

    path = embedded_rows("test" if split == "test" else "train")
    with _quiet_when_piped():
        return _undecoded(_read_local(path)[split])


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


@contextmanager
def _silent(datasets: Any) -> Iterator[None]:
    """Keep `datasets` from logging an error that is told, or mended, here."""
    before = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(before)
