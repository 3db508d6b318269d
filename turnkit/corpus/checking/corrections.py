"""Corrections of rows, as the page saves them: one JSON object a line.

::

    {"id": "a-001", "split": "train", "spans": [{"start": 1.2, "end": 3.0}],
     "last": "end", "drop": false, "note": "breath, not speech",
     "corpus": "calls.parquet", "audio": "9b1f..."}

Everything but `id` is optional. Where a row has several lines, the last counts. The page
adds the corpus and a hash of the row's audio, which keep corrections from other corpora.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

from turnkit.corpus.schema import Span
from turnkit.errors import CorpusError
from turnkit.files import atomic_path

CORRECTIONS = "corrections.jsonl"
"""Name of the file in a page's folder."""

_FIELDS = ("id", "split", "spans", "last", "drop", "note", "corpus", "audio")

_MOST_S = 1e9
"""No recording is longer; whole numbers of any length are read from JSON."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What is to become of a row.

    Attributes
    ----------
    id : str
    split : str or None
        None for whichever split has the row.
    spans : tuple of Span or None
        The silence spans as they should be; None for those it has.
    last : {"end", "hold"}
        What the last span is: the end of the turn, or a hold of a turn that was cut off.
    drop : bool
        Whether the row is to be left out.
    note : str
        For whoever reads the corrections.
    corpus : str or None
        Name of the corpus, as it was checked.
    audio : str or None
        Hash of the row's audio, see `Corpus.digests`; None for whatever it is.
    """

    id: str
    split: str | None = None
    spans: tuple[Span, ...] | None = None
    last: Literal["end", "hold"] | None = None
    drop: bool = False
    note: str = ""
    corpus: str | None = None
    audio: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `parse_correction` takes them."""
        spans = self.spans
        return {
            "id": self.id,
            "split": self.split,
            "spans": None if spans is None else [{"start": s.start, "end": s.end} for s in spans],
            "last": self.last,
            "drop": self.drop,
            "note": self.note,
            "corpus": self.corpus,
            "audio": self.audio,
        }


def parse_correction(value: Any, where: str) -> Correction:
    """Check one correction.

    Parameters
    ----------
    value : mapping
    where : str
        Names it in messages.

    Raises
    ------
    CorpusError
        If a field is missing, unknown or of another type; the message names it.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        raise CorpusError(f"{where}: expected an object with the id of a row")
    where = f"{where}: row {value['id']}"
    if unknown := [str(name) for name in value if name not in _FIELDS]:
        raise CorpusError(f"{where}: {', '.join(unknown)}: expected {', '.join(_FIELDS)}")
    last, drop, note = value.get("last"), value.get("drop") or False, value.get("note") or ""
    names = {name: value.get(name) for name in ("split", "corpus", "audio")}
    for name, given in names.items():
        if given is not None and not isinstance(given, str):
            raise CorpusError(f"{where}: {name} {reprlib.repr(given)}: expected a text")
    if last not in (None, "end", "hold"):
        raise CorpusError(f"{where}: last {reprlib.repr(last)}: expected 'end' or 'hold'")
    if not isinstance(drop, bool) or not isinstance(note, str):
        raise CorpusError(f"{where}: expected drop to be true or false, and note a text")
    spans = _spans(value.get("spans"), where)
    return Correction(value["id"], spans=spans, last=last, drop=drop, note=note, **names)


def parse_corrections(text: str, where: str) -> list[Correction]:
    """Check corrections in JSON lines; the last of each row and split counts.

    Raises
    ------
    CorpusError
        If a line is no correction; the message names the line.
    """
    found: dict[tuple[str, str | None], Correction] = {}
    # Not splitlines(): a note may hold what Unicode takes for the end of a line.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{where}, line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:  # also of a number that is too long
            raise CorpusError(f"{place}: not JSON ({error})") from error
        correction = parse_correction(value, place)
        # Behind all that went before: one without a split may be about the same row.
        found.pop((correction.id, correction.split), None)
        found[correction.id, correction.split] = correction
    return list(found.values())


def read_corrections(path: Path) -> list[Correction]:
    """Read a file of corrections.

    Raises
    ------
    CorpusError
        If it cannot be read, or a line is no correction.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: cannot be read ({error})") from error
    return parse_corrections(text, str(path))


def write_corrections(path: Path, corrections: Iterable[Correction]) -> None:
    """Write a file of corrections, whole or not at all."""
    lines = [json.dumps(each.as_dict(), ensure_ascii=False) for each in corrections]
    with atomic_path(path) as aside:
        aside.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _spans(value: Any, where: str) -> tuple[Span, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise CorpusError(f"{where}: spans: expected a list of {{start, end}} that is not empty")
    found = []
    for number, item in enumerate(value):
        bounds = item if isinstance(item, Mapping) else {}
        start, end = bounds.get("start"), bounds.get("end")
        if not _is_second(start) or not _is_second(end) or not start < end:
            raise CorpusError(
                f"{where}: span {number}: {reprlib.repr(item)}: expected {{start, end}} in "
                "seconds, the start before the end"
            )
        found.append(Span(float(start), float(end)))
    return tuple(sorted(found, key=lambda span: span.start))


def _is_second(value: Any) -> TypeGuard[float]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= _MOST_S
