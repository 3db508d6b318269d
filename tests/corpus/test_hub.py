"""Hub ids: against a small hub of our own, and against none.

Both libraries read the hub's address when they are imported, hence the subprocesses.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pytest

REPOSITORY = "livekit/eot-bench-data"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARD = """---
configs:
- config_name: all
  data_files: [{split: validation, path: "*/validation.parquet"}]
- config_name: en
  data_files: [{split: validation, path: en/validation.parquet}]
- config_name: de
  data_files: [{split: validation, path: de/validation.parquet}]
---
"""


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as reading one dataset takes."""

    protocol_version = "HTTP/1.1"
    root: ClassVar[Path]

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        path, files, api = (
            unquote(url.path),
            f"/datasets/{REPOSITORY}/",
            f"/api/datasets/{REPOSITORY}",
        )
        if path.startswith(f"{files}resolve/"):
            self.file(self.root / path.removeprefix(f"{files}resolve/").split("/", 1)[1])
        elif path.startswith(f"{api}/tree/"):
            below = path.removeprefix(f"{api}/tree/").partition("/")[2]
            self.tree(self.root / below, recursive="recursive=true" in url.query.lower())
        elif path.startswith(f"{api}/revision/"):
            self.answer(200, {"id": REPOSITORY, "sha": COMMIT, "siblings": []})
        else:
            self.answer(404, {}, {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def file(self, path: Path) -> None:
        if not path.is_file():
            return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        body = path.read_bytes()
        etag = f'"{hashlib.sha1(body).hexdigest()}"'
        return self.answer(200, body, {"X-Repo-Commit": COMMIT, "ETag": etag})

    def tree(self, folder: Path, recursive: bool) -> None:
        if not folder.is_dir():
            return self.answer(404, {}, {"X-Error-Code": "EntryNotFound"})
        found = sorted(folder.rglob("*") if recursive else folder.iterdir())
        listing = [
            {
                "path": path.relative_to(self.root).as_posix(),
                "type": "directory" if path.is_dir() else "file",
                "size": path.stat().st_size,
                "oid": hashlib.sha1(path.as_posix().encode()).hexdigest(),
            }
            for path in found
        ]
        return self.answer(200, listing)

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def hub(
    make_row: Callable[..., dict[str, Any]],
    write_parquet: Callable[..., Path],
    tmp_path: Path,
) -> Iterator[str]:
    """Address of a hub that holds the benchmark's layout: six columns, configs, one split."""
    root = tmp_path / "hub"
    for language in ("en", "de"):
        rows = [
            make_row(f"{language}_{i}", words=[], messages=[]) | {"language": language}
            for i in range(2)
        ]
        write_parquet(root / language / "validation.parquet", rows)
    (root / "README.md").write_text(CARD)
    handler = type("OurHub", (Hub,), {"root": root})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Said:
    """What one ``turnkit data describe --json`` came to."""

    status: int
    output: str
    error: str

    @property
    def split(self) -> dict[str, Any]:
        """Description of the only split."""
        (found,) = json.loads(self.output)["splits"].values()
        return dict(found)


Describe = Callable[..., list[Said]]

SCRIPT = """
import contextlib, io, json, sys
from turnkit.cli.main import main
for name in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["data", "describe", name, "--json"])
    print(json.dumps([status, out.getvalue(), err.getvalue()]))
"""


@pytest.fixture
def describe(tmp_path: Path) -> Describe:
    """Describe corpora one after the other in a process with a cache of its own."""

    def run(endpoint: str, *names: str, **environment: str) -> list[Said]:
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("HF_") and not key.lower().endswith("_proxy")
        }
        home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": endpoint}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *names],
            env=inherited | home | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [Said(*json.loads(line)) for line in done.stdout.splitlines()]

    return run


def closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_hub_id_online_and_then_from_the_cache(hub: str, describe: Describe) -> None:
    everything, english = describe(hub, REPOSITORY, f"{REPOSITORY}/en@main:validation")
    assert everything.status == 0, everything.error
    assert everything.split["languages"] == {"en": 2, "de": 2}
    assert "no speaker" in {finding["kind"] for finding in everything.split["findings"]}
    assert english.split["languages"] == {"en": 2}

    names = (f"{REPOSITORY}/en", f"{REPOSITORY}/en@{COMMIT}", f"{REPOSITORY}/en@v2")
    any_revision, same_revision, other = describe(closed_port(), *names)
    assert any_revision.status == 0, any_revision.error
    assert any_revision.split["fingerprint"] == english.split["fingerprint"]
    assert same_revision.status == 0
    assert (other.status, "another revision than v2" in other.error) == (1, True)


def test_what_a_hub_does_not_have(hub: str, describe: Describe) -> None:
    names = ("nobody/nothing", f"{REPOSITORY}/fr", f"{REPOSITORY}/en:test")
    told = ("nobody/nothing", "en", "no split 'test'; it has validation")
    for said, expected in zip(describe(hub, *names), told, strict=True):
        assert said.status == 1
        assert said.error.splitlines()[-1].startswith("turnkit: error: corpus ")
        assert expected in said.error


def test_without_a_hub_it_fails_in_seconds_and_says_what_works(describe: Describe) -> None:
    started = time.monotonic()
    (said,) = describe(closed_port(), REPOSITORY)
    assert time.monotonic() - started < 15.0
    assert said.status == 1
    assert "no answer from the hub at http://127.0.0.1" in said.error
    for works in ("embedded", "a parquet file", "a folder"):
        assert works in said.error


def test_a_hub_that_accepts_and_then_says_nothing(describe: Describe) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        (said,) = describe(f"http://127.0.0.1:{mute.getsockname()[1]}", REPOSITORY)
        assert time.monotonic() - started < 20.0
    assert (said.status, "within 4 s" in said.error) == (1, True)


def test_a_forbidden_network_is_not_tried(describe: Describe) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.0)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        (said,) = describe(address, REPOSITORY, HF_HUB_OFFLINE="1")
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (said.status, "HF_HUB_OFFLINE" in said.error) == (1, True)
