"""What stands before every route: known names and origins only, safe headers on everything."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from turnkit.agent.server.access import host_allowed, origin_allowed
from turnkit.agent.server.replies import Refused, failure
from turnkit.agent.server_settings import ServerSettings
from turnkit.agent.telemetry.logs import where_raised
from turnkit.agent.telemetry.observer import Telemetry

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The page runs its own files and talks to its own server, and nobody frames it."""

HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that may be asked beside the proxy that speaks TLS."""


class Shield:
    """Middleware around everything.

    Parameters
    ----------
    app : ASGI application
    settings : ServerSettings
    telemetry : Telemetry
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings, telemetry: Telemetry) -> None:
        self._app, self._settings, self._telemetry = app, settings, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        begun = False
        api = scope["path"].startswith("/api/")
        secure = scope.get("scheme") in {"https", "wss"}

        async def guarded(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                self._add_headers(message, api, secure)
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, guarded)
        except Refused as refused:
            await refused.response()(scope, receive, guarded)
        except ClientDisconnect:
            return
        except Exception as error:
            self._telemetry.log.error("request failed", path=scope["path"], at=where_raised(error))
            if not begun:
                await failure(500)(scope, receive, guarded)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        settings, scheme = self._settings, scope.get("scheme", "http")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not host_allowed(hosts[0], settings):
            raise Refused(403, "this server does not go by that name (see server.hosts)")
        origins = headers.getlist("origin")
        origin = origins[0] if origins else None
        if len(origins) > 1 or not origin_allowed(origin, scheme, hosts[0], settings):
            raise Refused(403, "calls from other sites are not allowed (see server.origins)")
        crossing = headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
        if crossing and origin is None and scope["path"].startswith("/api/"):
            raise Refused(403, "calls from other sites are not allowed (see server.origins)")
        bare = settings.tls.proxy and scheme not in {"https", "wss"} and not settings.insecure
        if bare and scope["path"] not in PROBES:
            raise Refused(403, "only through the proxy, and over TLS (see server.tls.proxy)")

    def _add_headers(self, message: Message, api: bool, secure: bool) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("Cache-Control", "no-store" if api else "no-cache")
        if secure:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
