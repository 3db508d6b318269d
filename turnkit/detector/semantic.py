"""Our detectors: the streaming network, and the head on a speech encoder.

Each is a `Scorer` around a small protocol that a torch module and an ONNX graph both
fit, so that training, evaluation and the exported bundle go through the same code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.features import FeatureConfig, FeatureState, Frames, extract
from turnkit.model.encoder import SpeechEncoder, pool
from turnkit.vad import Probabilities, Vad
from turnkit.whisper import SAMPLE_RATE

State = tuple[NDArray[np.float32], ...]

QUERY_TIMES_S = (0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.4)
"""Seconds of silence at which an encoder is asked by default."""


class FrameModel(Protocol):
    """A streaming network: frames and a state in, probabilities and a state out."""

    def initial_state(self) -> State:
        """Give the state at the start of a signal."""
        ...

    def step(self, frames: Frames, state: State) -> tuple[Probabilities, Probabilities, State]:
        """End-of-turn and speech probabilities, each of shape (t,), and the next state."""
        ...


class FrameScorer:
    """Scores every frame with a streaming network; its own VAD.

    Frames go through the network in blocks of one size, however the samples came, so
    that chunking cannot change a bit of the result.

    Parameters
    ----------
    model : FrameModel
    config : FeatureConfig
    block : int
        Frames at a time; a block of 2 halves the cost and adds 10 ms on average.
    """

    def __init__(self, model: FrameModel, config: FeatureConfig, block: int = 2) -> None:
        self.sample_rate = config.sample_rate
        self.hop = config.hop
        self.block = block
        self._model = model
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self._features = FeatureState()
        self._state = self._model.initial_state()
        self._tail = np.zeros(0, dtype=np.float32)
        self._first = 0
        self._scores = np.zeros(0, dtype=np.float32)

    def push(self, samples: Samples) -> Probabilities:
        """Consume samples; speech probabilities of the frames that became known."""
        audio = np.concatenate([self._tail, samples])
        size = self.block * self.hop
        blocks = len(audio) // size
        self._tail = audio[blocks * size :]
        self._first += len(self._scores)
        scores = np.empty((blocks, self.block), dtype=np.float32)
        speech = np.empty((blocks, self.block), dtype=np.float32)
        for index in range(blocks):
            part = audio[index * size : (index + 1) * size]
            frames, self._features = extract(part, self._features, self._config)
            scores[index], speech[index], self._state = self._model.step(frames, self._state)
        self._scores = scores.reshape(-1)
        return speech.reshape(-1)

    def score(self, frame: int, silence_s: float) -> float:  # noqa: ARG002 (protocol)
        """End-of-turn probability of a frame that `push` just gave."""
        return float(self._scores[frame - self._first])


class Judge(Protocol):
    """Whoever is asked now and then whether the speaker has finished."""

    def __call__(self, audio: Samples, silence_s: float) -> float:
        """Probability, given the last seconds at 16 kHz and the seconds of silence."""
        ...


class QueryScorer:
    """Asks a judge at set times inside a silence that a VAD found.

    Parameters
    ----------
    vad : Vad
        At 16 kHz.
    judge : Judge
    times_s : sequence of float
        Rising seconds of silence at which it is asked.
    window_s : float
        Seconds of audio to keep for it.
    """

    block = 1
    sample_rate = SAMPLE_RATE

    def __init__(self, vad: Vad, judge: Judge, times_s: Sequence[float], window_s: float) -> None:
        self.hop = vad.hop
        self._vad = vad
        self._judge = judge
        self._times_s = tuple(times_s)
        self._keep = round(window_s * SAMPLE_RATE)
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self._vad.reset()
        self._audio = np.zeros(0, dtype=np.float32)
        self._start = 0
        self._frames = 0
        self._asked = 0
        self._clock_s = 0.0

    def push(self, samples: Samples) -> Probabilities:
        """Consume samples; speech probabilities of the frames that became known."""
        oldest = max(self._start, self._frames * self.hop - self._keep)
        self._audio = np.concatenate([self._audio[oldest - self._start :], samples])
        self._start = oldest
        probabilities = self._vad.push(samples)
        self._frames += len(probabilities)
        return probabilities

    def score(self, frame: int, silence_s: float) -> float:
        """Ask the judge where an answer is due in this frame, else NaN."""
        if silence_s <= 0.0:
            return math.nan
        if silence_s <= self._clock_s:
            self._asked = 0  # Another silence: in one, the clock runs on, also beneath a click.
        self._clock_s = silence_s
        due = sum(time <= silence_s for time in self._times_s)
        if due <= self._asked:
            return math.nan
        self._asked = due
        end = (frame + 1) * self.hop
        audio = self._audio[max(0, end - self._keep - self._start) : end - self._start]
        return self._judge(audio, silence_s)


class VectorModel(Protocol):
    """A head: from the pooled vector of an encoder to a probability."""

    def probability(self, vector: NDArray[np.float32]) -> float:
        """End-of-turn probability of one vector."""
        ...


class EncoderJudge:
    """A head on a speech encoder.

    Parameters
    ----------
    encoder : SpeechEncoder
    head : VectorModel
    """

    def __init__(self, encoder: SpeechEncoder, head: VectorModel) -> None:
        self._encoder = encoder
        self._head = head

    def __call__(self, audio: Samples, silence_s: float) -> float:
        """Probability, given the last seconds at 16 kHz and the seconds of silence."""
        return self._head.probability(pool(self._encoder.encode(audio), silence_s))
