"""Turns whose samples say what a detector hears: speech, silence, and the score in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.corpus.reader import Corpus
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


def _wav(turn: Turn) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, turn.samples, turn.sample_rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


class TurnRows:
    """Turns as rows of a corpus, held in memory."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._rows = [
            {
                "id": turn.id,
                "language": turn.language,
                "speaker": turn.speaker,
                "audio": {"bytes": _wav(turn), "path": None},
                "silence_spans": [{"start": s.start, "end": s.end} for s in turn.spans],
                "words": [{"word": w.word, "start": w.start, "end": w.end} for w in turn.words],
                "tags": sorted(turn.tags),
                "transcript": turn.transcript,
            }
            for turn in turns
        ]

    @property
    def column_names(self) -> list[str]:
        return list(self._rows[0])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> Any:
        return [row[key] for row in self._rows] if isinstance(key, str) else self._rows[key]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def select(self, indices: list[int]) -> TurnRows:
        chosen = TurnRows([])
        chosen._rows = [self._rows[i] for i in indices]
        return chosen


@pytest.fixture(scope="session")
def corpus_of() -> Callable[..., Corpus]:
    def make(turns: Sequence[Turn], name: str = "coded") -> Corpus:
        return Corpus(name, TurnRows(turns))

    return make


@pytest.fixture(scope="session")
def random_corpus(
    coded_turn: Callable[..., Turn], corpus_of: Callable[..., Corpus]
) -> Callable[..., Corpus]:
    def make(seed: int, speakers: int = 5, turns: int = 3, name: str = "random") -> Corpus:
        """Ends score higher than holds, mostly; every speaker is new to each seed."""
        rng = np.random.default_rng(seed)
        made = []
        for k in range(speakers * turns):
            hold = float(rng.choice([0.12, 0.25, 0.4, 0.7, 1.1, 2.0]))
            parts = [
                (float(rng.uniform(0.3, 0.8)), None),
                (hold, float(rng.integers(5, 60) / 100)),
                (float(rng.uniform(0.3, 0.8)), None),
                (4.2, float(rng.integers(40, 100) / 100)),
            ]
            rounded = [(round(seconds, 2), score) for seconds, score in parts]
            who = f"{seed}-{k // turns}"
            made.append(coded_turn(rounded, name=f"{seed}-{k}", speaker=who))
        return corpus_of(made, name)

    return make
