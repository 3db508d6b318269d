"""CPU and memory of the agent's processes while calls ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from turnkit.lab.measuring.resampling import Figure

_SHORTEST_S = 0.2


def usage_figures(usage: Sequence[Mapping[str, float]]) -> dict[str, Figure]:
    """Cores and MB that the agent took.

    Parameters
    ----------
    usage : sequence of mapping
        ``at`` in s, ``cpu_s`` so far, ``rss_mb`` and the running ``calls``, in order; and
        ``sitting``, the number of the process whose seconds they are (default: 0).

    Returns
    -------
    dict of str to Figure
        ``cpu_per_call``: cores, over all time in which calls ran, by the calls that did.
        ``cpu_peak``: cores between two lines, at most. ``memory_mb``: at most. Absent
        where nothing is known; `n` is the number of lines.
    """
    busy, call_seconds, peak, steps = 0.0, 0.0, 0.0, 0
    for before, after in pairwise(usage):
        seconds = after["at"] - before["at"]
        calls = (before["calls"] + after["calls"]) / 2
        spent = after["cpu_s"] - before["cpu_s"]
        # Another sitting has another process; one that ended took its seconds with it.
        if before.get("sitting", 0) != after.get("sitting", 0) or spent < 0:
            continue
        # Calls may have begun in between.
        if seconds < _SHORTEST_S or not (before["calls"] and after["calls"]):
            continue
        busy += spent
        call_seconds += calls * seconds
        peak = max(peak, spent / seconds)
        steps += 1
    found = {}
    if steps:
        found["cpu_per_call"] = Figure(busy / call_seconds, steps)
        found["cpu_peak"] = Figure(peak, steps)
    if usage:
        found["memory_mb"] = Figure(max(each["rss_mb"] for each in usage), len(usage))
    return found
