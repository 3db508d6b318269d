"""The four operating points at which detectors are compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from turnkit.errors import InputError

LATENCY_TOLERANCE = 1.1
"""A frozen policy misses its point when its mean latency is above the limit times this."""


class PointKind(StrEnum):
    """What an operating point minimises."""

    CUTOFFS = "cutoffs"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """One quantity at its lowest while the other stays within a limit.

    Attributes
    ----------
    name : str
        As tables print it.
    kind : PointKind
        `CUTOFFS`: the lowest share of holds cut; `LATENCY`: the lowest mean latency.
    limit : float
        Of the other quantity: mean latency in seconds, or share of holds cut.
    """

    name: str
    kind: PointKind
    limit: float

    def missed(self, rate: float, mean_latency_s: float) -> bool:
        """Whether a frozen policy with these figures lies outside the point's limit."""
        if self.kind is PointKind.CUTOFFS:
            return mean_latency_s > self.limit * LATENCY_TOLERANCE + 1e-9
        return rate > self.limit + 1e-9


POINTS: tuple[OperatingPoint, ...] = (
    OperatingPoint("FC@300", PointKind.CUTOFFS, 0.3),
    OperatingPoint("FC@600", PointKind.CUTOFFS, 0.6),
    OperatingPoint("L@5%", PointKind.LATENCY, 0.05),
    OperatingPoint("L@10%", PointKind.LATENCY, 0.10),
)


def point_named(name: str) -> OperatingPoint:
    """Return the operating point called `name`.

    Raises
    ------
    InputError
        If there is none.
    """
    for point in POINTS:
        if point.name == name:
            return point
    known = ", ".join(point.name for point in POINTS)
    raise InputError(f"operating point {name!r}: expected one of {known}")
