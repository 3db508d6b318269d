"""The one streaming path: samples -> frames -> turn state -> events.

`StreamingDetector` is every detector of turnkit. What differs is its `Scorer`: where
speech probabilities and end-of-turn scores come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from numpy.typing import ArrayLike

from turnkit.audio import Resampler, Samples, as_audio
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import Trace, TurnEvent, TurnInput
from turnkit.detector.turn_state import TurnState
from turnkit.errors import InputError
from turnkit.timing import check_rate
from turnkit.vad import Gate, Probabilities


class Scorer(Protocol):
    """Speech probabilities and end-of-turn scores, frame by frame.

    Attributes
    ----------
    sample_rate : int
        Rate in Hz that it works at.
    hop : int
        Samples of a frame.
    block : int
        Frames that come at a time: a frame is known once its block is complete.
    """

    @property
    def sample_rate(self) -> int:
        """Rate in Hz that it works at."""
        ...

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        ...

    @property
    def block(self) -> int:
        """Frames that come at a time."""
        ...

    def push(self, samples: Samples) -> Probabilities:
        """Consume samples; speech probabilities of the frames that became known."""
        ...

    def score(self, frame: int, silence_s: float) -> float:
        """End-of-turn score of frame `frame`, one of those that `push` just gave.

        Counted from the last reset. `silence_s` is 0 where nobody pauses. NaN where
        there is no score.
        """
        ...

    def reset(self) -> None:
        """Start anew."""
        ...


class StreamingDetector:
    """A turn detector around a scorer.

    Parameters
    ----------
    name : str
        As tables print it.
    scorer : Scorer
    gate : Gate
        What counts as speech.
    policy : Policy
    sample_rate : int
        Rate in Hz of the samples that `push` takes; resampled where the scorer's differs.

    Raises
    ------
    InputError
        If the rate cannot be used.
    """

    def __init__(
        self, name: str, scorer: Scorer, gate: Gate, policy: Policy, sample_rate: int = 16_000
    ) -> None:
        self.name = name
        self.policy = policy
        self.trace: Trace | None = None
        self._rate = check_rate(sample_rate)
        self._scorer = scorer
        self._resampler = Resampler(self._rate, scorer.sample_rate)
        self._turns = TurnState(gate, scorer.hop / scorer.sample_rate)
        self._frames = 0
        self._consumed = 0

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the samples that `push` takes."""
        return self._rate

    def reset(self) -> None:
        """Forget everything heard; the sample count starts at zero again."""
        self._resampler.reset()
        self._scorer.reset()
        self._turns.reset()
        self._frames = 0
        self._consumed = 0

    def push(self, samples: ArrayLike, inputs: Sequence[TurnInput] = ()) -> list[TurnEvent]:
        """Consume mono samples and the inputs that came with them; say what was decided.

        Parameters
        ----------
        samples : array_like, shape (n,)
            Floats in [-1, 1] or int16, at `sample_rate`. Any n, also 0.
        inputs : sequence of TurnInput
            In order of arrival. An acoustic detector has no use for them, but checks
            that they do not come from the future, so that a recording replays.

        Returns
        -------
        list of TurnEvent
            In order of decision.

        Raises
        ------
        InputError
            If samples are not mono, finite numbers, or an input lies outside what has
            been consumed. Nothing is consumed then.
        """
        audio = as_audio(samples)
        end = self._consumed + len(audio)
        for item in inputs:
            if not 0 <= item.at <= end:
                raise InputError(f"input {item.kind!r} at sample {item.at}: expected 0 .. {end}")
        self._consumed = end
        probabilities = self._scorer.push(self._resampler.push(audio))
        events: list[TurnEvent] = []
        for probability in probabilities.tolist():
            events += self._frame(probability)
            self._frames += 1
        return events

    def _frame(self, probability: float) -> list[TurnEvent]:
        hop, block = self._scorer.hop, self._scorer.block
        since = self._frames * hop * self._rate // self._scorer.sample_rate
        known = (self._frames // block + 1) * block * hop
        at = self._resampler.inputs_needed(known)
        events = self._turns.advance(probability, since, at)
        silence_s = self._turns.silence_s if self._turns.pausing else 0.0
        score = self._scorer.score(self._frames, silence_s)
        if self.trace is not None:
            self.trace.append(at, probability, silence_s, score)
        if self._turns.pausing:
            events += self._turns.judge(score, self.policy, at)
        return events
