"""A call to an agent in this process, by a caller that speaks rows as a person would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from turnkit.agent.call import run_call
from turnkit.agent.records import CallSummary, TurnRecord
from turnkit.agent.stack import Stack
from turnkit.agent.transport.webrtc import WebRtcTransport
from turnkit.audio import Samples
from turnkit.corpus.schema import Turn
from turnkit.lab.caller import Caller

_TAIL_S = 0.2


class Quiet:
    """An observer that keeps nothing."""

    def turn_done(self, record: TurnRecord) -> None:
        """Keep nothing."""

    def count(self, name: str, n: int = 1) -> None:
        """Keep nothing."""

    def note(self, event: str, **fields: object) -> None:
        """Keep nothing."""


@asynccontextmanager
async def calling(stack: Stack, name: str) -> AsyncIterator[tuple[Caller, list[CallSummary]]]:
    """Call the agent in this process; what is left of the call is in the list afterwards."""
    caller, calls, left = Caller(), list[asyncio.Task[CallSummary]](), list[CallSummary]()

    async def signal(offer: str) -> str:
        transport = await WebRtcTransport.accept(offer)
        calls.append(asyncio.create_task(run_call(stack, transport, name, Quiet())))
        return transport.answer_sdp

    try:
        await caller.connect(signal)
        yield caller, left
    finally:
        await caller.aclose()
        left.extend(await asyncio.gather(*calls))


def spoken_part(row: Turn) -> Samples:
    """Cut a row a little after its end; the microphone's floor follows."""
    return row.samples[: round((row.end.start + _TAIL_S) * row.sample_rate)]


async def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until something holds; whether it did in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (held := condition()) and loop.time() < deadline:
        await asyncio.sleep(0.02)
    return held
