"""Validation by replay: the weights of now, as a detector, on speakers that train nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.corpus.reader import Corpus
from turnkit.corpus.schema import Turn
from turnkit.detector.base import StreamingDetector
from turnkit.detector.opening import streaming_detector
from turnkit.detector.policy import Policy
from turnkit.detector.semantic import QueryScorer, VectorModel
from turnkit.errors import ConfigError
from turnkit.evaluate.fitting import simulate_turn
from turnkit.evaluate.tracing import TurnTrace, trace_turn
from turnkit.features import FeatureConfig
from turnkit.metrics import POINTS, SCORE_GRID, Choice, PointKind, SpeakerSums, choose
from turnkit.model.acoustic import EncoderHead, StreamingNetwork
from turnkit.model.torch_models import TorchFrameModel, TorchHead
from turnkit.train.shards import CachedRows
from turnkit.vad import Gate, Probabilities
from turnkit.whisper import SAMPLE_RATE

_VAD_HOP = 512
"""Samples of a Silero frame at 16 kHz."""


class Replayer(Protocol):
    """Turns of validation speakers, and the detector of now."""

    def __len__(self) -> int: ...

    def trace(self, index: int) -> TurnTrace:
        """Run the detector of now through a turn."""
        ...


class StreamingReplayer:
    """Replays turns through a streaming network.

    Parameters
    ----------
    network : StreamingNetwork
        In evaluation mode whenever it is used.
    features : FeatureConfig
    gate : Gate
    block : int
    corpora : sequence of Corpus
    """

    def __init__(
        self,
        network: StreamingNetwork,
        features: FeatureConfig,
        gate: Gate,
        block: int,
        corpora: Sequence[Corpus],
    ) -> None:
        self._settings = (TorchFrameModel(network), features, gate, Policy())
        self._block = block
        self._turns = _Turns(corpora)
        self._open: dict[int, StreamingDetector] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def trace(self, index: int) -> TurnTrace:
        """Run the network of now through a turn."""
        turn = self._turns[index]
        rate = turn.sample_rate
        if rate not in self._open:
            self._open[rate] = streaming_detector(*self._settings, rate, block=self._block)
        return trace_turn(self._open[rate], turn)


class HeadReplayer:
    """Replays turns through a head, its encoder and VAD answering from a cache.

    What these say does not depend on the head, so nothing differs but the time it takes.

    Parameters
    ----------
    head : EncoderHead
        In evaluation mode whenever it is used.
    times_s : sequence of float
    gate : Gate
    window_s : float
        Of the encoder.
    corpora : sequence of Corpus
    queries : sequence of CachedRows
        Of a `QueryJob`, one a corpus.
    """

    def __init__(
        self,
        head: EncoderHead,
        times_s: Sequence[float],
        gate: Gate,
        window_s: float,
        corpora: Sequence[Corpus],
        queries: Sequence[CachedRows],
    ) -> None:
        self._head = TorchHead(head)
        self._times_s, self._gate, self._window_s = times_s, gate, window_s
        self._turns = _Turns(corpora)
        self._queries = [(rows, row) for rows in queries for row in range(len(rows))]

    def __len__(self) -> int:
        return len(self._turns)

    def trace(self, index: int) -> TurnTrace:
        """Run the head of now through a turn."""
        turn = self._turns[index]
        rows, row = self._queries[index]
        judge = _Recalled(self._head, rows.get(row, "vectors"), rows.get(row, "silence"))
        vad = _RecalledVad(rows.get(row, "speech"))
        scorer = QueryScorer(vad, judge, self._times_s, self._window_s)
        detector = StreamingDetector("encoder", scorer, self._gate, Policy(), turn.sample_rate)
        return trace_turn(detector, turn)


class _Turns:
    """Turns of several corpora under one number."""

    def __init__(self, corpora: Sequence[Corpus]) -> None:
        self._places = [(corpus, row) for corpus in corpora for row in range(len(corpus))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Turn:
        corpus, row = self._places[index]
        return corpus[row]


class _RecalledVad:
    """A VAD that says what it said before."""

    sample_rate = SAMPLE_RATE
    hop = _VAD_HOP

    def __init__(self, speech: NDArray[np.float32]) -> None:
        self._speech = np.asarray(speech)
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self._pushed = 0

    def push(self, samples: Samples) -> Probabilities:
        """Speech probabilities (0 .. 1) of the frames that `samples` complete."""
        begin = self._pushed // self.hop
        self._pushed += len(samples)
        return self._speech[begin : self._pushed // self.hop]


class _Recalled:
    """A judge that was asked the same questions before, in the same order."""

    def __init__(
        self, head: VectorModel, vectors: NDArray[np.float32], silence: NDArray[np.float64]
    ) -> None:
        self._head = head
        self._known = iter(zip(np.array(vectors), silence.tolist(), strict=True))

    def __call__(self, audio: Samples, silence_s: float) -> float:  # noqa: ARG002 (protocol)
        """Probability, given the last seconds at 16 kHz and the seconds of silence."""
        vector, before = next(self._known)
        if before != silence_s:
            raise AssertionError(f"asked after {silence_s} s, before after {before} s")
        return self._head.probability(vector)


@dataclass(frozen=True, slots=True)
class Validated:
    """Operating points on the validation turns.

    Attributes
    ----------
    points : dict of str to Choice
        By name, as `turnkit.evaluate.fitting.fit_policies` would choose.
    """

    points: dict[str, Choice]

    @property
    def rank(self) -> tuple[float, ...]:
        """Lower is better: points out of reach, then the sum of FC@300 and FC@600.

        Where one is out of reach, its mean latency counts instead.
        """
        choices = [self.points[name] for name in ("FC@300", "FC@600")]
        missed = sum(not choice.reached for choice in choices)
        return float(missed), sum(
            choice.rate if choice.reached else choice.mean_latency_s for choice in choices
        )

    def __str__(self) -> str:
        shown = []
        for point in POINTS:
            choice = self.points[point.name]
            first = f"{100 * choice.rate:.1f} %", f"{1000 * choice.mean_latency_s:.0f} ms"
            value, other = first if point.kind is PointKind.CUTOFFS else first[::-1]
            shown.append(f"{point.name} {value} ({other})")
        return ", ".join(shown)

    def logged(self) -> dict[str, float]:
        """Figures by the names under which they are logged."""
        return {
            f"val/{point.name}": (
                self.points[point.name].rate
                if point.kind is PointKind.CUTOFFS
                else self.points[point.name].mean_latency_s
            )
            for point in POINTS
        }


def replay_sums(replayer: Replayer, indices: Sequence[int]) -> NDArray[np.float64]:
    """Add up what every policy of the sweep does with some turns.

    Returns
    -------
    ndarray, shape (2 p + 2,)
        Cutoffs and seconds of latency of each policy, holds and ends: sums, so that
        those of several processes can be added.
    """
    policies = len(SCORE_GRID)
    sums = np.zeros(2 * policies + 2)
    with _one_thread():
        for index in indices:
            trace = replayer.trace(index)
            cutoffs, latency = simulate_turn(trace, SCORE_GRID)
            sums[:policies] += cutoffs
            sums[policies:-2] += latency
            sums[-2:] += (float(trace.marks.counts.sum()), 1.0)
    return sums


def validated(sums: NDArray[np.float64]) -> Validated:
    """Operating points from the sums over all turns.

    Raises
    ------
    ConfigError
        If the speakers held out have no hold that counts.
    """
    policies = len(SCORE_GRID)
    by_speaker = SpeakerSums(sums[None, :policies], sums[None, policies:-2], sums[-2:-1], sums[-1:])
    points = {point.name: choose(point, by_speaker) for point in POINTS}
    found = {name: choice for name, choice in points.items() if choice is not None}
    if len(found) < len(points):
        raise ConfigError(
            "data.validation: the speakers held out have no hold of 0.2 .. 5 s; "
            "hold out more of them, or take another seed"
        )
    return Validated(found)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Frame by frame, a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
