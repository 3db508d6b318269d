"""An agent of one's own: a preset, served by a process beside this one."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from turnkit.errors import CallError, ConfigError
from turnkit.lab.agents.agent import Agent, Usage

ROOMY = (
    "server.limits.calls=1000",
    "server.limits.offers_per_minute=100000",
    "server.limits.connections=4096",
    "server.limits.loop_lag_s=10",
    "server.limits.detector_load=1000",
)
"""Limits that keep strangers from overloading a server; a lab wants to see it overloaded."""

CHILD = "turnkit.lab.agents.child"
"""Module that serves in a process of its own."""

_STOP_S = 15.0
_ADDRESS = re.compile(r"https?://\S+")
_BAD_USAGE = 2


class ServedAgent(Agent):
    """A preset in a process of its own; see `serve_preset`.

    Attributes
    ----------
    pid : int
        Of the process.
    """

    def __init__(self, url: str, process: asyncio.subprocess.Process) -> None:
        super().__init__(url)
        self.pid = process.pid
        self._root = psutil.Process(process.pid)

    def usage(self) -> Usage | None:
        """CPU and memory of the process and its children; None once it is gone."""
        cpu = rss = 0.0
        try:
            family = [self._root, *self._root.children(recursive=True)]
            for process in family:
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info()
                cpu += times.user + times.system
                rss += memory.rss
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            return None
        return Usage(cpu, rss / 1e6)


@asynccontextmanager
async def serve_preset(
    preset: str,
    overrides: Sequence[str] = (),
    *,
    cores: Sequence[int] | None = None,
    log: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[ServedAgent]:
    """Serve a preset on a free port until the block ends, or this process does.

    Parameters
    ----------
    preset : str
        As ``turnkit serve`` takes it.
    overrides : sequence of str
        ``key=value``, after those of `ROOMY`.
    cores : sequence of int, optional
        Cores that it may run on.
    log : Path, optional
        Where its log goes.
    report : callable
        Told in a line what it says while it gets ready.

    Raises
    ------
    ConfigError
        If it refuses the preset.
    CallError
        If it ends before it is ready.
    """
    sets = [part for each in (*ROOMY, *overrides) for part in ("--set", each)]
    command = [sys.executable, "-m", CHILD, "serve", preset, "--host", "127.0.0.1"]
    with _log_file(log) as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            "--port",
            "0",
            *sets,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            # Ctrl-C is for the lab alone, which then ends its agent.
            start_new_session=True,
        )
        agent: ServedAgent | None = None
        draining: asyncio.Task[None] | None = None
        try:
            if cores is not None:
                psutil.Process(process.pid).cpu_affinity(list(cores))
            agent = ServedAgent(await _address(process, errors, report), process)
            draining = asyncio.create_task(_drain(process))
            yield agent
        finally:
            if agent is not None:
                await agent.aclose()
            await _stop(process)
            if draining is not None:
                await draining


def _log_file(path: Path | None) -> IO[bytes]:
    import tempfile

    if path is None:
        return tempfile.TemporaryFile()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w+b")


async def _address(
    process: asyncio.subprocess.Process, errors: IO[bytes], report: Callable[[str], None]
) -> str:
    """Read lines until the address, which is printed once it is ready."""
    assert process.stdout is not None
    while said := await process.stdout.readline():
        line = said.decode(errors="replace").strip()
        if _ADDRESS.fullmatch(line):
            return line.rstrip("/")
        report(line)
    status = await process.wait()
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    last = lines[-1].removeprefix("turnkit: error: ") if lines else f"exit status {status}"
    if status == _BAD_USAGE:
        raise ConfigError(f"agent: {last}")
    raise CallError(f"the agent ended before it was ready: {last}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read what it says later, so that it never waits for a reader."""
    assert process.stdout is not None
    while await process.stdout.readline():
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End it: politely first."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
