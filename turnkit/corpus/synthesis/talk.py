"""What others say in the background: speech for babble and for an agent's echo."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples, resample
from turnkit.corpus.synthesis.text.writer import ScriptWriter
from turnkit.corpus.synthesis.turn import SAMPLE_RATE
from turnkit.corpus.synthesis.voices.cast import Cast, Speaker
from turnkit.corpus.synthesis.voices.protocol import open_voice

UTTERANCES = 16
"""Utterances of a split from which its background is put together; they are kept in
memory, about 0.4 MB each."""

_LONGEST_S = 6.0
_GAP_S = (0.05, 0.5)
_FIRST_SCRIPT = 1_000_000
"""Beyond the scripts of rows: what is said behind a row is no other row's text."""

_EDGE_DB = -40.0
_SLOW = "kokoro:"
"""Voices that are not heard in the background, unless there are no others: they take many
times as long, and nobody listens."""

_TRIES = 20


class Talk:
    """Speech of people who are not the speaker of the row, of the same split.

    Parameters
    ----------
    split : str
    writer : ScriptWriter
    cast : Cast
    first_speaker : int
        The background takes speakers of the cast from this number on.
    """

    def __init__(self, split: str, writer: ScriptWriter, cast: Cast, first_speaker: int) -> None:
        self._split = split
        self._writer = writer
        self._cast = cast
        self._first_speaker = first_speaker
        self._utterance = lru_cache(maxsize=UTTERANCES)(self._speak)

    def __call__(self, n: int, rng: np.random.Generator) -> Samples:
        """`n` samples at 16 kHz: one person after another, with short gaps.

        Which utterances is drawn from `rng`; each of them is spoken once in a process.
        """
        parts: list[NDArray[np.float32]] = []
        length = 0
        while length < n:
            said = self._utterance(int(rng.integers(UTTERANCES)))
            gap = np.zeros(round(rng.uniform(*_GAP_S) * SAMPLE_RATE), dtype=np.float32)
            parts += [said, gap]
            length += len(said) + len(gap)
        return np.concatenate([*parts, np.zeros(0, dtype=np.float32)])[:n]

    def _speak(self, number: int) -> Samples:
        script = self._writer.write(self._split, _FIRST_SCRIPT + number)
        speaker = self._speaker(number)
        speech = open_voice(speaker.voice).speak(script.transcript, speaker.sound.length)
        samples = resample(speech.samples, speech.sample_rate, SAMPLE_RATE)
        loud = np.flatnonzero(np.abs(samples) > np.max(np.abs(samples)) * 10 ** (_EDGE_DB / 20))
        kept = samples[loud[0] : loud[-1] + 1] if len(loud) else samples
        return kept[: round(_LONGEST_S * SAMPLE_RATE)]

    def _speaker(self, number: int) -> Speaker:
        first = self._first_speaker + number * _TRIES
        found = (self._cast.speaker(self._split, first + i) for i in range(_TRIES))
        quick = (speaker for speaker in found if not speaker.voice.startswith(_SLOW))
        return next(quick, self._cast.speaker(self._split, first))
