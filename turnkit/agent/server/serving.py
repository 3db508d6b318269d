"""The application behind a socket: begun, and ended without leaving anything."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn

from turnkit.agent.server.app import build_app
from turnkit.agent.server.pages import WEB
from turnkit.agent.server.patience import patient_protocol
from turnkit.agent.server.service import Service
from turnkit.agent.server_settings import ServerSettings
from turnkit.errors import CallError, ConfigError

STOPPING = "the server is shutting down"

HEAD_BYTES = 16_384
"""Of a request's head."""

KEEP_ALIVE_S = 10
CLOSE_S = 5
"""Seconds that a connection may idle, and may take to close when the server stops."""


class PortInUseError(CallError):
    """Somebody else listens there."""


def bind(host: str, port: int) -> socket.socket:
    """Socket on an address; it does not listen yet.

    Raises
    ------
    PortInUseError
        If somebody else listens there.
    ConfigError
        If this machine has no such address.
    """
    name = host.strip("[]")
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"server.host {host!r}: no such address ({error.strerror})") from error
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(address)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"port {port} of {host} is in use: stop what listens there, or take another "
                "with --port (0 takes a free one)"
            ) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(f"server.host {host!r}: not an address of this machine") from error
        raise
    return sock


class _Server(uvicorn.Server):
    """uvicorn's server, which ends calls with a goodbye before it closes connections."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals belong to the command, not to whoever serves inside another program.
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._service.calls.drain(STOPPING)
        await super().shutdown(sockets)


def _config(service: Service, web: Path) -> uvicorn.Config:
    settings, limits = service.settings, service.settings.limits
    config = uvicorn.Config(
        build_app(service, web),
        http=patient_protocol(limits.request_s),
        ws="websockets-sansio",
        ws_max_size=max(settings.websocket.frame_bytes, settings.websocket.messages.max_bytes),
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        limit_concurrency=limits.connections,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=CLOSE_S,
        h11_max_incomplete_event_size=HEAD_BYTES,
        ssl_certfile=settings.tls.certificate,
        ssl_keyfile=settings.tls.key,
    )
    try:
        config.load()
    except OSError as error:
        raise ConfigError(
            f"server.tls.certificate, server.tls.key: cannot be used ({error})"
        ) from error
    return config


def base_url(settings: ServerSettings, sock: socket.socket) -> str:
    """Address to open in a browser."""
    host, port = sock.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:
        host = settings.hosts[0] if settings.hosts else host
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls.certificate else 'http'}://{name}:{port}"


@asynccontextmanager
async def serving(
    service: Service, sock: socket.socket | None = None, web: Path = WEB
) -> AsyncIterator[str]:
    """Serve for as long as the body runs; then say goodbye to callers and free the port.

    Parameters
    ----------
    service : Service
        Takes no calls until its `calls.warm` is set.
    sock : socket, optional
        Bound by `bind`; a free port of loopback if None. Closed in any case.
    web : Path
        Folder of the page.

    Yields
    ------
    str
        Base URL.
    """
    sock = bind("127.0.0.1", 0) if sock is None else sock
    try:
        server = _Server(_config(service, web), service)
        service.lag.start()
        task = asyncio.create_task(server.serve([sock]), name="server")
        try:
            while not server.started and not task.done():
                await asyncio.sleep(0.01)
            if task.done():
                task.result()
            yield base_url(service.settings, sock)
        finally:
            server.should_exit = True
            await asyncio.wait({task})
            service.lag.stop()
        task.result()
    finally:
        sock.close()
