"""What a run of calls is: who is called, by whom, about what, through which network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from turnkit.errors import ConfigError
from turnkit.lab.agents.opening import is_address
from turnkit.lab.network.profile import NetworkProfile, load_network
from turnkit.lab.scenario.schema import MOST_REPEATS
from turnkit.lab.scenario.script import Script

PLAYOUT_DELAY_S = 0.03
"""The listener's buffer: Chromium's own adds about 32 ms on a good network."""

OVER = "over:"
"""Begins the name of what is said over the agent's greeting: ``over:interruption``."""

_YAML = (".yaml", ".yml")
_TRIALS = 20


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run is to be; the same request and seed give the same calls.

    Attributes
    ----------
    source : str
        A scenario's YAML file, a corpus, or ``over:KIND`` (interruption, backchannel or
        noise) for things said over a long greeting.
    agent : str
        An address, or a preset that is served by a process of its own.
    overrides : tuple of str
        ``key=value`` for a preset.
    turns : int or None
        Turns of a corpus to be said, or repeats of a scenario; None: once all.
    longest_s : float or None
        Rows of a corpus that end later are left out.
    callers : int
        Calls at a time.
    network : str or None
        Name or file of a network profile; None: the scenario's, or none at all.
    seed : int
    playout_delay_s : float
        The listener's buffer.
    cores : tuple of int or None
        Cores that the agent may use, if it is served here.
    here : tuple of str
        More overrides, which hold here and now only, such as the address of a stand-in:
        no part of what makes two runs the same.
    """

    source: str
    agent: str = "embedded"
    overrides: tuple[str, ...] = ()
    turns: int | None = None
    longest_s: float | None = None
    callers: int = 1
    network: str | None = None
    seed: int = 0
    playout_delay_s: float = PLAYOUT_DELAY_S
    cores: tuple[int, ...] | None = None
    here: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.turns is not None and not 1 <= self.turns <= MOST_REPEATS:
            raise ConfigError(f"turns {self.turns}: expected 1 .. {MOST_REPEATS}")
        if self.longest_s is not None and not 0 < self.longest_s < math.inf:
            raise ConfigError(f"longest {self.longest_s} s: expected more than 0")
        if not 1 <= self.callers <= 1000:
            raise ConfigError(f"callers {self.callers}: expected 1 .. 1000")
        if not 0 <= self.playout_delay_s <= 2:
            raise ConfigError(f"playout delay {self.playout_delay_s} s: expected 0 .. 2")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}: expected 0 or more")
        if is_address(self.agent) and self.overrides:
            raise ConfigError(f"agent {self.agent}: runs elsewhere; settings are for presets")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `json` gives them back, without `here`."""
        content = asdict(self)
        del content["here"]
        return {key: list(v) if isinstance(v, tuple) else v for key, v in content.items()}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with everything that can be known before the first call.

    Attributes
    ----------
    request : RunRequest
        With the scenario's own settings in it.
    scripts : sequence of Script
    network : NetworkProfile or None
    expect : tuple of str
        What must hold afterwards.
    about : dict
        The source, for the record.
    """

    request: RunRequest
    scripts: Sequence[Script]
    network: NetworkProfile | None
    expect: tuple[str, ...]
    about: dict[str, Any]


def prepare(request: RunRequest) -> Prepared:
    """Read what a request names and plan its calls; may synthesise speech.

    Raises
    ------
    ConfigError, CorpusError
        If something in it does not fit or cannot be read.
    """
    if request.source.endswith(_YAML):
        return _scenario(request)
    if request.source.startswith(OVER):
        return _over(request)
    return _corpus(request)


def _scenario(request: RunRequest) -> Prepared:
    from turnkit.lab.measuring.checks import parse_check
    from turnkit.lab.scenario.planning import plan_scenario
    from turnkit.lab.scenario.schema import load_scenario

    if request.longest_s is not None:
        raise ConfigError(f"longest {request.longest_s:g} s: for a corpus; this is a scenario")
    scenario = load_scenario(request.source, parse_check)
    for text in scenario.expect:
        if parse_check(text).relative:
            raise ConfigError(
                f"{request.source}: expect {text!r}: one run has no other to be compared with; "
                "that is for turnkit compare --fail-if"
            )
    overrides = () if is_address(request.agent) else (*scenario.agent, *request.overrides)
    network = request.network or scenario.network
    request = replace(request, overrides=overrides, network=network)
    profile = load_network(network) if network else None
    scripts = plan_scenario(scenario, request.turns, request.seed, callers=request.callers)
    about = {"scenario": scenario.name, "about": scenario.about, "synthetic": None}
    return Prepared(request, scripts, profile, tuple(scenario.expect), about)


def _over(request: RunRequest) -> Prepared:
    from turnkit.lab.scenario.planning import plan_overlaps

    kind = request.source.removeprefix(OVER)
    trials = request.turns or _TRIALS
    scripts = plan_overlaps(kind, trials, request.seed, callers=request.callers)
    profile = load_network(request.network) if request.network else None
    return Prepared(request, scripts, profile, (), {"over": kind, "synthetic": True})


def _corpus(request: RunRequest) -> Prepared:
    from turnkit.corpus.reader import load_corpus
    from turnkit.lab.scenario.planning import plan_corpus

    profile = load_network(request.network) if request.network else None
    corpus = load_corpus(request.source, default_split="test")
    if request.longest_s is not None:
        short = [k for k, row in enumerate(corpus) if row.end.start <= request.longest_s]
        if not short:
            raise ConfigError(f"longest {request.longest_s:g} s: {corpus.name} has no such turn")
        corpus = corpus.subset(short)
    turns = request.turns or len(corpus)
    scripts = plan_corpus(corpus, turns, request.callers, request.seed, greeted=_greets(request))
    about = {"corpus": corpus.name, "rows": len(corpus), "synthetic": corpus.synthetic}
    return Prepared(request, scripts, profile, (), about)


def _greets(request: RunRequest) -> bool:
    """Whether the agent speaks first; of one that runs elsewhere nothing is known."""
    if is_address(request.agent):
        return True
    from turnkit.agent.preset import read_preset

    return bool(read_preset(request.agent, request.overrides).conversation.greeting)
