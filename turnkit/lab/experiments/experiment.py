"""What an experiment is: conditions that differ in one thing, and what is compared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from turnkit.errors import ConfigError
from turnkit.lab.agents.opening import is_address
from turnkit.lab.compare import ComparedRun, Difference, PairedRun, compare
from turnkit.lab.concluding import Conclusion
from turnkit.lab.report.rows import rows_of
from turnkit.lab.request import RunRequest

BUDGET = "budget"
"""Preset with scripted stages that keep to the article's latency budget (simulated)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose; None leaves it to the experiment.

    Attributes
    ----------
    corpus : str
    agent : str or None
        A preset.
    overrides : tuple of str
        ``key=value`` for every condition.
    turns, callers : int or None
        In each condition.
    longest_s : float or None
        Turns that end later are left out.
    seed : int
    """

    corpus: str = "embedded:test"
    agent: str | None = None
    overrides: tuple[str, ...] = ()
    turns: int | None = None
    callers: int | None = None
    longest_s: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("turns", "callers"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ConfigError(f"{name} {number}: expected at least 1")
        if self.agent is not None and is_address(self.agent):
            raise ConfigError(
                f"agent {self.agent}: experiments change settings, which takes a preset"
            )


@dataclass(frozen=True, slots=True)
class Condition:
    """One setting of what is compared."""

    name: str
    request: RunRequest


@asynccontextmanager
async def no_services(_options: Options) -> AsyncIterator[dict[str, str]]:
    """Start nothing beside the agent."""
    yield {}


Results = Mapping[str, Conclusion]
"""What each condition showed, in order."""


Added = tuple[Sequence[str], Mapping[str, object]]
"""Lines, and plain values by name."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A question and how it is answered.

    Attributes
    ----------
    name, question : str
    conditions : callable
        Options and what `services` gave to conditions; the first one is the reference.
    columns : tuple of str
        Figures in its table.
    drawn : tuple of str
        Figures in its plot, in ms.
    services : callable
        Opens what the agents need beside them.
    say : callable
        What follows from the results, in lines.
    add : callable
        More that is found out about the results, once: lines, and plain values by name.
    notes : tuple of str
        What has to be known to read it, above all what is simulated.
    pinned : bool
        Whether the agent and the callers get a core each.
    """

    name: str
    question: str
    conditions: Callable[[Options, Mapping[str, str]], list[Condition]]
    columns: tuple[str, ...]
    drawn: tuple[str, ...] = ("v2v_p50", "v2v_p90", "post_commit_p50")
    services: Callable[[Options], AbstractAsyncContextManager[dict[str, str]]] = no_services
    say: Callable[[Results], Sequence[str]] = field(default=lambda _results: ())
    add: Callable[[Results], Added] = field(default=lambda _results: ((), {}))
    notes: tuple[str, ...] = ()
    pinned: bool = False


def request(options: Options, *overrides: str, **changes: object) -> RunRequest:
    """Make a request out of options; `changes` are fields of `RunRequest`."""
    values: dict[str, object] = {
        "source": options.corpus,
        "agent": options.agent or BUDGET,
        "overrides": (*overrides, *options.overrides),
        "turns": options.turns or 48,
        "callers": options.callers or 4,
        "longest_s": options.longest_s,
        "seed": options.seed,
    }
    return RunRequest(**(values | changes))  # type: ignore[arg-type]


def value(conclusion: Conclusion, name: str) -> float | None:
    """Value of a figure, None where it was not measured."""
    found = conclusion.figures.get(name)
    return None if found is None else found.get("value")


def paired(results: Results, first: str, second: str) -> PairedRun | None:
    """Compare `second` with `first`, turn by turn; None without turns of both."""
    if not {first, second} <= set(results):
        return None
    runs = [
        ComparedRun(name, run.plan, results[name].figures, tuple(rows_of(run)))
        for name, run in ((name, results[name].run) for name in (first, second))
    ]
    pairs = compare(runs).paired
    return pairs[0] if pairs else None


def saved(results: Results, first: str, second: str, latency: str) -> Difference | None:
    """Compare two conditions turn by turn: how much less `second` has of a latency.

    Parameters
    ----------
    results : mapping
    first, second : str
        Conditions.
    latency : str
        ``"v2v_ms"``, ``"eot_ms"`` or ``"post_commit_ms"``.
    """
    pairs = paired(results, second, first)
    return None if pairs is None else pairs.differences.get(latency)


def in_words(difference: Difference) -> str:
    """Write a difference with its interval and the number of pairs."""
    interval = ""
    if difference.low is not None and difference.high is not None:
        interval = f" [{difference.low:.0f} .. {difference.high:.0f}]"
    return f"{difference.median:.0f} ms{interval}, n {difference.n}"
