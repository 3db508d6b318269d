"""A scenario: what a caller does in a call, and what must happen, read from YAML.

`serve/scenarios/README.md` describes the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from turnkit.errors import ConfigError
from turnkit.lab.scenario.script import AwaitReply, HangUp, Rest, Vanish
from turnkit.lab.scenario.sources import Source, kind_of, parse_source
from turnkit.settings_file import apply_override, build, check_keys, load_yaml

_LONGEST_S = 600.0

MOST_REPEATS = 100_000
"""Calls of a run at most: planned in memory, and weeks long."""


@dataclass(frozen=True, slots=True)
class SayStep:
    """Say something now."""

    source: Source


@dataclass(frozen=True, slots=True)
class OverStep:
    """Say something over the agent; see `turnkit.lab.scenario.script.SayOver`."""

    source: Source
    after_s: float
    at_most_s: float = 20.0


Step: TypeAlias = SayStep | OverStep | AwaitReply | Rest | HangUp | Vanish


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a caller does in a call, and what must happen.

    Attributes
    ----------
    name : str
    about : str
        What it tries, in words.
    steps : tuple of Step
    agent : tuple of str
        Overrides ``key=value`` of the preset, where the lab starts the agent itself.
    network : str or None
        Profile of the network unless another one is asked for.
    repeat : int
        Number of calls unless another one is asked for.
    expect : tuple of str
        What must hold of the run's figures, such as ``misses == 0``.
    folder : Path
        Paths of sound files begin here.
    """

    name: str
    about: str
    steps: tuple[Step, ...]
    agent: tuple[str, ...] = ()
    network: str | None = None
    repeat: int = 1
    expect: tuple[str, ...] = ()
    folder: Path = Path()

    @property
    def turns(self) -> int:
        """Turns of one call that want an answer."""
        return sum(
            isinstance(each, SayStep) and kind_of(each.source, over=False) == "turn"
            for each in self.steps
        )


@dataclass(frozen=True, slots=True)
class _Head:
    """The keys of the file that are plain."""

    about: str
    steps: tuple[Any, ...] = ()
    name: str = ""
    agent: tuple[str, ...] = ()
    network: str | None = None
    repeat: int = 1
    expect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.repeat <= MOST_REPEATS:
            raise ConfigError(f"repeat {self.repeat!r}: expected 1 or more, {MOST_REPEATS} at most")
        if not self.about.strip():
            raise ConfigError(f"about {self.about!r}: expected words")


def load_scenario(path: str | Path, check: Callable[[str], object] | None = None) -> Scenario:
    """Read a scenario.

    Parameters
    ----------
    path : str or Path
        A YAML file.
    check : callable, optional
        Gets each expectation and raises a `ConfigError` where it means nothing:
        `turnkit.lab.measuring.checks.parse_check`.

    Raises
    ------
    ConfigError
        If it cannot be read, a key is unknown, or a value does not fit; the message
        names the file and the key.
    """
    path = Path(path)
    content = load_yaml(path, "scenario")
    try:
        found = parse_scenario(content, path.stem, path.parent)
        for position, expectation in enumerate(found.expect if check else ()):
            _check(check, expectation, f"expect.{position}")
    except ConfigError as error:
        raise ConfigError(f"scenario {path}: {error}") from error
    return found


def _check(check: Callable[[str], object] | None, expectation: str, where: str) -> None:
    if check is None:
        return
    try:
        check(expectation)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def parse_scenario(content: Mapping[str, Any], name: str, folder: Path = Path()) -> Scenario:
    """Read a scenario's content.

    Parameters
    ----------
    content : mapping
        As YAML has it.
    name : str
        If it has none of its own.
    folder : Path, optional
        Where paths of sound files begin.

    Raises
    ------
    ConfigError
        If a key is unknown, or a value does not fit; the message names the key.
    """
    plain = {**content, "steps": ()} if isinstance(content.get("steps"), list) else content
    head = build(_Head, plain, "")
    for position, override in enumerate(head.agent):
        _check(lambda text: apply_override({}, text), override, f"agent.{position}")
    steps = content.get("steps")
    if not isinstance(steps, list) or not steps:
        raise ConfigError(f"steps {steps!r}: expected a list of what the caller does")
    return Scenario(
        name=head.name or name,
        about=head.about.strip(),
        steps=_steps(steps),
        agent=head.agent,
        network=head.network,
        repeat=head.repeat,
        expect=head.expect,
        folder=folder,
    )


