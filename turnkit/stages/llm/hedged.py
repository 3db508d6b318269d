"""Two requests for one reply: the second after a delay, and the faster one answers.

The slowest replies of a service are slow by chance far more often than by their content,
so asking once more beats waiting (Dean & Barroso, "The Tail at Scale", Communications of
the ACM 56(2), 2013: hedged requests). With a delay near the 95th percentile of the first
token, one request in twenty is made twice.

Counts, as `HedgedConversation.take_counts` names them:

- ``hedges``: second requests that were made because the delay had passed.
- ``hedge_wins``: those of them that answered.
- ``hedge_rescues``: second requests that were made because the first failed, or ended
  without a word, before the delay had passed. Not among ``hedges``.
- ``hedge_tokens``: pieces that came from requests that did not answer.
- ``hedge_cost_microunits``: an estimate, if prices are given, of what requests cost that
  were given up: their prompt at four characters a token, and the pieces that came, one
  token each. A request that failed by itself is taken to cost nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from turnkit.errors import ConfigError, StageError
from turnkit.stages.llm.protocol import ChatMessage, Conversation, LanguageModel
from turnkit.stages.llm.race import Race
from turnkit.stages.llm.relay import Relay

CHARACTERS_PER_TOKEN = 4
"""Of a prompt whose tokens nobody counts: a rule of thumb for English."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Price:
    """What a service takes, in any currency.

    Attributes
    ----------
    input, output : float
        For a million tokens of prompt, and of reply.
    """

    input: float
    output: float

    def __post_init__(self) -> None:
        for name, value in (("input", self.input), ("output", self.output)):
            if not 0 <= value <= 1e6:
                raise ConfigError(f"{name} {value}: expected 0 .. 1000000 per million tokens")


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of both engines; the second's are the first's if it is the same engine."""

    first: Price
    second: Price | None = None


@dataclass(frozen=True, slots=True)
class HedgedSettings:
    """Two language models of which the faster one answers.

    Attributes
    ----------
    first : dict
        Settings of the first engine, with its ``kind``.
    second : dict, optional
        Of the second one; the first once more if null.
    delay_ms : float
        Milliseconds without a usable token of the first after which the second is asked.
    prices : Prices, optional
        Makes the cost of what was given up a count.

    Raises
    ------
    ConfigError
        If a value does not fit.
    """

    first: dict[str, Any]
    second: dict[str, Any] | None = None
    delay_ms: float = 200.0
    prices: Prices | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.delay_ms <= 60_000:
            raise ConfigError(f"llm.delay_ms {self.delay_ms}: expected 0 .. 60000")
        if self.prices and self.second is not None and self.prices.second is None:
            raise ConfigError("llm.prices.second: missing; the second is another engine")


class HedgedLlm:
    """A `LanguageModel` made of two.

    Parameters
    ----------
    settings : HedgedSettings
    first : LanguageModel
    second : LanguageModel, optional
        The first once more if None: a call then takes two of its slots.
    """

    def __init__(
        self, settings: HedgedSettings, first: LanguageModel, second: LanguageModel | None = None
    ) -> None:
        self.settings = settings
        self.engines = (first,) if second is None or second is first else (first, second)
        self.simulated = any(engine.simulated for engine in self.engines)
        names = f"{first.name}, {self.engines[-1].name}"
        self.name = f"hedged ({names} after {settings.delay_ms:g} ms)"

    async def warm(self) -> None:
        """Get both ready; see `LanguageModel.warm`."""
        for engine in self.engines:
            await engine.warm()

    def open(self) -> HedgedConversation:
        """Take a slot of each.

        A call for which only the second has none is taken and not hedged; a warning tells.

        Raises
        ------
        StageError
            If the first has none left.
        """
        first = self.engines[0].open()
        try:
            second = self.engines[-1].open()
        except StageError as error:
            _log.warning("a call is not hedged: %s", error)
            return HedgedConversation(self, first, None)
        return HedgedConversation(self, first, second)

    async def aclose(self) -> None:
        """Free both."""
        for engine in self.engines:
            await engine.aclose()


class HedgedConversation:
    """One call's conversation with both; a `Conversation`."""

    def __init__(self, engine: HedgedLlm, first: Conversation, second: Conversation | None) -> None:
        self._engine = engine
        self._both = [first] if second is None else [first, second]
        self._relay = Relay()
        self._counts: Counter[str] = Counter()
        self._cost = 0.0

    def reply(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[str, None]:
        """Answer with the pieces of one engine; see `Conversation.reply`.

        Raises
        ------
        StageError
            That of the first if neither gave a word; else that of the one that answers.
        """
        return self._relay.pieces(self._answer(messages))

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Compute ahead with both, unless they are the same; see `Conversation.prefill`."""
        async with asyncio.TaskGroup() as group:
            for conversation in self._both[: len(self._engine.engines)]:
                group.create_task(conversation.prefill(messages))

    def take_counts(self) -> Mapping[str, int]:
        """Tell what happened since the last time; names as the module's text has them."""
        counts = self._counts
        counts["hedge_cost_microunits"] = int(self._cost)
        self._cost -= int(self._cost)
        self._counts = Counter()
        for conversation in self._both:
            counts.update(conversation.take_counts())
        return {name: n for name, n in counts.items() if n}

    async def aclose(self) -> None:
        """Stop replies under way and give both slots back. May be called twice."""
        await self._relay.aclose()
        for conversation in self._both:
            await conversation.aclose()

    async def _answer(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[str, None]:
        race = Race(self._both, messages, self._engine.settings.delay_ms / 1000)
        try:
            await race.decide()
            async with aclosing(race.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            race.stop()
            self._counts.update(race.counts())
            self._cost += self._lost(race, messages)
            await race.ended()

    def _lost(self, race: Race, messages: Sequence[ChatMessage]) -> float:
        """Estimated cost of what was given up, in millionths of the currency's unit."""
        prices, loser = self._engine.settings.prices, race.loser
        if prices is None or loser is None or loser.error is not None:
            return 0.0
        price = prices.first if loser is race.entrants[0] else prices.second or prices.first
        asked = sum(len(message.content) for message in messages) / CHARACTERS_PER_TOKEN
        return asked * price.input + loser.given * price.output
