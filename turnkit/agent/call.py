"""One call: the asyncio shell around the session's state machine.

Everything that happens becomes an event for `step`, whose commands are carried out at
once and without waiting; whatever takes time runs in tasks of the call's one task group
or in threads, and comes back as an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from turnkit.agent.cancelling import Cancelling
from turnkit.agent.clock import CallClock
from turnkit.agent.display import CallObserver, Display
from turnkit.agent.hearing import CallTap, Listener
from turnkit.agent.recognising import Recogniser
from turnkit.agent.records import CallSummary, CancelTime
from turnkit.agent.session import commands as do
from turnkit.agent.session.events import (
    Begun,
    Detected,
    Event,
    Left,
    Played,
    Recognised,
    StageFailed,
    Ticked,
)
from turnkit.agent.session.playout import Playout
from turnkit.agent.session.settings import CLOCK_RATE
from turnkit.agent.session.step import begin, step
from turnkit.agent.speaking import Speaker
from turnkit.agent.stack import Detectors, Stack
from turnkit.agent.telemetry.logs import where_raised
from turnkit.agent.transport.protocol import CallTransport
from turnkit.audio import Samples
from turnkit.detector.protocol import TurnEvent
from turnkit.errors import StageError, TurnkitError
from turnkit.stages.stt.protocol import Transcript
from turnkit.timing import to_seconds

TIMELINE_S = 0.1
"""Seconds between two messages of the timeline."""

BROKEN = "something went wrong inside the agent; the server's log says what"


async def run_call(
    stack: Stack,
    transport: CallTransport,
    call_id: str,
    observer: CallObserver,
    tap: CallTap | None = None,
) -> CallSummary:
    """Hold a call until somebody hangs up, a limit is reached, or a stage is lost.

    Parameters
    ----------
    stack : Stack
        Warmed.
    transport : CallTransport
        Connected; is closed at the end.
    call_id : str
    observer : CallObserver
    tap : CallTap, optional
        Gets the audio, inputs and events of the detector that decides.

    Returns
    -------
    CallSummary
    """
    detectors = await stack.lend_detectors()
    try:
        return await Call(stack, transport, call_id, observer, detectors, tap).run()
    finally:
        stack.return_detectors(detectors)


class Call:
    """A call under way; see `run_call`."""

    def __init__(
        self,
        stack: Stack,
        transport: CallTransport,
        call_id: str,
        observer: CallObserver,
        detectors: Detectors,
        tap: CallTap | None = None,
    ) -> None:
        self._stack, self._transport, self._observer = stack, transport, observer
        self._detectors = detectors
        self._state = begin(stack.rules, call_id)
        seconds = asyncio.get_running_loop().time
        self._clock = CallClock(seconds)
        self._cancelling = Cancelling(seconds, self._cancelled)
        self._playout = Playout(transport.playout_rate)
        self._main = Listener(detectors.main, stack.ears, self._decided, tap)
        self._shadows = [
            Listener(shadow, stack.shadows, self._told(shadow.name)) for shadow in detectors.shadows
        ]
        partials = stack.rules.mode != "batch"
        self._recogniser = Recogniser(
            stack.stt, partials, self._recognised, self._lost_words, self._spawn
        )
        self._display = Display(transport, observer)
        self._reason = ""
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> CallSummary:
        """Hold the call; see `run_call`."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self._open()
                await self._over.wait()
                for task in self._tasks:
                    task.cancel()
        except* TurnkitError as errors:
            self._fail(str(errors.exceptions[0]))
        except* Exception as errors:
            # Where and what kind, never its message: that may hold what somebody said.
            self._observer.note("call broke", at=where_raised(errors.exceptions[0]))
            self._fail(BROKEN)
        finally:
            await self._close()
        seconds = to_seconds(self._clock.received, CLOCK_RATE)
        return self._display.summary(self._state.call_id, self._reason, seconds)

    def _open(self) -> None:
        self._speaker = Speaker(
            self._stack,
            self._playout,
            self._post,
            self._clock.now,
            self._spawn,
            self._display.count,
            self._cancelling,
        )
        self._recogniser.open(self._state.utterance, self._clock.received)
        self._display.hello(self._stack, self._detectors, self._state.call_id)
        self._transport.play(self)
        self._spawn(self._receive(), "audio")
        self._spawn(self._messages(), "messages")
        self._spawn(self._timeline(), "timeline")
        for i, listener in enumerate((self._main, *self._shadows)):
            self._spawn(listener.run(), f"detector {i}")
        self._post(Begun(0))

    async def _close(self) -> None:
        """Free everything, whatever happened."""
        reply = self._playout.reply
        if reply is not None:
            self._playout.close(reply)
        async with AsyncExitStack() as parts:
            parts.push_async_callback(self._transport.aclose, self._reason)
            parts.callback(self._tell_counts)
            for part in (getattr(self, "_speaker", None), self._recogniser):
                if part is not None:
                    parts.push_async_callback(part.aclose)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._group.create_task(work, name=f"{self._state.call_id} {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _fail(self, words: str) -> None:
        """Tell the caller that the call ends in trouble."""
        self._reason = self._reason or words
        with suppress(Exception):  # it may be the very transport that broke
            self._display.tell("error", self._clock.now(), stage="server", text=words, fatal=True)
            self._display.tell("bye", self._clock.now(), reason=words)

    def _tell_counts(self) -> None:
        with suppress(Exception):  # as above
            self._display.tell_counts(self._clock.now())

    def _leave(self, reason: str) -> None:
        self._post(Left(self._clock.now()))
        self._end(reason)

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._over.set()

    # What comes in.

    async def _receive(self) -> None:
        while (samples := await self._transport.receive()) is not None:
            self._clock.advance(len(samples))
            self._display.meter.heard(self._clock.received, samples)
            self._recogniser.push(samples)
            for listener in (self._main, *self._shadows):
                listener.push(samples)
            self._post(Ticked(self._clock.received))
        self._leave("the caller is gone")

    async def _messages(self) -> None:
        while (message := await self._transport.receive_message()) is not None:
            if message.get("type") == "hangup":
                self._leave("the caller hung up")
            else:
                self._display.take(message, self._clock.now())

    def _recognised(self, transcript: Transcript) -> None:
        if transcript.committed and transcript.utterance == self._state.utterance:
            self._main.tell("words", " ".join(transcript.committed))
        self._post(Recognised(self._clock.now(), transcript))

    def _lost_words(self, error: StageError) -> None:
        self._post(StageFailed(self._clock.now(), error.stage, error.problem))

    def _cancelled(self, time: CancelTime) -> None:
        self._display.cancelled(time, self._clock.now())

    def _decided(self, events: Sequence[TurnEvent]) -> None:
        self._display.events(self._detectors.main.name, events)
        for event in events:
            self._post(Detected(self._clock.now(), event))

    def _told(self, name: str) -> Callable[[Sequence[TurnEvent]], None]:
        return lambda events: self._display.events(name, events)

    def pull(self, n: int) -> Samples:
        """Give the transport what is to be sent next."""
        reply, before = self._playout.reply, self._playout.played_s
        samples = self._playout.pull(n)
        self._display.meter.said(self._clock.now(), samples)
        if reply is not None and self._playout.played_s > before:
            try:
                self._post(Played(self._clock.now(), reply, self._playout.played_s))
            except Exception as error:  # the caller of this is no task of the call
                self._spawn(_raise(error), "playout")
        return samples

    # What goes out.

    def _post(self, event: Event) -> None:
        """Take an event and carry out what follows from it."""
        self._state, commands = step(self._state, event)
        for command in commands:
            self._carry_out(command)

    def _carry_out(self, command: do.Command) -> None:
        match command:
            case do.FlushStt():
                self._recogniser.flush()
            case do.RestartStt():
                self._restart_recogniser(command)
            case do.Prefill():
                self._speaker.prefill(command.messages)
            case do.StartReply():
                self._speaker.start(command.reply, command.messages)
            case do.StartSaying():
                self._speaker.say(command.reply)
            case do.Speak():
                self._speaker.speak(command.text)
            case do.Play():
                self._playout.play(command.reply)
                self._main.tell("agent", "speaks")
            case do.Hold():
                self._playout.hold(command.reply)
                self._transport.drop_audio()
            case do.Duck():
                self._playout.duck(command.gain)
            case do.CancelReply():
                self._speaker.cancel(command.reply)
                if command.cut:
                    self._transport.drop_audio()
                self._main.tell("agent", "is silent")
            case do.HangUp():
                self._end(command.reason)
            case do.Tell() | do.Count() | do.Record():
                self._display.note(command, self._clock.now())

    def _restart_recogniser(self, command: do.RestartStt) -> None:
        reply = self._state.reply
        with self._cancelling.restarting(None if reply is None else reply.number, "stt"):
            if command.reopen:
                self._recogniser.open(self._state.utterance, self._clock.received)
            else:
                self._recogniser.restart(command.keep)

    async def _timeline(self) -> None:
        while True:
            await asyncio.sleep(TIMELINE_S)
            self._display.timeline(self._main.take_trace(), self._clock.received)
            for shadow in self._shadows:
                shadow.take_trace()
            load = sum(listener.load for listener in (self._main, *self._shadows))
            self._observer.note("detector load", factor=load)


async def _raise(error: Exception) -> None:
    raise error
