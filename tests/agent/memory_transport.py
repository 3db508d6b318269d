"""Calls without a network: a caller made of arrays, on an event loop in sample time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import numpy as np

from turnkit.agent.call import run_call
from turnkit.agent.preset import Preset
from turnkit.agent.records import CallSummary, TurnRecord
from turnkit.agent.session.settings import (
    ConversationSettings,
    InterruptionSettings,
    LimitSettings,
    Mode,
    TurnSettings,
)
from turnkit.agent.stack import Stack
from turnkit.agent.transport.protocol import HEARD_RATE, AudioSource
from turnkit.audio import Samples
from turnkit.detector.protocol import TurnEvent, TurnInput

FRAME = 320
FLOOR = 1e-3
"""Amplitude of the microphone's noise."""

PATIENCE_S = 60.0
"""Seconds of audio that a test waits for something to happen."""

Message = Mapping[str, Any]


class MemoryTransport:
    """A caller in this process; a `CallTransport`.

    Samples come in at the pace of the event loop's clock, and for each 20 ms of it 20 ms
    are pulled, half a frame after the clock moved.

    Parameters
    ----------
    chunks : iterable of int
        Samples of each piece that is handed in, over and over.
    """

    kind = "memory"
    playout_rate = HEARD_RATE

    def __init__(self, chunks: Iterable[int] = (FRAME,)) -> None:
        self.sent: list[Message] = []
        self.frames: list[Samples] = []
        self.closed: list[str] = []
        self.drops: list[float] = []
        self.now = 0
        self.fails: dict[str, Exception] = {}
        self.changed = asyncio.Event()
        self._sizes = cycle(chunks)
        self._speech: list[tuple[int, Samples]] = []
        self._noise = np.random.default_rng(0)
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._gone = False
        self._playing: asyncio.Task[None] | None = None
        self.source: AudioSource | None = None
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    # The caller's side.

    def say(self, samples: Samples, after_s: float = 0.0) -> int:
        """Speak; the sample of the call's clock at which it begins."""
        start = self.now + round(after_s * HEARD_RATE)
        self._speech.append((start, samples))
        return start

    def message(self, **fields: Any) -> None:
        """Send a message to the agent."""
        self._messages.put_nowait(fields)

    def vanish(self) -> None:
        """Be gone."""
        self._gone = True
        self._messages.put_nowait(None)

    @property
    def heard(self) -> Samples:
        """What was played so far, on the call's clock."""
        return np.concatenate([np.zeros(FRAME // 2, np.float32), *self.frames])

    # The agent's side.

    async def receive(self) -> Samples | None:
        size = next(self._sizes)
        await self._until((self.now + size) / HEARD_RATE)
        if "receive" in self.fails:
            raise self.fails["receive"]
        if self._gone:
            return None
        out = FLOOR * self._noise.standard_normal(size)
        for start, samples in self._speech:
            begin, end = max(start, self.now), min(start + len(samples), self.now + size)
            if begin < end:
                out[begin - self.now : end - self.now] += samples[begin - start : end - start]
        self.now += size
        return out.astype(np.float32)

    def play(self, source: AudioSource) -> None:
        self.source = source
        self._playing = asyncio.create_task(self._play(source))

    def drop_audio(self) -> None:
        self.drops.append(self._loop.time() - self._began)

    async def _play(self, source: AudioSource) -> None:
        while True:
            await self._until((len(self.frames) + 0.5) * FRAME / HEARD_RATE)
            self.frames.append(source.pull(FRAME))

    async def _until(self, seconds: float) -> None:
        await asyncio.sleep(self._began + seconds - self._loop.time())

    def send(self, message: Message) -> None:
        if "send" in self.fails:
            raise self.fails["send"]
        self.sent.append(message)
        self.changed.set()

    async def receive_message(self) -> Message | None:
        return await self._messages.get()

    async def aclose(self, reason: str = "") -> None:
        self.closed.append(reason)
        self.vanish()
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)


class Observed:
    """An observer that remembers, and a tap."""

    def __init__(self) -> None:
        self.turns: list[TurnRecord] = []
        self.counts: Counter[str] = Counter()
        self.notes: list[tuple[str, dict[str, object]]] = []
        self.chunks: list[Samples] = []
        self.inputs: list[TurnInput] = []
        self.events: list[TurnEvent] = []

    def turn_done(self, record: TurnRecord) -> None:
        self.turns.append(record)

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] += n

    def note(self, event: str, **fields: object) -> None:
        self.notes.append((event, fields))

    def heard(self, samples: Samples, inputs: Sequence[TurnInput]) -> None:
        self.chunks.append(samples)
        self.inputs += inputs

    def decided(self, events: Sequence[TurnEvent]) -> None:
        self.events += events


class HeldCall:
    """A call under way, seen from the caller.

    Attributes
    ----------
    transport : MemoryTransport
    observed : Observed
    task : Task of CallSummary
    """

    def __init__(
        self, transport: MemoryTransport, observed: Observed, task: asyncio.Task[CallSummary]
    ) -> None:
        self.transport, self.observed, self.task = transport, observed, task

    @property
    def now_s(self) -> float:
        return self.transport.now / HEARD_RATE

    @property
    def summary(self) -> CallSummary:
        return self.task.result()

    def told(self, type_: str, **fields: Any) -> list[Message]:
        """Messages of a type whose fields have these values."""
        return [
            message
            for message in self.transport.sent
            if message["type"] == type_
            and all(message.get(name) == value for name, value in fields.items())
        ]

    async def until(self, type_: str, *, times: int = 1, **fields: Any) -> Message:
        """Wait for a message; the last of them."""
        await self.when(lambda: len(self.told(type_, **fields)) >= times)
        return self.told(type_, **fields)[times - 1]

    async def when(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds, seen whenever the agent tells something."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.transport.changed.clear()
                await self.transport.changed.wait()

    async def say(self, samples: Samples) -> float:
        """Speak and wait until it was heard; the second at which it ended."""
        start = self.transport.say(samples)
        await self.passes(len(samples) / HEARD_RATE)
        return (start + len(samples)) / HEARD_RATE

    async def exchange(self, samples: Samples) -> None:
        """Speak and wait until the reply was heard to its end."""
        done = len(self.told("reply", state="done"))
        await self.say(samples)
        await self.until("reply", state="done", times=done + 1)

    async def passes(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def over(self) -> CallSummary:
        """Wait until the agent ended the call."""
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.shield(self.task)


@asynccontextmanager
async def calling(
    stack: Stack,
    name: str = "call",
    transport: MemoryTransport | None = None,
    *,
    tapped: bool = False,
) -> AsyncIterator[HeldCall]:
    """Call the agent; the caller is gone at the end, if the call is not over by then."""
    transport, observed = transport or MemoryTransport(), Observed()
    tap = observed if tapped else None
    task = asyncio.create_task(run_call(stack, transport, name, observed, tap))
    try:
        yield HeldCall(transport, observed, task)
    finally:
        transport.vanish()
        await asyncio.wait([task])


@asynccontextmanager
async def scripted(
    mode: Mode = "speculative",
    *,
    bundle: str = "vad:600",
    shadow: tuple[str, ...] = (),
    stt: Mapping[str, Any] | None = None,
    llm: Mapping[str, Any] | None = None,
    tts: Mapping[str, Any] | None = None,
    conversation: ConversationSettings | None = None,
    turn: TurnSettings | None = None,
    interruption: InterruptionSettings | None = None,
    limits: LimitSettings | None = None,
) -> AsyncIterator[Stack]:
    """Open and warm a stack of scripted stages."""
    preset = Preset(
        bundle=bundle,
        shadow=shadow,
        mode=mode,
        stt={"kind": "fake", **(stt or {})},
        llm={"kind": "fake", **(llm or {})},
        tts={"kind": "fake", **(tts or {})},
        conversation=conversation or ConversationSettings(),
        turn=turn or TurnSettings(),
        interruption=interruption or InterruptionSettings(),
        limits=limits or LimitSettings(),
    )
    stack = Stack.open(preset)
    try:
        await stack.warm()
        yield stack
    finally:
        await stack.aclose()
