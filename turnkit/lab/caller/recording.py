"""Both sides of a call, laid out on the caller's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.audio import Samples
from turnkit.lab.caller.listening import place
from turnkit.lab.records import Ping


@dataclass(frozen=True)
class Recording:
    """Both sides of a call as the caller had them, on the caller's clock.

    Attributes
    ----------
    sent : ndarray of float32, shape (n,)
        What was spoken into the microphone, at 16 kHz; a sample stands where it was
        spoken.
    heard : ndarray of float32, shape (n,)
        What the loudspeaker played, at 16 kHz; a sample stands where it was played.
    sent_at : tuple of float or None
        Second of the recording at which each utterance began; None if it never did.
    messages : tuple of (float, dict)
        Messages from the agent and the second at which they came, without pongs.
    playout_delay_s : float
        Part of what lies between sending and hearing that the listener added.
    late : int
        Packets that came too late to be played.
    skipped : int
        Frames that the microphone did not send in time.
    pings : tuple of Ping
    """

    sent: Samples
    heard: Samples
    sent_at: tuple[float | None, ...]
    messages: tuple[tuple[float, dict[str, Any]], ...]
    playout_delay_s: float
    late: int
    skipped: int = 0
    pings: tuple[Ping, ...] = ()


def lay_frames(
    frames: Sequence[tuple[float, NDArray[np.int16]]], origin: float, length_s: float
) -> Samples:
    """Lay the microphone's frames out on a clock, at 48 kHz."""
    out = np.zeros(round(length_s * OPUS_RATE), dtype=np.float32)
    for start, samples in frames:
        place(out, round((start - origin) * OPUS_RATE), samples)
    out /= np.float32(32767.0)
    return out
