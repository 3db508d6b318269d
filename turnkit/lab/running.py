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
from turnkit.lab.records import CallRecord
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
    told: Callable[[CallRecord, int], object] = lambda _record, _turns: None,
) -> None:
    """Place the calls that are not in the folder yet.

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
    told : callable
        Gets each finished call, and how many turns it had.

    Raises
    ------
    CallError
        If `GIVE_UP_AFTER` calls in a row could not be placed.
    """
    done = set(folder.finished())
    waiting = deque(script for script in scripts if script.number not in done)
    state = _State()
    sampler = asyncio.create_task(_sample(agent, folder, state))

    async def caller() -> None:
        while waiting:
            script = waiting.popleft()
            await asyncio.sleep(script.starts_s)
            state.calls += 1
            try:
                recording = await place_call(
                    script,
                    agent.signal,
                    network,
                    playout_delay_s=playout_delay_s,
                    ice_servers=ice_servers,
                )
            finally:
                state.calls -= 1
            await asyncio.to_thread(folder.write_call, recording)
            state.note(recording.record)
            told(recording.record, script.turns)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(callers, len(waiting))):
                group.create_task(caller())
    except* CallError as errors:
        raise errors.exceptions[0] from None
    finally:
        sampler.cancel()
        with suppress(asyncio.CancelledError):
            await sampler


class _State:
    """What the callers have in common."""

    def __init__(self) -> None:
        self.calls = 0
        self._failed = 0

    def note(self, record: CallRecord) -> None:
        """Count calls that failed one after the other."""
        self._failed = 0 if record.error is None else self._failed + 1
        if self._failed >= GIVE_UP_AFTER:
            raise CallError(f"{self._failed} calls in a row failed, the last one: {record.error}")


async def _sample(agent: Agent, folder: RunFolder, state: _State) -> None:
    """Note the agent's CPU and memory once a second."""
    began = time.monotonic()
    while True:
        usage = await asyncio.to_thread(agent.usage)
        if usage is None:
            return
        at = time.monotonic() - began
        folder.note_usage(
            {"at": at, "cpu_s": usage.cpu_s, "rss_mb": usage.rss_mb, "calls": state.calls}
        )
        await asyncio.sleep(_SAMPLE_S)
