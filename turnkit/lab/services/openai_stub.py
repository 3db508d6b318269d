"""A stand-in for a chat service: real HTTP and TLS on this machine, scripted replies.

It speaks what `turnkit.stages.llm.remote` needs of OpenAI's ``/v1/chat/completions``:
replies as a stream of server-sent events. Its times are made up, so whatever is measured
with it is simulated, and its settings say so to the agent.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from turnkit.errors import ConfigError
from turnkit.lab.network.tcp import TcpRelay
from turnkit.lab.services.certificate import ADDRESS, write_certificate
from turnkit.lab.services.chat_app import MODEL, chat_application
from turnkit.stages.llm.fake import FakeLlmSettings

KEPT_ALIVE_S = 600
"""Seconds that an idle connection is kept: longer than the client keeps it."""

_CLOSE_S = 1
_NAMES = ("requests", "connections", "finished", "cancelled", "failed", "tokens")


@dataclass(frozen=True, slots=True)
class StubSettings:
    """What the stand-in does.

    Attributes
    ----------
    reply : FakeLlmSettings
        Its words, delays (``first_token``, ``per_token``) and faults: ``error`` is a
        status 500 before the first token and an error in the stream after it.
    tls : bool
        Whether it wants HTTPS, with a certificate of its own.
    round_trip_ms : float
        Put in front of it, as `turnkit.lab.network.tcp` says.

    Raises
    ------
    ConfigError
        If a value does not fit.
    """

    reply: FakeLlmSettings = field(default_factory=FakeLlmSettings)
    tls: bool = False
    round_trip_ms: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.round_trip_ms <= 10_000:
            raise ConfigError(f"round_trip_ms {self.round_trip_ms}: expected 0 .. 10000")


class ChatStub:
    """The stand-in, served from a thread of its own while the ``async with`` body runs.

    Parameters
    ----------
    settings : StubSettings, optional

    Attributes
    ----------
    base_url : str
        Address up to and with ``/v1``.
    ca_file : str or None
        Its certificate, if it has one: a setting of that name makes clients trust it.

    Raises
    ------
    MissingDependencyError
        On entering, with TLS and without the package ``cryptography``.
    """

    def __init__(self, settings: StubSettings | None = None) -> None:
        self.settings = settings or StubSettings()
        self.base_url = ""
        self.ca_file: str | None = None
        self._counts: Counter[str] = Counter()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._thread: _Thread | None = None

    def counts(self) -> dict[str, int]:
        """Tell what came so far.

        Returns
        -------
        dict
            ``requests``, ``connections`` (with TLS, those whose handshake was done),
            ``finished``, ``cancelled`` (the client hung up before the end) and ``failed``
            replies, and ``tokens`` sent.
        """
        return {name: self._counts[name] for name in _NAMES}

    def llm_settings(self) -> dict[str, Any]:
        """Tell the settings of a language model that asks it; others may be added."""
        settings = {"kind": "openai", "base_url": self.base_url, "model": MODEL}
        return {**settings, "ca_file": self.ca_file, "simulated": True}

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="turnkit-stub-")
        try:
            files: tuple[Path, Path] | None = None
            if self.settings.tls:
                files = write_certificate(Path(self._folder.name))
                self.ca_file = str(files[0])
            self._thread = _Thread(self.settings, files, self._counts)
            port = await self._thread.begin()
        except BaseException:
            await self.__aexit__()
            raise
        self.base_url = f"{'https' if files else 'http'}://{ADDRESS}:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._thread is not None:
            await self._thread.end()
            self._thread = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


class _Thread:
    """Server and relay in an event loop of their own, which disturbs no other."""

    def __init__(
        self, settings: StubSettings, files: tuple[Path, Path] | None, counts: Counter[str]
    ) -> None:
        self._settings, self._files, self._counts = settings, files, counts
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._port = 0
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)

    async def begin(self) -> int:
        """Serve, and tell the port."""
        self._thread.start()
        await asyncio.to_thread(self._ready.wait)
        if self._problem is not None:
            raise self._problem
        return self._port

    async def end(self) -> None:
        """Close all connections and end the thread."""
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as problem:
            self._problem = problem
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        # asyncio turns Nagle's algorithm off only where it sees that a socket is one of TCP;
        # it would hold each first token for 40 ms.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
            sock.bind((ADDRESS, 0))
            server = _Server(self._config())
            serving = asyncio.create_task(server.serve([sock]))
            while not server.started and not serving.done():
                await asyncio.sleep(0.005)
            async with AsyncExitStack() as stack:
                self._port = sock.getsockname()[1]
                if self._settings.round_trip_ms:
                    relay = TcpRelay(ADDRESS, self._port, self._settings.round_trip_ms / 2)
                    self._port = (await stack.enter_async_context(relay)).port
                self._ready.set()
                await self._stop.wait()
            server.should_exit = True
            await serving

    def _config(self) -> uvicorn.Config:
        certificate, key = self._files or (None, None)
        return uvicorn.Config(
            chat_application(self._settings.reply, self._counts),
            http=_counting_protocol(self._counts),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEPT_ALIVE_S,
            timeout_graceful_shutdown=_CLOSE_S,
            ssl_certfile=certificate and str(certificate),
            ssl_keyfile=key and str(key),
        )


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals belong to the program.
        yield


def _counting_protocol(counts: Counter[str]) -> type[H11Protocol]:
    class Counting(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            counts["connections"] += 1
            super().connection_made(transport)

    return Counting
