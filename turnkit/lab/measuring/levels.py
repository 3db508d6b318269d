"""What the agent told about levels: of what it heard and of what it sent, 20 ms at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AUDIBLE_DB = -50.0
"""Level in dBFS over which what the agent sends can be heard."""


@dataclass(frozen=True, slots=True)
class AgentLevels:
    """Levels by the agent's log, in order.

    Attributes
    ----------
    ends : ndarray, shape (n,)
        Ends of the steps, in seconds of audio that the agent received.
    heard, said : ndarray, shape (n,)
        In dBFS: the caller as the agent heard it, and what the agent sent.
    step_s : float
        Length of a step.
    """

    ends: Floats
    heard: Floats
    said: Floats
    step_s: float

    def first_audible(self, after: float, within_s: float = 2.0) -> float | None:
        """Find when something audible was sent, by the start of its step.

        Parameters
        ----------
        after : float
            In seconds of the agent's clock.
        within_s : float
            How far to look.
        """
        starts = self.ends - self.step_s
        near = (self.ends > after + 1e-6) & (starts < after + within_s)
        loud = near & (self.said > AUDIBLE_DB)
        return float(max(starts[np.argmax(loud)], after)) if loud.any() else None


def read_levels(messages: Iterable[Mapping[str, Any]]) -> AgentLevels | None:
    """Collect the ``frames`` messages of a log; None if it has none."""
    ends: list[Floats] = []
    heard: list[float] = []
    said: list[float] = []
    step = 0.02
    for message in messages:
        if message.get("type") != "frames":
            continue
        step = float(message["step"])
        count = len(message["caller"])
        ends.append(float(message["at"]) - step * np.arange(count - 1, -1, -1.0))
        heard += message["caller"]
        said += message["agent"]
    if not ends:
        return None
    every = np.concatenate(ends)
    order = np.argsort(every, kind="stable")
    return AgentLevels(every[order], np.array(heard)[order], np.array(said)[order], step)
