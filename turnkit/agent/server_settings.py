"""How the agent is served: address, access, limits, TLS and ICE servers, out of a preset."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from turnkit.agent.transport.settings import WebRtcSettings, WebSocketSettings
from turnkit.errors import ConfigError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names by which a machine reaches itself."""

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:]+\]?")
_ORIGIN = re.compile(r"https?://[^/\s@?#]+")


def check_variable(key: str, value: str | None) -> None:
    """Refuse what is no name of an environment variable, without repeating it.

    Raises
    ------
    ConfigError
        The value is not shown: who writes a key there should not find it in a log.
    """
    if value is not None and not _VARIABLE.fullmatch(value):
        raise ConfigError(
            f"{key}: expected the name of an environment variable in capitals, never a key"
        )


def _within(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{key} {value!r}: expected {low:g} .. {high:g}")


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What a client may ask for, and when a new call is refused.

    Attributes
    ----------
    calls : int
        At once. A call of the embedded stack takes most of a core.
    offers_per_minute, failures_per_minute : int
        Calls that one client may ask for, and wrong tokens that it may try.
    body_bytes : int
        Of a request; an SDP offer has a few thousand.
    request_s : float
        Seconds in which a request's head, and then its body, must have come.
    connections : int
        TCP connections at once.
    loop_lag_s : float
        Seconds by which the event loop may run late before new calls are refused.
    detector_load : float
        Seconds of computing per second of audio, all detectors of a call, above which
        new calls are refused.
    drain_s : float
        Seconds that running calls have to end when the server stops.
    """

    calls: int = 2
    offers_per_minute: int = 20
    failures_per_minute: int = 10
    body_bytes: int = 65_536
    request_s: float = 10.0
    connections: int = 128
    loop_lag_s: float = 0.1
    detector_load: float = 0.7
    drain_s: float = 5.0

    def __post_init__(self) -> None:
        ranges = {
            "calls": (1, 1000),
            "offers_per_minute": (1, 100_000),
            "failures_per_minute": (1, 100_000),
            "body_bytes": (1024, 1 << 20),
            "request_s": (0.05, 120),
            "connections": (4, 100_000),
            "loop_lag_s": (0.005, 10),
            "detector_load": (0.05, 1000),
            "drain_s": (0, 60),
        }
        for name, (low, high) in ranges.items():
            _within(f"server.limits.{name}", getattr(self, name), low, high)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Encryption of the page and the API.

    Attributes
    ----------
    certificate, key : str or None
        PEM files; both or none.
    proxy : bool
        Whether a reverse proxy in front speaks TLS; ``server.trusted_proxies`` must
        name it, and requests that it did not get over TLS are refused.
    """

    certificate: str | None = None
    key: str | None = None
    proxy: bool = False

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("server.tls.certificate, server.tls.key: expected both or none")
        for name in ("certificate", "key"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise ConfigError(f"server.tls.{name} {path!r}: no such file")

    @property
    def on(self) -> bool:
        """Whether what leaves the machine is encrypted."""
        return self.certificate is not None or self.proxy


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, and where its credentials come from.

    Attributes
    ----------
    urls : tuple of str
        ``stun:host:port``, ``turn:host:port?transport=udp``, ``turns:...``.
    username_env, credential_env : str or None
        Environment variables with a lasting name and password. The page gets them as
        they are: the shared secret is better.
    shared_secret_env : str or None
        Environment variable with the secret shared with the TURN server
        (``static-auth-secret`` of coturn), out of which each client gets a name and a
        password that end after `lifetime_s`.
    lifetime_s : int
        Seconds.
    page_only : bool
        For an agent that the relay reaches without one of its own, in the same network
        for instance: only pages are given this server.
    """

    urls: tuple[str, ...]
    username_env: str | None = None
    credential_env: str | None = None
    shared_secret_env: str | None = None
    lifetime_s: int = 3600
    page_only: bool = False

    def __post_init__(self) -> None:
        if not self.urls:
            raise ConfigError("urls: expected at least one")
        for url in self.urls:
            if not re.fullmatch(r"(stuns?|turns?):[^\s/@]+", url):
                raise ConfigError(f"urls {url!r}: expected stun:HOST:PORT or turn:HOST:PORT")
        for name in ("username_env", "credential_env", "shared_secret_env"):
            check_variable(name, getattr(self, name))
        if (self.username_env is None) != (self.credential_env is None):
            raise ConfigError("username_env, credential_env: expected both or none")
        if self.username_env is not None and self.shared_secret_env is not None:
            raise ConfigError("shared_secret_env: expected this or username_env, not both")
        _within("lifetime_s", self.lifetime_s, 60, 86_400)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the agent listens, who may talk to it, and what it tells the world.

    Attributes
    ----------
    host, port : str, int
        Address to listen on; port 0 takes a free one.
    hosts : tuple of str
        Names by which clients reach the server, beside loopback and plain addresses.
    origins : tuple of str
        Other sites whose pages may call it, such as ``https://app.example.org``.
    token_env : str
        Environment variable with the token that callers must show. A token that is
        there is asked for on loopback, too.
    insecure : bool
        Serve other machines without a token or without TLS all the same.
    trusted_proxies : tuple of str
        Addresses or networks whose ``X-Forwarded-For`` and ``-Proto`` are believed.
    log_words : bool
        Whether logs and spans may hold what callers and agent said.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    token_env: str = "TURNKIT_TOKEN"
    insecure: bool = False
    trusted_proxies: tuple[str, ...] = ()
    tls: TlsSettings = field(default_factory=TlsSettings)
    ice_servers: tuple[IceServer, ...] = ()
    limits: ServiceLimits = field(default_factory=ServiceLimits)
    webrtc: WebRtcSettings = field(default_factory=WebRtcSettings)
    websocket: WebSocketSettings = field(default_factory=WebSocketSettings)
    log_words: bool = False

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise ConfigError(f"host {self.host!r}: expected an address or a name")
        _within("port", self.port, 0, 65_535)
        check_variable("token_env", self.token_env)
        for name in self.hosts:
            if not _HOST.fullmatch(name):
                raise ConfigError(f"hosts {name!r}: expected a name without scheme, port or path")
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigError(f"origins {origin!r}: expected https://HOST[:PORT]")
        for network in self.trusted_proxies:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError as error:
                raise ConfigError(
                    f"trusted_proxies {network!r}: expected an address or a network"
                ) from error
        if self.tls.proxy and not self.trusted_proxies:
            raise ConfigError("trusted_proxies: tls.proxy needs the address of the proxy here")

    @property
    def exposed(self) -> bool:
        """Whether others than this machine can reach it, themselves or through a proxy."""
        names = any(not is_loopback(name) for name in self.hosts)
        return not is_loopback(self.host) or names or bool(self.trusted_proxies)
