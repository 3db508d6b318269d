"""A service whose calls do nothing but hold, for tests of what is around a call."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import numpy as np
from starlette.websockets import WebSocket

from turnkit.agent.preset import Preset, read_preset
from turnkit.agent.server.pages import WEB
from turnkit.agent.server.service import Service
from turnkit.agent.server.serving import serving
from turnkit.agent.telemetry.logs import open_log
from turnkit.agent.telemetry.observer import Telemetry
from turnkit.agent.transport.protocol import AudioSource
from turnkit.audio import Samples

T = TypeVar("T")

OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
TOKEN = "a-token-of-the-tests-0123456789"


class StubTransport:
    """A caller that is silent until somebody hangs up."""

    kind = "webrtc"
    playout_rate = 48_000

    def __init__(self) -> None:
        self.sent: list[Mapping[str, Any]] = []
        self.reason: str | None = None
        self._gone = asyncio.Event()

    async def receive(self) -> Samples | None:
        try:
            async with asyncio.timeout(0.02):
                await self._gone.wait()
        except TimeoutError:
            return np.zeros(320, np.float32)
        return None

    def play(self, source: AudioSource) -> None:
        pass

    def drop_audio(self) -> None:
        pass

    def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(message)

    async def receive_message(self) -> Mapping[str, Any] | None:
        await self._gone.wait()
        return None

    async def aclose(self, reason: str = "") -> None:
        self.reason = self.reason if self._gone.is_set() else reason
        self._gone.set()


class StubStream(StubTransport):
    """The same over a WebSocket, as little as goes."""

    kind = "websocket"
    playout_rate = 16_000

    def __init__(self, websocket: WebSocket) -> None:
        super().__init__()
        self._websocket = websocket
        self._sends: list[Awaitable[None]] = []

    async def receive(self) -> Samples | None:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            self._gone.set()
            return None
        return np.zeros(len(message.get("bytes") or b"") // 2, np.float32)

    async def aclose(self, reason: str = "") -> None:
        if not self._gone.is_set():
            await super().aclose(reason)
            for message in self.sent:
                await self._websocket.send_json(message)
            await self._websocket.close(1000, reason)


class StubTransports:
    """Transports that need no network."""

    def __init__(self) -> None:
        self.made: list[StubTransport] = []
        self.ice: Sequence[dict[str, Any]] = ()

    async def answer(
        self, sdp: str, ice_servers: Sequence[dict[str, Any]]
    ) -> tuple[StubTransport, str]:
        await asyncio.sleep(0)
        self.ice = ice_servers
        self.made.append(StubTransport())
        return self.made[-1], sdp.replace("o=-", "o=answer")

    def stream(self, websocket: WebSocket) -> StubTransport:
        self.made.append(StubStream(websocket))
        return self.made[-1]


async def hold(transport: Any, call_id: str, observer: Any) -> Any:
    """Runner that receives until the caller is gone."""
    transport.send({"type": "hello", "at": 0.0, "call": call_id})
    while await transport.receive() is not None:
        observer.count("interruptions")
    return SimpleNamespace(reason="the caller is gone")


class Served:
    """A service under test, an HTTP client, and what was logged."""

    def __init__(self, service: Service, url: str, client: httpx.AsyncClient, log: Any) -> None:
        self.service, self.url, self.client = service, url, client
        self._log = log

    @property
    def stubs(self) -> StubTransports:
        assert isinstance(self.service.connector, StubTransports)
        return self.service.connector

    @property
    def log(self) -> str:
        return str(self._log.getvalue())

    async def offer(self, sdp: str = OFFER, **options: Any) -> httpx.Response:
        content = {"type": "offer", "sdp": sdp}
        return await self.client.post("/api/offer", json=content, **options)


@asynccontextmanager
async def served(
    *overrides: str,
    runner: Any = hold,
    environ: Mapping[str, str] | None = None,
    web: Path | None = None,
    preset: Preset | None = None,
    warm: bool = True,
) -> AsyncIterator[Served]:
    """Serve stub calls on a free port for as long as the body runs."""
    log = io.StringIO()
    known = dict(environ or {})
    service = Service(
        # Whoever else keeps the machine busy is not what is tested.
        preset or read_preset(overrides=["server.limits.loop_lag_s=10", *overrides]),
        runner,
        Telemetry(open_log(log, secrets=tuple(known.values()))),
        StubTransports(),
        known,
    )
    service.calls.warm = warm
    async with (
        serving(service, web=web or WEB) as url,
        httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client,
    ):
        yield Served(service, url, client, log)


def run(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an asynchronous test; nothing may be left over."""

    async def watched() -> T:
        result = await test()
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return result

    return asyncio.run(watched())
