"""Phrases that are said often, kept as audio.

"Sure," costs as much as any other first clause, and is the one that is waited for. What
comes from here is marked `SpeechPiece.cached`, and counted, so that no report takes it for
the voice's speed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace

from turnkit.errors import ConfigError
from turnkit.stages.tts.stream import SpeechPiece, StreamingTts

OPENING_PHRASES = (
    "Sure,", "Sure!", "Sure.", "Of course,", "Of course!", "Okay,", "Okay.", "Yes,", "Yes.",
    "No,", "Well,", "Hello!", "Hi!", "Hi there!", "Great!", "Great,", "Thank you.", "Thanks!",
    "Let me see.", "One moment.", "I see.", "I'm sorry,", "I'm sorry.", "You're welcome!",
)  # fmt: skip
"""What replies of language models often open with, as the clause chunker cuts them."""


@dataclass(frozen=True)
class PhraseCacheSettings:
    """What is kept.

    Attributes
    ----------
    enabled : bool
        Without it nothing is kept.
    max_bytes : int
        Most memory for audio that was asked for in calls; the least recently used goes
        first. The `phrases` stay, whatever they take. 0 keeps the `phrases` alone.
    phrases : tuple of str
        Clauses spoken when the engine is warmed, exactly as they will be asked for.

    Raises
    ------
    ConfigError
        If `max_bytes` is negative.
    """

    enabled: bool = True
    max_bytes: int = 16_000_000
    phrases: tuple[str, ...] = OPENING_PHRASES

    def __post_init__(self) -> None:
        if self.max_bytes < 0:
            raise ConfigError(f"tts.cache.max_bytes {self.max_bytes}: expected at least 0")


class PhraseCache:
    """A `StreamingTts` that remembers what another has said, by the exact text.

    Only what was spoken to its end is kept. Its samples are read-only.

    Parameters
    ----------
    inner : StreamingTts
        The engine; closed with the cache.
    settings : PhraseCacheSettings, optional
    phrases : iterable of str
        More texts that are spoken when warmed and never dropped: fixed sentences.

    Attributes
    ----------
    hits, misses : int
        Clauses given from memory, and not; those of `warm` do not count.
    """

    def __init__(
        self,
        inner: StreamingTts,
        settings: PhraseCacheSettings | None = None,
        phrases: Iterable[str] = (),
    ) -> None:
        self.inner = inner
        self.settings = settings or PhraseCacheSettings()
        self.name = inner.name
        self.simulated = inner.simulated
        self.hits = 0
        self.misses = 0
        self._fixed = dict.fromkeys([*self.settings.phrases, *phrases])
        self._phrases: dict[str, tuple[SpeechPiece, ...]] = {}
        self._recent: OrderedDict[str, tuple[SpeechPiece, ...]] = OrderedDict()
        self._bytes = 0

    @property
    def sample_rate(self) -> int:
        """Rate of the samples in Hz."""
        return self.inner.sample_rate

    @property
    def recent_bytes(self) -> int:
        """Bytes of audio that `PhraseCacheSettings.max_bytes` bounds."""
        return self._bytes

    async def warm(self) -> None:
        """Warm the engine and speak the phrases; see `StreamingTts.warm`."""
        await self.inner.warm()
        if not self.settings.enabled:
            return
        for text in self._fixed:
            async with aclosing(self._spoken(text)) as stream:
                async for _ in stream:
                    pass

    async def stream(self, text: str) -> AsyncGenerator[SpeechPiece, None]:
        """Speak from memory, or let the engine speak; see `StreamingTts.stream`."""
        known = self._phrases.get(text) or self._recent.get(text)
        if known:
            self.hits += 1
            if text in self._recent:
                self._recent.move_to_end(text)
            for piece in known:
                yield replace(piece, cached=True)
            return
        self.misses += 1
        async with aclosing(self._spoken(text)) as stream:
            async for piece in stream:
                yield piece

    async def _spoken(self, text: str) -> AsyncGenerator[SpeechPiece, None]:
        """Let the engine speak, and keep it if that came to its end."""
        spoken: list[SpeechPiece] = []
        async with aclosing(self.inner.stream(text)) as stream:
            async for piece in stream:
                piece.samples.setflags(write=False)  # others will hear the same array
                spoken.append(piece)
                yield piece
        self._keep(text, spoken)

    async def aclose(self) -> None:
        """Close the engine and forget everything."""
        await self.inner.aclose()
        self._phrases.clear()
        self._recent.clear()
        self._bytes = 0

    def _keep(self, text: str, spoken: list[SpeechPiece]) -> None:
        if not self.settings.enabled:
            return
        if text in self._fixed:
            self._phrases[text] = tuple(spoken)
            return
        size = _bytes(spoken)
        if not size or size > self.settings.max_bytes:
            return
        # two calls may have missed it at the same time
        self._bytes += size - _bytes(self._recent.pop(text, ()))
        self._recent[text] = tuple(spoken)
        while self._bytes > self.settings.max_bytes:
            self._bytes -= _bytes(self._recent.popitem(last=False)[1])


def _bytes(pieces: Iterable[SpeechPiece]) -> int:
    return sum(piece.samples.nbytes for piece in pieces)
