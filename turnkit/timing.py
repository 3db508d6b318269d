"""Time is samples consumed: conversions between sample counts and seconds.

Wall clocks have no place below the agent. A detector knows how many samples it was
given; everything it says about time is one of those counts.
"""

from __future__ import annotations

import math

from turnkit.errors import InputError

MIN_RATE = 4_000
"""Lowest accepted sample rate in Hz: half of it must still hold the first formants."""

MAX_RATE = 384_000
"""Highest accepted sample rate in Hz, as far as sound cards go."""


def check_rate(rate: int) -> int:
    """Return `rate` if it is a usable sample rate.

    Parameters
    ----------
    rate : int
        Sample rate in Hz.

    Returns
    -------
    int
        The same rate.

    Raises
    ------
    InputError
        If it is not a whole number of Hz within ``MIN_RATE`` .. ``MAX_RATE``.
    """
    try:
        fits = not isinstance(rate, bool) and int(rate) == rate and MIN_RATE <= rate <= MAX_RATE
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise InputError(
            f"sample rate {rate!r}: expected a whole number of Hz from {MIN_RATE} to {MAX_RATE}"
        )
    return int(rate)


def to_seconds(samples: int, rate: int) -> float:
    """Seconds that `samples` samples last at `rate` Hz."""
    return samples / rate


def to_samples(seconds: float, rate: int) -> int:
    """Nearest whole number of samples in `seconds` at `rate` Hz."""
    return math.floor(seconds * rate + 0.5)
