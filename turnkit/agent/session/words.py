"""Words: comparing them, telling backchannels, and the conversation as a model reads it."""

from __future__ import annotations

import re
from collections.abc import Collection

from turnkit.agent.session.state import State
from turnkit.stages.llm.protocol import ChatMessage

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


def plain_words(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]


def same_words(one: str, other: str) -> bool:
    """Whether two transcripts say the same, punctuation and case aside."""
    return plain_words(one) == plain_words(other)


def interrupts(text: str, backchannels: Collection[str]) -> bool:
    """Whether a listener who says `text` wants the turn."""
    return any(word not in backchannels for word in plain_words(text))


def conversation(state: State, text: str = "") -> tuple[ChatMessage, ...]:
    """System message, the last exchanges, and the caller's `text` if there is any."""
    rules = state.rules.conversation
    system = ChatMessage("system", rules.system)
    kept = state.history[dropped(len(state.history), 2 * rules.turns) :]
    said = (ChatMessage("user", text),) if text else ()
    return (system, *kept, *said)


def dropped(messages: int, most: int) -> int:
    """Count the oldest messages to leave out, so that at most `most` stay.

    Half of the most that may stay goes at a time: the beginning of a conversation, which
    a language model keeps in its cache, then seldom changes.
    """
    if messages <= most:
        return 0
    block = max(2, most // 4 * 2)
    return min(messages, -(-(messages - most) // block) * block)
