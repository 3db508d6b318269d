"""The calls of a service: begun where there is room, watched, ended, all traces freed."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from turnkit.agent.server.guard import GuardedTransport
from turnkit.agent.server.limits import CLOSING, AdmissionControl, Load, Refusal
from turnkit.agent.server_settings import ServiceLimits
from turnkit.agent.telemetry.logs import where_raised
from turnkit.agent.telemetry.observer import CallTelemetry, Telemetry
from turnkit.agent.transport.protocol import CallTransport
from turnkit.errors import CallError

GRACE_S = 15.0
"""Seconds beyond the session's own limit after which a call is ended from outside."""

REMEMBERED_CALLS = 256
"""Calls that are over and still known: a page that hangs up says so in two ways at once, in the
call and by a request, which may come when the call is gone. It was hung up all the same."""

TROUBLE = "something went wrong on the server"


class CallRunner(Protocol):
    """What a call does from its first sample to its last, `turnkit.agent.call.run_call`.

    Returns when the call is over; frees all it took, cancelled or not.
    """

    async def __call__(
        self, transport: CallTransport, call_id: str, observer: CallTelemetry
    ) -> Any:
        """Run a call; the result has a ``reason`` in words."""


class CallRefused(CallError):  # noqa: N818 - it is an answer, not a fault
    """There is no room for another call.

    Attributes
    ----------
    refusal : Refusal
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class RunningCall:
    """A call that runs.

    Attributes
    ----------
    call_id : str
        Nobody can guess it: who knows it may end the call.
    transport : GuardedTransport
    task : asyncio.Task
        Done when everything the call took is free again.
    """

    def __init__(self, call_id: str, transport: GuardedTransport, task: asyncio.Task[None]) -> None:
        self.call_id, self.transport, self.task = call_id, transport, task


class Slot:
    """Room for one call, taken before the call is set up."""

    def __init__(self, calls: Calls) -> None:
        self.call_id = secrets.token_urlsafe(16)
        self._calls = calls

    async def start(self, transport: CallTransport) -> RunningCall:
        """Begin the call.

        Raises
        ------
        CallRefused
            If the server began to stop while the call was being set up.
        """
        return await self._calls.start(self.call_id, transport)


class Calls:
    """All calls of a service.

    Parameters
    ----------
    runner : CallRunner
    telemetry : Telemetry
    limits : ServiceLimits
    duration_s : float
        Longest call by the session's own rules.
    loop_lag_s : callable
        How late the event loop runs.

    Attributes
    ----------
    warm : bool
        Whether calls can be taken at all.
    closing : bool
        Whether the server is about to stop.
    """

    def __init__(
        self,
        runner: CallRunner,
        telemetry: Telemetry,
        limits: ServiceLimits,
        duration_s: float,
        loop_lag_s: Callable[[], float],
    ) -> None:
        self.warm, self.closing = False, False
        self._runner, self._telemetry, self._limits = runner, telemetry, limits
        self._duration_s, self._loop_lag_s = duration_s, loop_lag_s
        self._admission = AdmissionControl(limits)
        self._running: dict[str, RunningCall] = {}
        self._over: deque[str] = deque(maxlen=REMEMBERED_CALLS)
        self._setting_up = 0

    def __len__(self) -> int:
        return len(self._running) + self._setting_up

    @property
    def load(self) -> Load:
        """How busy the service is."""
        return Load(
            calls=len(self),
            loop_lag_s=self._loop_lag_s(),
            detector_load=self._telemetry.detector_load,
            warm=self.warm,
            closing=self.closing,
        )

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """Take room for a call; given back on leaving unless the call began.

        Raises
        ------
        CallRefused
            If there is none.
        """
        refusal = self._admission.decide(self.load)
        if refusal is not None:
            self._telemetry.metrics.refused(refusal.cause)
            self._telemetry.log.info("call refused", cause=refusal.cause, reason=refusal.reason)
            raise CallRefused(refusal)
        self._setting_up += 1
        try:
            yield Slot(self)
        finally:
            self._setting_up -= 1

    async def start(self, call_id: str, transport: CallTransport) -> RunningCall:
        """Begin a call that has room; see `Slot.start`."""
        if self.closing:
            await transport.aclose(CLOSING.reason)
            raise CallRefused(CLOSING)
        guard = GuardedTransport(transport)
        task = asyncio.create_task(self._run(call_id, guard), name=f"call {call_id}")
        self._running[call_id] = RunningCall(call_id, guard, task)
        # Not in the task: one that is cancelled before it begins never runs its `finally`.
        task.add_done_callback(lambda _: self._forget(call_id))
        return self._running[call_id]

    def _forget(self, call_id: str) -> None:
        self._running.pop(call_id, None)
        self._over.append(call_id)

    async def _run(self, call_id: str, transport: GuardedTransport) -> None:
        """One error boundary a call: whatever happens is told, and everything is freed."""
        observer = self._telemetry.open_call(call_id, transport.kind)
        result, reason = "ended", "the server stopped the call"
        try:
            async with asyncio.timeout(self._duration_s + GRACE_S):
                summary = await self._runner(transport, call_id, observer)
            result = "failed" if transport.failed else "ended"
            reason = transport.ended or str(summary.reason)
        except TimeoutError:
            result, reason = "failed", "the call did not end at its limit"
        except Exception as error:
            result, reason = "failed", where_raised(error)
            trouble = {"stage": "server", "text": TROUBLE, "fatal": True}
            transport.send({"type": "error", "at": transport.at} | trouble)
        finally:
            try:
                with suppress(Exception):
                    await transport.aclose(TROUBLE if result == "failed" else reason)
            finally:
                observer.finish(result, reason)

    async def hang_up(self, call_id: str, reason: str) -> bool:
        """End a call and wait until it is gone; False if there was none of that name of late."""
        call = self._running.get(call_id)
        if call is None:
            return call_id in self._over
        with suppress(Exception):
            await call.transport.end(reason)
        _, late = await asyncio.wait({call.task}, timeout=self._limits.drain_s)
        if late:
            call.task.cancel()
            await asyncio.wait({call.task}, timeout=self._limits.drain_s)
        return True

    async def drain(self, reason: str) -> None:
        """Take no more calls, and end those that run."""
        self.closing = True
        names = list(self._running)
        await asyncio.gather(*(self.hang_up(name, reason) for name in names))
