"""A scripted voice: tones instead of words, at stated times, with faults on request."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field

import numpy as np

from turnkit.audio import Samples
from turnkit.errors import ConfigError, StageError
from turnkit.stages.scripting import Delay, Fault
from turnkit.stages.tts.stream import SpeechPiece, SpokenWord
from turnkit.timing import MAX_RATE, MIN_RATE, to_samples

AMPLITUDE = 0.3
"""Peak of the tones, about the level of speech."""

VOICED = 0.8
"""Part of a word's time that sounds; the rest is silence, so that words can be counted."""

RAMP_S = 0.002
"""Seconds in which a tone fades in and out: it has no clicks, and its onset is exact."""


@dataclass(frozen=True)
class FakeTtsSettings:
    """A scripted voice.

    Attributes
    ----------
    first_audio : str
        Delay until the first piece, as `turnkit.stages.scripting.Delay` reads it.
    real_time_factor : float
        Seconds that a second of audio takes to make, after the first piece; 0 is at once.
    words_per_second : float
        How fast it speaks.
    tone_hz : float
        Frequency of the tones.
    sample_rate : int
        Hz.
    fault : Fault
        What goes wrong. ``garbage`` is noise without words.
    seed : int
        Of the delays and the noise.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    first_audio: str = "100"
    real_time_factor: float = 0.1
    words_per_second: float = 3.0
    tone_hz: float = 440.0
    sample_rate: int = 22_050
    fault: Fault = field(default_factory=Fault)
    seed: int = 0

    def __post_init__(self) -> None:
        Delay(self.first_audio)
        limits = {
            "real_time_factor": (0.0, 100.0),
            "words_per_second": (0.1, 50.0),
            "sample_rate": (MIN_RATE, MAX_RATE),
            "tone_hz": (20.0, self.sample_rate / 2),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"tts.{name} {value}: expected a number from {low:g} to {high:g}")


class FakeTts:
    """A scripted `StreamingTts`: a tone burst for each word, one piece each.

    The words and their times are exact: a burst ends where its word ends.

    Parameters
    ----------
    settings : FakeTtsSettings, optional
    """

    name = "scripted tones"
    simulated = True

    def __init__(self, settings: FakeTtsSettings | None = None) -> None:
        self.settings = settings or FakeTtsSettings()
        self._delay = Delay(self.settings.first_audio, self.settings.seed)
        self._random = np.random.default_rng(self.settings.seed)
        self._calls = 0
        self._closed = False

    @property
    def sample_rate(self) -> int:
        """Rate of the samples in Hz."""
        return self.settings.sample_rate

    async def warm(self) -> None:
        """Do nothing: there is nothing to load."""

    async def stream(self, text: str) -> AsyncGenerator[SpeechPiece, None]:
        """Give a tone for each word; see `StreamingTts.stream`."""
        if self._closed:
            raise StageError("tts", "the engine is closed")
        self._calls += 1
        fault = self.settings.fault if self.settings.fault.strikes(self._calls) else Fault()
        started = asyncio.get_running_loop().time()
        made_s = self._delay.draw_ms() / 1000
        for given, piece in enumerate(self._pieces(text)):
            if given == fault.after and fault.kind not in ("none", "garbage"):
                await fault.strike("tts")
                return
            await asyncio.sleep(started + made_s - asyncio.get_running_loop().time())
            if fault.kind == "garbage" and given >= fault.after:
                noise = self._random.uniform(-1.0, 1.0, len(piece.samples))
                yield SpeechPiece(noise.astype(np.float32))
            else:
                yield piece
            made_s += self.settings.real_time_factor * len(piece.samples) / self.sample_rate

    async def aclose(self) -> None:
        """Refuse to speak from now on."""
        self._closed = True

    def _pieces(self, text: str) -> Iterator[SpeechPiece]:
        rate, at = self.sample_rate, 0
        words = text.split() if any(map(str.isalnum, text)) else []
        for i, word in enumerate(words, start=1):
            until = to_samples(i / self.settings.words_per_second, rate)
            voiced = max(round(VOICED * (until - at)), 1)
            samples = np.zeros(until - at, dtype=np.float32)
            samples[:voiced] = self._tone(voiced)
            yield SpeechPiece(samples, (SpokenWord(word, (at + voiced) / rate),))
            at = until

    def _tone(self, length: int) -> Samples:
        rate = self.sample_rate
        time = np.arange(length) / rate
        # a cosine: audible from its first sample on but for the ramp
        tone = AMPLITUDE * np.cos(2 * math.pi * self.settings.tone_hz * time)
        edge = np.minimum(time + 1 / rate, time[::-1] + 1 / rate)
        return np.asarray(tone * np.clip(edge / RAMP_S, 0.0, 1.0), dtype=np.float32)
