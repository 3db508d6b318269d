"""When a new call is refused, and how often a client may ask. Pure: no clock of its own."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from turnkit.agent.server_settings import ServiceLimits

REMEMBERED_CLIENTS = 4096
"""Clients whose rates are remembered; the one that asked longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the service is.

    Attributes
    ----------
    calls : int
        Running or being set up.
    loop_lag_s : float
        Seconds by which the event loop ran late, lately.
    detector_load : float
        Seconds of computing per second of audio, of the busiest call, lately.
    warm : bool
        Whether the stages are ready.
    closing : bool
        Whether the server is about to stop.
    """

    calls: int = 0
    loop_lag_s: float = 0.0
    detector_load: float = 0.0
    warm: bool = True
    closing: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no call now.

    Attributes
    ----------
    cause : str
        One word, for metrics.
    reason : str
        In words, for people.
    retry_after_s : int
        Seconds after which asking again may help.
    """

    cause: str
    reason: str
    retry_after_s: int


CLOSING = Refusal("closing", "the server is shutting down", 10)


class AdmissionControl:
    """Decides whether one more call fits, so that running calls keep their latency.

    Parameters
    ----------
    limits : ServiceLimits
    """

    def __init__(self, limits: ServiceLimits) -> None:
        self._limits = limits

    def decide(self, load: Load) -> Refusal | None:
        """Refusal of a new call under this load, or None: it fits."""
        limits = self._limits
        if load.closing:
            return CLOSING
        if not load.warm:
            return Refusal("warming", "the server is still getting ready", 5)
        if load.calls >= limits.calls:
            calls = "call is" if limits.calls == 1 else "calls are"
            return Refusal("calls", f"the server is full: {limits.calls} {calls} running", 15)
        if load.loop_lag_s > limits.loop_lag_s:
            late = f"it runs {load.loop_lag_s * 1000:.0f} ms late"
            return Refusal("lag", f"the server is too busy for another call: {late}", 10)
        if load.calls and load.detector_load > limits.detector_load:
            busy = f"hearing takes {load.detector_load:.0%} of real time"
            return Refusal("detector", f"the server is too busy for another call: {busy}", 10)
        return None


class RateLimit:
    """So many a minute for each client: a token bucket (Turner 1986) that starts full.

    Parameters
    ----------
    per_minute : float
        Rate, and how many may come at once.
    """

    def __init__(self, per_minute: float) -> None:
        self._rate, self._size = per_minute / 60.0, per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def _level(self, client: str, now: float) -> float:
        level, at = self._buckets.get(client, (self._size, now))
        return min(self._size, level + max(0.0, now - at) * self._rate)

    def wait_s(self, client: str, now: float) -> int:
        """Whole seconds until `client` may ask; 0 if now."""
        missing = 1.0 - self._level(client, now)
        return math.ceil(missing / self._rate) if missing > 1e-9 else 0

    def take(self, client: str, now: float) -> int:
        """Count one for `client` if it may; returns `wait_s` from before."""
        wait = self.wait_s(client, now)
        if wait == 0:
            self._buckets[client] = (self._level(client, now) - 1.0, now)
            self._buckets.move_to_end(client)
            while len(self._buckets) > REMEMBERED_CLIENTS:
                self._buckets.popitem(last=False)
        return wait
