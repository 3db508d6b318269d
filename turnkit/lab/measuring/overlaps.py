"""Speech over the agent: how fast it stops for an interruption, and for what it does not.

Each trial is a call of its own: the agent begins with a long greeting, and the caller
says something a while into it. Stop times are read from what the caller received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from turnkit.lab.caller.client import Recording
from turnkit.lab.caller.onset import find_sounds
from turnkit.agent.measuring.calls import calling
from turnkit.agent.stack import Stack
from turnkit.audio import Samples

GREETING = (
    "Welcome, and thank you for calling. Before we begin, let me tell you what I can do for "
    "you today. I can book a table, look up a train, read you the news of the morning, or "
    "simply listen to what you have to say for as long as you like."
)
"""Long enough to be spoken over; the words are nobody's."""

SUCCESS_S = 0.6
_INTO_S = 1.2
_AFTER_S = 2.5


@dataclass(frozen=True, slots=True)
class Trial:
    """Something said over the agent, in seconds of the caller's clock.

    Attributes
    ----------
    name : str
    onset : float
        First audible sample of what was said.
    decided : float or None
        When the news of the interruption reached the caller.
    silent : float or None
        The agent's last audible sample, if it fell silent within two seconds.
    resumed : bool
        It stopped and went on.
    """

    name: str
    onset: float
    decided: float | None
    silent: float | None
    resumed: bool

    @property
    def stopped(self) -> bool:
        """It was taken for an interruption, or stopped the agent for a while."""
        return self.decided is not None or self.resumed

    @property
    def from_onset_ms(self) -> float | None:
        """Onset of the speech to the agent's last audible sample."""
        return None if self.silent is None else (self.silent - self.onset) * 1000

    @property
    def from_decision_ms(self) -> float | None:
        """Decision to the agent's last audible sample; None if it was silent before."""
        if self.silent is None or self.decided is None or self.silent < self.decided:
            return None
        return (self.silent - self.decided) * 1000


async def speak_over(
    stack: Stack,
    sounds: Sequence[tuple[str, Samples, int]],
    told: Callable[[int], object] = lambda _: None,
) -> list[Trial]:
    """Say each sound over the agent in a call of its own.

    Parameters
    ----------
    stack : Stack
        Warmed with `GREETING` as its greeting, or one as long.
    sounds : sequence of (str, ndarray, int)
        Name, samples and rate in Hz.
    told : callable
        Gets the number of trials done.
    """
    trials = []
    for number, (name, samples, rate) in enumerate(sounds):
        async with calling(stack, f"overlap-{number}") as (caller, _):
            await asyncio.sleep(0.5)
            while not any(m.get("state") == "speaking" for _, m in caller.messages):
                await asyncio.sleep(0.02)
            # Different places of the greeting, the same ones in every run.
            await asyncio.sleep(_INTO_S + 0.13 * (number % 7))
            caller.say(samples, rate)
            await asyncio.sleep(len(samples) / rate + _AFTER_S)
        trials.append(judge(name, caller.recording(), samples, rate))
        told(1)
    return trials


def judge(name: str, recording: Recording, samples: Samples, rate: int) -> Trial:
    """Read a trial from its recording."""
    (said,) = recording.sent_at
    assert said is not None
    found = find_sounds(samples, rate)
    onset = said + (found[0].start if found else 0.0)
    states = [(at, m["state"]) for at, m in recording.messages if m.get("type") == "reply"]
    decided = next((at for at, state in states if state == "interrupted" and at >= onset), None)
    resumed = any(state == "resumed" and at >= onset for at, state in states)
    return Trial(name, onset, decided, falls_silent(recording.heard, onset), resumed)


def falls_silent(heard: Samples, after: float, rate: int = 16_000) -> float | None:
    """Second of the last audible sample before the first half second of silence.

    None if there is no such silence within two seconds of `after`.
    """
    frame = rate // 100
    count = len(heard) // frame
    levels = np.sqrt(np.mean(heard[: count * frame].reshape(count, frame) ** 2, axis=1))
    loud = np.flatnonzero(levels > 10 ** (-50 / 20))
    ends = [*loud[1:], count + 50][: len(loud)]
    for last, following in zip(loud, ends, strict=True):
        if following - last > 50 and (last + 1) * 0.01 >= after:
            silent = (int(last) + 1) * 0.01
            return silent if silent <= after + 2.0 else None
    return None


def with_greeting(stack: Stack, text: str = GREETING) -> Stack:
    """Make a view of the stack that greets with `text`."""
    rules = stack.rules
    return stack.with_rules(replace(rules, conversation=replace(rules.conversation, greeting=text)))
