"""Two clocks of the agent on the recording's: when it was, and what it had heard by then.

The agent counts the audio that it received. *When* its count showed a number follows from
pings: the agent answers with its count, which was read in the middle of the round trip,
give or take half of what the round trip takes longer than the shortest ones. *What* it
had heard by then follows from the levels that it tells of what it hears: the microphone's
own levels are moved along them, on a grid of 1 ms, until they fit. The difference of the
two is the way from the microphone to the agent: frame, network and jitter buffer.

Nothing is guessed: without pings, or without levels that fit, there is no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.lab.measuring.levels import AgentLevels, Floats, read_levels
from turnkit.lab.records import RATE, CallRecording, Ping

Ints = NDArray[np.int64]

_NEAR_S = 15.0
_FEWEST = 3
_GRID = RATE // 1000


class WallClock:
    """When the agent's clock showed what, by pings.

    Parameters
    ----------
    pings : sequence of Ping
        At least one; those that came before they were sent are left out.
    """

    def __init__(self, pings: Sequence[Ping]) -> None:
        known = [each for each in pings if each.came >= each.sent]
        self._agent = np.array([each.agent for each in known])
        self._trip = np.array([each.came - each.sent for each in known])
        middle = np.array([(each.came + each.sent) / 2 for each in known])
        self._offset = middle - self._agent

    def _best(self, agent_s: float) -> Ints:
        """Quickest quarter of the pings near a moment, or of the nearest ones."""
        away = np.abs(self._agent - agent_s)
        near = np.flatnonzero(away <= max(_NEAR_S, float(np.sort(away)[: 2 * _FEWEST][-1])))
        quickest = near[np.argsort(self._trip[near], kind="stable")]
        return quickest[: max(_FEWEST, len(near) // 4)]

    def offset_s(self, agent_s: float) -> float:
        """Seconds of the recording less seconds of the agent's clock, near a moment of it."""
        return float(np.median(self._offset[self._best(agent_s)]))

    def round_trip_s(self, agent_s: float) -> float:
        """Return what the quickest messages took there and back, near a moment."""
        return float(np.median(self._trip[self._best(agent_s)]))

    def to_recording(self, agent_s: float) -> float:
        """Return the second of the recording at which the agent's clock showed `agent_s`."""
        return agent_s + self.offset_s(agent_s)


def wall_clock(pings: Sequence[Ping]) -> WallClock | None:
    """Make the clock of a call's pings; None if there are none."""
    usable = any(each.came >= each.sent for each in pings)
    return WallClock(pings) if usable else None


_LOUD_DB = 25.0
_DEEP_DB = 45.0
_FAR_DB = 8.0
_GAIN_DB = 25.0
_WORST_DB = 4.5
_WORST_SHARE = 0.65
_WIDEN = 3
_FEWEST_STEPS = 15
_FEWEST_OF_REPLY = 8
_COARSE_MS = 5
_BLOCK = 128
_WITHOUT_PINGS_MS = (-1_000, 20_000)
_BEHIND_MS = 3_000
_LOCAL_MS = 300
_LOCAL_S = 4.0
_LATE_MS = 1_500
_INSTANT_S = 1e-6


@dataclass(frozen=True, slots=True)
class _Fit:
    shift_ms: int
    loss_db: float
    usual_db: float

    @property
    def good(self) -> bool:
        return self.loss_db <= min(_WORST_DB, _WORST_SHARE * self.usual_db)


class AudioClock:
    """What the agent had heard when, by the levels that it told.

    Use `audio_clock`, which says whether there is one.

    Attributes
    ----------
    loss_db : float
        Mean distance of the levels, where they fit best.
    """

    def __init__(self, ends: Floats, told: Floats, power: Floats, overall: _Fit) -> None:
        self._ends, self._told, self._power = ends, told, power
        self._overall = overall
        self.loss_db = overall.loss_db

    def offset_s(self, recording_s: float) -> float:
        """Return recording less the agent's time, for what was said before a moment.

        A jitter buffer that conceals or drops time moves it within a call, so what was
        said in the last seconds counts, if it was enough.
        """
        overall = self._overall.shift_ms
        ends = self._ends + overall / 1000
        near = (ends > recording_s - _LOCAL_S) & (ends < recording_s + 0.3)
        shifts = np.arange(overall - _LOCAL_MS, overall + _LOCAL_MS + 1)
        fit = _align(self._ends[near], self._told[near], self._power, shifts)
        return (fit.shift_ms if fit is not None and fit.good else overall) / 1000


def audio_clock(
    levels: AgentLevels | None, sent: Samples, wall: WallClock | None = None
) -> AudioClock | None:
    """Align what the agent heard with what was sent.

    Parameters
    ----------
    levels : AgentLevels or None
    sent : ndarray of float32, shape (n,)
        At `RATE`.
    wall : WallClock, optional
        Narrows the search: the agent cannot have heard what was not said yet.

    Returns
    -------
    AudioClock or None
        None if there are no levels, too little was said, or nothing fits.
    """
    if levels is None:
        return None
    low, high = _WITHOUT_PINGS_MS
    if wall is not None:
        now = round(wall.offset_s(float(np.median(levels.ends))) * 1000)
        low, high = now - _BEHIND_MS, now + 100
    power = _power(sent)
    ends, told = levels.ends, levels.heard
    coarse = _align(ends, told, power, np.arange(low, high + 1, _COARSE_MS))
    if coarse is None or not coarse.good:
        return None
    around = np.arange(coarse.shift_ms - 2 * _COARSE_MS, coarse.shift_ms + 2 * _COARSE_MS + 1)
    fine = _align(ends, told, power, around)
    assert fine is not None
    return AudioClock(ends, told, power, _Fit(fine.shift_ms, fine.loss_db, coarse.usual_db))


