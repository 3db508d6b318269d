"""A bounded reorder buffer for RTP audio whose output keeps time.

What comes out is a clock: every packet, loss and pause advances it by exactly its RTP
time (RFC 3550), nothing is given twice, and what cannot be waited for any longer is
declared lost. Packets in order are given at once; there is no prefetch, because the
agent wants audio as early as it can get it and smooths nothing.

Nothing here knows a wall clock or an event loop: arrival times are arguments, in
seconds of any monotonic clock.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, field

from turnkit.errors import ConfigError

RTP_RATE = 48_000
"""Ticks per second of Opus RTP timestamps, whatever the coded bandwidth (RFC 7587, 4.1)."""

USUAL_PACKET = 960
"""Ticks of a packet until one has come: 20 ms, what every browser sends."""

_SEQUENCE_BITS = 16
_TIMESTAMP_BITS = 32
_REMEMBERED = 512
"""How many given packets are remembered to tell a duplicate from a late one."""


@dataclass(frozen=True)
class Packet:
    """One RTP packet of audio.

    Attributes
    ----------
    sequence : int
        0 .. 65535.
    timestamp : int
        0 .. 2**32 - 1, in ticks of `RTP_RATE`.
    payload : bytes
    n_samples : int
        Ticks that the payload lasts; packets that last nothing are dropped.
    ssrc : int
        Source; another one starts another RTP clock.
    """

    sequence: int
    timestamp: int
    payload: bytes
    n_samples: int
    ssrc: int = 0


@dataclass(frozen=True)
class Given:
    """A packet whose turn it is; its first `skip` samples were given before."""

    packet: Packet
    skip: int = 0

    @property
    def n_samples(self) -> int:
        """Ticks by which this advances the clock."""
        return self.packet.n_samples - self.skip


@dataclass(frozen=True)
class Lost:
    """Time whose packets did not come, or not in time: to be concealed."""

    n_samples: int


@dataclass(frozen=True)
class Quiet:
    """Time for which the sender sent nothing: its timestamps jumped, its sequence did not."""

    n_samples: int


Output = Given | Lost | Quiet


@dataclass(frozen=True)
class JitterSettings:
    """How long to wait for what.

    Attributes
    ----------
    max_wait_s : float
        Longest wait for a missing packet, from the arrival of the first one behind it.
    max_held : int
        Most packets that wait behind a missing one.
    stall_s : float
        After so long without a packet, time is filled as it passes; the clock then runs
        by `stall_s` behind, so that a burst after a short stall loses little.
    max_fill_s : float
        Longest pause of a sender that is filled, and how far ahead of real time a sender
        may get; beyond it, the clock is rebased.
    rebase_after : int
        So many late packets in a row, at the pace of real time, are a sender whose clock
        stood still: the clock is rebased.
    """

    max_wait_s: float = 0.06
    max_held: int = 8
    stall_s: float = 0.2
    max_fill_s: float = 2.0
    rebase_after: int = 25

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_wait_s < self.stall_s:
            raise ConfigError(
                f"jitter.max_wait_s {self.max_wait_s!r}: expected 0 .. stall_s ({self.stall_s!r})"
            )
        if self.stall_s > 5.0:
            raise ConfigError(f"jitter.stall_s {self.stall_s!r}: expected at most 5")
        if not 1 <= self.max_held <= 100:
            raise ConfigError(f"jitter.max_held {self.max_held!r}: expected 1 .. 100")
        if not 0.1 <= self.max_fill_s <= 30.0:
            raise ConfigError(f"jitter.max_fill_s {self.max_fill_s!r}: expected 0.1 .. 30")
        if self.rebase_after < 2:
            raise ConfigError(f"jitter.rebase_after {self.rebase_after!r}: expected 2 or more")


@dataclass
class JitterCounts:
    """What happened so far: packets, and times that the clock was rebased."""

    given: int = 0
    lost_samples: int = 0
    quiet_samples: int = 0
    late: int = 0
    duplicates: int = 0
    unusable: int = 0
    early: int = 0
    rebased: int = 0


def unwrap(value: int, near: int, bits: int) -> int:
    """Return the number nearest to `near` whose last `bits` bits are `value`."""
    half = 1 << (bits - 1)
    return near + ((value - near + half) & ((1 << bits) - 1)) - half


@dataclass(order=True)
class _Held:
    at: int
    packet: Packet = field(compare=False)
    sequence: int = field(compare=False)
    arrived: float = field(compare=False)


class JitterBuffer:
    """Puts packets in order and keeps their time.

    Parameters
    ----------
    settings : JitterSettings, optional

    Attributes
    ----------
    position : int
        Ticks given so far; the sum of ``n_samples`` over all outputs.
    counts : JitterCounts
    """

    def __init__(self, settings: JitterSettings | None = None) -> None:
        self._settings = settings or JitterSettings()
        self.position = 0
        self.counts = JitterCounts()
        self._held: list[_Held] = []
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)
        self._ssrc: int | None = None
        self._timestamp = 0  # the last one, unwrapped
        self._sequence = 0  # the next one in order, unwrapped
        self._offset = 0  # unwrapped timestamp minus position
        self._frame = USUAL_PACKET
        self._began: float | None = None
        self._anchor: tuple[float, int] | None = None  # when time was last given, and up to where
        self._late_since: tuple[float, int] | None = None
        self._late_run = 0

    def begin(self, now: float) -> None:
        """Let the clock run from `now` on, even if no packet ever comes."""
        if self._began is None:
            self._began = now
            self._anchor = (now, self.position)

    def push(self, packet: Packet, now: float) -> list[Output]:
        """Take a packet that arrived at `now`.

        Parameters
        ----------
        packet : Packet
        now : float
            In seconds, never decreasing.

        Returns
        -------
        list of Given, Lost and Quiet
            In order; each advances the clock by its `n_samples`.
        """
        self.begin(now)
        out: list[Output] = []
        if packet.n_samples <= 0:
            self.counts.unusable += 1
            return out
        if packet.ssrc != self._ssrc:
            self._flush(now, out)
            self._rebase(packet, first=self._ssrc is None)
            self._ssrc = packet.ssrc
        at, sequence = self._locate(packet)
        if at + packet.n_samples <= self.position:
            self._late(packet, at, sequence, now, out)
            return out
        self._late_run = 0
        if self._known(at, sequence):
            self.counts.duplicates += 1
            return out
        insort(self._held, _Held(at, packet, sequence, now))
        self._release(now, out)
        return out

    def tick(self, now: float) -> list[Output]:
        """Give up on what has been waited for too long, and fill a stall, as of `now`.

        Only this fills a stall, never a `push`: after a stall of the reader itself the
        packets are all there, and none of them is late.
        """
        out: list[Output] = []
        self._release(now, out)
        if self._anchor is None or self._held:
            return out
        anchored_at, anchored = self._anchor
        due = anchored + int((now - anchored_at - self._settings.stall_s) * RTP_RATE + 0.5)
        missing = (due - self.position) // self._frame * self._frame
        if missing > 0:
            self._skip(Lost(missing), out)
        return out

    def deadline(self) -> float | None:
        """When `tick` will next have something to do if nothing arrives; None before the start."""
        if self._held:
            return min(each.arrived for each in self._held) + self._settings.max_wait_s
        if self._anchor is None:
            return None
        anchored_at, anchored = self._anchor
        ahead = (self.position + self._frame - anchored) / RTP_RATE
        return anchored_at + self._settings.stall_s + ahead

    def _locate(self, packet: Packet) -> tuple[int, int]:
        """Return a packet's place on the clock, and its unwrapped sequence number."""
        stamp = unwrap(packet.timestamp, self._timestamp, _TIMESTAMP_BITS)
        sequence = unwrap(packet.sequence, self._sequence, _SEQUENCE_BITS)
        return stamp - self._offset, sequence

    def _known(self, at: int, sequence: int) -> bool:
        if any(each.at == at and each.sequence == sequence for each in self._held):
            return True
        return at < self.position and sequence in self._recent

    def _late(self, packet: Packet, at: int, sequence: int, now: float, out: list[Output]) -> None:
        """Count a packet whose time was given already; many of them rebase the clock."""
        if sequence in self._recent:
            self.counts.duplicates += 1
            return
        self.counts.late += 1
        self._recent.append(sequence)
        self._sequence = max(self._sequence, sequence + 1)
        if self._late_run == 0 or self._late_since is None:
            self._late_since = (now, at)
        self._late_run += 1
        since, first = self._late_since
        # A burst after a stall is late, too, but it comes faster than real time.
        paced = now - since >= 0.5 * (at - first) / RTP_RATE
        if self._late_run >= self._settings.rebase_after and paced:
            self._flush(now, out)
            self._rebase(packet, first=False)
            self._give(_Held(self.position, packet, self._sequence, now), now, out)

    def _rebase(self, packet: Packet, first: bool) -> None:
        """Say that this packet's time is now."""
        self._timestamp = packet.timestamp
        self._sequence = packet.sequence
        self._offset = packet.timestamp - self.position
        self._late_run = 0
        self._recent.clear()
        self.counts.rebased += not first

    def _flush(self, now: float, out: list[Output]) -> None:
        """Give all that is held: nothing will come between any more."""
        while self._held:
            self._pass_on(now, out)

    def _release(self, now: float, out: list[Output]) -> None:
        """Give what is in order, and what has waited long enough."""
        settings = self._settings
        while self._held:
            first = self._held[0]
            in_order = first.at <= self.position or first.sequence <= self._sequence
            waited = now - min(each.arrived for each in self._held)
            # The slack lets a timer that is set for the deadline do its work.
            patient = waited < settings.max_wait_s - 1e-6
            if not in_order and patient and len(self._held) < settings.max_held:
                return
            self._pass_on(now, out)

    def _pass_on(self, now: float, out: list[Output]) -> None:
        """Give the first held packet after whatever is missing before it."""
        first, limit = self._held[0], self._settings.max_fill_s
        missing = max(0, first.at - self.position)
        ahead = self.position / RTP_RATE - (now - (self._began or 0.0))
        if ahead > limit:
            # Packets faster than real time are no call; a clock must not run away.
            self._held.pop(0)
            self.counts.early += 1
            return
        if missing and missing / RTP_RATE + max(ahead, 0.0) > limit:
            for each in self._held:
                each.at -= missing
            self._offset += missing
            self.counts.rebased += 1
        elif missing:
            # What the sequence numbers cannot account for was never sent.
            lost = min(missing, max(0, first.sequence - self._sequence) * self._frame)
            self._skip(Lost(lost), out)
            self._skip(Quiet(missing - lost), out)
        self._give(self._held.pop(0), now, out)

    def _skip(self, gap: Lost | Quiet, out: list[Output]) -> None:
        if not gap.n_samples:
            return
        if isinstance(gap, Lost):
            self.counts.lost_samples += gap.n_samples
        else:
            self.counts.quiet_samples += gap.n_samples
        self.position += gap.n_samples
        out.append(gap)

    def _give(self, held: _Held, now: float, out: list[Output]) -> None:
        skip = max(0, self.position - held.at)
        if skip >= held.packet.n_samples:
            self.counts.late += 1
            return
        given = Given(held.packet, skip)
        self.position += given.n_samples
        self.counts.given += 1
        self._frame = held.packet.n_samples
        self._timestamp = held.at + self._offset
        self._sequence = held.sequence + 1
        self._recent.append(held.sequence)
        self._anchor = (now, self.position)
        self._late_run = 0
        out.append(given)
