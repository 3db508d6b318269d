"""One call: carries out a script as a person would, by ear, and keeps what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.audio import Samples, as_audio, resample
from turnkit.errors import CallError, TurnkitError
from turnkit.lab.caller import Caller, Recording, Signal
from turnkit.lab.caller.client import PLAYOUT_DELAY_S
from turnkit.lab.network.profile import NetworkProfile
from turnkit.lab.network.relay import Relay
from turnkit.lab.records import RATE, AgentLog, CallRecord, CallRecording, Said
from turnkit.lab.scenario.script import (
    Action,
    AwaitReply,
    HangUp,
    Rest,
    Say,
    SayOver,
    Script,
    Sound,
    Vanish,
)

LONGEST_REPLY_S = 60.0
"""Nobody waits longer than this for an agent to stop talking."""

_TICK_S = 0.02
_GOODBYE_S = 1.0
_AUDIBLE_S = 0.06
"""Whom one heard so long ago is speaking: packets come every 20 ms, and not evenly."""


async def place_call(
    script: Script,
    signal: Signal,
    network: NetworkProfile | None = None,
    *,
    playout_delay_s: float = PLAYOUT_DELAY_S,
    ice_servers: Sequence[Mapping[str, Any]] = (),
) -> CallRecording:
    """Place a call and carry out a script.

    What the caller does follows from the script and from what it hears; the agent's
    messages are kept and steer nothing.

    Parameters
    ----------
    script : Script
    signal : coroutine function
        Takes an offer's SDP to the agent and brings the answer's.
    network : NetworkProfile, optional
        What lies between caller and agent; nothing by default.
    playout_delay_s : float, optional
        The listener's own buffer.
    ice_servers : sequence of mapping, optional
        As browsers take them.

    Returns
    -------
    CallRecording
        What went wrong with the call stands in its record. A sound whose annotated end
        was not spoken any more is not in it.
    """
    spoken = await asyncio.to_thread(_prepare, script)
    outcome = _Outcome()
    async with AsyncExitStack() as held:
        through = signal
        if network is not None:
            relay = await held.enter_async_context(Relay(network, script.seed))
            held.callback(lambda: outcome.network.update(relay.counts()))
            through = _through(relay, signal)
        caller = Caller(
            playout_delay_s=playout_delay_s,
            line=None if network is None else network.open_line(),
            ice_servers=ice_servers,
            seed=script.seed,
        )
        held.push_async_callback(caller.aclose)
        try:
            await caller.connect(through)
            await _Conversation(caller, outcome).hold(script.actions, spoken)
        except (TurnkitError, OSError) as error:
            outcome.error = str(error) or type(error).__name__
    return await asyncio.to_thread(_keep, script, caller, outcome)


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A sound, and what the microphone goes on with, at the rate of the microphone."""

    samples: Samples
    floor: Samples | None


def _prepare(script: Script) -> list[_Spoken | None]:
    """Bring what each action says to the rate of the microphone."""
    return [
        _spoken(each.sound) if isinstance(each, Say | SayOver) else None for each in script.actions
    ]


def _spoken(sound: Sound) -> _Spoken:
    samples, floor = (
        None if each is None else resample(as_audio(each), sound.rate, OPUS_RATE)
        for each in (sound.samples, sound.floor)
    )
    assert samples is not None
    return _Spoken(samples, floor)


def _through(relay: Relay, signal: Signal) -> Signal:
    async def through(offer: str) -> str:
        return relay.rewrite_answer(await signal(relay.rewrite_offer(offer)))

    return through


@dataclass
class _Outcome:
    """What came of a call."""

    said: list[tuple[int, Sound, bool]] = field(default_factory=list)
    ended_by: str = "error"
    error: str | None = None
    network: dict[str, Any] = field(default_factory=dict)


class _AgentGoneError(Exception):
    """The agent is not there any more."""


