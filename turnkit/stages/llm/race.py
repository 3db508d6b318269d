"""Two replies to the same messages, of which the first to give a word goes on."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from turnkit.stages.llm.protocol import ChatMessage, Conversation

_WORD = re.compile(r"\w")
_log = logging.getLogger(__name__)


class Entrant:
    """One engine's reply under way, in a task of its own.

    Attributes
    ----------
    given : int
        Pieces so far.
    held : list of str
        Pieces that came before it was known who answers.
    over : bool
        Whether its last piece was taken notice of.
    error : Exception or None
        What it failed with.
    """

    def __init__(self, source: AsyncGenerator[str, None], told: _Told) -> None:
        self.given = 0
        self.held: list[str] = []
        self.over = False
        self.error: Exception | None = None
        self.task = asyncio.create_task(self._run(source, told))

    def stop(self) -> None:
        """Give it up; once more would disturb it while it closes its connection."""
        if not self.task.cancelling():
            self.task.cancel()

    async def _run(self, source: AsyncGenerator[str, None], told: _Told) -> None:
        try:
            async with aclosing(source):
                async for piece in source:
                    self.given += 1
                    told.put_nowait((self, piece))
        except Exception as error:  # raised by `Race.pieces` if this one is to answer
            self.error = error
        told.put_nowait((self, None))


_Told = asyncio.Queue[tuple[Entrant, str | None]]


class Race:
    """One reply: who was asked, who answers, who is given up.

    Parameters
    ----------
    both : sequence of Conversation
        In the order in which they are asked; one alone is no race.
    messages : sequence of ChatMessage
    delay_s : float
        Seconds without a word after which the second is asked.

    Attributes
    ----------
    entrants : list of Entrant
        Those that were asked.
    winner : Entrant or None
        The one that gave a word first, once there is one.
    hedged, rescued : bool
        Whether the second was asked because the delay had passed, or because the first
        was over without a word.
    """

    def __init__(
        self, both: Sequence[Conversation], messages: Sequence[ChatMessage], delay_s: float
    ) -> None:
        self._waiting = list(both)
        self._messages = messages
        self._delay_s = delay_s
        self._told: _Told = asyncio.Queue()
        self.entrants: list[Entrant] = []
        self.winner: Entrant | None = None
        self.hedged = False
        self.rescued = False

    async def decide(self) -> None:
        """Wait until one gave a word, or neither will."""
        due = asyncio.get_running_loop().time() + self._delay_s
        self._ask_next()
        while not all(entrant.over for entrant in self.entrants):
            try:
                async with asyncio.timeout_at(due if self._waiting else None):
                    entrant, piece = await self._told.get()
            except TimeoutError:
                self.hedged = True
                self._ask_next()
                continue
            if piece is None:
                entrant.over = True
                self._rescue(entrant)
                continue
            entrant.held.append(piece)
            if _WORD.search(piece):
                self.winner = entrant
                if self.loser is not None:
                    self.loser.stop()
                return

    async def pieces(self) -> AsyncGenerator[str, None]:
        """All pieces of the one that answers; the first's, such as they are, if none does."""
        answering = self.winner or self.entrants[0]
        for piece in answering.held:
            yield piece
        while not answering.over:
            entrant, following = await self._told.get()
            if entrant is not answering:
                continue
            if following is None:
                break
            yield following
        if answering.error is not None:
            raise answering.error

    @property
    def loser(self) -> Entrant | None:
        """The one that does not answer; the one asked in addition if no word came."""
        if len(self.entrants) < 2:
            return None
        first, second = self.entrants
        return first if self.winner is second else second

    def counts(self) -> Counter[str]:
        """Tell what it came to, once it is over."""
        won = self.hedged and self.winner is not None and self.winner is not self.entrants[0]
        return Counter(
            hedges=int(self.hedged),
            hedge_wins=int(won),
            hedge_rescues=int(self.rescued),
            hedge_tokens=self.loser.given if self.loser else 0,
        )

    def stop(self) -> None:
        """Give up whatever still runs."""
        for entrant in self.entrants:
            entrant.stop()

    async def ended(self) -> None:
        """Wait until nothing runs any more."""
        await asyncio.wait([entrant.task for entrant in self.entrants])

    def _ask_next(self) -> None:
        self.entrants.append(Entrant(self._waiting.pop(0).reply(self._messages), self._told))

    def _rescue(self, failed: Entrant) -> None:
        if self._waiting:
            self.rescued = True
            _log.warning("a reply without a word, asked again: %s", failed.error or "it ended")
            self._ask_next()
