"""Chromium for tests, driven through its DevTools protocol.

    with (
        Browser.launch(extra_flags=microphone_flags(wav)) as browser,
        browser.page("http://127.0.0.1:8080/?connect=1") as page,
    ):
        page.wait_for("document.documentElement.dataset.ready === 'true'")
        page.screenshot(path)
        assert not page.errors

One page a browser, one thread, plain blocking calls. Everything that the page logs as a
warning or an error, every uncaught exception and every blocked or failed load ends up in
`Page.errors`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)

FAKE_MEDIA_FLAGS = (
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
)


def microphone_flags(wav: Path, *, loop: bool = False) -> tuple[str, ...]:
    """Flags that grant the microphone and play a WAV file as what it hears."""
    suffix = "" if loop else "%noloop"
    return (*FAKE_MEDIA_FLAGS, f"--use-file-for-fake-audio-capture={wav}{suffix}")


def chromium() -> Path | None:
    """Chromium's program, or None where there is none."""
    named = os.environ.get("TURNKIT_CHROMIUM")
    if named:
        return Path(named)
    found = (shutil.which(name) for name in CHROMIUM_NAMES)
    return next((Path(path) for path in found if path), None)


class BrowserError(Exception):
    """The browser, or a script in a page, did not do what it was asked."""


@dataclass(slots=True)
class Page:
    """A page, and what went wrong in it so far."""

    socket: ClientConnection
    errors: list[str] = field(default_factory=list)
    loaded: bool = False
    _last_id: int = 0

    def command(self, method: str, *, timeout_s: float = 20.0, **params: Any) -> dict[str, Any]:
        """Send a DevTools command and return its result."""
        self._last_id += 1
        sent = self._last_id
        self.socket.send(json.dumps({"id": sent, "method": method, "params": params}))
        until = time.monotonic() + timeout_s
        while True:
            message = self._receive(until - time.monotonic())
            if message is None:
                raise BrowserError(f"{method}: no answer within {timeout_s} s")
            if message.get("id") == sent:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error']['message']}")
                result: dict[str, Any] = message["result"]
                return result

    def _receive(self, timeout_s: float) -> dict[str, Any] | None:
        """Next message, with events noted on the way; None when there was none in time."""
        try:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout=max(0.0, timeout_s)))
        except TimeoutError:
            return None
        method = message.get("method")
        params = message.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", details["text"])
            self.errors.append(f"exception: {thrown}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning"}:
            said = (str(a.get("value", a.get("description"))) for a in params["args"])
            self.errors.append(f"console.{params['type']}: {' '.join(said)}")
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            entry = params["entry"]
            self.errors.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}".strip())
        return message

    def drain(self, seconds: float = 0.05) -> None:
        """Take in what the browser reports for a while."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self._receive(left) is not None:
            pass

    def goto(self, url: str, *, timeout_s: float = 20.0) -> None:
        """Load a page and wait for its load event."""
        self.loaded = False
        answer = self.command("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(f"{url}: {answer['errorText']}")
        until = time.monotonic() + timeout_s
        while not self.loaded:
            if self._receive(until - time.monotonic()) is None:
                raise BrowserError(f"{url}: not loaded within {timeout_s} s")

    def evaluate(self, script: str, *, gesture: bool = False, timeout_s: float = 20.0) -> Any:
        """Value (as JSON has it) of an expression; a promise is waited for."""
        answer = self.command(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=gesture,
            timeout_s=timeout_s,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", details["text"])
            raise BrowserError(f"{script[:120]}: {thrown}")
        return answer["result"].get("value")

    def wait_for(self, script: str, *, timeout_s: float = 10.0) -> Any:
        """Evaluate until the value is true in JavaScript's sense; a node returns None."""
        until = time.monotonic() + timeout_s
        judged = (
            "(async (value) => { const v = await value;"
            f" return [Boolean(v), v instanceof Node ? null : v]; }})({script})"
        )
        while True:
            true, value = self.evaluate(judged)
            if true:
                return value
            if time.monotonic() > until:
                raise BrowserError(f"not within {timeout_s} s: {script}")
            self.drain(0.05)

    def press(self, key: str) -> None:
        """Press and release a key, named as KeyboardEvent.key names it."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {" ": "Space"}.get(key, f"Key{key.upper()}" if len(key) == 1 else key)
        number = {"Enter": 13, "Escape": 27, " ": 32, "Tab": 9, "ArrowLeft": 37, "ArrowRight": 39}
        known: dict[str, Any] = {
            "key": key,
            "code": code,
            "windowsVirtualKeyCode": number.get(key, ord(key.upper()[0])),
        }
        down = "keyDown" if text else "rawKeyDown"
        self.command("Input.dispatchKeyEvent", type=down, text=text, **known)
        self.command("Input.dispatchKeyEvent", type="keyUp", **known)

    def resize(self, width: int, height: int, *, scale: float = 1.0, mobile: bool = False) -> None:
        """Give the page another viewport, in CSS pixels."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=mobile,
        )

    def media(self, **features: str) -> None:
        """Set media features, e.g. ``prefers_color_scheme="dark"``."""
        listed = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.command("Emulation.setEmulatedMedia", features=listed)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of the viewport, or of the whole page."""
        answer = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))


@dataclass(slots=True)
class Browser:
    """A headless Chromium with a profile of its own."""

    process: subprocess.Popen[bytes]
    profile: Path
    port: int

    @classmethod
    @contextlib.contextmanager
    def launch(
        cls, *, extra_flags: Sequence[str] = (), width: int = 1360, height: int = 900
    ) -> Iterator[Browser]:
        """Start Chromium; it and its profile are gone when the block is left."""
        program = chromium()
        if program is None:
            raise BrowserError(f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed")
        profile = Path(tempfile.mkdtemp(prefix="turnkit-browser-"))
        flags = [*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        with (profile / "browser.log").open("wb") as log:
            process = subprocess.Popen(
                [str(program), *flags, *extra_flags, "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield cls(process, profile, _port(process, profile))
        finally:
            _stop(process)
            shutil.rmtree(profile, ignore_errors=True)

    @contextlib.contextmanager
    def page(self, url: str = "about:blank") -> Iterator[Page]:
        """Attach to the browser's page and load an address in it."""
        listing = f"http://127.0.0.1:{self.port}/json/list"
        with urllib.request.urlopen(listing, timeout=10) as answer:
            targets = json.load(answer)
        address = next(t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page")
        with connect(address, max_size=None, open_timeout=10) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Log"):
                page.command(f"{domain}.enable")
            page.errors.clear()
            if url != "about:blank":
                page.goto(url)
            yield page


def _port(process: subprocess.Popen[bytes], profile: Path, timeout_s: float = 30.0) -> int:
    """Port of the DevTools server, which the browser writes into its profile."""
    written = profile / "DevToolsActivePort"
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and process.poll() is None:
        if written.is_file() and (lines := written.read_text().split()):
            return int(lines[0])
        time.sleep(0.05)
    log = (profile / "browser.log").read_text(errors="replace")[-2000:]
    raise BrowserError(f"{process.args!r} did not start:\n{log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the browser and what it started: they share a process group of their own."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
            return
