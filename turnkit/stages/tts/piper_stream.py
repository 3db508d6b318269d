"""Piper as the agent's voice: a clause at a time, in a thread, stopped within milliseconds.

A VITS voice plans a clause as a whole and then decodes it; the decoder, which takes most of
the time, sees only a little of its surroundings, so that the first quarter of a second can
be heard before the rest is computed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np

from turnkit.audio import Samples
from turnkit.errors import ConfigError
from turnkit.stages.tts.piper import PiperTts, Speech
from turnkit.stages.tts.stream import SpeechPiece, SpokenWord
from turnkit.stages.tts.voice import default_voice, read_config
from turnkit.stages.tts.worker import Emit, SpeechWorkers, Stop

WARM_TEXT = "It is the 1st warmzup."
"""Touches all that is loaded late: numbers, and a word that no dictionary has."""

SILENT = 0.01
"""Samples below this part of a clause's peak (-40 dB) are the silence in front of it."""


@dataclass(frozen=True)
class PiperSettings:
    """A Piper voice.

    Attributes
    ----------
    voice : str, optional
        Path of the ONNX file, with its settings in ``<voice>.json``; the default voice if
        not given.
    length_scale : float
        Duration relative to the voice's own: 1.25 is a quarter slower. From 0.25 to 4.
    noise_scale, noise_w : float
        Spread of the acoustics and of the durations, from 0 to 2. Above 0 the same text
        sounds a little different each time.
    speaker : int
        Speaker number, for voices with several.
    threads : int
        Threads that compute one clause.
    workers : int
        Clauses computed at the same time, for all calls together.
    in_parts : bool
        Give the first samples before the last are computed; without it a clause comes in
        one piece, in a fifth less of computing time.
    lead_ms : float
        Most silence left in front of a clause, in milliseconds: the voice's own, about
        50, is felt as latency.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    voice: str | None = None
    length_scale: float = 1.0
    noise_scale: float = 0.0
    noise_w: float = 0.0
    speaker: int = 0
    threads: int = 1
    workers: int = 1
    in_parts: bool = True
    lead_ms: float = 10.0

    def __post_init__(self) -> None:
        limits = {
            "length_scale": (0.25, 4.0),
            "noise_scale": (0.0, 2.0),
            "noise_w": (0.0, 2.0),
            "speaker": (0, 100_000),
            "threads": (1, 256),
            "workers": (1, 256),
            "lead_ms": (0.0, 10_000.0),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"tts.{name} {value}: expected a number from {low:g} to {high:g}")


class PiperStream:
    """A Piper voice as a `StreamingTts`.

    Parameters
    ----------
    settings : PiperSettings, optional

    Raises
    ------
    MissingAssetError
        If a file of the voice is missing.
    MissingDependencyError
        If the default voice is not installed.
    ConfigError
        If the voice is not an English Piper voice, or has no such speaker.
    """

    simulated = False

    def __init__(self, settings: PiperSettings | None = None) -> None:
        self.settings = settings or PiperSettings()
        named = self.settings.voice
        self._voice = default_voice() if named is None else Path(named).expanduser()
        config = read_config(self._voice)
        if self.settings.speaker >= config.speakers:
            raise ConfigError(
                f"tts.speaker {self.settings.speaker}: {self._voice.name} has "
                f"{config.speakers}, from 0"
            )
        self._rate = config.sample_rate
        self.name = f"piper {self._voice.stem}"
        self._workers = SpeechWorkers(self.settings.workers)
        self._loading = Lock()
        self._engine: PiperTts | None = None

    @property
    def sample_rate(self) -> int:
        """Rate of the voice in Hz."""
        return self._rate

    async def warm(self) -> None:
        """Load the voice and the dictionary, and speak once; see `StreamingTts.warm`."""
        await self._workers.run(lambda: self._loaded().speak(WARM_TEXT))

    def stream(self, text: str) -> AsyncGenerator[SpeechPiece, None]:
        """Speak a clause, in pieces that grow; see `StreamingTts.stream`."""
        return self._workers.stream(partial(self._speak, text))

    async def aclose(self) -> None:
        """Stop all and free the thread and the voice."""
        await self._workers.aclose()
        self._engine = None

    def _loaded(self) -> PiperTts:
        with self._loading:
            if self._engine is None:
                chosen = self.settings
                self._engine = PiperTts(
                    self._voice,
                    length_scale=chosen.length_scale,
                    noise_scale=chosen.noise_scale,
                    noise_w=chosen.noise_w,
                    speaker=chosen.speaker,
                    threads=chosen.threads,
                    in_parts=chosen.in_parts,
                )
            return self._engine

    def _speak(self, text: str, emit: Emit, stop: Stop) -> None:
        parts = self._loaded().stream(text, on_run=stop.then)
        for piece in as_pieces(parts, self.settings.lead_ms):
            if stop:
                return
            emit(piece)


def as_pieces(parts: Iterable[Speech], lead_ms: float) -> Iterator[SpeechPiece]:
    """Make pieces of a clause, with at most `lead_ms` of silence in front.

    Parameters
    ----------
    parts : iterable of Speech
        As `PiperTts.stream` gives them.
    lead_ms : float
        Milliseconds.

    Yields
    ------
    SpeechPiece
        With the words that end in it.
    """
    cut = heard = told = 0
    for number, part in enumerate(parts):
        samples, rate = part.samples, part.sample_rate
        heard += len(samples)
        if number == 0:
            cut = max(leading_silence(samples) - round(lead_ms * rate / 1000), 0)
            samples = samples[cut:]
        ended = [word for word in part.written[told:] if word.end * rate < heard + 0.5]
        told += len(ended)
        words = (SpokenWord(word.text, max(word.end - cut / rate, 0.0)) for word in ended)
        yield SpeechPiece(samples, tuple(words))


def leading_silence(samples: Samples) -> int:
    """Count the samples in front of the first that is louder than `SILENT` of the peak.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)

    Returns
    -------
    int
        From 0 to `n`; `n` if all are zero.
    """
    level = np.abs(samples)
    loud = np.flatnonzero(level > SILENT * level.max(initial=0.0))
    return int(loud[0]) if len(loud) else len(samples)
