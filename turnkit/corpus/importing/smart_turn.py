"""Clips labelled complete or incomplete, as those of Smart Turn (pipecat-ai).

Columns: ``audio``, ``endpoint_bool`` and, where they are there, ``id``, ``language``,
``midfiller``, ``endfiller``, ``synthetic``, ``spoken_text``, ``dataset``.

A clip becomes a row with one span: the silence after its last speech, by Silero. Of a
complete clip that is the end of the turn. An incomplete clip was cut off in a hold, so the
schema, whose last span is an end, has no place for it: such clips go to a file of their
own when asked for, tagged ``incomplete``, and must not be scored as turns.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from turnkit.audio import Samples, decode_audio
from turnkit.corpus.importing.floor import Run
from turnkit.corpus.importing.ledger import Ledger
from turnkit.corpus.importing.sound import find_speech
from turnkit.corpus.importing.table import (
    TableSettings,
    check_not_of,
    encoded_audio,
    open_table,
    source_name,
    two_letters,
    wanted_rows,
)
from turnkit.corpus.importing.writing import Card, check_apart, make_row, write_corpus
from turnkit.corpus.names import SYNTHETIC
from turnkit.corpus.schema import MIN_SPAN_S
from turnkit.corpus.tags import INCOMPLETE
from turnkit.errors import InputError

LABEL = "endpoint_bool"

_APART = "incomplete clips, set apart"


@dataclass(frozen=True, slots=True)
class ClipSettings(TableSettings):
    """Which clips are read, and how.

    Attributes
    ----------
    pauses : bool
        Mark pauses inside a clip as holds, too: the speaker went on after them.
    """

    pauses: bool = False


def import_smart_turn(
    source: str,
    out: Path,
    settings: ClipSettings | None = None,
    report: Callable[[str], None] = lambda _: None,
    *,
    incomplete: Path | None = None,
) -> int:
    """Write complete clips as turns, and incomplete ones apart.

    Parameters
    ----------
    source : str
        A hub id such as ``pipecat-ai/smart-turn-data-v3-test``, or a local copy.
    out : Path
        The parquet file to be; written whole or not at all, with a card beside it.
    settings : ClipSettings, optional
    report : callable
        Told what was left out.
    incomplete : Path, optional
        Another parquet file, for the incomplete clips; not written where there are none, or
        none that can be used.

    Returns
    -------
    int
        Complete clips written.

    Raises
    ------
    CorpusError
        If the source cannot be read, lacks a column, or holds no usable clip.
    ConfigError
        If `out` and `incomplete` are one file, or one of them is the source or in its folder.
    OfflineError
        If it lives on the hub, is not in the local cache, and the hub does not answer.
    """
    settings = settings or ClipSettings()
    check_apart(out, incomplete)
    check_not_of(source, out, incomplete)
    clips = open_table(source, settings.split, ("audio", LABEL))
    facts = {
        "source": f"`{source_name(source)}`",
        "licence": "as its card says",
        "spans": "Silero VAD" + (", pauses inside as holds" if settings.pauses else ""),
    }

    def rows(complete: bool, ledger: Ledger) -> Iterator[dict[str, Any]]:
        for number, clip in wanted_rows(clips, settings, ledger):
            name = str(clip.get("id") or f"clip-{number:07d}")
            label = clip[LABEL]
            if label is None:
                ledger.drop(f"no {LABEL}", name)
            elif label not in (True, False):  # 1 and 0 are equal to these
                ledger.drop(f"{LABEL}: expected true or false", f"{name} is {reprlib.repr(label)}")
            elif bool(label) is not complete:
                ledger.note("complete clips" if label else _APART)
            else:
                row = _row(name, clip, settings, ledger)
                if row is not None:
                    yield row

    ledger = Ledger()
    count = write_corpus(rows(True, ledger), out, ledger, Card(f"{out.stem}: clips", facts))
    for line in ledger.lines():
        report(line)
    if incomplete is not None and _APART not in ledger.noted:
        report(f"{incomplete}: not written, there are no incomplete clips")
    elif incomplete is not None:
        apart = Ledger()
        _write_apart(rows(False, apart), incomplete, apart, facts, report)
    return count


def _write_apart(
    rows: Iterator[dict[str, Any]],
    out: Path,
    ledger: Ledger,
    facts: Mapping[str, str],
    report: Callable[[str], None],
) -> None:
    first = next(rows, None)
    if first is None:
        reasons = "; ".join(ledger.lines())
        report(f"{out}: not written, no incomplete clip can be used: {reasons}")
        return
    card = Card(f"{out.stem}: incomplete clips, whose last span is a hold", facts)
    count = write_corpus(chain([first], rows), out, ledger, card)
    report(f"{out}: {count} incomplete clips")


def _row(
    name: str, clip: Mapping[str, Any], settings: ClipSettings, ledger: Ledger
) -> dict[str, Any] | None:
    try:
        samples, rate = decode_audio(encoded_audio(clip["audio"]))
    except InputError as error:
        ledger.drop("audio cannot be decoded", f"{name}: {error}")
        return None
    spans = _spans(samples, rate, pauses=settings.pauses)
    if isinstance(spans, str):
        ledger.drop(spans, name)
        return None
    return make_row(
        f"{SYNTHETIC}-{name}" if clip.get("synthetic") else name,
        samples,
        rate,
        spans,
        language=two_letters(str(clip.get("language") or "und")),
        transcript=str(clip.get("spoken_text") or "") or None,
        tags=_tags(clip),
    )


def _spans(samples: Samples, rate: int, *, pauses: bool) -> list[Run] | str:
    """Find the silences of a clip, or say why it cannot be used."""
    speech, duration = find_speech(samples, rate), len(samples) / rate
    if not speech:
        return "no speech is heard"
    last = speech[-1][1]
    if duration - last < MIN_SPAN_S:
        return "it stops before a silence after the speech"
    gaps = [(a[1], b[0]) for a, b in pairwise(speech) if b[0] - a[1] >= MIN_SPAN_S]
    return [*(gaps if pauses else []), (last, duration)]


def _tags(clip: Mapping[str, Any]) -> Iterator[str]:
    complete = clip[LABEL]
    if not complete:
        yield INCOMPLETE
    if clip.get("synthetic") is not None:
        yield "synthetic" if clip["synthetic"] else "human"
    if clip.get("endfiller"):
        yield "trailing" if complete else "filler-hold"
    if clip.get("dataset"):
        yield "domain:" + re.sub(r"[^\w.-]+", "-", str(clip["dataset"]))
