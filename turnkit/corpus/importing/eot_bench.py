"""Rows that have the schema already, as livekit/eot-bench-data: checked and passed on.

Audio and spans are written as they are. Rows that break the schema are left out and named.
A transcript is made of the words where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from turnkit.corpus.importing.ledger import Ledger
from turnkit.corpus.importing.table import (
    TableSettings,
    check_not_of,
    encoded_audio,
    open_table,
    source_name,
    wanted_rows,
)
from turnkit.corpus.importing.writing import RECORDING, Card, write_corpus
from turnkit.corpus.rows import encode_flac
from turnkit.corpus.schema import REQUIRED, Turn, parse_row, records
from turnkit.errors import InputError, SchemaError


def import_eot_bench(
    source: str,
    out: Path,
    settings: TableSettings | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> int:
    """Check rows and write those that fit the schema.

    Parameters
    ----------
    source : str
        A hub id such as ``livekit/eot-bench-data/en``, or a local copy.
    out : Path
        The parquet file to be; written whole or not at all, with a card beside it.
    settings : TableSettings, optional
    report : callable
        Told what was left out.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    CorpusError
        If the source cannot be read, lacks a column, or holds no usable row.
    ConfigError
        If `out` is the source or in its folder.
    OfflineError
        If it lives on the hub, is not in the local cache, and the hub does not answer.
    """
    settings, ledger = settings or TableSettings(), Ledger()
    check_not_of(source, out)
    rows = open_table(source, settings.split, REQUIRED)

    def passed_on() -> Iterator[Mapping[str, Any]]:
        for number, row in wanted_rows(rows, settings, ledger):
            try:
                turn = parse_row(row, number)
            except SchemaError as error:
                ledger.drop(f"field {error.field!r} breaks the schema", str(error))
                continue
            ledger.note("turns without a hold that counts", int(not turn.holds))
            yield _as_written(row, turn)

    facts = {"source": f"`{source_name(source)}`", "licence": "as its card says"}
    count = write_corpus(passed_on(), out, ledger, Card(f"{out.stem}: turns", facts))
    for line in ledger.lines():
        report(line)
    return count


def _as_written(row: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    said = turn.transcript or " ".join(word.word for word in turn.words)
    # What the schema tolerates, such as a span that ends 20 ms after its audio, stays.
    kept = {field: records(row.get(field) or []) for field in ("silence_spans", "words")}
    return {
        "id": turn.id,
        "language": turn.language,
        "speaker": turn.speaker,
        RECORDING: turn.recording,
        "transcript": said.strip() or None,
        "audio": {"bytes": _encoded(row, turn), "path": f"{turn.id}.audio"},
        **kept,
        "messages": [{"role": m.role, "content": m.content} for m in turn.messages],
        "tags": sorted(turn.tags),
    }


def _encoded(row: Mapping[str, Any], turn: Turn) -> bytes:
    try:
        return encoded_audio(row["audio"])
    except InputError:  # the schema allows samples, too
        return encode_flac(turn.samples, turn.sample_rate)
