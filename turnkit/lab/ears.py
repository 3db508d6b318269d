"""How well the lab hears: known sounds through the whole path, and where it found them.

An agent that is nothing but a transport plays bursts at moments that are known; a caller
hears them over real WebRTC on this machine: Opus, packets, jitter buffer, playout clock
and `turnkit.lab.caller.onset` are those of every measured call. What is subtracted are
the two constants that every latency contains on purpose: the listener's playout delay and
the look-ahead of Opus. Everything else counts as error, even the way through the machine.

Bursts fade out within 20 .. 50 ms, as speech does; every fourth one is cut off in mid-sound
instead, as an agent is that falls silent at once. Opus rings on after that, for up to a
frame and a half, and the caller hears it: those ends are kept apart, for they are late in
what was heard, not only in what was found.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.agent.transport.webrtc import WebRtcTransport
from turnkit.errors import CallError, InputError
from turnkit.lab.bursts import Bursts, is_cut
from turnkit.lab.caller import Caller, find_sounds
from turnkit.lab.caller.client import PLAYOUT_DELAY_S

OPUS_LOOK_AHEAD_S = 0.0065
"""By how much Opus delays audio: 2.5 ms of overlap and 4 ms (RFC 6716, section 4.3.7, and
what libopus adds in its modes for speech)."""

_FAR_S = 0.15
_TAIL_S = 0.3


@dataclass(frozen=True)
class EarsError:
    """What the ears of the lab are off by.

    Attributes
    ----------
    n : int
        Bursts that were played.
    missed, extra : int
        Bursts that were not found, and sounds where there was none.
    onsets_ms : ndarray of float64, shape (n - missed,)
        Where each was found, less where it should have been, in ms.
    ends_ms, cuts_ms : ndarray of float64
        The same of the ends of those that fade out, and of those that are cut off.
    skipped, late : int
        Frames that this machine did not send in time, and packets that it did not read in
        time to be played: where there are many, it is too busy for any measurement.
    """

    n: int
    missed: int
    extra: int
    onsets_ms: NDArray[np.float64]
    ends_ms: NDArray[np.float64]
    cuts_ms: NDArray[np.float64]
    skipped: int = 0
    late: int = 0

    @property
    def worst_ms(self) -> float:
        """Largest error of an onset or a faded end, in ms; infinite if a burst was missed."""
        if self.missed:
            return float("inf")
        return float(np.abs(np.concatenate([self.onsets_ms, self.ends_ms])).max())

    def describe(self) -> dict[str, Any]:
        """Give the figures as JSON takes them; "p95" and "max" are of absolute errors."""
        return {
            "n": self.n,
            "missed": self.missed,
            "extra": self.extra,
            "skipped_frames": self.skipped,
            "late_packets": self.late,
            "onset_ms": _figures(self.onsets_ms),
            "end_ms": _figures(self.ends_ms),
            "cut_ms": _figures(self.cuts_ms),
        }


def _figures(errors: NDArray[np.float64]) -> dict[str, float | None]:
    if not len(errors):
        return {"mean": None, "p95": None, "max": None}
    size = np.abs(errors)
    return {
        "mean": float(errors.mean()),
        "p95": float(np.percentile(size, 95)),
        "max": float(size.max()),
    }


async def measure_ears(
    n: int = 100,
    seed: int = 0,
    *,
    playout_delay_s: float = PLAYOUT_DELAY_S,
    told: Callable[[int], object] = lambda _: None,
) -> EarsError:
    """Play known bursts through a call on this machine and find them again.

    Takes about 0.55 s for each.

    Parameters
    ----------
    n : int
        Bursts, 1 or more.
    seed : int
        Of their shapes, levels and moments.
    playout_delay_s : float
        The listener's own buffer.
    told : callable
        Gets the number of bursts played since it was last told, for a progress bar.

    Raises
    ------
    CallError
        If no call can be placed on this machine.
    InputError
        If there is nothing to play.
    """
    if n < 1:
        raise InputError(f"n {n!r}: expected 1 or more bursts")
    source = Bursts(n, seed)
    caller = Caller(playout_delay_s=playout_delay_s, seed=seed)
    # Both sides read one clock of this machine; this is where the caller's begins.
    origin = time.monotonic() - caller.now()
    agents: list[WebRtcTransport] = []

    async def signal(offer: str) -> str:
        agents.append(await WebRtcTransport.accept(offer))
        agents[0].play(source)
        return agents[0].answer_sdp

    try:
        await caller.connect(signal)
        await _played(source, caller, told)
    finally:
        await caller.aclose()
        for agent in agents:
            await agent.aclose()
    recording = await asyncio.to_thread(caller.recording)
    constant_s = playout_delay_s + OPUS_LOOK_AHEAD_S - origin
    wanted = [(start + constant_s, end + constant_s) for start, end in source.audible()]
    found = [(each.start, each.end) for each in find_sounds(recording.heard)]
    return replace(_compare(wanted, found), skipped=source.skipped, late=recording.late)


async def _played(source: Bursts, caller: Caller, told: Callable[[int], object]) -> None:
    done = 0
    while done < source.n:
        await asyncio.sleep(0.1)
        if caller.gone:
            raise CallError(f"{caller.gone}, after {done} of {source.n} sounds")
        done, before = source.done, done
        told(done - before)
    await asyncio.sleep(_TAIL_S)


def _compare(wanted: list[tuple[float, float]], found: list[tuple[float, float]]) -> EarsError:
    """Pair what was played with what was heard nearest to it."""
    left, onsets = list(found), list[float]()
    ends, cuts = list[float](), list[float]()
    for number, (start, end) in enumerate(wanted):
        nearest = min(left, key=lambda each: abs(each[0] - start), default=None)
        if nearest is None or abs(nearest[0] - start) > _FAR_S:
            continue
        left.remove(nearest)
        onsets.append((nearest[0] - start) * 1e3)
        (cuts if is_cut(number) else ends).append((nearest[1] - end) * 1e3)
    missed = len(wanted) - len(onsets)
    onsets_ms, ends_ms, cuts_ms = map(np.array, (onsets, ends, cuts))
    return EarsError(len(wanted), missed, len(left), onsets_ms, ends_ms, cuts_ms)
