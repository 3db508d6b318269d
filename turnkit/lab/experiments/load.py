"""How many calls at a time hold their latency on a core, and what that means for many."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnkit.lab.experiments.experiment import (
    Condition,
    Experiment,
    Options,
    Results,
    request,
    value,
)

RAMP = (1, 2, 4, 6, 8, 10, 12, 16)
"""Calls at a time."""

SLACK_MS = 50.0
"""By how much the post-commit P90 may grow before latency counts as lost."""

HEADROOM = 0.6
"""Share of what was held that a plan counts on: traffic is never even."""

SIZES = (10, 1_000, 100_000)
_TURNS_A_CALLER = 8
_OPUS_KBPS = 2 * (32 + 16)
"""Both ways of a call: Opus at 32 kbit/s, and headers of SRTP, UDP and IP 50 times a second."""


def _conditions(options: Options, _services: Mapping[str, str]) -> list[Condition]:
    found = []
    for callers in RAMP:
        if options.callers is not None and callers > options.callers:
            break
        turns = options.turns or callers * _TURNS_A_CALLER
        wanted = request(options, callers=callers, turns=max(turns, callers))
        found.append(Condition(f"{callers} calls" if callers > 1 else "1 call", wanted))
    return found


def held(results: Results) -> int | None:
    """Most calls at a time whose post-commit P90 stayed within `SLACK_MS` of one call's.

    None if not even the smallest number of calls was measured.
    """
    best, bar = None, None
    for conclusion in results.values():
        after = value(conclusion, "post_commit_p90")
        if after is None:
            break
        bar = after + SLACK_MS if bar is None else bar
        if after > bar or (value(conclusion, "failed_calls") or 0) > 0:
            break
        best = int(conclusion.run.plan["request"]["callers"])
    return best


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a number of calls at a time needs, by what was measured here.

    Attributes
    ----------
    calls, workers : int
        Calls, and processes of the agent on a core each.
    memory_gb : float
    mbps : float
        Of audio, both ways together.
    """

    calls: int
    workers: int
    memory_gb: float
    mbps: float


def plan(calls: int, calls_a_core: int, memory_mb: float) -> Capacity:
    """Scale what one core held to a number of calls.

    Parameters
    ----------
    calls : int
    calls_a_core : int
        Calls that one process on one core held.
    memory_mb : float
        Memory of that process while it did.
    """
    workers = math.ceil(calls / max(1, math.floor(HEADROOM * calls_a_core)))
    return Capacity(calls, workers, workers * memory_mb / 1000, calls * _OPUS_KBPS / 1000)


def _say(results: Results) -> Sequence[str]:
    calls = held(results)
    if calls is None:
        return ["not one call was measured"]
    names = {c.run.plan["request"]["callers"]: c for c in results.values()}
    memory = value(names[calls], "memory_mb") or 0.0
    lines = [
        f"held: {calls} calls at a time on one core (post-commit P90 within {SLACK_MS:.0f} ms of "
        "one call's)"
    ]
    for size in SIZES:
        need = plan(size, calls, memory)
        lines.append(
            f"{need.calls:,} calls: {need.workers:,} processes on a core each "
            f"({HEADROOM:.0%} of what was held), {need.memory_gb:,.1f} GB, {need.mbps:,.0f} Mbit/s"
        )
    return lines


LOAD = Experiment(
    "load",
    "How many calls at a time hold their latency on one core?",
    _conditions,
    ("turns", "post_commit_p50", "post_commit_p90", "eot_p50", "v2v_p50", "v2v_p90", "stt_p90",
     "llm_p90", "tts_p90", "residual_p90", "cpu_per_call", "cpu_peak", "memory_mb",
     "skipped_frames", "failed_calls"),
    drawn=("post_commit_p50", "post_commit_p90", "v2v_p90"),
    say=_say,
    notes=(
        "the agent has one core and all callers another, where there are two",
        "detector and transport are real; language model, recogniser and voice are elsewhere, "
        "as services are (scripted)",
    ),
    pinned=True,
)  # fmt: skip
