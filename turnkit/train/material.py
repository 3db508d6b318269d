"""What is computed once per corpus: an encoder's answers, its frames, and features.

Worker processes run these, so nothing here imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples, resample
from turnkit.augment import Augmentation, augment, augmentation_rng
from turnkit.corpus.schema import MIN_HOLD_S, Span, Turn, hold_counts
from turnkit.detector.base import StreamingDetector
from turnkit.detector.policy import Policy
from turnkit.detector.semantic import QueryScorer
from turnkit.evaluate.tracing import trace_turn
from turnkit.features import FRAME_S, FeatureConfig, FeatureState, extract
from turnkit.model.encoder import SpeechEncoder, pool, read_encoder
from turnkit.train.shards import Array
from turnkit.vad import Gate, Probabilities, SileroVad, speech_runs
from turnkit.whisper import SAMPLE_RATE

VERSION = 1
"""Raise it whenever the arrays below would come out otherwise: it is part of the address."""

LATE_S = 0.032
"""An encoder is asked up to a VAD frame after its time: training asks so, too."""

HIDDEN_STEP_S = 6.0
"""Every so many seconds the encoder's window is moved on for its frames."""


class Job(Protocol):
    """Something to compute of each row; small, because it is sent to worker processes."""

    @property
    def kind(self) -> str:
        """First part of the cache's name."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Arrays that `compute` gives."""
        ...

    def contents(self) -> dict[str, Any]:
        """Plain values that decide what comes out, the corpus apart."""
        ...

    def compute(self, turn: Turn) -> Mapping[str, Array]:
        """Arrays of one row."""
        ...


@lru_cache(maxsize=2)
def _encoder(path: Path) -> SpeechEncoder:
    return read_encoder(path)


def scored_spans(turn: Turn) -> list[tuple[int, Span, bool]]:
    """List the holds that count and the end: number, span, whether it is the end."""
    last = len(turn.spans) - 1
    return [
        (i, span, i == last)
        for i, span in enumerate(turn.spans)
        if i == last or hold_counts(span.duration)
    ]


@dataclass(frozen=True, slots=True)
class VectorJob:
    """Vectors that a head sees, asked as a detector would ask in each scored span.

    Attributes
    ----------
    encoder : Path
        An ONNX file.
    sha256 : str
        Of the file.
    times_s : tuple of float
    seed : int
        Of the moment inside a VAD frame at which the encoder is asked.
    """

    encoder: Path
    sha256: str
    times_s: tuple[float, ...]
    seed: int = 0

    kind = "vectors"
    names = ("vectors", "span", "tau", "is_end")

    def contents(self) -> dict[str, Any]:
        """Plain values that decide what comes out."""
        return {"encoder": self.sha256, "times_s": self.times_s, "seed": self.seed}

    def compute(self, turn: Turn) -> Mapping[str, Array]:
        """Vectors of one row.

        Returns
        -------
        dict
            ``vectors`` (q, width), ``span`` (q,) its number, ``tau`` (q,) seconds of
            silence, ``is_end`` (q,).
        """
        encoder, audio = _encoder(self.encoder), to_encoder_rate(turn)
        rng = augmentation_rng(self.seed, turn.id, 0)
        vectors: list[NDArray[np.float32]] = []
        asked: list[tuple[int, float, bool]] = []
        for number, span, is_end in scored_spans(turn):
            moments = rng.uniform(0.0, LATE_S, len(self.times_s)).tolist()
            for time, late in zip(self.times_s, moments, strict=True):
                if time > span.duration + 1e-6:
                    break
                tau = min(time + late, max(span.duration, time))
                heard = audio[: round((span.start + tau) * SAMPLE_RATE)]
                vectors.append(pool(encoder.encode(heard), tau))
                asked.append((number, tau, is_end))
        width = len(vectors[0]) if vectors else pooled_width(self.encoder)
        spans, taus, ends = zip(*asked, strict=True) if asked else ((), (), ())
        return {
            "vectors": np.array(vectors, dtype=np.float32).reshape(len(vectors), width),
            "span": np.array(spans, dtype=np.int64),
            "tau": np.array(taus, dtype=np.float32),
            "is_end": np.array(ends, dtype=np.bool_),
        }


def to_encoder_rate(turn: Turn) -> Samples:
    """Resample a turn to the rate of Whisper encoders."""
    return resample(turn.samples, turn.sample_rate, SAMPLE_RATE)


@lru_cache(maxsize=2)
def pooled_width(encoder: Path) -> int:
    """Length of the vectors of an encoder."""
    silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
    return len(pool(_encoder(encoder).encode(silence), MIN_HOLD_S))


@dataclass(frozen=True, slots=True)
class HiddenJob:
    """The encoder's own frames over the whole of a row, 20 ms each.

    Attributes
    ----------
    encoder : Path
    sha256 : str
    """

    encoder: Path
    sha256: str

    kind = "hidden"
    names = ("hidden",)

    def contents(self) -> dict[str, Any]:
        """Plain values that decide what comes out."""
        return {"encoder": self.sha256, "step_s": HIDDEN_STEP_S}

    def compute(self, turn: Turn) -> Mapping[str, Array]:
        """``hidden`` (t, width): windows that end every 6 s, and at the end of the row."""
        encoder, audio = _encoder(self.encoder), to_encoder_rate(turn)
        hop, step = round(FRAME_S * SAMPLE_RATE), round(HIDDEN_STEP_S / FRAME_S)
        window = round(encoder.window_s / FRAME_S)
        total = len(audio) // hop
        ends = list(range(total, 0, -min(step, window)))[::-1]
        parts, done = [], 0
        for end in ends:
            frames = encoder.encode(audio[: end * hop]).frames
            parts.append(frames[len(frames) - (end - done) :])
            done = end
        width = encoder.encode(audio[:hop]).frames.shape[1] if not parts else parts[0].shape[1]
        hidden = np.concatenate([np.zeros((0, width), dtype=np.float32), *parts])
        return {"hidden": hidden.astype(np.float16)}


