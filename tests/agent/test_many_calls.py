"""Two hundred calls leave tasks, threads, files and memory where they were."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path

from tests.agent.memory_transport import MemoryTransport, calling, scripted
from tests.agent.sample_time import run
from tests.agent.test_call_faults import assert_free
from tests.speech import talk
from turnkit.agent.stack import Stack

CALLS = 200
SPEECH = talk(-0.1, 0.5)


POOLS = {
    "turnkit-detector_0",
    "turnkit-detector_1",
    "turnkit-shadow_0",
    "turnkit-resampler_0",
}
"""Threads of the engines, which come when they are needed first, and stay."""


def usage() -> tuple[int, int, int]:
    """Tasks, open files, threads but the engines'."""
    files = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    names = [thread.name for thread in threading.enumerate()]
    return len(asyncio.all_tasks()), files, len([name for name in names if name not in POOLS])


def resident_mb() -> float:
    """Memory of this process; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def one(stack: Stack, number: int) -> None:
    """Say something and hang up, at a moment that is another one each time."""
    # Longer pieces than a transport's: fewer hand-overs between threads.
    transport = MemoryTransport((1_600,))
    async with calling(stack, f"call-{number}", transport) as call:
        transport.say(SPEECH)
        await call.passes(0.3 + 0.01 * number if number % 4 else 2.5)
        if number % 4 == 0:
            assert call.told("turn", outcome="answered")
        if number % 7 == 0:
            call.task.cancel()
    assert call.task.done()
    assert len(transport.closed) == 1


def test_two_hundred_calls_leave_nothing_behind() -> None:
    async def body() -> None:
        async with scripted(
            llm={"replies": ("Yes.",)}, shadow=("vad:300",), tts={"first_audio": "20"}
        ) as stack:
            for number in range(20):
                await one(stack, number)
            gc.collect()
            before, began = usage(), resident_mb()
            for number in range(CALLS):
                await one(stack, number)
            gc.collect()
            assert usage() == before
            assert resident_mb() - began < 30.0
            assert_free(stack)

    run(body, threads=True)
