"""How many calls at a time hold their latency on a core, and what that means for many."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnkit.lab.concluding import Conclusion
from turnkit.lab.experiments.experiment import (
    Condition,
    Experiment,
    Options,
    Results,
    request,
    value,
)
from turnkit.lab.measuring.doubts import SKIPPED_LIMIT

RAMP = (1, 4, 8, 10, 12, 14, 16)
"""Calls at a time."""

SLACK_MS = 50.0
"""By how much the post-commit P90 may grow before latency counts as lost."""

HEADROOM = 0.6
"""Share of what was held that a plan counts on: traffic is never even."""

SIZES = (10, 1_000, 100_000)
_FEWEST_TURNS = 32
_TURNS_A_CALLER = 8
_OPUS_KBPS = 2 * (32 + 20)
"""Both ways of a call: Opus at 32 kbit/s, and 50 bytes of IP, UDP and SRTP 50 times a second."""


def _conditions(options: Options, _services: Mapping[str, str]) -> list[Condition]:
    found = []
    for callers in RAMP:
        if options.callers is not None and callers > options.callers:
            break
        turns = options.turns or max(_FEWEST_TURNS, callers * _TURNS_A_CALLER)
        wanted = request(options, callers=callers, turns=max(turns, callers))
        found.append(Condition(f"{callers} calls" if callers > 1 else "1 call", wanted))
    return found


@dataclass(frozen=True, slots=True)
class Held:
    """How many calls at a time held their latency.

    Attributes
    ----------
    calls : int
        0 if not even the smallest number did.
    why : str or None
        What was lost at the next number; None if the ramp ended before anything was.
    memory_mb : float or None
        Of the agent, with that many calls.
    """

    calls: int
    why: str | None
    memory_mb: float | None = None


def held(results: Results) -> Held:
    """Find the most calls at a time at which nothing was lost against the fewest."""
    best, bar = Held(0, None), None
    for name, conclusion in results.items():
        after = value(conclusion, "post_commit_p90")
        bar = after + SLACK_MS if bar is None and after is not None else bar
        why = _lost(conclusion, after, bar)
        if why is not None:
            return Held(best.calls, f"{name}: {why}", best.memory_mb)
        calls = int(conclusion.run.plan["request"]["callers"])
        best = Held(calls, None, value(conclusion, "memory_mb"))
    return best


def _lost(conclusion: Conclusion, after: float | None, bar: float | None) -> str | None:
    """Say what was lost: latency, calls, answers, or the measuring itself."""
    if after is None or bar is None:
        return "no turn was timed"
    if after > bar:
        return f"post-commit P90 {after:.0f} ms, more than {bar:.0f}"
    for name, words in (("failed_calls", "calls failed"), ("misses", "turns were never answered")):
        if number := value(conclusion, name):
            return f"{number:.0f} {words}"
    skipped = value(conclusion, "skipped_frame_rate") or 0.0
    if skipped > SKIPPED_LIMIT:
        return f"not measurable, the callers skipped {skipped:.1%} of their frames"
    return None


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a number of calls at a time needs, by what was measured here.

    Attributes
    ----------
    calls, each, workers : int
        Calls, calls of a process, and processes of the agent on a core each.
    memory_gb : float or None
    mbps : float
        Of audio, both ways together.
    """

    calls: int
    each: int
    workers: int
    memory_gb: float | None
    mbps: float


def plan(calls: int, calls_a_core: int, memory_mb: float | None) -> Capacity:
    """Scale what one core held to a number of calls.

    Parameters
    ----------
    calls : int
    calls_a_core : int
        Calls that one process on one core held.
    memory_mb : float or None
        Memory of that process while it did.
    """
    each = max(1, math.floor(HEADROOM * calls_a_core))
    workers = math.ceil(calls / each)
    memory = None if memory_mb is None else workers * memory_mb / 1000
    return Capacity(calls, each, workers, memory, calls * _OPUS_KBPS / 1000)


def _say(results: Results) -> Sequence[str]:
    most = held(results)
    if not most.calls:
        return [f"nothing was held: {most.why}"]
    more = "" if most.why else "at least "
    lines = [
        f"held: {more}{most.calls} calls at a time on one core (post-commit P90 within "
        f"{SLACK_MS:.0f} ms of the first condition's, every turn answered)",
        f"lost first: {most.why}" if most.why else "the ramp ended before anything was lost",
    ]
    for size in SIZES:
        need = plan(size, most.calls, most.memory_mb)
        memory = "" if need.memory_gb is None else f" {need.memory_gb:,.1f} GB,"
        lines.append(
            f"{need.calls:,} calls (on paper): {need.workers:,} processes on a core each, "
            f"{need.each} calls a process,{memory} {need.mbps:,.0f} Mbit/s of audio"
        )
    return lines


LOAD = Experiment(
    "load",
    "How many calls at a time hold their latency on one core?",
    _conditions,
    ("turns", "post_commit_p50", "post_commit_p90", "eot_p50", "v2v_p50", "v2v_p90", "stt_p90",
     "llm_p90", "tts_p90", "residual_p90", "cpu_per_call", "cpu_peak", "memory_mb",
     "skipped_frames", "late_frames", "misses", "false_interruptions", "failed_calls"),
    drawn=("post_commit_p50", "post_commit_p90", "v2v_p90"),
    say=_say,
    notes=(
        "the agent has one core and all callers another, where there are two",
        "detector and transport are real; language model, recogniser and voice are elsewhere, "
        "as services are (scripted)",
    ),
    pinned=True,
)  # fmt: skip
