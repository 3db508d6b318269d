"""What a corpus holds, and what looks wrong in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from turnkit.corpus.checking.turns import Finding, TurnFacts, check_corpus, check_turns, turn_facts
from turnkit.corpus.reader import Corpus
from turnkit.corpus.tags import no_end
from turnkit.corpus.unfinished import unfinished
from turnkit.errors import CorpusError, SchemaError

HOLD_EDGES_S = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, math.inf)
END_EDGES_S = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, math.inf)
TURN_EDGES_S = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, math.inf)
"""Edges in seconds of the histograms of hold, end and turn durations."""

UNUSABLE = "unusable"
"""Kind of the finding for rows that break the schema."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a corpus holds.

    Attributes
    ----------
    name : str
    synthetic : bool
    fingerprint : str
    rows : int
        All of them; the figures below are of those that can be read.
    speakers : int
        Named speakers; 0 if none is.
    rows_per_speaker : tuple of (int, int)
        Fewest and most rows of a named speaker.
    hours : float
        Of audio.
    sample_rates, languages : dict
        Rows of each rate in Hz, of each language.
    hold_s, end_s, turn_s : tuple of float
        Duration in seconds of every hold, of every end of turn and of every row.
    without_end : dict of str to int
        Rows that have no end of a turn, by the tag that says so.
    counted_holds : int
        Holds that count, 0.2 to 5 s long.
    findings : tuple of Finding
        What looks wrong; rows that break the schema come first.
    """

    name: str
    synthetic: bool
    fingerprint: str
    rows: int
    speakers: int
    rows_per_speaker: tuple[int, int]
    hours: float
    sample_rates: dict[int, int]
    languages: dict[str, int]
    hold_s: tuple[float, ...]
    end_s: tuple[float, ...]
    turn_s: tuple[float, ...]
    counted_holds: int
    without_end: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether every row fits the schema."""
        return all(finding.kind != UNUSABLE for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and texts, for JSON."""
        return {
            "name": self.name,
            "synthetic": self.synthetic,
            "fingerprint": self.fingerprint,
            "rows": self.rows,
            "speakers": self.speakers,
            "rows_per_speaker": list(self.rows_per_speaker),
            "hours": round(self.hours, 4),
            "sample_rates": {str(rate): rows for rate, rows in self.sample_rates.items()},
            "languages": self.languages,
            "holds": len(self.hold_s),
            "counted_holds": self.counted_holds,
            "ends": len(self.end_s),
            "without_end": self.without_end,
            "hold_s": _summary(self.hold_s, HOLD_EDGES_S),
            "end_s": _summary(self.end_s, END_EDGES_S),
            "turn_s": _summary(self.turn_s, TURN_EDGES_S),
            "findings": [
                {"kind": f.kind, "message": f.message, "rows": list(f.rows)} for f in self.findings
            ],
        }


def describe(corpus: Corpus) -> Description:
    """Read a whole corpus once and say what it holds.

    Rows that break the schema become a finding instead of an error.
    """
    rows, broken = _read(corpus)
    facts = [row.facts for row in rows]
    ids = [str(row) for row in corpus.column("id")]
    findings = [
        *(Finding(UNUSABLE, str(error), (error.row,)) for error in broken),
        *_check_finished(corpus),
        *check_corpus(ids, corpus.labels, corpus.digests, facts),
        *check_turns(facts),
    ]
    named = Counter(label for label in corpus.labels if label is not None)
    return Description(
        name=corpus.name,
        synthetic=corpus.synthetic,
        fingerprint=corpus.fingerprint,
        rows=len(corpus),
        speakers=len(named),
        rows_per_speaker=(min(named.values()), max(named.values())) if named else (0, 0),
        hours=sum(turn.duration for turn in facts) / 3600.0,
        sample_rates=dict(Counter(turn.sample_rate for turn in facts).most_common()),
        languages=dict(Counter(row.language for row in rows).most_common()),
        hold_s=tuple(duration for turn in facts for duration in turn.pauses),
        end_s=tuple(row.facts.end for row in rows if row.no_end is None),
        turn_s=tuple(turn.duration for turn in facts),
        counted_holds=sum(turn.holds for turn in facts),
        without_end=dict(Counter(row.no_end for row in rows if row.no_end is not None)),
        findings=tuple(findings),
    )


class _Row(NamedTuple):
    """What is kept of a row that can be read."""

    facts: TurnFacts
    language: str
    no_end: str | None


def _read(corpus: Corpus) -> tuple[list[_Row], list[SchemaError]]:
    rows: list[_Row] = []
    broken: list[SchemaError] = []
    for index in range(len(corpus)):
        try:
            turn = corpus[index]
        except SchemaError as error:
            broken.append(error)
        else:
            rows.append(_Row(turn_facts(turn), turn.language, no_end(turn.tags)))
    return rows, broken


def _check_finished(corpus: Corpus) -> list[Finding]:
    try:
        message = unfinished(corpus.name)
    except CorpusError:  # a name of one's own, for rows that are no file
        return []
    return [] if message is None else [Finding("unfinished", message)]


def histogram(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    """Count the values in each bin ``edges[i] <= value < edges[i + 1]``.

    Durations that were rounded to just below the first edge count in the first bin.
    """
    array = np.maximum(np.asarray(values, dtype=np.float64), edges[0])
    return [int(n) for n in np.histogram(array, np.asarray(edges))[0]]


def _summary(values: Sequence[float], edges: Sequence[float]) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "edges_s": [edge for edge in edges if math.isfinite(edge)],
        "counts": histogram(values, edges),
    }
    if values:
        low, middle, high = np.percentile(np.asarray(values), [10, 50, 90])
        summary |= {"p10": round(low, 3), "p50": round(middle, 3), "p90": round(high, 3)}
    return summary
