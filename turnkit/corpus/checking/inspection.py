"""A whole corpus checked: its rows, its splits against one another, shortcuts in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnkit.corpus.checking.doubts import Doubt, doubts_of, findings_of
from turnkit.corpus.checking.duplicates import find_copies
from turnkit.corpus.checking.fingerprint import Fingerprint
from turnkit.corpus.checking.leaks import COPIES, Leak, NamedCopy, find_leaks, name_copies
from turnkit.corpus.checking.measuring import Measured, Unusable, fingerprints, measure
from turnkit.corpus.checking.probes import Probe, run_probes
from turnkit.corpus.checking.turns import Finding, check_corpus, check_turns
from turnkit.corpus.reader import Corpus

UNUSABLE = "unusable"

Progress = Callable[[str, int, int], None]
"""Told which corpus, how many rows are done, and of how many."""


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What was found in one split.

    Attributes
    ----------
    name : str
    synthetic : bool
    rows, looked_at : int
        All, and those measured.
    findings : tuple of Finding
        What looks wrong; rows that break the schema come first.
    probes : tuple of Probe
    doubts : tuple of Doubt
        The findings row by row, in the order of the corpus.
    """

    name: str
    synthetic: bool
    rows: int
    looked_at: int
    findings: tuple[Finding, ...]
    probes: tuple[Probe, ...]
    doubts: tuple[Doubt, ...]

    @property
    def shortcuts(self) -> tuple[str, ...]:
        """Names of the probes that found one."""
        return tuple(probe.name for probe in self.probes if probe.failed)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a corpus.

    Attributes
    ----------
    splits : dict of str to SplitReport
    leaks : tuple of Leak
    """

    splits: dict[str, SplitReport]
    leaks: tuple[Leak, ...]

    @property
    def usable(self) -> bool:
        """Whether every row fits the schema and nothing is in two splits."""
        kinds = {finding.kind for split in self.splits.values() for finding in split.findings}
        return UNUSABLE not in kinds and not self.leaks

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and texts, for JSON."""
        return {
            "usable": self.usable,
            "splits": {name: _split_dict(split) for name, split in self.splits.items()},
            "leaks": [
                {"kind": leak.kind, "between": list(leak.between), "items": list(leak.items)}
                for leak in self.leaks
            ],
        }


def inspect(
    splits: Mapping[str, Corpus],
    against: Mapping[str, Corpus] | None = None,
    *,
    limit: int | None = None,
    stt: bool = False,
    workers: int | None = None,
    progress: Progress = lambda *_: None,
) -> Report:
    """Check the splits of a corpus.

    Parameters
    ----------
    splits : mapping of str to Corpus
    against : mapping of str to Corpus, optional
        Other corpora that must share nothing with this one.
    limit : int, optional
        Rows of each that are looked at, spread evenly.
    stt : bool
        Compare transcripts with what the embedded recogniser hears.
    workers : int, optional
        Processes; as many as there are processors by default.
    progress : callable
        Told the name of the corpus and how many of its rows are done.

    Returns
    -------
    Report

    Raises
    ------
    ConfigError, MissingDependencyError, MissingAssetError
        As `measure`.
    """
    prints: list[tuple[str, str, Fingerprint]] = []
    reports: dict[str, SplitReport] = {}
    gathered: dict[str, list[Measured]] = {}
    broken: dict[str, list[Unusable]] = {}
    for name, corpus in splits.items():
        gathered[name], broken[name] = [], []
        total = len(corpus) if limit is None else min(limit, len(corpus))
        for done, found in enumerate(measure(corpus, limit, stt=stt, workers=workers), start=1):
            if isinstance(found, Measured):
                gathered[name].append(found)
            else:
                broken[name].append(found)
            progress(corpus.name, done, total)
        prints += [(name, row.facts.id, row.print) for row in gathered[name]]
    for name, corpus in (against or {}).items():
        prints += _others(name, corpus, limit, workers, progress)
    copies = name_copies(find_copies([each for _, _, each in prints]), prints)
    for name, corpus in splits.items():
        reports[name] = _report(name, corpus, gathered[name], broken[name], copies)
    everything = {**splits, **(against or {})}
    return Report(reports, tuple(find_leaks(list(splits), everything, copies)))


def _others(
    name: str, corpus: Corpus, limit: int | None, workers: int | None, progress: Progress
) -> Iterator[tuple[str, str, Fingerprint]]:
    ids = corpus.column("id")
    total = len(corpus) if limit is None else min(limit, len(corpus))
    for done, (index, each) in enumerate(fingerprints(corpus, limit, workers=workers), start=1):
        progress(corpus.name, done, total)
        yield name, str(ids[index]), each


def _report(
    split: str,
    corpus: Corpus,
    rows: Sequence[Measured],
    broken: Sequence[Unusable],
    copies: Sequence[NamedCopy],
) -> SplitReport:
    facts = [row.facts for row in rows]
    ids = [str(row) for row in corpus.column("id")]
    general = check_turns(facts)
    doubts = _doubts(split, rows, broken, general, copies)
    findings = [
        *(Finding(UNUSABLE, each.message, (each.id,)) for each in broken),
        *check_corpus(ids, corpus.labels, corpus.digests, facts),
        *general,
        *findings_of(doubts),
        *_copy_finding([copy for copy in copies if copy.between == (split, split)]),
    ]
    return SplitReport(
        name=corpus.name,
        synthetic=corpus.synthetic,
        rows=len(corpus),
        looked_at=len(rows) + len(broken),
        findings=tuple(findings),
        probes=tuple(run_probes([row.silences for row in rows])),
        doubts=tuple(doubts),
    )


def _doubts(
    split: str,
    rows: Sequence[Measured],
    broken: Sequence[Unusable],
    general: Sequence[Finding],
    copies: Sequence[NamedCopy],
) -> list[Doubt]:
    """Whatever was found in single rows, in the order of the rows."""
    numbers: dict[str, list[int]] = {}  # an id may, wrongly, be that of several rows
    for row in rows:
        numbers.setdefault(row.facts.id, []).append(row.index)
    found = [doubt for row in rows for doubt in doubts_of(row)]
    found += [
        Doubt(index, name, finding.kind, finding.message)
        for finding in general
        if finding.kind not in _UNHEARD
        for name in dict.fromkeys(finding.rows)
        for index in numbers[name]
    ]
    found += [Doubt(each.index, each.id, UNUSABLE, each.message) for each in broken]
    found += [
        Doubt(index, name, COPIES, f"same speech as {other}")
        for copy in copies
        for name, other in copy.seen_from(split)
        for index in numbers[name]
    ]
    return sorted(found, key=lambda doubt: doubt.index)


_UNHEARD = {"short end", "zeros"}
"""Findings about the making of a corpus: listening to a row of it shows nothing."""


def _copy_finding(copies: Sequence[NamedCopy]) -> list[Finding]:
    if not copies:
        return []
    rows = tuple(dict.fromkeys(row for copy in copies for row in copy.rows))
    message = "rows hold the speech of another row, in other words the same recording"
    return [Finding(COPIES, message, rows)]


def _split_dict(split: SplitReport) -> dict[str, Any]:
    return {
        "name": split.name,
        "synthetic": split.synthetic,
        "rows": split.rows,
        "looked_at": split.looked_at,
        "findings": [
            {"kind": f.kind, "message": f.message, "rows": list(f.rows)} for f in split.findings
        ],
        "shortcuts": list(split.shortcuts),
        "probes": [probe.as_dict() for probe in split.probes],
        "doubts": [doubt.as_dict() for doubt in split.doubts],
    }
