"""A scripted language model: stated replies at stated times, with faults on request."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from turnkit.errors import ConfigError, StageError
from turnkit.stages.llm.protocol import ChatMessage, Uncounted
from turnkit.stages.llm.relay import Relay
from turnkit.stages.scripting import Delay, Fault

CALLER = "{text}"
"""Stands in a scripted reply for what the caller said last."""

_GARBAGE_PIECES = 8
_GARBAGE = "\x00\x07\ufffd{}<|#|>\u202e"


@dataclass(frozen=True, slots=True)
class FakeLlmSettings:
    """A scripted language model.

    Attributes
    ----------
    replies : tuple of str
        Given in turn, over and over; ``{text}`` is what the caller said last.
    first_token, per_token : str
        Delays until the first piece and between pieces, in milliseconds, as
        `turnkit.stages.scripting.Delay` reads them.
    fault : Fault
        What goes wrong. ``die`` ends the reply without a word of it, ``garbage`` goes on
        with control characters.
    slots : int
        Calls that can be open at a time.
    seed : int
        Of the delays and the garbage.

    Raises
    ------
    ConfigError
        If a value does not fit.
    """

    replies: tuple[str, ...] = ("You said: {text}.",)
    first_token: str = "75"
    per_token: str = "15"
    fault: Fault = field(default_factory=Fault)
    slots: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        Delay(self.first_token)
        Delay(self.per_token)
        if not self.replies:
            raise ConfigError("llm.replies (): expected at least one reply")
        if self.slots < 1:
            raise ConfigError(f"llm.slots {self.slots}: expected at least 1")
        if self.seed < 0:
            raise ConfigError(f"llm.seed {self.seed}: expected 0 or more")


class FakeLlm:
    """A scripted `LanguageModel`: each piece of a reply is a word and what follows it.

    Parameters
    ----------
    settings : FakeLlmSettings, optional

    Attributes
    ----------
    replies, prefills : int
        Requests so far, of all conversations.
    given_up : int
        Replies that were closed before their end.
    open_conversations : int
        Conversations that have a slot now.
    """

    name = "scripted replies"
    simulated = True

    def __init__(self, settings: FakeLlmSettings | None = None) -> None:
        self.settings = settings or FakeLlmSettings()
        self.replies = 0
        self.prefills = 0
        self.given_up = 0
        self.open_conversations = 0
        self._closed = False
        chosen = self.settings
        self._first = Delay(chosen.first_token, chosen.seed)
        self._each = Delay(chosen.per_token, chosen.seed + 1)
        self._random = np.random.default_rng(chosen.seed)
        self._script = itertools.cycle(chosen.replies)

    async def warm(self) -> None:
        """Do nothing: there is nothing to load."""

    def open(self) -> FakeConversation:
        """Take a slot.

        Raises
        ------
        StageError
            If all are taken, or the engine was closed.
        """
        if self._closed:
            raise StageError("llm", "the engine was closed")
        if self.open_conversations == self.settings.slots:
            raise StageError("llm", f"all {self.settings.slots} slots are taken")
        self.open_conversations += 1
        return FakeConversation(self)

    async def aclose(self) -> None:
        """Refuse to answer from now on."""
        self._closed = True

    async def answer(self, text: str) -> AsyncGenerator[str, None]:
        """Give the next scripted reply to a text."""
        if self._closed:
            raise StageError("llm", "the engine was closed")
        self.replies += 1
        fault = self.settings.fault if self.settings.fault.strikes(self.replies) else Fault()
        reply = next(self._script).replace(CALLER, text)
        try:
            async for piece in self._timed(re.findall(r"\S+\s*", reply), fault):
                yield piece
        except (GeneratorExit, asyncio.CancelledError):
            self.given_up += 1
            raise

    async def _timed(self, pieces: list[str], fault: Fault) -> AsyncGenerator[str, None]:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._first.draw_ms() / 1000
        struck = fault.kind != "none"
        if struck:
            pieces = pieces[: fault.after]
        if fault.kind == "garbage":
            pieces = [*pieces, *self._garbage()]
        for piece in pieces:
            await asyncio.sleep(due - loop.time())
            yield piece
            due += self._each.draw_ms() / 1000
        if struck:
            await fault.strike("llm")

    def _garbage(self) -> Iterator[str]:
        for _ in range(_GARBAGE_PIECES):
            yield "".join(self._random.choice(list(_GARBAGE), 6))


class FakeConversation(Uncounted):
    """One call's slot; a `Conversation`."""

    def __init__(self, engine: FakeLlm) -> None:
        self._engine = engine
        self._relay = Relay()
        self._closed = False

    def reply(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[str, None]:
        """Answer, piece by piece; see `Conversation.reply`."""
        said = [message.content for message in messages if message.role == "user"]
        return self._relay.pieces(self._engine.answer(said[-1] if said else ""))

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Count it; there is nothing to compute."""
        del messages
        self._engine.prefills += 1

    async def aclose(self) -> None:
        """Stop replies under way and give the slot back. May be called twice."""
        await self._relay.aclose()
        if not self._closed:
            self._closed = True
            self._engine.open_conversations -= 1
