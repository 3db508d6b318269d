"""HTTP connections with a time limit on the head of a request (against slow-loris clients)."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def patient_protocol(seconds: float) -> type[H11Protocol]:
    """Protocol class that closes connections whose request head takes longer than `seconds`.

    uvicorn has a limit between requests only; a client that sends a byte now and then
    would hold a connection for good.
    """

    class PatientProtocol(H11Protocol):
        """HTTP/1.1 with that limit."""

        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch(True)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            # IDLE with bytes waiting: a head has begun and is not complete.
            begun = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
            self._watch(begun)

        def connection_lost(self, exc: Exception | None) -> None:
            self._watch(False)
            super().connection_lost(exc)

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._watch(False)
            super().handle_websocket_upgrade(event)

        def _watch(self, waiting: bool) -> None:
            if self._head_timer is not None and not waiting:
                self._head_timer.cancel()
                self._head_timer = None
            elif self._head_timer is None and waiting:
                self._head_timer = self.loop.call_later(seconds, self.transport.close)

    return PatientProtocol
