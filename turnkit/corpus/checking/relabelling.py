"""A corpus written anew with corrections in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnkit.corpus.checking.belonging import check_rows, check_unique
from turnkit.corpus.checking.corrections import Correction
from turnkit.corpus.checking.stored import relabelled_features, stored_row
from turnkit.corpus.reader import Corpus
from turnkit.corpus.schema import parse_row
from turnkit.corpus.source import import_datasets
from turnkit.corpus.tags import INCOMPLETE, stored_tags
from turnkit.errors import CorpusError
from turnkit.files import atomic_path

_BATCH = 16
"""Rows that are held in memory and written at a time."""


@dataclass(frozen=True, slots=True)
class Relabelled:
    """What a relabelling did.

    Attributes
    ----------
    rows, dropped : int
        Written, and left out.
    moved : int
        Rows with other spans.
    marked : int
        Rows whose last span became a hold, or an end again.
    elsewhere : int
        Corrections of other splits, which were left alone.
    changed : tuple of str
        Columns that are new, or of another type than before.
    """

    rows: int
    dropped: int
    moved: int
    marked: int
    elsewhere: int = 0
    changed: tuple[str, ...] = ()

    def as_text(self) -> str:
        """One line."""
        names = ", ".join(self.changed)
        columns = f"; new or of another type than in other splits: {names}" if names else ""
        others = f"; {self.elsewhere} corrections are of other splits" if self.elsewhere else ""
        return (
            f"{self.rows} turns; {self.dropped} dropped, {self.moved} with other spans, "
            f"{self.marked} with another kind of last silence{columns}{others}"
        )


def relabel(
    corpus: Corpus, corrections: Iterable[Correction], out: Path, split: str | None = None
) -> Relabelled:
    """Apply corrections and write the corpus as one parquet file.

    Columns and their types are kept, so that the file can take the place of a split. A
    turn whose last span is a hold is tagged ``incomplete``, in a new column if need be.

    Parameters
    ----------
    corpus : Corpus
    corrections : iterable of Correction
    out : Path
        Written whole or not at all.
    split : str, optional
        Name of the split that `corpus` is; corrections of others are left alone.

    Returns
    -------
    Relabelled

    Raises
    ------
    CorpusError
        If a correction is of a row that is not there, that has an id like another or
        other audio than was corrected; or if no row is left.
    SchemaError
        If corrected spans do not fit the row, or a row holds no sound.
    """
    given = list(corrections)
    here = [c for c in given if None in (c.split, split) or c.split == split]
    wanted = {c.id: c for c in here}
    check_rows(here, corpus)
    check_unique(here, corpus)
    ids = [str(row) for row in corpus.column("id")]
    kept = [k for k, row in enumerate(ids) if row not in wanted or not wanted[row].drop]
    if not kept:
        raise CorpusError(f"corpus {corpus.name}: every row is dropped")
    stored = dict(corpus.rows.features)  # type: ignore[attr-defined]
    features = relabelled_features(
        stored,
        moved=any(c.spans is not None for c in wanted.values()),
        tagged=_gets_tags(corpus, wanted),
    )
    pairs = [(index, wanted.get(ids[index])) for index in kept]
    changes = _write(corpus, pairs, features, out)
    changed = tuple(
        name for name in ("silence_spans", "tags") if features.get(name) != stored.get(name)
    )
    moved, marked = (sum(change[k] for change in changes) for k in (0, 1))
    return Relabelled(
        len(kept), len(ids) - len(kept), moved, marked, len(given) - len(here), changed
    )


def _gets_tags(corpus: Corpus, wanted: Mapping[str, Correction]) -> bool:
    """Whether a row becomes a turn that is not over, and was not one before."""
    return any(
        (c := wanted.get(str(row))) is not None
        and c.last == "hold"
        and INCOMPLETE not in stored_tags(tags)
        for row, tags in zip(corpus.column("id"), corpus.column("tags"), strict=True)
    )


def _write(
    corpus: Corpus,
    pairs: Sequence[tuple[int, Correction | None]],
    features: Mapping[str, Any],
    out: Path,
) -> list[tuple[bool, bool]]:
    """Write rows with their corrections; whether each has other spans, another last kind."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = import_datasets().Features(features).arrow_schema
    changes: list[tuple[bool, bool]] = []
    with atomic_path(out) as aside, pq.ParquetWriter(aside, schema) as writer:
        for begin in range(0, len(pairs), _BATCH):
            rows = []
            for index, correction in pairs[begin : begin + _BATCH]:
                row, change = _corrected(corpus.rows[index], index, correction)
                rows.append(stored_row(row, str(row["id"]), features))
                changes.append(change)
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return changes


def _corrected(
    given: Mapping[str, Any], index: int, correction: Correction | None
) -> tuple[dict[str, Any], tuple[bool, bool]]:
    """Row as it should be; whether its spans, and whether its last kind changed."""
    row = dict(given)
    if correction is None:
        return row, (False, False)
    moved = correction.spans is not None
    if correction.spans is not None:
        before = parse_row(given, index).spans
        row["silence_spans"] = [{"start": s.start, "end": s.end} for s in correction.spans]
        after = parse_row(row, index).spans
        moved = after != before
    tags = set(given.get("tags") or [])
    marked = correction.last is not None and (correction.last == "hold") != (INCOMPLETE in tags)
    if marked:
        row["tags"] = sorted(tags ^ {INCOMPLETE})
    return row, (moved, marked)
