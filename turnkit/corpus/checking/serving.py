"""The page of a check, served to a browser on this machine; corrections are saved.

Only pages of this server itself may ask it to save: another site that a browser has open
is refused by its origin, and by the name under which it asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from turnkit.corpus.checking.corrections import (
    CORRECTIONS,
    parse_corrections,
    write_corrections,
)
from turnkit.corpus.checking.page import AUDIO
from turnkit.errors import ConfigError, CorpusError

HOST = "127.0.0.1"

_MOST_BYTES = 16 << 20
_SOUND = re.compile(rf"/{AUDIO}/(\d{{4,}}\.flac)")
_CORPUS = re.compile(r'data-corpus="(\w+)"')
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "media-src 'self'; connect-src 'self'; img-src data:"
)


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Make a server of a page; ``serve_forever`` runs it.

    Parameters
    ----------
    folder : Path
        As `turnkit.corpus.checking.page.write_page` left it.
    port : int
        0 for any that is free.

    Raises
    ------
    ConfigError
        If the port cannot be used.
    """
    try:
        return ThreadingHTTPServer((HOST, port), partial(_Handler, folder))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"port {port}: cannot be served on {HOST} ({error})") from error


def serve(folder: Path, port: int, tell: Callable[[str], None]) -> None:
    """Serve a page until Ctrl-C.

    Raises
    ------
    ConfigError
        If the port cannot be used.
    """
    with make_server(folder, port) as server:
        tell(f"http://{HOST}:{server.server_address[1]}/ (Ctrl-C ends it)")
        tell(f"corrections are saved into {folder / CORRECTIONS}")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            tell("")


class _Handler(BaseHTTPRequestHandler):
    """Answers for one page."""

    def __init__(self, folder: Path, *args: Any) -> None:
        self._folder = folder
        super().__init__(*args)

    def do_GET(self) -> None:
        """Send the page, a sound or the corrections."""
        if not self._from_here():
            return
        if self.path in ("/", "/index.html"):
            self._send((self._folder / "index.html").read_bytes(), "text/html; charset=utf-8")
        elif self.path == f"/{CORRECTIONS}":
            file = self._folder / CORRECTIONS
            self._send(file.read_bytes() if file.is_file() else b"", "text/plain; charset=utf-8")
        elif (match := _SOUND.fullmatch(self.path)) and (
            sound := self._folder / AUDIO / match[1]
        ).is_file():
            self._send_part(sound.read_bytes())
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_PUT(self) -> None:
        """Save corrections."""
        if not self._from_here():
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if self.path != f"/{CORRECTIONS}":
            self.send_error(HTTPStatus.NOT_FOUND)
        elif not 0 <= length <= _MOST_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif self.headers.get("X-Corpus") not in (None, self._corpus()):
            text = b"this page is of another corpus than is served now: open it anew"
            self._send(text, "text/plain; charset=utf-8", HTTPStatus.CONFLICT)
        elif len(body := self.rfile.read(length)) < length:
            text = f"expected {length} bytes, {len(body)} came: nothing is saved".encode()
            self._send(text, "text/plain; charset=utf-8", HTTPStatus.BAD_REQUEST)
        else:
            self._save(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a line for each sound that is played helps nobody."""

    def _save(self, body: bytes) -> None:
        try:
            corrections = parse_corrections(body.decode("utf-8"), CORRECTIONS)
            write_corrections(self._folder / CORRECTIONS, corrections)
        except (CorpusError, UnicodeError) as error:
            told = str(error).encode("utf-8", "backslashreplace")
            self._send(told, "text/plain; charset=utf-8", HTTPStatus.BAD_REQUEST)
        except OSError as error:
            text = f"not saved: {error.strerror}".encode()
            self._send(text, "text/plain; charset=utf-8", HTTPStatus.INSUFFICIENT_STORAGE)
        else:
            self._send(str(len(corrections)).encode(), "text/plain; charset=utf-8")

    def _corpus(self) -> str | None:
        """Fingerprint of the corpus that the page is of; a tab may be older than the page."""
        found = _CORPUS.search((self._folder / "index.html").read_text("utf-8"))
        return found and found[1]

    def _from_here(self) -> bool:
        """Whether the request is for this machine, and from a page of this server."""
        port = self.connection.getsockname()[1]
        names = {f"{HOST}:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        fits = self.headers.get("Host") in names
        if fits and (origin is None or origin in {f"http://{name}" for name in names}):
            return True
        self.send_error(HTTPStatus.FORBIDDEN)
        return False

    def _send_part(self, body: bytes) -> None:
        """Send a sound, or the part of it that is asked for: browsers seek that way."""
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match is None or not (match[1] or match[2]):
            self._send(body, "audio/flac")
            return
        begin = int(match[1]) if match[1] else max(0, len(body) - int(match[2]))
        end = min(int(match[2]) + 1 if match[1] and match[2] else len(body), len(body))
        if begin >= end:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return
        self._send(
            body[begin:end],
            "audio/flac",
            HTTPStatus.PARTIAL_CONTENT,
            {"Content-Range": f"bytes {begin}-{end - 1}/{len(body)}"},
        )

    def _send(
        self,
        body: bytes,
        kind: str,
        status: HTTPStatus = HTTPStatus.OK,
        more: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-store",
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            **(more or {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
