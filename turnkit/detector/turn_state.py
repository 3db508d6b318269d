"""From speech probabilities and scores to turn events: the state machine of a detector.

One machine serves every detector; they differ in where probabilities and scores come
from. It knows frames and samples, no audio.
"""

from __future__ import annotations

import math
from enum import Enum, auto

from turnkit.detector.policy import FIRST_SCORE_S, Policy
from turnkit.detector.protocol import EventKind, Reason, TurnEvent
from turnkit.vad import Gate

REPORT_EVERY_S = 0.1
"""Grid on which a pause's running score is told by `SPEECH_PAUSED` events."""


class Phase(Enum):
    """Where in a turn the speaker is."""

    WAITING = auto()
    SPEAKING = auto()
    PAUSED = auto()


class TurnState:
    """Follows one speaker through turns.

    Parameters
    ----------
    gate : Gate
        What counts as speech.
    hop_s : float
        Seconds of a frame.
    """

    def __init__(self, gate: Gate, hop_s: float) -> None:
        self._gate = gate
        self._hop_s = hop_s
        self._min_speech = max(1, math.ceil(gate.min_speech_s / hop_s - 1e-9))
        self._hang_over = max(1, math.ceil(gate.hang_over_s / hop_s - 1e-9))
        self.reset()

    def reset(self) -> None:
        """Wait for speech."""
        self.phase = Phase.WAITING
        self._active = False
        self._burst = 0
        self._silent = 0
        self._burst_since = 0
        self._silent_since = 0
        self._best = math.nan
        self._reported = 0

    @property
    def silence_s(self) -> float:
        """Seconds of silence since the speaker's last speech; 0 in speech and before any.

        Speech ended somewhere inside the last frame that still counted as speech: half a
        frame is added, so that the clock is right on average.
        """
        if self.phase is Phase.WAITING or self._silent == 0:
            return 0.0
        return (self._silent + 0.5) * self._hop_s + self._gate.lag_s

    @property
    def pausing(self) -> bool:
        """In a pause, and the present frame is not speech."""
        return self.phase is Phase.PAUSED and not self._active

    def advance(self, probability: float, since: int, at: int) -> list[TurnEvent]:
        """Consume the speech probability of the frame that spans samples `since` .. `at`."""
        self._active = probability >= (self._gate.off if self._active else self._gate.on)
        if self._active:
            return self._heard_speech(since, at)
        return self._heard_silence(since)

    def _heard_speech(self, since: int, at: int) -> list[TurnEvent]:
        if self._burst == 0:
            self._burst_since = since
        self._burst += 1
        if self._burst < self._min_speech:
            # Not yet more than a click: the clock of a silence runs on beneath it.
            self._silent += self._silent > 0
            return []
        self._silent = 0
        before, self.phase = self.phase, Phase.SPEAKING
        if before is Phase.SPEAKING:
            return []
        kind = EventKind.TURN_RESUMED if before is Phase.PAUSED else EventKind.SPEECH_STARTED
        return [TurnEvent(kind, at, self._burst_since)]

    def _heard_silence(self, since: int) -> list[TurnEvent]:
        self._burst = 0
        if self.phase is Phase.WAITING:
            return []
        if self._silent == 0:
            self._silent_since = since
        self._silent += 1
        if self.phase is Phase.PAUSED or self._silent < self._hang_over:
            return []
        self.phase, self._best, self._reported = Phase.PAUSED, math.nan, 0
        return []

    def judge(self, score: float, policy: Policy, at: int) -> list[TurnEvent]:
        """Consume this frame's score (NaN for none) in a pause; decide by `policy`."""
        silence = self.silence_s
        if silence >= FIRST_SCORE_S and not math.isnan(score):
            self._best = score if math.isnan(self._best) else max(self._best, score)
        shown = None if math.isnan(score) else score
        reason = None
        if self._best > policy.threshold and silence >= policy.action_delay_s:
            reason = Reason.MODEL
        elif silence >= policy.timeout_s:
            reason = Reason.TIMEOUT
        if reason is not None:
            # What the policy went by: the score of this very frame may be lower, or none.
            highest = shown if math.isnan(self._best) else self._best
            ended = TurnEvent(EventKind.TURN_ENDED, at, self._silent_since, highest, reason)
            self.reset()
            return [ended]
        step = int(silence / REPORT_EVERY_S) + 1
        if self._reported == 0 or (step > self._reported and shown is not None):
            self._reported = step
            return [TurnEvent(EventKind.SPEECH_PAUSED, at, self._silent_since, shown)]
        return []
