"""The corpus row: what it must hold, checked and decoded.

The schema is that of the public benchmark eot-bench (livekit/eot-bench-data):

=============== =========================== ===========================================
field           type                        meaning
=============== =========================== ===========================================
id              str                         unique in the corpus
language        str                         code such as ``en``
audio           Hugging Face ``Audio``      any rate, bytes or path, any channels
silence_spans   list of {start, end}        seconds; the last is the end of the turn,
                                            each earlier one a hold
words           list of {word, start, end}  optional
messages        list of {role, content}     optional: what was said before
speaker         str                         optional, ours
recording       str                         optional, ours: what it was cut from
transcript      str                         optional, ours
tags            list of str                 optional, ours: see `turnkit.corpus.tags`
=============== =========================== ===========================================

Further columns are allowed and ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import as_audio, decode_audio
from turnkit.errors import InputError, SchemaError
from turnkit.timing import check_rate

MIN_SPAN_S = 0.1
"""Silences shorter than this are no spans (eot-bench ``--min-silence-span``)."""

MIN_HOLD_S = 0.2
MAX_HOLD_S = 5.0
"""A hold counts if it lasts this many seconds at least and at most."""

OVERRUN_S = 0.05
"""A span may end this long after its audio: rounding of frames, cut off without a word."""

ROUNDING_S = 1e-4
"""Durations are compared with this slack: spans are often stored as float32."""

REQUIRED = ("id", "language", "audio", "silence_spans")
"""Fields that a row cannot do without."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of silence, in seconds from the start of the audio."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        """Seconds it lasts."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the transcript and when it was said, in seconds."""

    word: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Message:
    """Something said before this turn; `role` is ``user``, ``assistant`` or ``system``."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One row: a speaker's stretch of talk from first speech to the true end.

    Attributes
    ----------
    id : str
    language : str
    speaker : str or None
        None where the corpus names no speakers.
    samples : ndarray of float32, shape (n,)
        Mono, in [-1, 1].
    sample_rate : int
        In Hz.
    spans : tuple of Span
        In order, not overlapping, inside the audio. All but the last last
        `MIN_SPAN_S` or more; the last is the end of the turn, however short.
    transcript : str or None
    words : tuple of Word
        Empty where the corpus has none.
    messages : tuple of Message
    tags : frozenset of str
        As stored; `turnkit.corpus.tags.tags_of` adds those that can be told from the rest.
    recording : str or None
        The call or other recording that it was cut from, both sides of which have that name.
    """

    id: str
    language: str
    speaker: str | None
    samples: NDArray[np.float32]
    sample_rate: int
    spans: tuple[Span, ...]
    transcript: str | None = None
    words: tuple[Word, ...] = ()
    messages: tuple[Message, ...] = ()
    tags: frozenset[str] = frozenset()
    recording: str | None = None

    @property
    def duration(self) -> float:
        """Seconds of audio."""
        return len(self.samples) / self.sample_rate

    @property
    def end(self) -> Span:
        """The silence after the true end of the turn."""
        return self.spans[-1]

    @property
    def pauses(self) -> tuple[Span, ...]:
        """Every hold, those too short or too long to count included."""
        return self.spans[:-1]

    @property
    def holds(self) -> tuple[Span, ...]:
        """The holds that count: `MIN_HOLD_S` to `MAX_HOLD_S` seconds long."""
        return tuple(span for span in self.pauses if hold_counts(span.duration))


def hold_counts(duration_s: float) -> bool:
    """Whether a hold of this length is scored."""
    return MIN_HOLD_S - ROUNDING_S <= duration_s <= MAX_HOLD_S + ROUNDING_S


def parse_row(row: Mapping[str, Any], index: int) -> Turn:
    """Check a row and decode its audio.

    Parameters
    ----------
    row : mapping
        As a corpus gives it, the audio not decoded: ``{"bytes": ..., "path": ...}``.
    index : int
        Position in the corpus, which names the row where its id cannot.

    Returns
    -------
    Turn

    Raises
    ------
    SchemaError
        If a field is missing, of another type or out of range, or if the audio cannot
        be decoded whole; the message names the row, the field and what was expected.
    """
    name = row.get("id")
    fields = _Fields(row, str(name) if name not in (None, "") else f"number {index}")
    for required in REQUIRED:
        if row.get(required) is None:
            raise fields.error(required, f"missing; a row needs {', '.join(REQUIRED)}")
    samples, rate = fields.audio()
    return Turn(
        id=fields.label("id"),
        language=fields.label("language"),
        speaker=fields.optional_label("speaker"),
        samples=samples,
        sample_rate=rate,
        spans=fields.spans(len(samples) / rate),
        transcript=fields.optional_label("transcript"),
        words=fields.words(),
        messages=fields.messages(),
        tags=fields.tags(),
        recording=fields.optional_label("recording"),
    )


