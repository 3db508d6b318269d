"""Public sets that come as tables: a hub id or a local copy of the same layout."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnkit.corpus.importing.ledger import Ledger
from turnkit.corpus.names import parse_name, pick_split
from turnkit.corpus.source import Rows, open_splits
from turnkit.errors import ConfigError, CorpusError, InputError


@dataclass(frozen=True, slots=True)
class TableSettings:
    """Which rows of a table are read.

    Attributes
    ----------
    split : str, optional
        Where the source has several.
    language : str, optional
        Code by ISO 639, of two letters or three; all languages by default.
    limit : int, optional
        Rows read at most.

    Raises
    ------
    ConfigError
        If the limit is below 1.
    """

    split: str | None = None
    language: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit {self.limit!r}: expected 1 or more")


def source_name(source: str) -> str:
    """Name of a source on a card: a hub id, or the last part of a path."""
    return Path(source).name if Path(source).exists() else source


def check_not_of(source: str, *outs: Path | None) -> None:
    """See that files to be are neither the source nor in its folder, even as new ones.

    A file beside those of a split becomes a part of it, or another split.

    Raises
    ------
    ConfigError
        If one does.
    CorpusError
        If the source is no name of a corpus.
    """
    there = Path(parse_name(source).name).expanduser()
    for out in outs if there.exists() else ():
        if out is not None and out.resolve().is_relative_to(there.resolve()):
            raise ConfigError(
                f"{out}: it is, or would be a part of, {source}; expected a file elsewhere"
            )


def open_table(source: str, split: str | None, columns: Sequence[str]) -> Rows:
    """Open one split of a table; no audio is decoded.

    Parameters
    ----------
    source : str
        A parquet file, a folder of them, a saved dataset, or a hub id; with ``:SPLIT``
        behind it if it has several.
    split : str, optional
        The same as ``:SPLIT``.
    columns : sequence of str
        What it must have.

    Raises
    ------
    CorpusError
        If it cannot be read, has several splits and nothing says which, or lacks a column.
    OfflineError
        If it lives on the hub, is not in the local cache, and the hub does not answer.
    """
    name = parse_name(source)
    found = open_splits(name)
    rows = found[pick_split(name, list(found), split, None)]()
    missing = [column for column in columns if column not in rows.column_names]
    if missing:
        raise CorpusError(
            f"{source}: no column {', '.join(missing)}; it has {', '.join(rows.column_names)}"
        )
    return rows


def wanted_rows(
    rows: Rows, settings: TableSettings, ledger: Ledger
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Go through the rows that are asked for, with their numbers; the ledger counts others."""

    def wanted() -> Iterator[tuple[int, Mapping[str, Any]]]:
        for number, row in enumerate(rows):
            spoken = two_letters(str(row.get("language")))
            if language in (None, spoken.lower()):
                yield number, row
            else:
                ledger.drop(f"not in language {settings.language!r}", f"row {number}: {spoken!r}")

    language = None if settings.language is None else two_letters(settings.language).lower()
    return itertools.islice(wanted(), settings.limit)


def encoded_audio(audio: Any) -> bytes:
    """Take the bytes of a sound file out of a row's audio field.

    Raises
    ------
    InputError
        If it holds neither bytes nor the path of a file that can be read.
    """
    value = audio if isinstance(audio, Mapping) else {}
    if isinstance(value.get("bytes"), bytes):
        return bytes(value["bytes"])
    path = value.get("path")
    if not isinstance(path, str) or not path:
        raise InputError("expected encoded bytes or the path of a sound file")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def two_letters(language: str) -> str:
    """Code of a language by ISO 639-1, where `language` is one by 639-2 or 639-3 known here.

    Others, and codes with a region, come back as they are.
    """
    return _TWO_LETTERS.get(language.lower(), language)


_TWO_LETTERS = {
    "ara": "ar", "ben": "bn", "zho": "zh", "chi": "zh", "cmn": "zh", "dan": "da", "nld": "nl",
    "dut": "nl", "deu": "de", "ger": "de", "eng": "en", "fin": "fi", "fra": "fr", "fre": "fr",
    "hin": "hi", "ind": "id", "ita": "it", "jpn": "ja", "kor": "ko", "mar": "mr", "nor": "no",
    "nob": "nb", "pol": "pl", "por": "pt", "rus": "ru", "spa": "es", "swe": "sv", "tur": "tr",
    "ukr": "uk", "vie": "vi",
}  # fmt: skip
