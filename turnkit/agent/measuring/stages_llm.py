"""Language models, measured: how soon the first token is there, by what was known before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from turnkit.agent.measuring.stages_figures import FIRST_USE, LOAD, StageFigures, Timing
from turnkit.agent.measuring.stages_texts import REQUESTS
from turnkit.errors import StageError
from turnkit.stages.llm.protocol import ChatMessage, Conversation, LanguageModel

TAKES = 4
"""Replies of each kind in a round."""

UNSAID = 2
"""Words of the caller that are still to come when the model reads ahead."""

PATIENCE_S = 60.0
"""Seconds after which a reply is given up."""

NOTHING = "first token, nothing cached"
SYSTEM = "first token, system prompt cached"
AHEAD = "first token, all but 2 words read ahead"
PER_TOKEN = "each further token"


@dataclass(slots=True)
class _Times:
    """Seconds, by what was done."""

    load: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    nothing: list[float] = field(default_factory=list)
    system: list[float] = field(default_factory=list)
    ahead: list[float] = field(default_factory=list)
    per_token: list[float] = field(default_factory=list)

    def timings(self) -> dict[str, Timing]:
        rows = (
            (LOAD, self.load, False),
            (FIRST_USE, self.first, True),
            (NOTHING, self.nothing, True),
            (SYSTEM, self.system, True),
            (AHEAD, self.ahead, True),
            (PER_TOKEN, self.per_token, False),
        )
        return {name: Timing.of(s, budgeted=budgeted) for name, s, budgeted in rows if s}


async def measure_llm(
    make: Callable[[], LanguageModel],
    system: str,
    rounds: int,
    seed: int = 0,
    told: Callable[[str], None] = lambda _: None,
) -> StageFigures:
    """Measure a language model.

    Parameters
    ----------
    make : callable
        Opens the engine; called once a round.
    system : str
        System message.
    rounds : int
        Times the engine is loaded anew.
    seed : int
        Of the order of what it is asked.
    told : callable
        Gets a line on what is being done.

    Raises
    ------
    StageError, MissingAssetError, MissingDependencyError, OfflineError
        If the engine cannot work.
    """
    times, rng = _Times(), np.random.default_rng(seed)
    name, simulated = "", False
    for number in range(rounds):
        begun = time.perf_counter()
        async with aclosing(make()) as engine:
            name, simulated = engine.name, engine.simulated
            await engine.warm()
            times.load.append(time.perf_counter() - begun)
            told(f"llm  {name}: round {number + 1} of {rounds}")
            async with aclosing(engine.open()) as conversation:
                await _round(conversation, system, rng, times)
    timings = times.timings()
    rates = {}
    if times.per_token:
        rates["tokens/s"] = round(1 / float(np.median(times.per_token)), 1)
    return StageFigures("llm", name, simulated, timings, rates=rates)


async def _round(
    conversation: Conversation, system: str, rng: np.random.Generator, times: _Times
) -> None:
    async def ask(system: str, request: str) -> float:
        return await _ask(conversation, _messages(system, request), times.per_token)

    requests = [REQUESTS[i] for i in rng.permutation(len(REQUESTS))]
    # Beginnings that no other prompt has: nothing computed before can be used.
    strange = [f"Call {call}. {system}" for call in rng.permutation(900)[: TAKES + 1] + 100]
    times.first.append(await ask(strange[TAKES], requests[-1]))
    for take in range(TAKES):
        mine = [requests[(take + i * TAKES) % len(requests)] for i in range(3)]
        times.nothing.append(await ask(strange[take], mine[0]))
        await conversation.prefill([ChatMessage("system", system)])
        times.system.append(await ask(system, mine[1]))
        known = " ".join(mine[2].split()[:-UNSAID])
        await conversation.prefill(_messages(system, known))
        times.ahead.append(await ask(system, mine[2]))


def _messages(system: str, request: str) -> list[ChatMessage]:
    return [ChatMessage("system", system), ChatMessage("user", request)]


async def _ask(
    conversation: Conversation, messages: Sequence[ChatMessage], per_token: list[float]
) -> float:
    """Seconds to the first piece of a reply, which is taken to its end."""
    came: list[float] = []
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(conversation.reply(messages)) as reply:
            came.extend([time.perf_counter() async for _ in reply])
    except TimeoutError as error:
        raise StageError("llm", f"no end of a reply within {PATIENCE_S:g} s") from error
    if not came:
        raise StageError("llm", "a reply without a word")
    if len(came) > 1:
        per_token.append((came[-1] - came[0]) / (len(came) - 1))
    return came[0] - begun