@dataclass(frozen=True, slots=True)
class FrameJob:
    """Features of each copy of a row, one copy behind the other.

    Attributes
    ----------
    features : FeatureConfig
    audio : Augmentation
    copies, seed : int
    """

    features: FeatureConfig
    audio: Augmentation
    copies: int
    seed: int

    kind = "frames"
    names = ("frames", "lengths", "speeds", "leads", "spans", "onset")

    def contents(self) -> dict[str, Any]:
        """Plain values that decide what comes out."""
        changed = {"audio": self.audio.as_dict(), "seed": self.seed} if self.copies > 1 else {}
        return {"features": self.features.as_dict(), "copies": self.copies, "layout": 2, **changed}

    def compute(self, turn: Turn) -> Mapping[str, Array]:
        """Arrays of one row.

        Returns
        -------
        dict
            ``frames`` (t, width); ``lengths``, ``speeds`` and ``leads`` (copies,);
            ``spans`` (n, 2); ``onset`` (1,), the second at which a VAD hears the first
            speech: spans tell of the silences of a turn, not of what precedes it.
        """
        frames, speeds, leads = [], [], []
        for copy in range(self.copies):
            changed = augment(turn.samples, turn.sample_rate, self.audio, self.seed, turn.id, copy)
            audio = resample(changed.samples, turn.sample_rate, self.features.sample_rate)
            frames.append(extract(audio, FeatureState(), self.features)[0].astype(np.float16))
            speeds.append(changed.speed)
            leads.append(changed.lead_s)
        return {
            "frames": np.concatenate(frames),
            "lengths": np.array([len(each) for each in frames], dtype=np.int64),
            "speeds": np.array(speeds, dtype=np.float64),
            "leads": np.array(leads, dtype=np.float64),
            "spans": np.array([(span.start, span.end) for span in turn.spans], dtype=np.float64),
            "onset": np.array([first_speech_s(turn)], dtype=np.float64),
        }


def first_speech_s(turn: Turn) -> float:
    """Second at which Silero VAD hears the first speech of a turn; 0 if it hears none."""
    vad = SileroVad()
    probabilities = vad.push(resample(turn.samples, turn.sample_rate, vad.sample_rate))
    runs = speech_runs(probabilities, Gate(), vad.hop / vad.sample_rate)
    return runs[0][0] if runs else 0.0


@dataclass(frozen=True, slots=True)
class QueryJob:
    """What a detector asks its encoder over a whole row, and what its VAD says meanwhile.

    With these, a head is validated by replay as fast as its own few numbers allow.

    Attributes
    ----------
    encoder : Path
    sha256 : str
    times_s : tuple of float
    gate : Gate
    """

    encoder: Path
    sha256: str
    times_s: tuple[float, ...]
    gate: Gate

    kind = "queries"
    names = ("vectors", "silence", "speech")

    def contents(self) -> dict[str, Any]:
        """Plain values that decide what comes out."""
        gate = self.gate.as_dict()
        return {"encoder": self.sha256, "times_s": self.times_s, "gate": gate}

    def compute(self, turn: Turn) -> Mapping[str, Array]:
        """``vectors`` (q, width), ``silence`` (q,) seconds, ``speech`` (frames,)."""
        encoder = _encoder(self.encoder)
        vad, judge = _HeardVad(), _HeardJudge(encoder)
        scorer = QueryScorer(vad, judge, self.times_s, encoder.window_s)
        trace_turn(StreamingDetector("", scorer, self.gate, Policy(), turn.sample_rate), turn)
        width = pooled_width(self.encoder)
        return {
            "vectors": np.array(judge.vectors, dtype=np.float32).reshape(-1, width),
            "silence": np.array(judge.silence, dtype=np.float64),
            "speech": np.concatenate([np.zeros(0, dtype=np.float32), *vad.heard]),
        }


class _HeardVad(SileroVad):
    """Silero, remembering what it said."""

    def reset(self) -> None:
        """Start anew."""
        super().reset()
        self.heard: list[Probabilities] = []

    def push(self, samples: Samples) -> Probabilities:
        """Speech probabilities (0 .. 1) of the frames that `samples` complete."""
        probabilities = super().push(samples)
        self.heard.append(probabilities)
        return probabilities


class _HeardJudge:
    """Nobody's opinion; remembers the vectors."""

    def __init__(self, encoder: SpeechEncoder) -> None:
        self._encoder = encoder
        self.vectors: list[NDArray[np.float32]] = []
        self.silence: list[float] = []

    def __call__(self, audio: Samples, silence_s: float) -> float:
        """Remember what a head would be asked."""
        self.vectors.append(pool(self._encoder.encode(audio), silence_s))
        self.silence.append(silence_s)
        return math.nan
