"""Helpers of these tests: running coroutines, collecting replies, waiting without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from turnkit.stages.llm.protocol import ChatMessage, Conversation

T = TypeVar("T")
PATIENCE_S = 600.0
"""A shared machine may stall for long; only a hang is a failure."""
SYSTEM = ChatMessage("system", "Reply with one short sentence.")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; a hang is a failure, and so is a task that is left over."""

    async def guarded() -> T:
        async with asyncio.timeout(PATIENCE_S):
            result = await work
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return result

    return asyncio.run(guarded())


def asking(*said: str) -> list[ChatMessage]:
    """Build a conversation: the caller's and the agent's words in turn."""
    roles = ("user", "assistant")
    return [SYSTEM, *(ChatMessage(roles[i % 2], text) for i, text in enumerate(said))]  # type: ignore[arg-type]


async def answer(conversation: Conversation, messages: Sequence[ChatMessage]) -> str:
    """Whole reply."""
    return "".join([piece async for piece in conversation.reply(messages)])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    while not condition():
        await asyncio.sleep(0.002)


async def listen(conversation: Conversation, said: str, heard: list[str], most: int = 0) -> None:
    """Keep the pieces of a reply as they come; give it up after `most` of them, if not 0."""
    async with aclosing(conversation.reply(asking(said))) as pieces:
        async for piece in pieces:
            heard.append(piece)
            if len(heard) == most:
                return
