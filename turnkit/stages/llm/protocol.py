"""What the agent asks of a language model: tokens as they come, and giving up at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation."""

    role: Role
    content: str


class Conversation(Protocol):
    """One call's slot in a language model."""

    def reply(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[str, None]:
        """Answer, piece by piece as tokens come.

        Parameters
        ----------
        messages : sequence of ChatMessage
            The whole conversation: a system message first, a user message last. What
            an earlier call of `reply` or `prefill` shares with it is not computed again.

        Returns
        -------
        async generator of str
            Pieces that, put together, are the answer. Closing it (``aclose``) or
            cancelling the task that iterates stops the model within a token.

        Raises
        ------
        StageError
            If the model failed; pieces given until then stand.
        """
        ...

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Compute ahead for a conversation whose last user message may still go on.

        A hint: an engine without a cache does nothing, and failures are left for
        `reply` to tell. Cancelling stops it.
        """
        ...

    def take_counts(self) -> Mapping[str, int]:
        """Tell what happened since the last time that is worth counting, by name.

        What did not happen may be left out. A reply is counted once it has ended or was
        closed, and once only. Names are those of `turnkit.stages.llm.hedged`; an engine
        that has nothing to count inherits `Uncounted`.
        """
        ...

    async def aclose(self) -> None:
        """Stop and free the slot. May be called twice."""
        ...


class Uncounted:
    """What a `Conversation` inherits that has nothing to count."""

    def take_counts(self) -> Mapping[str, int]:
        """Tell nothing; see `Conversation.take_counts`."""
        return {}


class LanguageModel(Protocol):
    """A language model, loaded once for all calls.

    Attributes
    ----------
    name : str
        As reports print it.
    simulated : bool
        Whether its words or times are scripted: reports say so.
    """

    name: str
    simulated: bool

    async def warm(self) -> None:
        """Load and run once, so that the first call does not wait.

        Raises
        ------
        StageError, MissingAssetError, MissingDependencyError, OfflineError
            If it cannot work.
        """
        ...

    def open(self) -> Conversation:
        """Take a slot for a call.

        Raises
        ------
        StageError
            If there is none left.
        """
        ...

    async def aclose(self) -> None:
        """Free everything."""
        ...
