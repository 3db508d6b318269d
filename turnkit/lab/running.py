"""Calls side by side: callers work scripts off, and each finished call is kept at once."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from turnkit.errors import CallError
from turnkit.lab.agents.agent import Agent
from turnkit.lab.calling import place_call
from turnkit.lab.folder import RunFolder
from turnkit.lab.network.profile import NetworkProfile
from turnkit.lab.records import CallRecord, CallRecording
from turnkit.lab.scenario.script import Script

GIVE_UP_AFTER = 5
"""Calls in a row that could not be placed, after which a run is given up."""

_SAMPLE_S = 1.0


async def run_calls(
    scripts: Sequence[Script],
    agent: Agent,
    folder: RunFolder,
    *,
    network: NetworkProfile | None = None,
    callers: int = 1,
    playout_delay_s: float = 0.03,
    ice_servers: Sequence[Mapping[str, Any]] = (),
    kept: Callable[[CallRecording], object] = lambda _: None,
    told: Callable[[CallRecord, int], object] = lambda _record, _turns: None,
) -> None:
    """Place the calls that are not in the folder yet, and those that failed before a word.

    Parameters
    ----------
    scripts : sequence of Script
    agent : Agent
    folder : RunFolder
    network : NetworkProfile, optional
        What lies between caller and agent; nothing by default.
    callers : int
        Calls at a time.
    playout_delay_s : float
        The listener's own buffer.
    ice_servers : sequence of mapping
    kept : callable
        Gets each call once it is on the disk; called by other threads, maybe several.
    told : callable
        Gets each call's record after that, and how many turns it had.

    Raises
    ------
    CallError
        If `GIVE_UP_AFTER` calls in a row could not be placed.
    """
    done = set(folder.came_about())

    async def place(script: Script) -> CallRecording:
        return await place_call(
            script,
            agent.signal,
            network,
            playout_delay_s=playout_delay_s,
            ice_servers=ice_servers,
        )

    def keep(recording: CallRecording) -> None:
        folder.write_call(recording)
        kept(recording)

    calls = _Calls([script for script in scripts if script.number not in done], place, keep, told)
    sampler = asyncio.create_task(_sample(agent, folder, calls))
    try:
        await calls.work(callers)
    finally:
        sampler.cancel()
        with suppress(asyncio.CancelledError):
            await sampler


class _Calls:
    """Scripts that wait for a caller.

    Attributes
    ----------
    running : int
        Calls at the moment.
    """

    def __init__(
        self,
        scripts: Sequence[Script],
        place: Callable[[Script], Any],
        keep: Callable[[CallRecording], None],
        told: Callable[[CallRecord, int], object],
    ) -> None:
        self.running = 0
        self._waiting = deque(scripts)
        self._place, self._keep, self._told = place, keep, told
        self._failed = 0

    async def work(self, callers: int) -> None:
        """Have so many callers work the scripts off."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(callers, len(self._waiting))):
                    group.create_task(self._caller())
        except* CallError as errors:
            raise errors.exceptions[0] from None

    async def _caller(self) -> None:
        while self._waiting:
            script = self._waiting.popleft()
            await asyncio.sleep(script.starts_s)
            self.running += 1
            try:
                recording = await self._place(script)
            finally:
                self.running -= 1
            await asyncio.to_thread(self._keep, recording)
            self._told(recording.record, script.turns)
            self._note(recording.record)

    def _note(self, record: CallRecord) -> None:
        """Count calls that failed one after the other."""
        self._failed = 0 if record.error is None else self._failed + 1
        if self._failed >= GIVE_UP_AFTER:
            raise CallError(f"{self._failed} calls in a row failed, the last one: {record.error}")


async def _sample(agent: Agent, folder: RunFolder, calls: _Calls) -> None:
    """Note the agent's CPU and memory once a second."""
    began = time.monotonic()
    # Another sitting has another process: its seconds of CPU begin anew.
    sitting = 1 + max((int(line.get("sitting", 0)) for line in folder.read_usage()), default=-1)
    while True:
        usage = await asyncio.to_thread(agent.usage)
        if usage is None:
            return
        folder.note_usage(
            {
                "sitting": sitting,
                "at": time.monotonic() - began,
                "cpu_s": usage.cpu_s,
                "rss_mb": usage.rss_mb,
                "calls": calls.running,
            }
        )
        await asyncio.sleep(_SAMPLE_S)
