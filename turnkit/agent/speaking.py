"""A call's replies in the making: from messages to clauses to queued audio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

from turnkit.agent.cancelling import Cancelling
from turnkit.agent.session.events import ClauseReady, Event, StageFailed, Voiced, Written, Wrote
from turnkit.agent.session.playout import Playout
from turnkit.agent.stack import Stack
from turnkit.audio import Resampler
from turnkit.errors import StageError
from turnkit.stages.llm.protocol import ChatMessage
from turnkit.stages.tts.clauses import ClauseChunker, ClauseSettings
from turnkit.stages.tts.stream import SpokenWord

Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]


class Speaker:
    """Writes and voices one reply at a time; everything of it can be cancelled at once.

    Parameters
    ----------
    stack : Stack
    playout : Playout
        Where audio is queued.
    post : callable
        Gets events.
    now : callable
        The call's clock.
    spawn : callable
        Starts a task of the call.
    count : callable
        Gets what the language model counts: a name and how often.
    cancelling : Cancelling
        Times how long the work of a cancelled reply takes to end.
    """

    def __init__(
        self,
        stack: Stack,
        playout: Playout,
        post: Callable[[Event], None],
        now: Callable[[], int],
        spawn: Spawn,
        count: Callable[[str, int], None],
        cancelling: Cancelling,
    ) -> None:
        self._stack, self._playout = stack, playout
        self._post, self._now, self._spawn, self._count = post, now, spawn, count
        self._cancelling = cancelling
        self._conversation = stack.llm.open()
        self._model = asyncio.Lock()
        self._prefill: asyncio.Task[None] | None = None
        self._work: list[asyncio.Task[None]] = []
        self._clauses: asyncio.Queue[str] = asyncio.Queue()

    def start(self, reply: int, messages: Sequence[ChatMessage]) -> None:
        """Open the playout for a reply and have the language model write it."""
        self.say(reply)
        self._stop_prefill()
        self._work.append(self._spawn(self._write(reply, messages), f"reply {reply}"))

    def say(self, reply: int) -> None:
        """Open the playout for a reply whose clauses are given by `speak`."""
        self._playout.open(reply)
        self._clauses = asyncio.Queue()
        self._work.append(self._spawn(self._voice(reply, self._clauses), f"voice {reply}"))

    def speak(self, text: str) -> None:
        """Voice a clause of the open reply after those before it."""
        self._clauses.put_nowait(text)

    def cancel(self, reply: int) -> None:
        """Drop a reply: its audio now, its work as soon as the engines let go."""
        self._playout.close(reply)
        self._cancelling.cancel(reply)
        self._stop_prefill()
        for task in self._work:
            task.cancel()
        self._work.clear()

    def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Have the language model read ahead; the latest messages win."""
        self._stop_prefill()
        self._prefill = self._spawn(self._read_ahead(messages), "prefill")

    async def aclose(self) -> None:
        """Free the slot in the language model."""
        await self._conversation.aclose()

    def _stop_prefill(self) -> None:
        if self._prefill is not None:
            self._prefill.cancel()
            self._prefill = None

    async def _read_ahead(self, messages: Sequence[ChatMessage]) -> None:
        async with self._model:
            await self._conversation.prefill(messages)

    async def _write(self, reply: int, messages: Sequence[ChatMessage]) -> None:
        batch = self._stack.rules.mode == "batch"
        words = self._stack.rules.conversation.clause_words
        chunker = ClauseChunker(ClauseSettings(min_words=words))
        whole = ""
        try:
            async with self._model:
                with self._cancelling.under_way(reply, "llm"):
                    async with aclosing(self._conversation.reply(messages)) as pieces:
                        async for piece in pieces:
                            self._post(Wrote(self._now(), reply, piece))
                            whole += piece
                            for clause in () if batch else chunker.push(piece):
                                self._post(ClauseReady(self._now(), reply, clause))
        except StageError as error:
            self._post(StageFailed(self._now(), error.stage, error.problem, reply))
            return
        finally:
            # Cancelled or not: by now the model has let go of the reply.
            for name, n in self._conversation.take_counts().items():
                self._count(name, n)
        rest = [whole.strip()] if batch else chunker.finish()
        for clause in filter(None, rest):
            self._post(ClauseReady(self._now(), reply, clause))
        self._post(Written(self._now(), reply))

    async def _voice(self, reply: int, clauses: asyncio.Queue[str]) -> None:
        made = 0.0
        try:
            while True:
                made = await self._clause(reply, await clauses.get(), made)
        except StageError as error:
            self._post(StageFailed(self._now(), error.stage, error.problem, reply))

    async def _clause(self, reply: int, text: str, began: float) -> float:
        """Voice one clause that begins `began` seconds into the reply; where it ends."""
        loop = asyncio.get_running_loop()
        rate, made, timed = self._stack.tts.sample_rate, began, False
        resampler = Resampler(rate, self._playout.rate)
        with self._cancelling.under_way(reply, "tts"):
            async with aclosing(self._stack.tts.stream(text)) as pieces:
                async for piece in pieces:
                    samples = await loop.run_in_executor(
                        self._stack.voices, resampler.push, piece.samples
                    )
                    seconds = self._playout.add(reply, samples)
                    made += seconds
                    timed = timed or bool(piece.words)
                    words = tuple(
                        SpokenWord(word.text, min(began + word.end, made)) for word in piece.words
                    )
                    self._post(Voiced(self._now(), reply, seconds, words, cached=piece.cached))
        # Of a clause that made no sound not a word was spoken.
        words = () if timed or made == began else spread(text, began, made)
        self._post(Voiced(self._now(), reply, 0.0, words, clause_done=True))
        return made


def spread(text: str, began: float, ends: float) -> tuple[SpokenWord, ...]:
    """Time words whose engine gave no times: in proportion to their letters."""
    words = text.split()
    letters = sum(len(word) for word in words)
    times, so_far = [], 0
    for word in words:
        so_far += len(word)
        times.append(SpokenWord(word, began + (ends - began) * so_far / letters))
    return tuple(times)
