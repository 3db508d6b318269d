"""The VAD timeout: a turn is over after so much silence."""

from __future__ import annotations

import math

from turnkit.audio import Samples
from turnkit.detector.base import StreamingDetector
from turnkit.detector.policy import Policy
from turnkit.vad import Gate, Probabilities, Vad, open_vad


class TimeoutScorer:
    """A VAD alone: no scores, the policy's timeout decides.

    Parameters
    ----------
    vad : Vad
    """

    block = 1

    def __init__(self, vad: Vad) -> None:
        self._vad = vad
        self.sample_rate = vad.sample_rate
        self.hop = vad.hop

    def push(self, samples: Samples) -> Probabilities:
        """Consume samples; speech probabilities of the frames that became known."""
        return self._vad.push(samples)

    def score(self, frame: int, silence_s: float) -> float:  # noqa: ARG002 (protocol)
        """No score: NaN."""
        return math.nan

    def reset(self) -> None:
        """Start anew."""
        self._vad.reset()


def vad_timeout(
    vad: str, sample_rate: int, policy: Policy | None = None, gate: Gate | None = None
) -> StreamingDetector:
    """Build a VAD timeout detector.

    Parameters
    ----------
    vad : str
        A name that `open_vad` knows.
    sample_rate : int
        Rate in Hz of the samples to come.
    policy : Policy, optional
        Its timeout is the delay; 0.6 s by default.
    gate : Gate, optional

    Raises
    ------
    ConfigError
        If the VAD is unknown.
    """
    scorer = TimeoutScorer(open_vad(vad, sample_rate))
    chosen = policy or Policy.timeout_only(0.6)
    return StreamingDetector(f"vad:{vad}", scorer, gate or Gate(), chosen, sample_rate)
