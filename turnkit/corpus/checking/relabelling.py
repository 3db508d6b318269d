"""A corpus written anew with corrections in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnkit.corpus.checking.corrections import Correction
from turnkit.corpus.reader import Corpus
from turnkit.corpus.schema import parse_row, records
from turnkit.corpus.source import import_datasets
from turnkit.corpus.tags import INCOMPLETE
from turnkit.errors import CorpusError
from turnkit.files import atomic_path

_BATCH = 16
"""Rows that are held in memory and written at a time."""

_NAMED = 5


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
    """

    rows: int
    dropped: int
    moved: int
    marked: int
    elsewhere: int = 0

    def as_text(self) -> str:
        """One line."""
        others = f"; {self.elsewhere} corrections are of other splits" if self.elsewhere else ""
        return (
            f"{self.rows} turns; {self.dropped} dropped, {self.moved} with other spans, "
            f"{self.marked} with another kind of last silence{others}"
        )


def relabel(
    corpus: Corpus, corrections: Iterable[Correction], out: Path, split: str | None = None
) -> Relabelled:
    """Apply corrections and write the corpus as one parquet file.

    Columns are kept. A turn whose last span is a hold is tagged ``incomplete``.

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
        If a correction is of a row that is not there, or no row is left.
    SchemaError
        If corrected spans do not fit the row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    given = list(corrections)
    here = [c for c in given if None in (c.split, split) or c.split == split]
    wanted = {c.id: c for c in here}
    ids = [str(row) for row in corpus.column("id")]
    if missing := [row for row in wanted if row not in set(ids)]:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        named = ", ".join(missing[:_NAMED])
        raise CorpusError(f"corpus {corpus.name}: no row {named}{more}, which is to be corrected")
    kept = [k for k, row in enumerate(ids) if row not in wanted or not wanted[row].drop]
    if not kept:
        raise CorpusError(f"corpus {corpus.name}: every row is dropped")
    tagged = any(c.last is not None for c in wanted.values())
    schema = _schema(corpus, tagged)
    changes: list[tuple[bool, bool]] = []
    with atomic_path(out) as aside, pq.ParquetWriter(aside, schema) as writer:
        for begin in range(0, len(kept), _BATCH):
            rows = []
            for index in kept[begin : begin + _BATCH]:
                row, change = _corrected(corpus.rows[index], index, wanted.get(ids[index]))
                rows.append(row)
                changes.append(change)
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    moved, marked = (sum(change[k] for change in changes) for k in (0, 1))
    return Relabelled(len(kept), len(ids) - len(kept), moved, marked, len(given) - len(here))


def _corrected(
    given: Mapping[str, Any], index: int, correction: Correction | None
) -> tuple[dict[str, Any], tuple[bool, bool]]:
    """Row as it is to be written; whether its spans, and whether its last kind changed."""
    row = {**given, "audio": _with_bytes(given["audio"])}
    row["silence_spans"] = [dict(span) for span in records(row["silence_spans"]) or []]
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


def _with_bytes(audio: Any) -> dict[str, Any]:
    """Audio with its bytes: a path would lead nowhere on another machine."""
    value = dict(audio) if isinstance(audio, Mapping) else {"bytes": None, "path": audio}
    path = value.get("path")
    if value.get("bytes") is None and path:
        try:
            value["bytes"] = Path(path).read_bytes()
        except OSError as error:
            raise CorpusError(f"{path}: cannot be read ({error})") from error
    return {"bytes": value.get("bytes"), "path": Path(path).name if path else None}


def _schema(corpus: Corpus, tagged: bool) -> Any:
    """Arrow schema of the corpus as it is, spans as a list, tags added where needed."""
    datasets = import_datasets()
    features = dict(corpus.rows.features)  # type: ignore[attr-defined]
    seconds = datasets.Value("float64")
    rate = getattr(features["audio"], "sampling_rate", None)
    features["audio"] = datasets.Audio(sampling_rate=rate)
    features["silence_spans"] = datasets.List({"start": seconds, "end": seconds})
    if tagged:
        # A column of nothing has no type that a tag would fit.
        features["tags"] = datasets.List(datasets.Value("string"))
    return datasets.Features(features).arrow_schema
