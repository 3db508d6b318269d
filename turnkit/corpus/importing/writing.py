"""Rows of an import: made, written as one parquet file, and a card beside it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turnkit.audio import Samples
from turnkit.corpus.importing.floor import Cut
from turnkit.corpus.importing.ledger import Ledger
from turnkit.corpus.rows import encode_flac, row_schema
from turnkit.corpus.schema import Message, Word, hold_counts
from turnkit.errors import ConfigError, CorpusError
from turnkit.files import atomic_path, check_output

RECORDING = "recording"
"""Column that names what a row was cut from: rows of one recording stay in one split."""

UNNAMED = "each counts as one, so splits may share some"
"""What follows from rows that name no speaker."""

_BATCH = 16
"""Rows that are held in memory and written at a time."""


@dataclass(frozen=True, slots=True)
class Card:
    """What the card of an imported corpus says beside its counts.

    Attributes
    ----------
    title : str
    facts : mapping of str to str
        Source, licence and settings of the import.
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)


def make_row(
    row_id: str,
    samples: Samples,
    sample_rate: int,
    spans: Iterable[tuple[float, float]],
    *,
    language: str,
    speaker: str | None = None,
    recording: str | None = None,
    words: Sequence[Word] = (),
    transcript: str | None = None,
    messages: Sequence[Message] = (),
    tags: Iterable[str] = (),
) -> dict[str, Any]:
    """Build a row as it is written.

    Parameters
    ----------
    row_id : str
    samples : ndarray of float32, shape (n,)
        Mono, in [-1, 1]; stored as 16-bit FLAC.
    sample_rate : int
        In Hz.
    spans : iterable of (float, float)
        Silences in seconds; the last is the end of the turn.
    language, speaker : str
    recording : str, optional
        What the row was cut from.
    words : sequence of Word
    transcript : str, optional
        By default the words, one after the other.
    messages : sequence of Message
    tags : iterable of str
    """
    text = transcript or " ".join(word.word for word in words)
    return {
        "id": row_id,
        "language": language,
        "speaker": speaker,
        RECORDING: recording,
        "transcript": text or None,
        "audio": {"bytes": encode_flac(samples, sample_rate), "path": f"{row_id}.flac"},
        "silence_spans": [{"start": start, "end": end} for start, end in spans],
        "words": [{"word": w.word, "start": w.start, "end": w.end} for w in words],
        "messages": [{"role": m.role, "content": m.content} for m in messages],
        "tags": sorted(set(tags)),
    }


def cut_row(
    row_id: str,
    channel: Samples,
    sample_rate: int,
    cut: Cut,
    *,
    language: str,
    speaker: str | None,
    recording: str,
    words: Sequence[Word] = (),
    messages: Sequence[Message] = (),
    tags: Iterable[str] = (),
) -> dict[str, Any]:
    """Cut a turn out of a recording.

    Parameters
    ----------
    row_id : str
    channel : ndarray of float32, shape (n,)
        The whole recording.
    sample_rate : int
        In Hz.
    cut : Cut
    language, speaker, recording : str
    words : sequence of Word
        Of the speaker, times in the recording; those of the turn are kept.
    messages : sequence of Message
    tags : iterable of str
        ``overlap`` is added where the cut says so.
    """
    first, last = round(cut.start * sample_rate), round(cut.end * sample_rate)
    inside = [
        Word(w.word, max(w.start - cut.start, 0.0), max(w.end - cut.start, 0.0))
        for w in words
        if cut.onset <= (w.start + w.end) / 2 <= cut.offset
    ]
    return make_row(
        row_id,
        channel[first:last],
        sample_rate,
        [(span.start, span.end) for span in cut.spans],
        language=language,
        speaker=speaker,
        recording=recording,
        words=inside,
        messages=messages,
        tags=[*tags, *(["overlap"] if cut.overlap else [])],
    )


