"""What the agent asks of a voice: samples as they are made, and stopping in the middle."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from turnkit.audio import Samples


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word and where it ends.

    Attributes
    ----------
    text : str
        As in the text that was to be spoken, punctuation included.
    end : float
        Seconds from the first sample of the clause.
    """

    text: str
    end: float


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """Samples of a clause, in order.

    Attributes
    ----------
    samples : ndarray of float32, shape (n,)
        Mono, in [-1, 1], at the voice's rate.
    words : tuple of SpokenWord
        Words that end within this piece; empty if the engine does not time them.
    cached : bool
        Taken from memory instead of being computed; counted by the agent.
    """

    samples: Samples
    words: tuple[SpokenWord, ...] = ()
    cached: bool = False


class StreamingTts(Protocol):
    """A voice, loaded once for all calls.

    Attributes
    ----------
    name : str
        As reports print it.
    simulated : bool
        Whether its audio or times are scripted: reports say so.
    """

    name: str
    simulated: bool

    @property
    def sample_rate(self) -> int:
        """Rate of the samples in Hz."""
        ...

    async def warm(self) -> None:
        """Load and run once, so that the first call does not wait.

        Raises
        ------
        StageError, MissingAssetError, MissingDependencyError, OfflineError
            If it cannot work.
        """
        ...

    def stream(self, text: str) -> AsyncGenerator[SpeechPiece, None]:
        """Speak a clause or sentence.

        Parameters
        ----------
        text : str
            Plain text with its punctuation; nothing comes if there is nothing to say.

        Returns
        -------
        async generator of SpeechPiece
            Closing it, or cancelling the task that iterates, stops the engine as soon
            as it can and nothing more is delivered.

        Raises
        ------
        StageError
            If the engine failed; pieces given until then stand.
        """
        ...

    async def aclose(self) -> None:
        """Free everything."""
        ...
