"""The agent under test: an address, or a preset in a process of its own."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import psutil
import pytest

from turnkit.errors import CallError, ConfigError
from turnkit.lab.agents.agent import Agent, Usage
from turnkit.lab.agents.opening import is_address, open_agent
from turnkit.lab.agents.served import ServedAgent


def a_free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("url", ["ftp://host", "http://", "127.0.0.1:8080", "embedded"])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(ConfigError, match="expected http://HOST:PORT"):
        Agent(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        Agent("http://me:hunter2@host:80")
    assert "hunter2" not in str(caught.value)
    assert "TURNKIT_TOKEN" in str(caught.value)


def test_presets_and_addresses_are_told_apart() -> None:
    assert is_address("https://agent.example.org")
    assert not is_address("embedded")
    assert not is_address("serve/fake.yaml")


def test_nobody_at_an_address_is_a_call_error() -> None:
    async def ask() -> None:
        async with open_agent(f"http://127.0.0.1:{a_free_port()}"):
            pass

    with pytest.raises(CallError, match=r"agent http://127\.0\.0\.1:\d+: "):
        asyncio.run(ask())


def test_settings_of_an_agent_elsewhere_cannot_be_changed() -> None:
    async def ask() -> None:
        async with open_agent("http://127.0.0.1:9", ["mode=batch"]):
            pass

    with pytest.raises(ConfigError, match="runs elsewhere"):
        asyncio.run(ask())


def test_a_preset_that_is_refused_is_told_in_its_own_words(tmp_path: Path) -> None:
    async def serve() -> None:
        async with open_agent("budget", ["mode=hasty"], log=tmp_path / "agent.log"):
            pass

    with pytest.raises(ConfigError, match=r"agent: .*mode"):
        asyncio.run(serve())


def test_a_served_preset_answers_is_measured_and_goes_away(tmp_path: Path) -> None:
    said: list[str] = []

    async def serve() -> tuple[dict[str, object], Usage | None, int]:
        log = tmp_path / "logs" / "agent.log"
        async with open_agent("budget", ["mode=batch"], log=log, report=said.append) as agent:
            assert isinstance(agent, ServedAgent)
            with pytest.raises(CallError, match="400"):
                await agent.signal("no sdp")
            return await agent.describe(), agent.usage(), agent.pid

    description, usage, pid = asyncio.run(serve())
    assert description["mode"] == "batch"
    assert usage is not None
    assert usage.cpu_s > 0.1
    assert usage.rss_mb > 20
    assert not psutil.pid_exists(pid)
    assert any(line.startswith("detector") for line in said)


def test_an_agent_that_dies_is_no_longer_measured() -> None:
    async def serve() -> Usage | None:
        async with open_agent("budget") as agent:
            assert isinstance(agent, ServedAgent)
            process = psutil.Process(agent.pid)
            process.kill()
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)  # asyncio's watcher takes the dead child away
            return agent.usage()

    assert asyncio.run(serve()) is None
