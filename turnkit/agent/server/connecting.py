"""From an offer or an accepted WebSocket to a transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from starlette.websockets import WebSocket

from turnkit.agent.server_settings import ServerSettings
from turnkit.agent.transport.protocol import CallTransport


class Connector(Protocol):
    """How transports are made."""

    async def answer(
        self, sdp: str, ice_servers: Sequence[dict[str, Any]]
    ) -> tuple[CallTransport, str]:
        """Transport of a WebRTC offer, and the answer's SDP.

        Raises
        ------
        CallError
            If the offer cannot be answered.
        """
        ...

    def stream(self, websocket: WebSocket) -> CallTransport:
        """Transport of an accepted WebSocket."""
        ...


class Transports:
    """WebRTC by aiortc, WebSocket by the server's own.

    Parameters
    ----------
    settings : ServerSettings
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._webrtc, self._websocket = settings.webrtc, settings.websocket

    async def answer(
        self, sdp: str, ice_servers: Sequence[dict[str, Any]]
    ) -> tuple[CallTransport, str]:
        """Answer an offer."""
        # Here, so that a service with transports of its own does without aiortc.
        from turnkit.agent.transport.webrtc import WebRtcTransport

        transport = await WebRtcTransport.accept(sdp, ice_servers, self._webrtc)
        return transport, transport.answer_sdp

    def stream(self, websocket: WebSocket) -> CallTransport:
        """Carry a call over a WebSocket."""
        from turnkit.agent.transport.websocket import WebSocketTransport

        return WebSocketTransport(websocket, self._websocket)
