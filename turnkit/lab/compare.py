"""Runs of calls beside each other, paired where the same turns were said.

The first run is the reference. Turns are paired by name: the same row said to two agents
differs in nothing but the agent, so that differences of pairs need far fewer turns than
differences of medians. Pairs in which one side was never answered have none: they are
dropped, and counted. Intervals: bootstrap over rows or calls, as for figures of a run. False
interruptions: McNemar's exact test on discordant pairs (McNemar 1947).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from turnkit.lab.measuring.doubts import doubts
from turnkit.lab.measuring.resampling import Origin, Resampler
from turnkit.lab.report.rows import TurnRow

PAIRED = ("v2v_ms", "eot_ms", "post_commit_ms")
"""Latencies whose paired differences are told."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run, as it is compared.

    Attributes
    ----------
    name : str
        Of its folder.
    plan : mapping
        What was asked, of which agent and on which machine.
    figures : mapping of str to mapping
        ``{"value", "n", "low", "high"}`` by name.
    turns : tuple of TurnRow
    """

    name: str
    plan: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, Any]]
    turns: tuple[TurnRow, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Paired differences of one latency: the run minus the reference, in ms.

    Attributes
    ----------
    n : int
        Pairs in which both have it.
    median : float
    low, high : float or None
        95 % interval of the median; None where too little is independent.
    faster : float
        Share of pairs in which the run was faster.
    drawn : str
        ``"calls"``, ``"rows"`` or ``"turns"``: what was drawn for the interval.
    dropped : int
        Pairs that are left out because one side, or both, have no such latency.
    """

    n: int
    median: float
    low: float | None
    high: float | None
    faster: float
    drawn: str
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Discordance:
    """False interruptions in pairs of turns.

    Attributes
    ----------
    neither, both : int
        Pairs alike.
    reference, other : int
        Pairs in which only the one or the other interrupted.
    p : float
        Two-sided, by McNemar's exact test.
    """

    neither: int
    both: int
    reference: int
    other: int
    p: float


@dataclass(frozen=True, slots=True)
class PairedRun:
    """A run against the reference, turn by turn."""

    name: str
    pairs: int
    differences: Mapping[str, Difference]
    interruptions: Discordance


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs, the pairs of each with the first, and what makes them hard to compare."""

    runs: tuple[ComparedRun, ...]
    paired: tuple[PairedRun, ...]
    warnings: tuple[str, ...]


def compare(runs: Sequence[ComparedRun], seed: int = 0) -> Comparison:
    """Compare runs with the first of them.

    Parameters
    ----------
    runs : sequence of ComparedRun
        At least one.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Comparison
        Runs without a turn in common with the first have no entry in `paired`.
    """
    reference, *others = runs
    paired = []
    for other in others:
        pairs = pair_turns(reference.turns, other.turns)
        if pairs:
            paired.append(_paired_run(other.name, pairs, seed))
    return Comparison(tuple(runs), tuple(paired), tuple(warnings_of(runs)))


def pair_turns(
    reference: Sequence[TurnRow], other: Sequence[TurnRow]
) -> list[tuple[TurnRow, TurnRow]]:
    """Pair turns of the same name: the first with the first, the second with the second.

    Returns
    -------
    list of (TurnRow, TurnRow)
        In the order of the reference.
    """
    waiting: defaultdict[str, list[TurnRow]] = defaultdict(list)
    for turn in sorted(other, key=_order, reverse=True):
        waiting[turn.name].append(turn)
    return [
        (turn, waiting[turn.name].pop())
        for turn in sorted(reference, key=_order)
        if waiting[turn.name]
    ]


def _order(turn: TurnRow) -> tuple[int, int]:
    return turn.call, turn.place


def _paired_run(name: str, pairs: Sequence[tuple[TurnRow, TurnRow]], seed: int) -> PairedRun:
    differences = {}
    for latency in PAIRED:
        known = [
            (Origin(a.call, a.name), getattr(b, latency) - getattr(a, latency))
            for a, b in pairs
            if getattr(a, latency) is not None and getattr(b, latency) is not None
        ]
        if known:
            origins, values = zip(*known, strict=True)
            found = median_difference(values, origins, seed)
            differences[latency] = replace(found, dropped=len(pairs) - len(known))
    return PairedRun(name, len(pairs), differences, _discordance(pairs))


def median_difference(
    values: Sequence[float], origins: Sequence[Origin], seed: int = 0
) -> Difference:
    """Summarise paired differences.

    Parameters
    ----------
    values : sequence of float
        At least one, in ms.
    origins : sequence of Origin
        The call and the name of each: turns of one row, or of one call, are not
        independent.
    seed : int
    """
    resampler = Resampler(origins, seed)
    (middle,) = resampler.quantiles(values, origins, (50,))
    faster = float(np.mean(np.asarray(values) < 0))
    return Difference(middle.n, middle.value, middle.low, middle.high, faster, resampler.unit)


def _discordance(pairs: Sequence[tuple[TurnRow, TurnRow]]) -> Discordance:
    seen = [(a.false_interruption, b.false_interruption) for a, b in pairs]
    reference, other = seen.count((True, False)), seen.count((False, True))
    return Discordance(
        neither=seen.count((False, False)),
        both=seen.count((True, True)),
        reference=reference,
        other=other,
        p=mcnemar(reference, other),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test.

    Under the null hypothesis each discordant pair falls to either side with probability
    one half.

    Parameters
    ----------
    only_first, only_second : int
        Discordant pairs of either kind.

    Returns
    -------
    float
        In 0 .. 1; 1 where there are none.
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    # Integers: powers of a half leave the floats from about a thousand pairs on.
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    p: float = 2 * tail / 2**n
    return min(1.0, p)


def warnings_of(runs: Sequence[ComparedRun]) -> list[str]:
    """Say what makes runs hard to compare, a line each."""
    reference, found = runs[0], list[str]()
    for run in runs:
        if run is not reference:
            found += [
                f"{run.name}: another {what} than {reference.name}"
                for what in ("corpus", "machine", "network")
                if plan_part(run.plan, what) != plan_part(reference.plan, what)
            ]
        found += [f"{run.name}: {line}" for line in doubts(run.plan, run.figures)]
    return found


def plan_part(plan: Mapping[str, Any], what: str) -> Any:
    """Take from a plan what must be alike for runs to be comparable."""
    if what == "corpus":
        source = plan.get("source") or {}
        return source.get("scenario") or source.get("corpus")
    if what == "machine":
        machine = plan.get("machine") or {}
        return machine.get("cpu"), machine.get("cores")
    return plan.get(what)
