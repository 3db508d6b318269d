"""Smart Turn v3.2 (Pipecat, BSD-2) as a detector: the public peer."""

from __future__ import annotations

from turnkit.audio import Samples
from turnkit.detector.base import StreamingDetector
from turnkit.detector.policy import FIRST_SCORE_S, Policy
from turnkit.detector.semantic import QueryScorer
from turnkit.model.encoder import SpeechEncoder
from turnkit.vad import Gate, SileroVad

OWN_SCHEDULE_S = (FIRST_SCORE_S,)
"""As its own analyzer runs it: once, after 0.2 s of silence."""

REPEATED_SCHEDULE_S = (0.2, 0.4, 0.7, 1.0)
"""Asked again as the silence grows."""


class _OwnScore:
    """Smart Turn's published probability."""

    def __init__(self, encoder: SpeechEncoder) -> None:
        self._encoder = encoder

    def __call__(self, audio: Samples, silence_s: float) -> float:  # noqa: ARG002 (protocol)
        return self._encoder.encode(audio).score


def smart_turn(
    encoder: SpeechEncoder,
    sample_rate: int,
    policy: Policy | None = None,
    *,
    repeat: bool = False,
) -> StreamingDetector:
    """Smart Turn v3.2 behind the Silero VAD.

    Parameters
    ----------
    encoder : SpeechEncoder
        From its published graph.
    sample_rate : int
        Rate in Hz of the samples to come.
    policy : Policy, optional
        By default threshold 0.5 and a timeout of 3 s, as its analyzer has them.
    repeat : bool
        Ask at `REPEATED_SCHEDULE_S` instead of once.
    """
    times = REPEATED_SCHEDULE_S if repeat else OWN_SCHEDULE_S
    scorer = QueryScorer(SileroVad(), _OwnScore(encoder), times, encoder.window_s)
    name = "smart-turn:repeat" if repeat else "smart-turn"
    return StreamingDetector(name, scorer, Gate(), policy or Policy(0.5, 0.2, 3.0), sample_rate)
