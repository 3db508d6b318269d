"""Turns whose samples say what a detector hears: speech, silence, and the score in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.corpus.schema import Span, Turn
from turnkit.detector.base import StreamingDetector
from turnkit.detector.policy import Policy
from turnkit.vad import Gate

RATE = 8_000
HOP = 80
SPEECH = 0.5


class CodedScorer:
    """Reads positive frames as speech and negative ones as silence with minus their score."""

    sample_rate = RATE
    hop = HOP
    block = 1

    def __init__(self) -> None:
        self._tail = np.zeros(0, dtype=np.float32)
        self._means: list[float] = []

    def push(self, samples: Samples) -> NDArray[np.float32]:
        audio = np.concatenate([self._tail, samples])
        n = len(audio) // HOP
        self._tail = audio[n * HOP :]
        means = audio[: n * HOP].reshape(n, HOP).mean(axis=1)
        self._means += means.tolist()
        return np.asarray(means > 0, dtype=np.float32)

    def score(self, frame: int, silence_s: float) -> float:
        mean = self._means[frame]
        # Where the noise floor goes on, grains overlap and can add up to more than 1.
        return min(-mean, 1.0) if mean < 0 and silence_s > 0 else float("nan")

    def reset(self) -> None:
        self._tail = np.zeros(0, dtype=np.float32)
        self._means = []


@pytest.fixture(scope="session")
def coded_detector() -> Callable[..., StreamingDetector]:
    def make(policy: Policy | None = None) -> StreamingDetector:
        return StreamingDetector("coded", CodedScorer(), Gate(), policy or Policy(), RATE)

    return make


@pytest.fixture(scope="session")
def coded_turn() -> Callable[..., Turn]:
    def make(
        parts: Sequence[tuple[float, float | Sequence[float] | None]],
        spans: Sequence[tuple[float, float]] | None = None,
        name: str = "turn",
        speaker: str | None = None,
    ) -> Turn:
        """Parts are (seconds, score): a number in 0 .. 1, one a frame, 0 for silence
        without a score, None for speech. Silences are the spans unless others are given."""
        audio, found, at = [], [], 0.0
        for seconds, score in parts:
            frames = round(seconds * RATE / HOP)
            level = SPEECH if score is None else -np.asarray(score, dtype=np.float64)
            audio.append(np.repeat(np.broadcast_to(level, frames), HOP))
            if score is not None:
                found.append(Span(at, at + seconds))
            at += seconds
        return Turn(
            id=name,
            language="en",
            speaker=speaker,
            samples=np.concatenate(audio).astype(np.float32),
            sample_rate=RATE,
            spans=tuple(found) if spans is None else tuple(Span(*span) for span in spans),
        )

    return make
