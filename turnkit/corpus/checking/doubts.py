"""What is doubtful in a row: each check names its fault, and where in the row it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from turnkit.corpus.checking.measuring import Measured
from turnkit.corpus.checking.turns import Finding
from turnkit.corpus.schema import Span

CLIPPED_SHARE = 1e-3
"""Share of samples in flat tops above which a row was clipped."""

LATE_S = 0.15
"""Seconds that the last word may go on after the turn should be over."""

AT_END_S = 0.05
"""Speech that ends so many seconds from the end of a hold goes on after it."""

MOST_WORD_ERRORS = 0.75
"""Word error rate above which a transcript is not that of the audio."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A fault that a row seems to have.

    Attributes
    ----------
    index : int
        Number of the row.
    row : str
        Its id.
    kind : str
        Name of the check.
    what : str
        The fault in this row.
    places : tuple of Span
        Where it is, in seconds; empty if everywhere.
    """

    index: int
    row: str
    kind: str
    what: str
    places: tuple[Span, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and texts, for JSON."""
        return {
            "row": self.row,
            "kind": self.kind,
            "what": self.what,
            "places": [{"start": round(p.start, 3), "end": round(p.end, 3)} for p in self.places],
        }


Judged = tuple[str, tuple[Span, ...]] | None


def doubts_of(measured: Measured) -> list[Doubt]:
    """Faults that a row seems to have."""
    found = []
    for kind, (_, judge) in CHECKS.items():
        judged = judge(measured)
        if judged is not None:
            what, places = judged
            found.append(Doubt(measured.index, measured.facts.id, kind, what, places))
    return found


def findings_of(doubts: Iterable[Doubt]) -> list[Finding]:
    """Gather doubts by kind, in the order of `CHECKS`."""
    rows: dict[str, list[str]] = {}
    for doubt in doubts:
        rows.setdefault(doubt.kind, []).append(doubt.row)
    return [
        Finding(kind, message, tuple(rows[kind]))
        for kind, (message, _) in CHECKS.items()
        if kind in rows
    ]


def _speech_inside(row: Measured) -> Judged:
    heard = row.heard.inside
    if not heard:
        return None
    late = any(abs(hold.end - s.end) <= AT_END_S for s in heard for hold in row.spans[:-1])
    told = ", up to its end: a hold ends late" if late else ""
    return f"speech inside a silence span at {_seconds(s.start for s in heard)}{told}", heard


def _end_cut(row: Measured) -> Judged:
    end = row.spans[-1]
    late = row.heard.late_s[-1] if row.heard.end_cut else 0.0
    late = max(late, row.spoken.after_end_s if row.spoken.after_end_s > LATE_S else 0.0)
    if late == 0.0:
        return None
    return f"speech goes on for {late:.2f} s after the end", (Span(end.start, end.start + late),)


def _hold_cut(row: Measured) -> Judged:
    if not row.heard.hold_cut:
        return None
    late = zip(row.spans[:-1], row.heard.late_s[:-1], strict=True)
    places = tuple(Span(span.start, span.start + s) for span, s in late if s > 0.0)
    return f"speech goes on into the hold at {_seconds(p.start for p in places)}", places


def _clipped(row: Measured) -> Judged:
    if row.flat_tops <= CLIPPED_SHARE:
        return None
    return f"{row.flat_tops:.2%} of the samples lie in flat tops", ()


def _upsampled(row: Measured) -> Judged:
    if row.upsampled_from is None:
        return None
    return f"says {row.facts.sample_rate} Hz, recorded at {row.upsampled_from} Hz", ()


def _dead_channels(row: Measured) -> Judged:
    if not row.dead_channels:
        return None
    return f"no sound in channel {', '.join(map(str, row.dead_channels))}", ()


def _gaps(row: Measured) -> Judged:
    if not row.gaps:
        return None
    return f"gaps in speech at {_seconds(row.gaps)}", tuple(Span(s, s + 0.05) for s in row.gaps)


def _rate(row: Measured) -> Judged:
    said = row.spoken
    if said.rate_fits:
        return None
    return f"{said.words} words in {said.speech_s:.2f} s of speech", ()


def _times(row: Measured) -> Judged:
    if row.spoken.times_fit:
        return None
    return f"{row.spoken.in_silence:.0%} of the words are said inside silence spans", ()


def _recognised(row: Measured) -> Judged:
    if row.word_errors is None or row.word_errors <= MOST_WORD_ERRORS:
        return None
    return f"word error rate {row.word_errors:.2f}; a recogniser heard: {row.recognised!r}", ()


CHECKS: dict[str, tuple[str, Callable[[Measured], Judged]]] = {
    "end cut": ("rows whose end starts before the last word is over", _end_cut),
    "hold cut": ("rows with a hold that starts before the word is over", _hold_cut),
    "speech in a silence": ("rows with speech inside a silence span", _speech_inside),
    "clipped wave": (
        "rows with flat tops: recorded too loud, before any change of level",
        _clipped,
    ),
    "upsampled": (
        "rows that hold nothing above half of a lower rate than theirs: a model for wide-band "
        "speech learns a narrow band",
        _upsampled,
    ),
    "dead channel": (
        "rows with a channel without sound: channels are averaged, so the voice loses 6 dB",
        _dead_channels,
    ),
    "gaps": ("rows with exact zeros in the middle of speech: lost packets?", _gaps),
    "transcript rate": ("rows whose transcript cannot be said in the time", _rate),
    "word times": ("rows whose words are said inside silence spans", _times),
    "transcript": ("rows whose transcript is not what a recogniser hears", _recognised),
}
"""Checks of a row: what a finding says of all rows, and how a row is judged."""


def _seconds(values: Iterable[float]) -> str:
    given: Sequence[float] = list(values)
    shown = ", ".join(f"{value:.2f}" for value in given[:4])
    return f"{shown}{' ...' if len(given) > 4 else ''} s"
