"""What the agent asks of a recogniser: words while the caller still speaks.

Nothing here blocks: an engine that computes does so in a thread of its own and delivers
through the stream's iterator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from turnkit.audio import Samples


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser makes of an utterance so far.

    Attributes
    ----------
    utterance : int
        Counted from 0; `SttStream.restart` begins the next one.
    heard : int
        Samples pushed since the stream was opened, up to which this transcript takes
        everything into account.
    committed : tuple of str
        Words that later transcripts of the utterance keep, in order.
    tail : tuple of str
        Words after those that may still change.
    flushed : bool
        Answer to `SttStream.flush`: all audio up to `heard` was decoded for it.
    """

    utterance: int
    heard: int
    committed: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    flushed: bool = False

    @property
    def text(self) -> str:
        """All words, with spaces between them."""
        return " ".join((*self.committed, *self.tail))


class SttStream(Protocol):
    """One caller's speech; iterate to receive transcripts in order."""

    def push(self, samples: Samples) -> None:
        """Take the next samples (mono float32 at the engine's rate, usually 20 ms).

        Only queues them. Once the stream has failed or was closed this does nothing:
        the iterator tells what happened.
        """
        ...

    def flush(self) -> None:
        """Ask for a transcript of everything pushed so far, as soon as possible.

        Exactly one transcript with `flushed` follows for each call, unless `restart` or
        `aclose` comes first. The utterance goes on afterwards.
        """
        ...

    def restart(self, keep: int = 0) -> None:
        """Forget the utterance and begin the next with the last `keep` samples pushed.

        Transcripts of earlier utterances may still be delivered; their number tells.
        """
        ...

    def __aiter__(self) -> AsyncIterator[Transcript]:
        """Transcripts as they come, until `aclose`.

        Raises
        ------
        StageError
            If the engine failed; nothing comes after it.
        """
        ...

    async def aclose(self) -> None:
        """Stop and free everything; work in progress is abandoned. May be called twice."""
        ...


class SpeechToText(Protocol):
    """A recogniser, loaded once for all calls.

    Attributes
    ----------
    name : str
        As reports print it.
    simulated : bool
        Whether its words or times are scripted: reports say so.
    """

    name: str
    simulated: bool

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the samples that streams take."""
        ...

    async def warm(self) -> None:
        """Load and run once, so that the first call does not wait.

        Raises
        ------
        StageError, MissingAssetError, MissingDependencyError, OfflineError
            If it cannot work.
        """
        ...

    def open(self, *, partials: bool = True) -> SttStream:
        """Begin a caller's stream; needs a running event loop.

        Parameters
        ----------
        partials : bool
            False asks for nothing but answers to `SttStream.flush`, computed then: a
            recogniser that does not stream. One that cannot help it streams all the same.
        """
        ...

    async def aclose(self) -> None:
        """Free everything."""
        ...
