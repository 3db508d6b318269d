from __future__ import annotations

import argparse
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from turnkit.cli import main as cli
from turnkit.cli.serve import _values

SERVE = Path(__file__).resolve().parents[2] / "serve"
FAKE = str(SERVE / "fake.yaml")


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "turnkit", "serve", *args]


def environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "TURNKIT_TOKEN"}
    return kept | {"PYTHONUNBUFFERED": "1"} | more


class Running:
    """A server in a process of its own, and what it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self.wait_for(r"https?://\S+")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line)
        self._queue.put(None)

    def wait_for(self, pattern: str) -> str:
        while True:
            line = self._queue.get(timeout=60)
            assert line is not None, self.lines
            self.lines.append(line)
            found = re.search(pattern, line)
            if found is not None:
                return found.group()


@contextmanager
def running(*args: str, **more: str) -> Iterator[Running]:
    with subprocess.Popen(
        command(*args, "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environ(**more),
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def test_it_serves_until_ctrl_c_and_frees_the_port() -> None:
    with running(FAKE, "--mode", "batch", "--shadow", "vad:600") as it:
        config = httpx.get(f"{it.url}/api/config", trust_env=False).json()
        assert (config["mode"], config["shadows"]) == ("batch", ["vad:600"])
        assert httpx.get(f"{it.url}/readyz", trust_env=False).status_code == 200
        printed = "".join(it.lines)
        assert printed.count("simulated") >= 3
        port = int(it.url.rpartition(":")[2])
        it.process.send_signal(signal.SIGINT)
        assert it.process.wait(20) == cli.INTERRUPTED
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))


def test_a_service_manager_stops_it_cleanly_and_insecure_says_what_it_gives_up() -> None:
    with running(FAKE, "--host", "0.0.0.0", "--insecure") as it:
        printed = "".join(it.lines)
        assert "no token" in printed
        assert "no TLS" in printed
        it.process.send_signal(signal.SIGTERM)
        assert it.process.wait(20) == 0


def test_a_port_in_use_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert cli.main(["serve", FAKE, "--port", str(port)]) == 1
    assert f"port {port} of 127.0.0.1 is in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--host", "0.0.0.0"], "--insecure"),
        (["--host", "203.0.113.7"], "not an address of this machine"),
        (["--set", "server.limits.calls=many"], "server.limits.calls"),
        (["--set", "llm.kind=gpt"], "llm.kind"),
        (["--set", "nonsense"], "key=value"),
        (["--policy", "FC@7"], "policy"),
        (["--bundle", "nowhere.turnkit"], "nowhere.turnkit"),
    ],
)
def test_what_does_not_fit_is_told(
    args: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TURNKIT_TOKEN", raising=False)
    assert cli.main(["serve", FAKE, "--port", "0", *args]) in {1, 2}
    assert words in capsys.readouterr().err


def test_a_missing_package_is_named_with_its_extra() -> None:
    script = (
        "import sys\n"
        "sys.modules['uvicorn'] = None\n"
        "from turnkit.cli.main import main\n"
        f"sys.exit(main(['serve', {FAKE!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environ()
    )
    assert done.returncode == 1
    assert "uvicorn" in done.stderr
    assert "turnkit[agent]" in done.stderr


def test_options_are_keys_of_the_preset() -> None:
    parser = cli.build_parser()
    bare = parser.parse_args(["serve"])
    assert (bare.preset, bare.overrides, _values(bare)) == (None, [], {})
    args: argparse.Namespace = parser.parse_args(
        [
            *("serve", "serve/remote.yaml", "--bundle", "b", "--policy", "L@5%", "--shadow", "s"),
            *("--shadow", "t", "--mode", "batch", "--host", "::1", "--port", "1", "--insecure"),
            *("--set", "turn.take_back_s=0.5", "--set", "llm.max_tokens=9"),
        ]
    )
    assert args.preset == "serve/remote.yaml"
    assert args.overrides == ["turn.take_back_s=0.5", "llm.max_tokens=9"]
    assert _values(args) == {
        "bundle": "b",
        "policy": "L@5%",
        "shadow": ["s", "t"],
        "mode": "batch",
        "server.host": "::1",
        "server.port": 1,
        "server.insecure": True,
    }