class _Counts:
    """What the card says about the rows."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.speakers: set[str] = set()
        self.unnamed = 0
        self.languages: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.holds = 0
        self.seconds = 0.0

    def see(self, row: Mapping[str, Any]) -> None:
        spans = row["silence_spans"]
        self.ids.add(row["id"])
        if row.get("speaker"):
            self.speakers.add(row["speaker"])
        else:
            self.unnamed += 1
        self.languages[row["language"]] += 1
        self.tags.update(row.get("tags") or ())
        self.holds += sum(hold_counts(span["end"] - span["start"]) for span in spans[:-1])
        self.seconds += spans[-1]["end"]

    def who(self) -> str:
        """How many speakers there are, and in how many rows that is not known."""
        if not self.unnamed:
            return str(len(self.speakers))
        if not self.speakers:
            return f"no row names one: {UNNAMED}"
        return f"{len(self.speakers)}, and {self.unnamed} rows that name none: {UNNAMED}"


def write_corpus(rows: Iterable[Mapping[str, Any]], out: Path, ledger: Ledger, card: Card) -> int:
    """Write rows as one parquet file, whole or not at all, and a card beside it.

    Parameters
    ----------
    rows : iterable of mapping
        As `make_row` builds them; a row whose id occurred before is left out.
    out : Path
        The parquet file to be; the card is ``OUT.card.md`` without the suffix of OUT.
    ledger : Ledger
    card : Card

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    CorpusError
        If there are no rows; the message says what was left out.
    ConfigError
        If OUT is a folder or in the way of one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_output(out, folder=False)
    schema, counts = row_schema(texts=[RECORDING]), _Counts()
    known = set(schema.names)
    with atomic_path(out) as aside:
        with pq.ParquetWriter(aside, schema) as writer:
            for batch in _batches(_fresh(rows, counts, ledger)):
                table = [{k: v for k, v in row.items() if k in known} for row in batch]
                writer.write_table(pa.Table.from_pylist(table, schema=schema))
        if not counts.ids:
            reasons = "; ".join(ledger.lines() or ["nothing was left out, so the source has none"])
            raise CorpusError(f"{card.title}: no turns found; {reasons}")
    with atomic_path(card_path(out)) as aside:
        aside.write_text(_card_text(card, counts, ledger), encoding="utf-8")
    return len(counts.ids)


def check_apart(out: Path, other: Path | None) -> None:
    """See that two files can be written, before the work, and that they are two.

    Raises
    ------
    ConfigError
        If they are one, or something is in the way.
    """
    for path in (out, other):
        if path is not None:
            check_output(path, folder=False)
    if other is not None and other.resolve() == out.resolve():
        raise ConfigError(f"{out}: named twice; expected different files")


def check_language(language: str) -> None:
    """See that rows can have a language.

    Raises
    ------
    ConfigError
        If it is empty.
    """
    if not language.strip():
        raise ConfigError(f"language {language!r}: expected a code such as en")


def card_path(out: Path) -> Path:
    """Where the card of a corpus file is."""
    return out.with_suffix(".card.md")


def _fresh(
    rows: Iterable[Mapping[str, Any]], counts: _Counts, ledger: Ledger
) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        if row["id"] in counts.ids:
            ledger.drop("its id occurred before", str(row["id"]))
            continue
        counts.see(row)
        yield row


def _batches(rows: Iterator[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    while batch := list(itertools.islice(rows, _BATCH)):
        yield batch


def _card_text(card: Card, counts: _Counts, ledger: Ledger) -> str:
    figures = {
        "turns": str(len(counts.ids)),
        "speakers": counts.who(),
        "holds of 0.2 to 5 s": str(counts.holds),
        "hours": f"{counts.seconds / 3600:.2f}",
        "languages": ", ".join(f"{k} {n}" for k, n in sorted(counts.languages.items())),
        "tags": ", ".join(f"{k} {n}" for k, n in sorted(counts.tags.items())) or "none",
    }
    lines = [f"# {card.title}", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in {**card.facts, **figures}.items()]
    lines += ["", "What was left out or set apart:", ""]
    lines += [f"- {line}" for line in ledger.lines() or ["nothing"]]
    return "\n".join(lines) + "\n"