def records(value: Any) -> list[Any] | None:
    """Structs of one field as a list, also where they are stored as a struct of lists."""
    if isinstance(value, Mapping):
        columns = list(value.values())
        if not columns or not all(isinstance(c, Sequence) for c in columns):
            return None
        if len({len(column) for column in columns}) != 1:
            return None
        return [dict(zip(value, items, strict=True)) for items in zip(*columns, strict=True)]
    return list(value) if isinstance(value, list | tuple) else None


@dataclass(frozen=True, slots=True)
class _Fields:
    """A row under validation, and the name it has in messages."""

    row: Mapping[str, Any]
    name: str

    def error(self, field: str, problem: str) -> SchemaError:
        return SchemaError(self.name, field, problem)

    def label(self, field: str) -> str:
        value = self.row[field]
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self.error(field, f"{value!r}: expected a text that is not empty")
        return str(value)

    def optional_label(self, field: str) -> str | None:
        return None if self.row.get(field) in (None, "") else self.label(field)

    def audio(self) -> tuple[NDArray[np.float32], int]:
        given = self.row["audio"]
        value: Mapping[str, Any] = (
            given
            if isinstance(given, Mapping)
            else {"bytes" if isinstance(given, bytes) else "path": given}
        )
        try:
            if value.get("array") is not None:
                rate = check_rate(value.get("sampling_rate") or 0)
                samples = as_audio(np.asarray(value["array"], dtype=np.float32))
                if len(samples) == 0:
                    raise InputError("holds no samples")
                return samples, rate
            if value.get("bytes") is not None:
                return decode_audio(value["bytes"])
            if isinstance(value.get("path"), str) and value["path"]:
                return decode_audio(Path(value["path"]))
        except InputError as error:
            raise self.error("audio", str(error)) from error
        raise self.error(
            "audio", "expected encoded bytes, the path of a sound file, or array and sampling_rate"
        )

    def spans(self, duration: float) -> tuple[Span, ...]:
        found: list[Span] = []
        items = self._records("silence_spans", "{start, end}")
        if not items:
            raise self.error("silence_spans", "empty; the last span is the end of the turn")
        for position, item in enumerate(items):
            where = f"span {position}"
            start, end = self._interval("silence_spans", where, item)
            if end > duration + OVERRUN_S:
                problem = f"{where} ends at {end:.3f} s, the audio at {duration:.3f} s"
                raise self.error("silence_spans", problem)
            end = min(end, duration)
            if end <= start:
                problem = f"{where} is empty: {start:.3f} .. {end:.3f} s"
                raise self.error("silence_spans", problem)
            if found and start < found[-1].end:
                problem = f"{where} starts at {start:.3f} s, before the end of the one before it"
                raise self.error("silence_spans", problem)
            found.append(Span(start, end))
        long_enough = MIN_SPAN_S - ROUNDING_S
        return (*(s for s in found[:-1] if s.duration >= long_enough), found[-1])

    def words(self) -> tuple[Word, ...]:
        found: list[Word] = []
        for position, item in enumerate(self._records("words", "{word, start, end}")):
            where = f"word {position}"
            if not isinstance(item, Mapping) or not isinstance(item.get("word"), str):
                raise self.error("words", f"{where}: {item!r}: expected {{word, start, end}}")
            start, end = self._interval("words", where, item)
            if end < start:
                raise self.error("words", f"{where} ends before it starts")
            found.append(Word(item["word"], start, end))
        return tuple(found)

    def messages(self) -> tuple[Message, ...]:
        found: list[Message] = []
        for position, item in enumerate(self._records("messages", "{role, content}")):
            role, content = (
                (item.get("role"), item.get("content") or "")
                if isinstance(item, Mapping)
                else (None, None)
            )
            if not isinstance(role, str) or not isinstance(content, str):
                problem = f"message {position}: {item!r}: expected {{role, content}}, both text"
                raise self.error("messages", problem)
            found.append(Message(role, content))
        return tuple(found)

    def tags(self) -> frozenset[str]:
        items = self._records("tags", "texts")
        if not all(isinstance(item, str) and item for item in items):
            raise self.error("tags", f"{items!r}: expected texts that are not empty")
        return frozenset(items)

    def _records(self, field: str, shape: str) -> list[Any]:
        value = self.row.get(field)
        found = [] if value is None else records(value)
        if found is None:
            raise self.error(field, f"{type(value).__name__}: expected a list of {shape}")
        return found

    def _interval(self, field: str, where: str, item: Any) -> tuple[float, float]:
        values = item if isinstance(item, Mapping) else {}
        start, end = (
            self._seconds(field, f"{where}: {bound}", values.get(bound))
            for bound in ("start", "end")
        )
        return start, end

    def _seconds(self, field: str, where: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(field, f"{where} is {value!r}: expected seconds")
        if not math.isfinite(value) or value < 0:
            raise self.error(field, f"{where} is {value} s: expected 0 or more")
        return float(value)