class PlayoutClock:
    """When the listener heard what the agent sent, buffers and all, by levels.

    A listener's buffer grows and shrinks within a call, so each reply is aligned by
    itself.

    Parameters
    ----------
    levels : AgentLevels
    heard : ndarray of float32, shape (n,)
        At `RATE`.
    wall : WallClock
    """

    def __init__(self, levels: AgentLevels, heard: Samples, wall: WallClock) -> None:
        self._levels, self._power, self._wall = levels, _power(heard), wall

    def delay_s(self, sent_s: float) -> float | None:
        """Return how long after its sending a reply was heard; None if nothing fits.

        Parameters
        ----------
        sent_s : float
            When its first samples were sent, in seconds of the agent's clock.
        """
        ends, step = self._levels.ends, self._levels.step_s
        near = (ends > sent_s + _INSTANT_S) & (ends < sent_s + _LOCAL_S)
        wall_s = self._wall.offset_s(sent_s)
        now = round(wall_s * 1000)
        shifts = np.arange(now - 100, now + _LATE_MS)
        fit = _align(ends[near], self._levels.said[near], self._power, shifts, _FEWEST_OF_REPLY)
        if fit is None or not fit.good:
            return None
        # Levels stand where a step began; what was sent in it, a little later.
        return fit.shift_ms / 1000 - wall_s - (sent_s + _INSTANT_S) % step


def _power(samples: Samples) -> Floats:
    """Sum of squares up to each millisecond."""
    count = len(samples) // _GRID
    blocks = samples[: count * _GRID].reshape(count, _GRID).astype(np.float64)
    return np.concatenate([[0.0], np.cumsum(np.sum(blocks * blocks, axis=1))])


def _align(
    ends: Floats, told: Floats, power: Floats, shifts: Ints, fewest: int = _FEWEST_STEPS
) -> _Fit | None:
    """Find the shift, in ms, at which a recording's levels are most like those told.

    Levels far below the loudest are cut off on both sides: they are noise of the line or
    of the codec. The distance of a step is limited, so that lost frames do not decide,
    and a constant difference, as of a telephone line, is taken out.
    """
    if not len(told):
        return None
    top = float(np.percentile(told, 97))
    loud = told > max(top - _LOUD_DB, -60.0)
    if np.count_nonzero(loud) < fewest:
        return None
    used = np.convolve(loud, np.ones(2 * _WIDEN + 1), mode="same") > 0
    floor = top - _DEEP_DB
    theirs, loud = np.maximum(told[used], floor), loud[used]
    at = np.rint(ends[used] * 1000).astype(np.int64)
    losses = np.concatenate(
        [
            _losses(theirs, loud, at, power, shifts[begin : begin + _BLOCK], floor)
            for begin in range(0, len(shifts), _BLOCK)
        ]
    )
    best = int(np.argmin(losses))
    return _Fit(int(shifts[best]), float(losses[best]), float(np.median(losses)))


def _losses(
    theirs: Floats, loud: NDArray[np.bool_], at: Ints, power: Floats, shifts: Ints, floor: float
) -> Floats:
    last = np.clip(at[None, :] + shifts[:, None], 0, len(power) - 1)
    first = np.maximum(last - 20, 0)
    mean = (power[last] - power[first]) / (20 * _GRID)
    ours = 10 * np.log10(np.maximum(mean, 1e-10))
    gain = np.median(theirs[loud] - ours[:, loud], axis=1, keepdims=True)
    gain = np.clip(gain, -_GAIN_DB, _GAIN_DB)  # silence made loud would fit everywhere
    distance = np.abs(theirs - np.maximum(ours + gain, floor))
    return np.asarray(np.mean(np.minimum(distance, _FAR_DB), axis=1))


@dataclass(frozen=True, slots=True)
class Clocks:
    """What is known of a call's clocks.

    Attributes
    ----------
    wall : WallClock or None
    audio : AudioClock or None
        What the agent had heard.
    playout : PlayoutClock or None
    levels : AgentLevels or None
    """

    wall: WallClock | None = None
    audio: AudioClock | None = None
    playout: PlayoutClock | None = None
    levels: AgentLevels | None = None


def read_clocks(recording: CallRecording) -> Clocks:
    """Read the clocks of a call from its agent's log, as far as that goes."""
    wall = wall_clock(recording.log.pings)
    levels = read_levels(message for _, message in recording.log.messages)
    audio, playout = audio_clock(levels, recording.sent, wall), None
    if levels is not None and wall is not None:
        playout = PlayoutClock(levels, recording.heard, wall)
    return Clocks(wall, audio, playout, levels)
