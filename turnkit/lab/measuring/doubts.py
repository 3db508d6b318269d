"""What puts a run's figures in doubt, though each was measured as it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STEAL_LIMIT = 0.02
"""Share of the CPU's time that may go to other machines."""

SKIPPED_LIMIT = 0.005
"""Share of frames that the caller may send too late: a few are, while a call is set up."""

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
    """Say what puts figures in doubt, a line each.

    Missing and failed calls, time that went to other machines, and audio that was sent or
    came too late.

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
    if failed := _value(figures, "failed_calls"):
        lines.append(f"{failed:.0f} calls failed; what they would have shown is missing")
    steal = plan.get("steal")
    if isinstance(steal, int | float) and steal > STEAL_LIMIT:
        lines.append(f"{steal:.1%} of the CPU's time went to other machines")
    if (skipped := _value(figures, "skipped_frame_rate")) > SKIPPED_LIMIT:
        lines.append(
            f"the caller's machine sent {skipped:.1%} of its frames too late: it was overloaded, "
            "and latencies are in doubt"
        )
    late = _value(figures, "late_frame_rate")
    if late > LATE_LIMIT and not plan.get("network"):
        lines.append(
            f"{late:.1%} of the frames came too late to be heard though no network was "
            "simulated: a machine was overloaded, and latencies are in doubt"
        )
    return lines


def _value(figures: Mapping[str, Mapping[str, Any]], name: str) -> float:
    """Take the value of a figure, 0 where it is not known."""
    return float(figures.get(name, {}).get("value") or 0.0)
