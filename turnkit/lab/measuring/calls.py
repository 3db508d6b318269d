"""Calls to an agent over loopback WebRTC, timed in the audio that the caller received.

V2V runs from the annotated end of a row's speech, where the caller's microphone had it,
to the first audible sample of the agent on the caller's real-time playout clock. The
agent's log gives the stage spans and the moment of the decision, nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from turnkit.agent.call import run_call
from turnkit.lab.caller.client import Caller, Recording
from turnkit.lab.caller.onset import Sound, find_sounds
from turnkit.agent.records import CallSummary, TurnRecord
from turnkit.agent.stack import Stack
from turnkit.agent.transport.webrtc import WebRtcTransport
from turnkit.audio import Samples
from turnkit.corpus.schema import Turn

TURNS_A_CALL = 10
PATIENCE_S = 8.0
"""Seconds that the caller waits for a reply to be over before it says the next thing."""

DEAD_AIR_S = 3.0
_BREATH_S = 0.5
_TAIL_S = 0.2


class Quiet:
    """An observer that keeps nothing."""

    def turn_done(self, record: TurnRecord) -> None:
        """Keep nothing."""

    def count(self, name: str, n: int = 1) -> None:
        """Keep nothing."""

    def note(self, event: str, **fields: object) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class MeasuredTurn:
    """One turn of a caller, in seconds of the caller's clock.

    Attributes
    ----------
    row : str
    mode : str
    began, ended : float
        First sample of the row and annotated end of its speech.
    decided : float or None
        When the agent's last decision before it spoke reached the caller.
    audible : float or None
        First audible sample of the agent after `began`.
    heard, said : str
        What the agent understood and said.
    spans : dict
        Stage spans by the agent's log, in ms.
    adopted : bool
        Whether a draft was used.
    """

    row: str
    mode: str
    began: float
    ended: float
    decided: float | None
    audible: float | None
    heard: str = ""
    said: str = ""
    spans: Mapping[str, float | None] = field(default_factory=dict)
    adopted: bool = False

    @property
    def interrupted(self) -> bool:
        """The agent spoke before the caller was done: a false interruption."""
        return self.audible is not None and self.audible < self.ended

    @property
    def early(self) -> bool:
        """The decision came before the caller was done, though nothing was heard yet."""
        return self.decided is not None and self.decided < self.ended

    @property
    def v2v_ms(self) -> float | None:
        """End of speech to first audible sample; None if decided too early or never answered."""
        if self.audible is None or self.interrupted or self.early:
            return None
        return (self.audible - self.ended) * 1000

    @property
    def eot_ms(self) -> float | None:
        """The part of it before the decision; None if that came before the end."""
        if self.v2v_ms is None or self.decided is None or self.early:
            return None
        return (self.decided - self.ended) * 1000

    @property
    def post_commit_ms(self) -> float | None:
        """The part of it after the decision; None where `eot_ms` is."""
        if self.eot_ms is None or self.decided is None or self.audible is None:
            return None
        return (self.audible - self.decided) * 1000

    @property
    def dead_air(self) -> bool:
        """Nothing was heard for `DEAD_AIR_S`."""
        return self.audible is None or self.audible - self.ended > DEAD_AIR_S


@asynccontextmanager
async def calling(stack: Stack, name: str) -> AsyncIterator[tuple[Caller, list[CallSummary]]]:
    """Call the agent in this process; what is left of the call is in the list afterwards.

    Raises
    ------
    CallError
        If no connection comes about.
    """
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


async def converse(
    stack: Stack, rows: Sequence[Turn], told: Callable[[int], object] = lambda _: None
) -> tuple[list[MeasuredTurn], dict[str, int]]:
    """Say rows to the agent one after the other, waiting for its replies as a person would.

    Parameters
    ----------
    stack : Stack
        Warmed; its rules say in which mode.
    rows : sequence of Turn
    told : callable
        Gets the number of turns done, for a progress bar.

    Returns
    -------
    list of MeasuredTurn
        One for each row.
    dict of str to int
        What the agent counted.
    """
    turns: list[MeasuredTurn] = []
    counts: dict[str, int] = {}
    for first in range(0, len(rows), TURNS_A_CALL):
        part = rows[first : first + TURNS_A_CALL]
        async with calling(stack, f"bench-{first}") as (caller, left):
            await asyncio.sleep(_BREATH_S)
            for row in part:
                await _say_and_wait(caller, row)
                told(1)
        turns += measure(caller.recording(), part, stack.rules.mode)
        for name, number in left[0].counts.items():
            counts[name] = counts.get(name, 0) + number
    return turns, counts


async def _say_and_wait(caller: Caller, row: Turn) -> None:
    spoken = spoken_part(row)
    caller.say(spoken, row.sample_rate)
    await asyncio.sleep(len(spoken) / row.sample_rate)
    before = len(caller.messages)
    await wait_for(
        lambda: any(_is_reply(m, "done") for _, m in caller.messages[before:]), PATIENCE_S
    )
    await asyncio.sleep(_BREATH_S)


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


def _is_reply(message: Mapping[str, Any], state: str) -> bool:
    return message.get("type") == "reply" and message.get("state") == state


def measure(recording: Recording, rows: Sequence[Turn], mode: str) -> list[MeasuredTurn]:
    """Find every row's answer in a recording.

    Parameters
    ----------
    recording : Recording
    rows : sequence of Turn
        In the order in which they were said.
    mode : str

    Returns
    -------
    list of MeasuredTurn
    """
    sounds = find_sounds(recording.heard)
    began = [at for at in recording.sent_at if at is not None]
    until = [*began[1:], float("inf")]
    return [
        _measure_row(recording, sounds, row, mode, start, stop)
        for row, start, stop in zip(rows, began, until, strict=True)
    ]


def _measure_row(
    recording: Recording, sounds: Sequence[Sound], row: Turn, mode: str, start: float, stop: float
) -> MeasuredTurn:
    audible = next((each.start for each in sounds if start <= each.start < stop), None)
    limit = stop if audible is None else audible
    messages = [(at, each) for at, each in recording.messages if start <= at < stop]
    ends = [at for at, each in messages if _is_decision(each) and at <= limit]
    logged = [each for _, each in messages if each["type"] == "turn" and each["sent_at"]]
    last: Mapping[str, Any] = logged[-1] if logged else {}
    return MeasuredTurn(
        row.id,
        mode,
        start,
        start + row.end.start,
        ends[-1] if ends else None,
        audible,
        heard=last.get("text", ""),
        said=last.get("reply_text", ""),
        spans=last.get("spans", {}),
        adopted=bool(last.get("adopted")),
    )


def _is_decision(message: Mapping[str, Any]) -> bool:
    # Shadows come under their own names; the deciding detector's is in the phase change.
    return bool(message["type"] == "phase" and message["phase"] == "committed")
