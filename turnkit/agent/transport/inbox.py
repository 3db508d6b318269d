"""What both transports need for what comes in: bounded queues, and messages checked."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from turnkit.agent.transport.settings import MessageLimits

T = TypeVar("T")


class Inbox(Generic[T]):
    """A bounded queue with one reader and an end.

    Parameters
    ----------
    limit : int
        Most items that wait; `put` refuses more.
    """

    def __init__(self, limit: int) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._changed = asyncio.Event()
        self.ended = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> bool:
        """Add an item; False if there is no room or the end was reached."""
        if self.ended or len(self._items) >= self._limit:
            return False
        self._items.append(item)
        self._changed.set()
        return True

    def end(self, discard: bool = False) -> None:
        """Let the reader get what is there, or nothing, and then None."""
        self.ended = True
        if discard:
            self._items.clear()
        self._changed.set()

    async def take(self) -> T | None:
        """Next item; None at the end."""
        await self._wait()
        return self._items.popleft() if self._items else None

    async def take_all(self) -> list[T] | None:
        """All items that are there, at least one; None at the end."""
        await self._wait()
        items = list(self._items)
        self._items.clear()
        return items or None

    async def _wait(self) -> None:
        while not self._items and not self.ended:
            self._changed.clear()
            await self._changed.wait()


class MessageGate:
    """Lets messages in that are JSON objects with a type, not too long and not too many.

    Parameters
    ----------
    limits : MessageLimits

    Attributes
    ----------
    refused : int
        Messages that were dropped.
    """

    def __init__(self, limits: MessageLimits) -> None:
        self._limits = limits
        self._allowance = 2.0 * limits.per_s
        self._last: float | None = None
        self.refused = 0

    def admit(self, text: object, now: float) -> dict[str, Any] | None:
        """Return the message in `text`, or None if it is refused."""
        message = self._parse(text) if self._in_time(now) else None
        self.refused += message is None
        return message

    def _in_time(self, now: float) -> bool:
        elapsed = 0.0 if self._last is None else now - self._last
        self._last = now
        most = 2.0 * self._limits.per_s
        self._allowance = min(most, self._allowance + elapsed * self._limits.per_s)
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    def _parse(self, text: object) -> dict[str, Any] | None:
        if not isinstance(text, str) or len(text) > self._limits.max_bytes:
            return None
        if len(text.encode("utf-8", "replace")) > self._limits.max_bytes:
            return None
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            return None
        return message


def as_text(message: Mapping[str, Any]) -> str:
    """Return a message as compact JSON; NaN and infinity are mistakes."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False)
