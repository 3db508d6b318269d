"""What all requests share: settings, secrets, calls, rates and telemetry."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from turnkit.agent.preset import Preset
from turnkit.agent.server.access import check_exposure, read_token
from turnkit.agent.server.calls import CallRunner, Calls
from turnkit.agent.server.connecting import Connector, Transports
from turnkit.agent.server.ice import check_ice, ice_servers
from turnkit.agent.server.limits import RateLimit
from turnkit.agent.server.load import LoopLag
from turnkit.agent.telemetry.observer import Telemetry


class Service:
    """One agent that is served.

    Parameters
    ----------
    preset : Preset
    runner : CallRunner
        What a call does.
    telemetry : Telemetry
    connector : Connector, optional
        How transports are made; WebRTC and WebSocket if None.
    environ : mapping
        Where secrets are.
    clock : callable
        Seconds, rising, for rates.

    Raises
    ------
    ConfigError
        If others could reach it without a token or TLS, or a secret is missing.
    """

    def __init__(
        self,
        preset: Preset,
        runner: CallRunner,
        telemetry: Telemetry,
        connector: Connector | None = None,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.preset, self.settings, self.telemetry = preset, preset.server, telemetry
        limits = self.settings.limits
        self.token = read_token(self.settings, environ)
        self.given_up = check_exposure(self.settings, self.token)
        check_ice(self.settings.ice_servers, environ)
        self.connector = Transports(self.settings) if connector is None else connector
        self.lag = LoopLag()
        self.calls = Calls(
            runner, telemetry, limits, preset.limits.duration_s, lambda: self.lag.seconds
        )
        self.offers = RateLimit(limits.offers_per_minute)
        self.failures = RateLimit(limits.failures_per_minute)
        self.clock, self._environ = clock, environ
        metrics = telemetry.metrics
        metrics.running.set_function(lambda: len(self.calls))
        metrics.loop_lag.set_function(lambda: self.lag.seconds)
        metrics.detector_load.set_function(lambda: telemetry.detector_load)

    def ice_servers(self, user: str, *, page: bool) -> list[dict[str, Any]]:
        """STUN and TURN servers of a page or of the agent, with credentials that soon end."""
        servers = [each for each in self.settings.ice_servers if page or not each.page_only]
        return ice_servers(servers, self._environ, user, time.time())
