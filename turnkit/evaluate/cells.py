"""Tables, and the cells in which a point is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from turnkit.evaluate.results import BestPoint, FrozenPoint
from turnkit.evaluate.text import DASH, point_text
from turnkit.metrics import PointKind


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : tuple of tuple of str
    note : str
        Printed under it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def frozen_cell(frozen: FrozenPoint | None) -> str:
    """Tell what a policy fixed beforehand did."""
    if frozen is None:
        return DASH
    kind = PointKind.CUTOFFS if frozen.point is None else frozen.point.kind
    cutoffs = kind is PointKind.CUTOFFS
    spread = frozen.rate_interval if cutoffs else frozen.latency_interval
    cell = point_text(kind, frozen.summary.rate, frozen.summary.mean_latency_s, spread)
    if frozen.missed:
        cell += " MISSED"
    if frozen.fitted is not None and not frozen.fitted.reached:
        cell += " OUT OF REACH"
    return cell


def best_cell(best: Mapping[str, BestPoint], name: str) -> str:
    """Tell the best policy of a sweep at a point."""
    found = best.get(name)
    if found is None:
        return DASH
    if not found.reached:
        return "out of reach"
    return point_text(found.point.kind, found.rate, found.mean_latency_s, found.interval)
