"""From a ``MIX.yaml`` to a folder: rows are read, checked and written a few at a time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from turnkit.corpus.mixing.aside import whole_folder
from turnkit.corpus.mixing.choosing import Candidate, Ledger, Pools, choose
from turnkit.corpus.mixing.counting import Counts
from turnkit.corpus.mixing.settings import MixSettings, MixSource
from turnkit.corpus.names import parse_name
from turnkit.corpus.reader import Corpus, load_splits
from turnkit.corpus.rows import encode_flac, row_schema
from turnkit.corpus.schema import Turn, parse_row
from turnkit.corpus.split import split_by_speaker
from turnkit.corpus.tags import no_end, stored_tags
from turnkit.errors import ConfigError, CorpusError, SchemaError
from turnkit.files import check_output, sha256_file
from turnkit.settings_file import apply_override, build, load_yaml, plain

RECORD = "mix.json"
"""File in the folder that says how it came about."""

FORMAT = 1
"""Version of `RECORD`."""

_BATCH = 16
"""Rows that are held in memory and written at a time."""

_DOMAIN = "domain:"

Progress = Callable[[int, int], None]
"""Told how many rows are written, and of how many."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """The sources of a mix, by their number and the split of the mix they go to."""

    settings: MixSettings
    corpora: Mapping[tuple[int, str], Corpus]

    def pools(self) -> Pools:
        found: Pools = {split: [] for _, split in self.corpora}
        for (number, split), corpus in self.corpora.items():
            found[split] += _candidates(number, self.settings.sources[number], corpus)
        return {split: found[split] for split in self.settings.order(found)}

    @property
    def texts(self) -> list[str]:
        """Columns of text beside those of every row; of recordings only where some are known."""
        known = any("recording" in corpus.rows.column_names for corpus in self.corpora.values())
        return ["source", *["recording"] * known]

    def row(self, split: str, candidate: Candidate) -> tuple[Turn, dict[str, Any]]:
        corpus = self.corpora[candidate.source, split]
        raw = corpus.rows[candidate.row]
        try:
            turn = parse_row(raw, candidate.row)
        except SchemaError as error:
            raise CorpusError(f"corpus {corpus.name}: {error}") from error
        tags = {tag for tag in turn.tags if not tag.startswith(_DOMAIN)}
        return turn, {
            "id": candidate.id,
            "language": turn.language,
            "speaker": candidate.speaker,
            "transcript": turn.transcript,
            "audio": _encoded(raw["audio"], turn, candidate.id),
            "silence_spans": [asdict(span) for span in turn.spans],
            "words": [asdict(word) for word in turn.words],
            "messages": [asdict(message) for message in turn.messages],
            "tags": sorted({*tags, _DOMAIN + candidate.domain}),
            "source": self.settings.sources[candidate.source].corpus,
            "recording": candidate.recording,
        }


def read_mix(path: Path, overrides: Sequence[str] = ()) -> MixSettings:
    """Read a ``MIX.yaml``.

    Parameters
    ----------
    path : Path
    overrides : sequence of str
        ``key=value`` with dotted keys, such as ``sources.0.turns=100``.

    Raises
    ------
    ConfigError
        If it cannot be read or does not fit.
    """
    content = load_yaml(path, "mix")
    for override in overrides:
        apply_override(content, override)
    return build(MixSettings, content, "")


def mix(settings: MixSettings, out: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Make one corpus of several.

    Audio is copied as it is encoded, at its own rate. The folder appears whole or not at
    all; what was left by mixes into it that were killed is removed. The same settings and
    sources give the same files.

    Parameters
    ----------
    settings : MixSettings
    out : Path
        The folder to be: one parquet file a split under ``data``, and `RECORD`.
    progress : Progress, optional

    Returns
    -------
    dict
        Content of `RECORD`: settings, counts by split, domain and speaker, what was left
        out and why, hashes of the files.

    Raises
    ------
    ConfigError
        If there is something in the folder already, or settings do not fit the sources.
    CorpusError
        If a source cannot be read, one of its rows breaks the schema, or the splits of
        the mix would share a speaker, a recording or audio.
    OutputError
        If the folder cannot be made.
    """
    check_output(out, folder=True)
    if out.is_dir() and any(out.iterdir()):
        raise ConfigError(f"{out}: holds something; expected a new or an empty folder")
    out = out.resolve()  # where a link leads: a folder cannot take the place of a link
    opened = _Opened(settings, _open(settings))
    chosen, ledger = choose(settings, opened.pools())
    with whole_folder(out) as aside:
        return _write(opened, chosen, ledger, aside, progress or (lambda *_: None))


