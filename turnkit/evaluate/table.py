"""An evaluation as tables: plain text, Markdown, and what the HTML report shows."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable

from turnkit.evaluate.cells import Table, best_cell, frozen_cell
from turnkit.evaluate.claims import BEST, CLAIM_TITLE, FROZEN
from turnkit.evaluate.results import (
    Comparison,
    DetectorResult,
    Evaluation,
    FrozenPoint,
)
from turnkit.evaluate.slice_table import slice_tables
from turnkit.evaluate.text import (
    DASH,
    claim_text,
    head_lines,
    milliseconds,
    percent,
    policy_text,
    range_text,
)
from turnkit.metrics import POINTS, PointKind

_POINT_COLUMNS = tuple(point.name for point in POINTS)

_READING = (
    "FC@300, FC@600: false cutoffs per hold at a mean latency of at most 300 / 600 ms. "
    "L@5%, L@10%: mean latency at a cutoff rate of at most 5 / 10 %."
)


def frozen_table(evaluation: Evaluation) -> Table:
    """Policies fixed beforehand and replayed: the headline."""
    rows = []
    for result in evaluation.detectors:
        cells = [frozen_cell((result.frozen or {}).get(name)) for name in _POINT_COLUMNS]
        rows.append((result.spec, *cells))
    note = (
        f"{_READING} Each cell is what the policy really did on these rows; MISSED: outside "
        "the point's limit (mean latency over 330 / 660 ms, or rate over 5 / 10 %); OUT OF "
        "REACH: no policy met the point on the fitting rows, the closest is shown."
    )
    if any(result.frozen is None for result in evaluation.detectors):
        note += f" {DASH}: no frozen policy; --fit-on CORPUS fits one on other speakers."
    title = "Frozen policies, replayed (headline)"
    return Table(title, ("detector", *_POINT_COLUMNS), tuple(rows), note)


def best_table(evaluation: Evaluation) -> Table:
    """Best policies on the test rows themselves, for comparison with public tables."""
    rows = [
        (result.spec, *(best_cell(result.best, name) for name in _POINT_COLUMNS))
        for result in evaluation.detectors
    ]
    baseline = (best_cell(evaluation.baseline, name) for name in _POINT_COLUMNS)
    rows.append(("VAD baseline (pure delay on annotated spans)", *baseline))
    note = (
        f"{_READING} The policy is the best of the sweep on these very rows, read from score "
        "traces on annotated spans, as eot-bench does it: optimistic, for comparison only. "
        "Intervals choose it anew in each resample."
    )
    title = "Best on test, from score traces (not the headline)"
    return Table(title, ("detector", *_POINT_COLUMNS), tuple(rows), note)


def _replays(evaluation: Evaluation) -> list[tuple[DetectorResult, FrozenPoint]]:
    return [(result, frozen) for result in evaluation.detectors for frozen in result.replayed]


def detail_table(evaluation: Evaluation) -> Table | None:
    """Tell what each replayed policy did, beyond its two means."""
    rows = []
    for result, frozen in _replays(evaluation):
        s = frozen.summary
        rows.append(
            (
                result.spec,
                frozen.point.name if frozen.point else "own policy",
                policy_text(frozen.policy, scored=result.spans.has_scores),
                percent(s.rate),
                percent(s.hold_rate),
                str(s.speech_cutoffs),
                str(s.other_cutoffs),
                percent(s.turns_cut),
                milliseconds(s.mean_latency_s),
                milliseconds(s.ep50_s),
                milliseconds(s.ep90_s),
                milliseconds(s.ep99_s),
                str(s.misses),
            )
        )
    columns = ("detector", "point", "policy", "rate", "holds cut", "in speech", "not counted",
               "turns cut", "mean", "EP50", "EP90", "EP99", "misses")  # fmt: skip
    note = (
        "rate: holds cut plus cutoffs during speech, over holds. Not counted: cutoffs in holds "
        "shorter than 0.2 s or longer than 5 s. Latencies from the annotated end of speech, "
        "without compute; a miss counts 4 s."
    )
    return Table("Replays in detail", columns, tuple(rows), note) if rows else None


def cost_table(evaluation: Evaluation) -> Table | None:
    """Compute time, beside latency and never in it."""
    rows = []
    for result in evaluation.detectors:
        if not result.replayed:
            continue
        s = result.replayed[0].summary
        values = (s.cpu_ms_p50, s.cpu_ms_p99, s.wall_ms_p50, s.wall_ms_p99,
                  s.decision_ms_p50, s.decision_ms_p99)  # fmt: skip
        cells = (f"{v:.1f}" if math.isfinite(v) else DASH for v in values)
        memory = f"{result.peak_mb:.0f}" if math.isfinite(result.peak_mb) else DASH
        rows.append((result.spec, *cells, memory))
    columns = ("detector", "CPU p50", "CPU p99", "wall p50", "wall p99", "decision p50",
               "decision p99", "peak MB")  # fmt: skip
    note = (
        "CPU and wall: ms of push() per second of audio, one thread, 20 ms chunks. Decision: "
        "wall ms of the push() that brought the end of turn; it comes on top of latency. "
        "Measured in the first replay, before anything is remembered. Peak MB: of a worker "
        "process, Python and libraries included."
    )
    return Table("Compute", columns, tuple(rows), note) if rows else None


def diagnostics_table(evaluation: Evaluation) -> Table | None:
    """Ranking and calibration of scores."""
    rows = [
        (
            result.spec,
            moment,
            f"{found.scored} of {found.spans}",
            *(
                f"{v:.3f}" if math.isfinite(v) else DASH
                for v in (found.auc, found.average_precision, found.calibration_error)
            ),
        )
        for result in evaluation.detectors
        for moment, found in result.diagnostics.items()
    ]
    columns = ("detector", "score read at", "spans scored", "AUC", "AP", "ECE (15 bins)")
    note = "Diagnostics: they never rank detectors."
    return Table("Scores by themselves", columns, tuple(rows), note) if rows else None


def comparison_table(evaluation: Evaluation) -> Table | None:
    """Paired differences of the first detector to the others."""
    rows = []
    for other in evaluation.detectors[1:]:
        for basis in (FROZEN, BEST):
            found = {
                one.point.name: one
                for one in evaluation.comparisons
                if one.other == other.spec and one.basis == basis
            }
            if not found:
                continue
            cells = (_difference(found.get(point.name)) for point in POINTS)
            rows.append((other.spec, basis, *cells))
    title = f"{evaluation.detectors[0].spec} minus another, paired on the same rows"
    note = (
        "Cutoffs in percentage points, latency in ms; negative is better for the first. "
        "Frozen policies may differ in the other quantity: see the headline."
    )
    columns = ("other", "basis", *_POINT_COLUMNS)
    return Table(title, columns, tuple(rows), note) if rows else None


def _difference(one: Comparison | None) -> str:
    if one is None:
        return DASH
    kind = one.point.kind
    scale, digits, unit = (100, 1, "pp") if kind is PointKind.CUTOFFS else (1000, 0, "ms")
    if not math.isfinite(one.difference):
        return DASH
    return f"{one.difference * scale:+.{digits}f} {unit}{range_text(one.interval, scale, digits)}"


def tables(evaluation: Evaluation) -> list[Table]:
    """Every table that has rows, in the order of importance."""
    made: list[Callable[[Evaluation], Table | None]] = [
        frozen_table,
        detail_table,
        best_table,
        comparison_table,
        cost_table,
        diagnostics_table,
    ]
    found = [table for make in made if (table := make(evaluation)) is not None]
    return [*found, *slice_tables(evaluation)]


def to_text(evaluation: Evaluation) -> str:
    """Lay an evaluation out for a terminal."""
    head = head_lines(evaluation)
    width = max(len(label) for label, _ in head)
    lines = [f"{label:<{width}}  {text}" for label, text in head]
    lines += ["", CLAIM_TITLE, *(f"  {claim_text(claim)}" for claim in evaluation.claims)]
    for table in tables(evaluation):
        widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
        lines += ["", table.title]
        for row in (table.columns, *table.rows):
            cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            lines.append(("  " + "  ".join(cells)).rstrip())
        lines += textwrap.wrap(table.note, 96, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def to_markdown(evaluation: Evaluation) -> str:
    """Lay an evaluation out in Markdown."""
    lines = ["# End-of-turn evaluation", ""]
    lines += [f"- **{label}**: {_escape(text)}" for label, text in head_lines(evaluation)]
    lines += ["", f"## {CLAIM_TITLE}", ""]
    lines += [f"- {_escape(claim_text(claim))}" for claim in evaluation.claims]
    for table in tables(evaluation):
        lines += ["", f"## {_escape(table.title)}", ""]
        rule = ("---", *["---:"] * (len(table.columns) - 1))
        for row in (table.columns, rule, *table.rows):
            cells = row if row is rule else map(_escape, row)
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", table.note] if table.note else []
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
