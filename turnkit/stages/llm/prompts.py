"""Conversations as prompts: the model's own template, a stable prefix, a bounded length."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from turnkit.errors import StageError
from turnkit.stages.llm.protocol import ChatMessage

_MARK = "⟦⟧"
"""Stands where an unfinished user message goes on; never part of a message."""

_HYSTERESIS = 4
"""Old turns are dropped a quarter of the room at a time. Dropping a turn makes all that
follows be computed anew, so it must not happen at every turn."""


class Template(Protocol):
    """What is needed of a model to write its prompts."""

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        """Prompt by the model's chat template, ready for the assistant's words."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        ...


class PromptWriter:
    """Write the prompts of a model.

    A prompt depends on the messages alone, never on earlier calls, so that what was
    computed ahead or for nothing cannot change a reply.

    Parameters
    ----------
    template : Template
    room : int
        Tokens that a prompt may have.
    """

    def __init__(self, template: Template, room: int) -> None:
        self._template = template
        self._room = room
        self._count = lru_cache(maxsize=1024)(template.count_tokens)
        user = {"role": "user", "content": "a"}
        turn = [user, {"role": "assistant", "content": "a"}]
        # What the template puts round a message, and what it adds to a conversation.
        shorter, longer = (self._count(template.render(each)) for each in ([user], [*turn, user]))
        self._frame = -(-(longer - shorter) // len(turn)) - self._count("a")
        self._base = max(0, shorter - self._frame - self._count("a"))

    def whole(self, messages: Sequence[ChatMessage]) -> str:
        """Prompt for a reply.

        Raises
        ------
        StageError
            If the system message and the last one alone are too long.
        """
        return self._template.render(_plain(self.fit(messages)))

    def beginning(self, messages: Sequence[ChatMessage]) -> str:
        """Write the part of `whole` that stays if the last user message goes on.

        If the last message is not the user's, all of it and the opening of the next.

        Raises
        ------
        StageError
            As `whole`.
        """
        kept = self.fit(messages)
        plain = _plain(kept)
        if kept and kept[-1].role == "user":
            plain[-1]["content"] = plain[-1]["content"].rstrip() + _MARK
        else:
            plain.append({"role": "user", "content": _MARK})
        return self._template.render(plain).partition(_MARK)[0]

    def fit(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Drop the oldest messages until the rest fits; the system message always stays.

        Raises
        ------
        StageError
            As `whole`.
        """
        # A token is a byte at least: short conversations need no counting.
        longest = sum(len(m.content.encode()) + self._frame for m in messages)
        if self._base + longest <= self._room:
            return list(messages)
        sizes = [self._count(_harmless(m.content)) + self._frame for m in messages]
        first = 1 if messages[0].role == "system" else 0
        excess = self._base + sum(sizes) - self._room
        step = max(1, self._room // _HYSTERESIS)
        wanted = -(-excess // step) * step if excess > 0 else 0
        start, dropped = first, 0
        while start < len(messages) - 1 and dropped < wanted:
            dropped += sizes[start]
            start += 1
        # A conversation goes on with the user's words, not with an answer to nothing.
        while start > first and start < len(messages) - 1 and messages[start].role != "user":
            dropped += sizes[start]
            start += 1
        if dropped < excess:
            raise StageError(
                "llm", f"the last message does not fit into the context of {self._room} tokens"
            )
        return [*messages[:first], *messages[start:]]


def _plain(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": _harmless(m.content)} for m in messages]


def _harmless(text: str) -> str:
    """Text without control tokens such as ``<|im_end|>``, which a caller could spell."""
    return text.replace("<|", "< |").replace("|>", "| >").replace(_MARK, "")