class _Conversation:
    """What a connected caller does."""

    def __init__(self, caller: Caller, outcome: _Outcome) -> None:
        self._caller, self._outcome = caller, outcome
        self._last_word = caller.now()

    async def hold(self, actions: Sequence[Action], spoken: Sequence[_Spoken | None]) -> None:
        """Carry out actions until one of the two has left."""
        try:
            for action, sound in zip(actions, spoken, strict=True):
                await self._carry_out(action, sound)
                if isinstance(action, HangUp | Vanish):
                    return
            await self._hang_up()
        except _AgentGoneError:
            self._outcome.ended_by = "agent"
            if self._caller.state != "closed":  # nobody hung up
                self._outcome.error = self._caller.gone or None

    async def _carry_out(self, action: Action, spoken: _Spoken | None) -> None:
        match action:
            case Say():
                await self._say(action.sound, spoken, over=False)
            case SayOver():
                if await self._until(lambda: self._spoke_for(action.after_s), action.at_most_s):
                    await self._say(action.sound, spoken, over=True)
            case AwaitReply():
                await self._await_reply(action)
            case Rest():
                await self._until(lambda: False, action.seconds)
            case HangUp():
                await self._hang_up()
            case Vanish():
                self._outcome.ended_by = "vanished"
                await self._caller.vanish()

    async def _until(self, condition: Callable[[], bool], at_most_s: float) -> bool:
        """Wait until something holds; whether it did in time."""
        deadline = self._caller.now() + at_most_s
        while not (held := condition()) and (left := deadline - self._caller.now()) > 0.0:
            if self._caller.gone:
                raise _AgentGoneError
            await asyncio.sleep(min(_TICK_S, left))
        return held

    def _spoke_for(self, seconds: float) -> bool:
        caller = self._caller
        return caller.silent_for() <= _AUDIBLE_S and caller.audible_for() >= seconds

    async def _say(self, sound: Sound, spoken: _Spoken | None, over: bool) -> None:
        assert spoken is not None
        index = self._caller.say(spoken.samples, OPUS_RATE, spoken.floor)
        self._outcome.said.append((index, sound, over))
        while self._caller.remaining_s > 0.0:
            await self._until(lambda: self._caller.remaining_s <= 0.0, 1.0)
        ended = self._caller.moment(index, sound.ended)
        self._last_word = self._caller.now() if ended is None else ended

    async def _await_reply(self, action: AwaitReply) -> None:
        caller, last_word = self._caller, self._last_word
        patience_s = last_word + action.patience_s - caller.now()
        if await self._until(lambda: caller.ears.spoke_since(last_word), patience_s):
            await self._until(lambda: caller.silent_for() >= action.silence_s, LONGEST_REPLY_S)

    async def _hang_up(self) -> None:
        self._outcome.ended_by = "caller"
        with suppress(CallError):  # it was faster
            self._caller.send({"type": "hangup"})
        with suppress(_AgentGoneError):  # that is what is waited for
            await self._until(lambda: False, _GOODBYE_S)


def _keep(script: Script, caller: Caller, outcome: _Outcome) -> CallRecording:
    recording = caller.recording()
    said = [_said(caller, *each) for each in outcome.said]
    record = CallRecord(
        number=script.number,
        call_id=_call_id(recording),
        seconds=len(recording.heard) / RATE,
        said=tuple(each for each in said if each is not None),
        ended_by=outcome.ended_by,
        error=outcome.error,
        playout_delay_s=recording.playout_delay_s,
        late=recording.late,
        skipped=recording.skipped,
        network=outcome.network,
    )
    log = AgentLog(recording.messages, recording.pings)
    return CallRecording(record, recording.sent, recording.heard, log)


def _said(caller: Caller, index: int, sound: Sound, over: bool) -> Said | None:
    """When what was said was spoken; None if its end never was."""
    began, ended = caller.moment(index, 0.0), caller.moment(index, sound.ended)
    if began is None or ended is None:
        return None
    until = caller.moment(index, sound.seconds)

    def at(offset_s: float) -> float:
        moment = caller.moment(index, offset_s)
        return ended if moment is None else moment

    return Said(
        kind=sound.kind,
        name=sound.name,
        began=began,
        onset=at(sound.onset),
        ended=ended,
        until=ended if until is None else until,
        holds=tuple((at(start), at(end)) for start, end in sound.holds),
        over=over,
        text=sound.text,
    )


def _call_id(recording: Recording) -> str:
    """How the agent named the call."""
    for _, message in recording.messages:
        if message.get("type") == "hello" and isinstance(message.get("call"), str):
            return str(message["call"])
    return ""
