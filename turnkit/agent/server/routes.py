"""What the server answers, one method a route."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketState

from turnkit.agent.server.access import SUBPROTOCOL, same_token, split_host, token_of
from turnkit.agent.server.calls import CallRefused
from turnkit.agent.server.pages import Pages
from turnkit.agent.server.replies import Refused, failure, read_json
from turnkit.agent.server.service import Service
from turnkit.agent.server_settings import is_loopback
from turnkit.agent.telemetry.metrics import CONTENT_TYPE
from turnkit.errors import CallError

HUNG_UP = "you hung up"

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def client_of(connection: HTTPConnection) -> str:
    """Whose rates a request counts in: an IPv4 address, or the network of an IPv6 one."""
    host = connection.client.host if connection.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host


class Routes:
    """Handlers of all routes.

    Parameters
    ----------
    service : Service
    pages : Pages
    """

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service, self._pages = service, pages

    async def page(self, request: Request) -> Response:
        """Show the page."""
        return await self._pages.get_response("index.html", request.scope)

    async def health(self, _request: Request) -> Response:
        """Whether the process answers."""
        return JSONResponse({"status": "ok", "calls": len(self._service.calls)})

    async def ready(self, _request: Request) -> Response:
        """Whether it can take calls."""
        load = self._service.calls.load
        if load.closing:
            return JSONResponse({"status": "shutting down"}, 503)
        if not load.warm:
            return JSONResponse({"status": "warming up"}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """Prometheus metrics, for this machine or with the token."""
        if not self._is_local(request):
            self._check_token(request)
            if self._service.token is None:
                raise Refused(403, "metrics are for this machine, or with a token")
        return Response(self._service.telemetry.metrics.render(), media_type=CONTENT_TYPE)

    async def config(self, request: Request) -> Response:
        """Tell the page what it needs; relays only for those who show the token."""
        service = self._service
        preset = service.preset
        shown = token_of(request.headers, []) is not None
        if shown:
            self._check_token(request)
        known = service.token is None or shown
        content = {
            "mode": preset.mode,
            "detector": _shown(preset.bundle),
            "shadows": [_shown(spec) for spec in preset.shadow],
            "ice_servers": service.ice_servers("turnkit", page=True) if known else [],
            "token_required": service.token is not None,
            "max_duration_s": preset.limits.duration_s,
        }
        return JSONResponse(content)

    async def offer(self, request: Request) -> Response:
        """Begin a WebRTC call."""
        service = self._service
        self._check_token(request)
        self._check_rate(request)
        sdp = _sdp_of(await read_json(request, service.settings.limits))
        try:
            with service.calls.slot() as slot:
                transport, answer = await service.connector.answer(
                    sdp, service.ice_servers(slot.call_id, page=False)
                )
                await slot.start(transport)
        except CallRefused as refused:
            return _full(refused)
        except CallError as error:
            raise Refused(400, str(error)) from None
        return JSONResponse({"sdp": answer, "type": "answer", "call": slot.call_id})

    async def hang_up(self, request: Request) -> Response:
        """End a call."""
        self._check_token(request)
        if not await self._service.calls.hang_up(request.path_params["call"], HUNG_UP):
            raise Refused(404, "there is no such call")
        return JSONResponse({"status": "ended"})

    async def stream(self, websocket: WebSocket) -> None:
        """Carry a call over a WebSocket."""
        service = self._service
        self._check_token(websocket)
        self._check_rate(websocket)
        offered = websocket.scope.get("subprotocols", [])
        try:
            with service.calls.slot() as slot:
                await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
                call = await slot.start(service.connector.stream(websocket))
        except CallRefused as refused:
            if websocket.application_state is WebSocketState.CONNECTING:
                await _full(refused)(websocket.scope, websocket.receive, websocket.send)
            return
        # Not awaited itself: a server that is forced to stop cancels this, not the call.
        await asyncio.wait({call.task})

    def _is_local(self, request: Request) -> bool:
        settings = self._service.settings
        if settings.exposed or any(name in request.headers for name in _FORWARDED):
            return False
        host = split_host(request.headers.get("host", ""))
        client = request.client
        return bool(client and is_loopback(client.host) and host and is_loopback(host[0]))

    def _check_token(self, connection: HTTPConnection) -> None:
        service = self._service
        if service.token is None:
            return
        client, now = client_of(connection), service.clock()
        wait = service.failures.wait_s(client, now)
        if wait:
            raise Refused(429, "too many wrong tokens: try again later", {"Retry-After": str(wait)})
        given = token_of(connection.headers, connection.scope.get("subprotocols", []))
        if not same_token(given, service.token):
            service.failures.take(client, now)
            reason = "a token is needed" if given is None else "this is not the right token"
            raise Refused(401, reason, {"WWW-Authenticate": "Bearer"})

    def _check_rate(self, connection: HTTPConnection) -> None:
        service = self._service
        wait = service.offers.take(client_of(connection), service.clock())
        if wait:
            service.telemetry.metrics.refused("rate")
            raise Refused(
                429, "too many calls in a minute: try again later", {"Retry-After": str(wait)}
            )


def _sdp_of(content: dict[str, Any]) -> str:
    sdp = content.get("sdp")
    if content.get("type") != "offer" or not isinstance(sdp, str):
        raise Refused(400, 'expected {"type": "offer", "sdp": "..."}')
    return sdp


def _shown(spec: str) -> str:
    """Name of a detector without the folders of this machine."""
    return spec.rstrip("/").rpartition("/")[2]


def _full(refused: CallRefused) -> Response:
    refusal = refused.refusal
    return failure(503, refusal.reason, {"Retry-After": str(math.ceil(refusal.retry_after_s))})
