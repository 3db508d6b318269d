"""What a turn detector is: samples and inputs in, turn events out.

`TurnDetector.push` is the only place where a turn is declared over. Whatever reaches a
detector beside samples is a `TurnInput` with the sample at which it arrived, so that a
recording of both replays to the same events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turnkit.detector.policy import Policy


class EventKind(StrEnum):
    """What a detector can say."""

    SPEECH_STARTED = "speech started"
    SPEECH_PAUSED = "speech paused"
    TURN_RESUMED = "turn resumed"
    TURN_ENDED = "turn ended"


class Reason(StrEnum):
    """Why a turn was declared over."""

    MODEL = "model"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class TurnEvent:
    """Something that a detector decided.

    Attributes
    ----------
    kind : EventKind
        `SPEECH_PAUSED` comes when a pause begins and again at each new score inside it
        on a 0.1 s grid, so that the running score of a pause can be read from events.
    at : int
        Samples consumed, at the detector's input rate, when it was decided:
        ``push(x[:at])`` gives the event and ``push(x[:at - 1])`` does not.
    since : int
        Sample at which the thing itself began as far as the detector can tell: the
        first sample of the speech or of the silence. Never later than `at`.
    score : float or None
        Running end-of-turn score in 0 .. 1; with `TURN_ENDED` the highest of the pause,
        which is what the policy went by. None where there was none.
    reason : Reason or None
        With `TURN_ENDED` only.
    """

    kind: EventKind
    at: int
    since: int
    score: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class TurnInput:
    """Something other than samples that reaches a detector.

    Attributes
    ----------
    at : int
        Sample, at the detector's input rate, at which it arrived.
    kind : str
        For example ``"words"``, ``"expectation"`` or ``"agent speaking"``.
    value : str
        Its content.
    """

    at: int
    kind: str
    value: str


@dataclass(slots=True)
class Trace:
    """What a detector saw, frame by frame: for plots, sweeps and policy fitting.

    Lists of one length, appended to while a detector runs; `score` is NaN where the
    detector had none at that frame.
    """

    at: list[int] = field(default_factory=list)
    speech: list[float] = field(default_factory=list)
    silence_s: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)

    def append(self, at: int, speech: float, silence_s: float, score: float) -> None:
        """Add a frame."""
        self.at.append(at)
        self.speech.append(speech)
        self.silence_s.append(silence_s)
        self.score.append(score)

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Decision samples, seconds of silence so far (0 in speech) and scores."""
        return (
            np.asarray(self.at, dtype=np.int64),
            np.asarray(self.silence_s, dtype=np.float64),
            np.asarray(self.score, dtype=np.float64),
        )


@runtime_checkable
class TurnDetector(Protocol):
    """A streaming end-of-turn detector.

    Chunk size does not matter and future audio never changes past output. After
    `TURN_ENDED` a detector waits for speech before it can say anything again.

    Attributes
    ----------
    name : str
        As tables print it.
    sample_rate : int
        Rate in Hz of the samples that `push` takes.
    policy : Policy
        What turns scores and silence into a decision; may be replaced at any time.
    trace : Trace or None
        Set to a `Trace` to have every frame recorded.
    """

    name: str
    policy: Policy
    trace: Trace | None

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the samples that `push` takes."""
        ...

    def push(self, samples: ArrayLike, inputs: Sequence[TurnInput] = ()) -> list[TurnEvent]:
        """Consume mono samples and the inputs that came with them; say what was decided."""
        ...

    def reset(self) -> None:
        """Forget everything heard; the sample count starts at zero again."""
        ...