def _open(settings: MixSettings) -> dict[tuple[int, str], Corpus]:
    found: dict[tuple[int, str], Corpus] = {}
    for number, source in enumerate(settings.sources):
        splits = load_splits(source.corpus)
        if source.shares:
            if len(splits) > 1:
                raise ConfigError(
                    f"sources.{number}.splits: {source.corpus} has the splits "
                    f"{', '.join(splits)}; shares cut a single one, such as "
                    f"{source.corpus}:{next(iter(splits))}"
                )
            (whole,) = splits.values()
            parts = split_by_speaker(whole, source.shares, settings.seed)
        else:
            parts = {}
            for name, wanted in (source.splits or {each: each for each in splits}).items():
                if wanted not in splits:
                    raise CorpusError(
                        f"corpus {source.corpus}: no split {wanted!r}; it has {', '.join(splits)}"
                    )
                parts[name] = splits[str(wanted)]
        found |= {(number, name): corpus for name, corpus in parts.items()}
    return found


def _candidates(number: int, source: MixSource, corpus: Corpus) -> Iterator[Candidate]:
    columns = corpus.column("id"), corpus.labels, corpus.recordings, corpus.column("tags")
    known_as = parse_name(source.corpus).name
    every = zip(*columns, corpus.digests, strict=True)
    for row, (name, speaker, recording, tags, digest) in enumerate(every):
        known = stored_tags(tags)
        told = next((tag[len(_DOMAIN) :] for tag in known if tag.startswith(_DOMAIN)), None)
        domain = source.domain or told or source.label
        mark = f"@{domain}" if source.qualify else ""
        label = None if speaker is None else f"{speaker}{mark}"
        # another source may have another recording of that name
        whole = None if recording is None else f"{known_as}/{recording}"
        yield Candidate(number, row, f"{name}{mark}", label, domain, digest, no_end(known), whole)


def _encoded(audio: Any, turn: Turn, name: str) -> dict[str, Any]:
    """Audio as the row holds it, file names left behind."""
    given = audio if isinstance(audio, Mapping) else {"path": audio}
    path = given.get("path")
    encoded = audio if isinstance(audio, bytes) else given.get("bytes")
    if encoded is None and isinstance(path, str) and given.get("array") is None:
        encoded = Path(path).read_bytes()
    suffix = Path(path).suffix if isinstance(path, str) else ""
    if encoded is None:
        encoded, suffix = encode_flac(turn.samples, turn.sample_rate), ".flac"
    return {"bytes": encoded, "path": f"{name}{suffix}"}


def _write(
    opened: _Opened, chosen: Pools, ledger: Ledger, folder: Path, progress: Progress
) -> dict[str, Any]:
    total, done = sum(map(len, chosen.values())), itertools.count(1)
    splits: dict[str, Any] = {}
    for split, candidates in chosen.items():
        counts = Counts()
        rows = _rows(opened, split, candidates, counts, lambda: progress(next(done), total))
        # the name that `datasets` knows splits by, whatever they are called
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        _write_rows(rows, path, opened.texts)
        splits[split] = {
            **counts.as_dict(),
            "file": path.relative_to(folder).as_posix(),
            "sha256": sha256_file(path),
        }
    record = _record(opened.settings, splits, ledger)
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def _rows(
    opened: _Opened,
    split: str,
    candidates: Iterable[Candidate],
    counts: Counts,
    tick: Callable[[], None],
) -> Iterator[dict[str, Any]]:
    for candidate in candidates:
        turn, row = opened.row(split, candidate)
        counts.see(turn, candidate)
        yield row
        tick()


def _write_rows(rows: Iterable[Mapping[str, Any]], path: Path, texts: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    schema, remaining = row_schema(texts=texts), iter(rows)
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(itertools.islice(remaining, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _record(settings: MixSettings, splits: dict[str, Any], ledger: Ledger) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "settings": plain(asdict(settings)),
        "splits": splits,
        "left_out": [
            {
                "split": split,
                "source": settings.sources[source].corpus,
                "reason": reason,
                "rows": rows,
            }
            for (split, source, reason), rows in sorted(ledger.rows.items())
        ],
    }
