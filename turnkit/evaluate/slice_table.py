"""Figures by slice as tables: one a tag, and one of the tags that have none."""

from __future__ import annotations

from turnkit.evaluate.cells import Table, best_cell, frozen_cell
from turnkit.evaluate.results import Evaluation, Slice, SliceFacts
from turnkit.evaluate.slicing import MIN_HOLDS, MIN_TURNS, OWN, SLICE_POINTS

_NOTE = (
    "Slices: policies as on all rows, none chosen on a slice; what they did on its rows, "
    "intervals over its speakers. A row may be in several."
)

_BASELINE = "VAD baseline (pure delay on annotated spans)"


def slice_tables(evaluation: Evaluation) -> list[Table]:
    """Lay out every slice that has figures, and list the tags that have none."""
    if evaluation.slices is None:
        return []
    slices = evaluation.slices
    found = [_slice_table(one, _NOTE if one is slices.found[0] else "") for one in slices.found]
    rest = [
        *(_rest_row(one, "every row has it") for one in slices.of_all),
        *(_rest_row(one, "too few") for one in slices.too_few),
    ]
    if rest:
        note = (
            f"Tags without figures of their own: those that every row has, and those with "
            f"fewer than {MIN_TURNS} turns or {MIN_HOLDS} holds."
        )
        columns = ("tag", "turns", "holds", "speakers", "why", "meaning")
        found.append(Table("Slices not shown", columns, tuple(rest), note))
    return found


def _slice_table(one: Slice, note: str) -> Table:
    facts = one.facts
    with_own = any(OWN in points for points in one.frozen.values())
    names = (*SLICE_POINTS, OWN) if with_own else SLICE_POINTS
    rows = [
        (spec, *(frozen_cell(points.get(name)) for name in names))
        for spec, points in one.frozen.items()
    ]
    rows.append((_BASELINE, *(best_cell(one.baseline, name) for name in names)))
    meaning = f" ({facts.meaning})" if facts.meaning else ""
    counts = (
        f"{facts.turns} turns, {facts.holds} holds, {facts.speakers} "
        f"speaker{'' if facts.speakers == 1 else 's'}"
    )
    return Table(f"Slice {facts.tag}{meaning}: {counts}", ("detector", *names), tuple(rows), note)


def _rest_row(one: SliceFacts, why: str) -> tuple[str, ...]:
    counts = (str(number) for number in (one.turns, one.holds, one.speakers))
    return (one.tag, *counts, why, one.meaning or "-")
