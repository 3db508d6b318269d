"""A report as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turnkit.corpus.checking.inspection import Report, SplitReport
from turnkit.corpus.checking.probes import LIMIT

_EXAMPLES = 4
"""Rows named with a finding."""


def as_text(report: Report) -> str:
    """Put a report into lines, each ending with a newline."""
    lines = [line for split in report.splits.values() for line in _split_lines(split)]
    for leak in report.leaks:
        a, b = leak.between
        lines.append(f"LEAK: {a} and {b} share {len(leak.items)} {leak.kind}: {_few(leak.items)}")
    if not report.leaks and len(report.splits) > 1:
        lines.append(f"{' and '.join(report.splits)} share no speakers, recordings or copies")
    return "\n".join(lines) + "\n"


def _split_lines(split: SplitReport) -> Iterator[str]:
    yield f"{split.name}{'  [synthetic]' if split.synthetic else ''}"
    looked = "all" if split.looked_at == split.rows else f"{split.looked_at}"
    yield f"  {split.rows} turns, {looked} looked at"
    yield ""
    yield from (f"  {line}" for line in probe_lines(split))
    yield ""
    if not split.findings:
        yield "  nothing looks wrong"
    else:
        yield "  looks wrong:"
    for finding in split.findings:
        if len(finding.rows) <= 1:
            named = f" ({finding.rows[0]})" if finding.rows else ""
            yield f"  - {finding.kind}: {finding.message}{named}"
            continue
        yield (f"  - {finding.kind}: {len(finding.rows)} {finding.message} ({_few(finding.rows)})")
    yield ""


def probe_lines(split: SplitReport) -> Iterator[str]:
    """Lines about the shortcut probes of a split, with a warning for each that failed."""
    yield (
        "shortcuts: holds told from ends by nothing but ... (cross-validated AUC, 95 % "
        f"interval over speakers, limit {LIMIT:g})"
    )
    for probe in split.probes:
        yield f"  {probe.as_text()}"
    for probe in split.probes:
        if probe.failed:
            yield f"WARNING shortcut: {probe.name}: a model may learn it instead of the turn"


def _few(items: Sequence[str]) -> str:
    return f"{', '.join(items[:_EXAMPLES])}{', ...' if len(items) > _EXAMPLES else ''}"
