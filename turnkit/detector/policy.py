"""From scores and silence to a decision: the policy, and its sweep.

Conventions (``eot-bench``): a pause is fired on when its score has been above the
threshold and the action delay has passed, or when the timeout has passed, whichever is
first. All times are seconds since the end of speech. Scores before `FIRST_SCORE_S` do
not count.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import ConfigError

FIRST_SCORE_S = 0.2
"""Silence in seconds before which no score counts and nothing is decided."""

THRESHOLDS: NDArray[np.float64] = np.round(np.arange(0.0, 1.005, 0.01), 2)
ACTION_DELAYS_S: NDArray[np.float64] = np.round(np.arange(0.2, 1.05, 0.1), 1)
TIMEOUTS_S: NDArray[np.float64] = np.round(np.arange(1.0, 3.55, 0.5), 1)
VAD_DELAYS_S: NDArray[np.float64] = np.round(np.arange(0.2, 3.55, 0.1), 1)
"""Grids of the sweep; a VAD timeout is swept over its delay alone."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Threshold, action delay and timeout.

    Attributes
    ----------
    threshold : float
        In 0 .. 1. The model speaks for an end of turn while its score is above it;
        at 1 it never does, which leaves the timeout alone.
    action_delay_s : float
        Seconds of silence before which the model's word is not acted on; >= 0.2.
    timeout_s : float
        Seconds of silence after which the turn is over whatever the model says.

    Raises
    ------
    ConfigError
        If a value lies outside its range.
    """

    threshold: float = 0.5
    action_delay_s: float = 0.2
    timeout_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigError(f"policy threshold {self.threshold!r}: expected 0 .. 1")
        if not FIRST_SCORE_S <= self.action_delay_s <= 10.0:
            raise ConfigError(f"policy action_delay_s {self.action_delay_s!r}: expected 0.2 .. 10")
        if not FIRST_SCORE_S <= self.timeout_s <= 60.0:
            raise ConfigError(f"policy timeout_s {self.timeout_s!r}: expected 0.2 .. 60")

    @classmethod
    def timeout_only(cls, seconds: float) -> Policy:
        """Make the policy of a VAD timeout: pure delay."""
        return cls(threshold=1.0, action_delay_s=FIRST_SCORE_S, timeout_s=seconds)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return asdict(self)


def first_above(
    times: NDArray[np.float64], scores: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Time of the first score above each threshold in one pause.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Seconds since the end of speech, rising.
    scores : ndarray, shape (n,)
        Scores at those times; NaN where there was none.
    thresholds : ndarray, shape (k,)
        Rising.

    Returns
    -------
    ndarray, shape (k,)
        Times in seconds; inf where no score is above the threshold.
    """
    if len(times) == 0:
        return np.full(len(thresholds), np.inf)
    running = np.fmax.accumulate(np.where(np.isnan(scores), -np.inf, scores))
    # `side="right"`: strictly above, as the policy fires when score > threshold.
    index = np.searchsorted(running, thresholds, side="right")
    padded = np.append(times, np.inf)
    return np.asarray(padded[index], dtype=np.float64)


def fire_time(
    above: NDArray[np.float64], action_delay_s: float, timeout_s: float
) -> NDArray[np.float64]:
    """Seconds of silence at which a policy fires, given the times of `first_above`."""
    return np.minimum(np.maximum(above, action_delay_s), timeout_s)
