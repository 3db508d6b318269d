"""From a scenario or a corpus to the scripts of a run's calls.

The same seed gives the same scripts, and more calls begin with the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from turnkit.errors import ConfigError
from turnkit.lab.scenario.schema import OverStep, SayStep, Scenario, Step
from turnkit.lab.scenario.script import (
    Action,
    AwaitReply,
    Rest,
    Say,
    SayOver,
    Script,
)
from turnkit.lab.scenario.sounds import SoundBook
from turnkit.lab.scenario.sources import (
    Backchannel,
    BackchannelSource,
    CorpusSource,
    Noise,
    NoiseSource,
    Source,
)

if TYPE_CHECKING:
    from turnkit.corpus.reader import Corpus

TURNS_A_CALL = 10
SPREAD_S = 3.0
"""Callers that begin together are spread over so many seconds."""

_ALONE_S = 0.3
_BREATH_S = 0.5
_AFTER_S = 3.0
_INTO_S = 1.2
_PLACES, _PLACE_S = 7, 0.13
_LEAST_WORDS = 3
_BACKCHANNELS: tuple[Backchannel, ...] = ("yeah", "okay", "right", "uh huh", "mm-hm")
_NOISES: tuple[Noise, ...] = ("cough", "knock")


def plan_scenario(
    scenario: Scenario, repeat: int | None, seed: int, *, callers: int = 1
) -> list[Script]:
    """Plan the calls of a scenario.

    Parameters
    ----------
    scenario : Scenario
    repeat : int or None
        Number of calls, 1 or more; the scenario's own if None.
    seed : int
        0 or more.
    callers : int, optional
        How many call at the same time; they do not begin together.

    Returns
    -------
    list of Script

    Raises
    ------
    ConfigError
        If a number is out of range, or a corpus has no such row.
    CorpusError, InputError
        If a corpus or sound file cannot be read.
    """
    repeat = scenario.repeat if repeat is None else repeat
    _at_least_one(repeat=repeat, callers=callers)
    book = SoundBook(seed, scenario.folder)
    calls = [[_action(step, book) for step in scenario.steps] for _ in range(repeat)]
    return _scripts(calls, seed, callers)


def plan_corpus(
    corpus: str | Corpus,
    turns: int | None,
    callers: int,
    seed: int,
    *,
    turns_a_call: int = TURNS_A_CALL,
    greeted: bool = False,
) -> list[Script]:
    """Plan calls that say a corpus's rows, each waiting for the agent's reply.

    Parameters
    ----------
    corpus : str or Corpus
        Its name, or what `turnkit.corpus.reader.load_corpus` gave.
    turns : int or None
        Rows to say, wrapping around; every row once if None.
    callers : int
        How many call at the same time; with few rows a call has fewer, so that all
        callers have one.
    seed : int
        0 or more.
    turns_a_call : int, optional
        Rows of a call at most.
    greeted : bool, optional
        Whether the agent speaks first.

    Returns
    -------
    list of Script

    Raises
    ------
    ConfigError
        If a number is out of range.
    CorpusError
        If the corpus cannot be read.
    """
    book = SoundBook(seed)
    rows = book.corpus(corpus) if isinstance(corpus, str) else corpus
    turns = len(rows) if turns is None else turns
    _at_least_one(turns=turns, callers=callers, turns_a_call=turns_a_call)
    first: Action = AwaitReply() if greeted else Rest(_BREATH_S)
    size = min(turns_a_call, -(-turns // callers))
    calls = []
    for begin in range(0, turns, size):
        actions = [first]
        for position in range(begin, min(begin + size, turns)):
            sound = book.row(rows, position % len(rows))
            actions += [Say(sound), AwaitReply()]
        calls.append(actions)
    return _scripts(calls, seed, callers)


def plan_overlaps(
    kind: str, n: int, seed: int, *, corpus: str = "embedded:test", callers: int = 1
) -> list[Script]:
    """Plan calls in which something is said over the agent's greeting, once a call.

    The agent must greet with something long:
    `turnkit.lab.scenario.stimuli.GREETING`. Each call speaks at another place of it,
    the same ones in every run.

    Parameters
    ----------
    kind : {"interruption", "backchannel", "noise"}
    n : int
        Number of calls, 1 or more.
    seed : int
        0 or more.
    corpus : str, optional
        Interruptions are its rows of three words and more: shorter ones may be signs of
        listening.
    callers : int, optional
        How many call at the same time.

    Raises
    ------
    ConfigError
        If nothing of this kind is said over an agent, or a number is out of range.
    CorpusError
        If the corpus cannot be read.
    """
    _at_least_one(n=n, callers=callers)
    book = SoundBook(seed)
    calls: list[list[Action]] = []
    for number in range(n):
        sound = book.sound(_overlap(kind, number, corpus), over=True)
        after_s = round(_INTO_S + _PLACE_S * (number % _PLACES), 2)
        calls.append([SayOver(sound, after_s), Rest(_AFTER_S)])
    return _scripts(calls, seed, callers)


def _overlap(kind: str, number: int, corpus: str) -> Source:
    if kind == "interruption":
        return CorpusSource(corpus=corpus, at_least_words=_LEAST_WORDS)
    if kind == "backchannel":
        return BackchannelSource(backchannel=_BACKCHANNELS[number % len(_BACKCHANNELS)])
    if kind == "noise":
        return NoiseSource(noise=_NOISES[number % len(_NOISES)])
    raise ConfigError(f"kind {kind!r}: expected interruption, backchannel or noise")


def _action(step: Step, book: SoundBook) -> Action:
    if isinstance(step, SayStep):
        return Say(book.sound(step.source))
    if isinstance(step, OverStep):
        return SayOver(book.sound(step.source, over=True), step.after_s, step.at_most_s)
    return step


def _scripts(calls: Iterable[list[Action]], seed: int, callers: int) -> list[Script]:
    """Give each call its own seed and its place among those that begin with it."""
    scripts = []
    for number, actions in enumerate(calls):
        random = np.random.default_rng([seed, number])
        call_seed = int(random.integers(2**31))
        within = float(random.uniform())
        if callers > 1:
            starts_s = SPREAD_S * (number % callers + within) / callers
        else:
            starts_s = _ALONE_S * within
        scripts.append(Script(number, tuple(actions), call_seed, round(starts_s, 3)))
    return scripts


def _at_least_one(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ConfigError(f"{name} {value}: expected 1 or more")
