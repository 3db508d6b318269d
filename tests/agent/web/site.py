"""The page served as the agent serves it, with answers of the API that a test sets."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import turnkit

WEB = Path(turnkit.__file__).resolve().parent / "agent" / "web"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'"
)

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(slots=True)
class Site:
    """What the server answers, and what it was asked.

    Attributes
    ----------
    config : dict
        Answer of ``/api/config``.
    offer : tuple of int and mapping
        Status and JSON answer of ``/api/offer``.
    answer : callable, optional
        Makes the answer of ``/api/offer`` from the offer, instead.
    requests : list of tuple
        Method, path and Authorization header of each request to the API.
    """

    url: str = ""
    config: dict[str, Any] = field(
        default_factory=lambda: {
            "mode": "speculative",
            "detector": "default",
            "shadows": ["vad:600"],
            "ice_servers": [],
            "token_required": False,
            "max_duration_s": 900,
        }
    )
    offer: tuple[int, Mapping[str, Any]] = (503, {"error": "2 of 2 calls are running"})
    answer: Callable[[Mapping[str, str]], Mapping[str, Any]] | None = None
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/api/config":
            self._json(200, self.site.config)
            return
        name = "index.html" if path == "/" else path.removeprefix("/static/")
        file = WEB / name
        if "/" in name or not file.is_file():
            self._json(404, {"error": f"no {path} here"})
            return
        self._send(200, TYPES[file.suffix], file.read_bytes())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.site.answer is not None:
            self._json(200, self.site.answer(json.loads(body)))
        else:
            self._json(*self.site.offer)

    def do_DELETE(self) -> None:
        self._json(200, {})

    def _json(self, status: int, body: Mapping[str, Any]) -> None:
        if self.path.startswith("/api/"):
            asked = (self.command, self.path, self.headers.get("Authorization"))
            self.site.requests.append(asked)
        self._send(status, "application/json", json.dumps(body).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def serve() -> Iterator[Site]:
    """Serve the page on a free port of this machine."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