def _steps(content: list[Any]) -> tuple[Step, ...]:
    steps = tuple(_step(each, f"steps.{position}") for position, each in enumerate(content))
    for position, step in enumerate(steps[:-1]):
        if isinstance(step, HangUp | Vanish):
            raise ConfigError(f"steps.{position} {content[position]!r}: expected at the end only")
    return steps


@dataclass(frozen=True, slots=True)
class _Over:
    """Times of a step that speaks over the agent."""

    after_s: float
    at_most_s: float = 20.0

    def __post_init__(self) -> None:
        _seconds("after_s", self.after_s)
        _seconds("at_most_s", self.at_most_s)
        if self.after_s > self.at_most_s:
            raise ConfigError(f"after_s {self.after_s!r}: expected at most {self.at_most_s:g}")


@dataclass(frozen=True, slots=True)
class _Await:
    """Times of a step that waits for the agent."""

    patience_s: float = AwaitReply().patience_s
    silence_s: float = AwaitReply().silence_s

    def __post_init__(self) -> None:
        _seconds("patience_s", self.patience_s)
        _seconds("silence_s", self.silence_s)


@dataclass(frozen=True, slots=True)
class _Rest:
    """Time of a step that says nothing."""

    rest: float

    def __post_init__(self) -> None:
        _seconds("rest", self.rest)


def _seconds(name: str, value: float) -> None:
    if not 0 <= value <= _LONGEST_S:
        raise ConfigError(f"{name} {value!r}: expected 0 .. {_LONGEST_S:g} seconds")


def _say(content: Mapping[str, Any], where: str) -> Step:
    check_keys(content, ("say",), where)
    return SayStep(parse_source(content["say"], f"{where}.say"))


def _over(content: Mapping[str, Any], where: str) -> Step:
    check_keys(content, ("over", "after_s", "at_most_s"), where)
    rest = {key: value for key, value in content.items() if key != "over"}
    times = build(_Over, rest, where)
    source = parse_source(content["over"], f"{where}.over")
    return OverStep(source, times.after_s, times.at_most_s)


def _await(content: Mapping[str, Any], where: str) -> Step:
    check_keys(content, ("await", "patience_s", "silence_s"), where)
    if content["await"] != "reply":
        raise ConfigError(f"{where}.await {content['await']!r}: expected reply")
    times = build(_Await, {k: v for k, v in content.items() if k != "await"}, where)
    return AwaitReply(times.patience_s, times.silence_s)


def _rest(content: Mapping[str, Any], where: str) -> Step:
    return Rest(build(_Rest, content, where).rest)


_VERBS: dict[str, Callable[[Mapping[str, Any], str], Step]] = {
    "say": _say,
    "over": _over,
    "await": _await,
    "rest": _rest,
}
_LEAVES: dict[str, Step] = {"hang up": HangUp(), "vanish": Vanish()}


def _step(content: Any, where: str) -> Step:
    verbs, leaves = ", ".join(_VERBS), ", ".join(_LEAVES)
    if isinstance(content, str) and content in _LEAVES:
        return _LEAVES[content]
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} {content!r}: expected {leaves}, or a mapping with {verbs}")
    found = [verb for verb in _VERBS if verb in content]
    if not found:
        check_keys(content, _VERBS, where)
    if len(found) != 1:
        raise ConfigError(f"{where}: expected exactly one of {verbs}; it has {found or 'none'}")
    return _VERBS[found[0]](content, where)
