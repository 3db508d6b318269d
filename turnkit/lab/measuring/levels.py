"""What the agent told about levels: of what it heard and of what it sent, 20 ms at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import RunError

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
    """Collect the ``frames`` messages of a log; None if it has none.

    Raises
    ------
    RunError
        If one of them is not what an agent tells.
    """
    ends, heard, said = list[Floats](), list[Floats](), list[Floats]()
    step = 0.02
    try:
        for message in messages:
            if message.get("type") != "frames":
                continue
            step = float(message["step"])
            heard.append(np.asarray(message["caller"], dtype=np.float64))
            said.append(np.asarray(message["agent"], dtype=np.float64))
            back = np.arange(len(message["caller"]) - 1, -1, -1.0)
            ends.append(float(message["at"]) - step * back)
        if not ends:
            return None
        columns = np.stack([np.concatenate(each) for each in (ends, heard, said)])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"the agent's levels: not what an agent tells ({error!r})") from error
    every, caller, agent = columns[:, np.argsort(columns[0], kind="stable")]
    return AgentLevels(every, caller, agent, step)
