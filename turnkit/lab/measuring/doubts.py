"""What puts a run's figures in doubt, though each was measured as it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LATE_LIMIT = 0.005
"""Share of heard frames that may come too late where no network is simulated."""


def incomplete(plan: Mapping[str, Any], calls: int) -> str | None:
    """Say that a run has fewer calls than were planned; None if it has them all.

    Parameters
    ----------
    plan : mapping
        What was asked; ``calls`` is how many.
    calls : int
        How many were finished.
    """
    planned = plan.get("calls")
    if not isinstance(planned, int) or calls >= planned:
        return None
    return f"incomplete: {calls} of {planned} planned calls are finished"


def doubts(plan: Mapping[str, Any], figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say what puts figures in doubt, a line each: missing calls, and audio that came late.

    Parameters
    ----------
    plan : mapping
    figures : mapping
        As `turnkit.lab.measuring.figures.describe` gives them.
    """
    lines = []
    calls = figures.get("calls", {}).get("value")
    missing = None if calls is None else incomplete(plan, int(calls))
    if missing is not None:
        lines.append(missing)
    late = figures.get("late_frame_rate", {}).get("value") or 0.0
    if late > LATE_LIMIT and not plan.get("network"):
        lines.append(
            f"{late:.1%} of the frames came too late to be heard though no network was "
            "simulated: a machine was overloaded, and latencies are in doubt"
        )
    return lines
