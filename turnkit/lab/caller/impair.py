"""A bad network, the same every time: packets lost, delayed, doubled and out of order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from turnkit.errors import InputError

Impair = Callable[[int, bytes], Sequence[float]]
"""Called with a packet's number and bytes; returns the delay in seconds of each copy that
is sent. Nothing: the packet is lost."""

_PACKET_S = 0.02


@dataclass(frozen=True)
class Impairment:
    """Random loss, reordering and duplication, and regular delay spikes.

    What happens to a packet depends on its number and the seed only.

    Attributes
    ----------
    loss, reorder, duplicate : float
        Probabilities, 0 .. 1.
    reorder_s : float
        By how much a reordered packet comes later.
    spike_every : int
        Packets from one delay spike to the next; 0 means none.
    spike_s : float
        Packets of a spike wait until it ends, as behind a full queue: the first one for
        this long, each one after it by a packet's length less.
    first, last : int
        Numbers of the packets that it is done to.
    seed : int
    """

    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    reorder_s: float = 0.03
    spike_every: int = 0
    spike_s: float = 0.08
    first: int = 0
    last: int = 1 << 62
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("loss", "reorder", "duplicate"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"{name} {getattr(self, name)!r}: expected 0 .. 1")

    def __call__(self, number: int, data: bytes) -> Sequence[float]:  # noqa: ARG002
        """Delay in seconds of each copy of a packet that is sent."""
        if not self.first <= number <= self.last:
            return (0.0,)
        lost, moved, doubled = np.random.default_rng((self.seed, number)).random(3)
        if lost < self.loss:
            return ()
        delay = self.reorder_s if moved < self.reorder else 0.0
        if self.spike_every:
            into = (number - self.first) % self.spike_every
            delay = max(delay, self.spike_s - into * _PACKET_S)
        return (delay, delay + 0.005) if doubled < self.duplicate else (delay,)
