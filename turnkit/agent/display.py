"""What the client and the observer get to see of a call."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, Protocol

from turnkit.agent.meter import Meter
from turnkit.agent.records import CallSummary, CancelTime, TurnRecord
from turnkit.agent.session.commands import Count, Record, Tell
from turnkit.agent.session.settings import CLOCK_RATE
from turnkit.agent.stack import Detectors, Stack
from turnkit.agent.stats import describe
from turnkit.agent.transport.protocol import CallTransport
from turnkit.detector.protocol import Trace, TurnEvent
from turnkit.timing import to_seconds


class CallObserver(Protocol):
    """Hears what is worth keeping of a call; quick, and never raises."""

    def turn_done(self, record: TurnRecord) -> None:
        """Note a turn that will not change any more."""
        ...

    def count(self, name: str, n: int = 1) -> None:
        """Count something."""
        ...

    def note(self, event: str, **fields: object) -> None:
        """Write a line of a structured log."""
        ...


class Display:
    """Turns what happens into messages, counts and records.

    Parameters
    ----------
    transport : CallTransport
    observer : CallObserver

    Attributes
    ----------
    meter : Meter
    """

    def __init__(self, transport: CallTransport, observer: CallObserver) -> None:
        self._transport, self._observer = transport, observer
        self.meter = Meter()
        self._turns: dict[int, TurnRecord] = {}
        self._counts: Counter[str] = Counter()
        self._untold = False
        self._transport_ms: float | None = None

    def tell(self, type_: str, at: int, **fields: Any) -> None:
        """Send a message whose time is `at` on the clock."""
        self._transport.send({"type": type_, "at": to_seconds(at, CLOCK_RATE), **fields})

    def note(self, command: Tell | Count | Record, at: int) -> None:
        """Carry out a command that changes nothing of the call."""
        match command:
            case Tell():
                if command.type == "bye":
                    self.tell_counts(at)
                self._transport.send({"type": command.type, **command.fields})
                if command.type == "error":
                    self._observer.note("stage failed", **command.fields)
            case Count():
                self.count(command.name, command.n)
            case Record():
                record = replace(command.record, transport_ms=self._transport_ms)
                self._turns[record.turn] = record
                self.tell("turn", at, **record.as_dict())
                self._tell_stats(at)
                if command.final:
                    self._observer.turn_done(record)

    def count(self, name: str, n: int = 1) -> None:
        """Count something; the client is told with the next ``stats``."""
        self._counts[name] += n
        self._untold = True
        self._observer.count(name, n)

    def cancelled(self, time: CancelTime, at: int) -> None:
        """Tell how long cancelled work took to end."""
        fields = asdict(time) | {"ms": round(time.ms, 3)}
        self.tell("cancelled", at, **fields)
        self._observer.note("cancelled", **fields)

    def tell_counts(self, at: int) -> None:
        """Tell the client what was counted since the last ``stats``, if anything was."""
        if self._untold:
            self._tell_stats(at)

    def _tell_stats(self, at: int) -> None:
        self._untold = False
        self.tell("stats", at, **describe(self._turns.values(), self._counts))

    def take(self, message: Mapping[str, Any], at: int) -> None:
        """Take a message of the client that changes nothing of the call; others go by."""
        if message.get("type") == "link":
            self._take_link(message)
        elif message.get("type") == "ping":
            self._pong(message, at)

    def _take_link(self, message: Mapping[str, Any]) -> None:
        """Take a client's figures of the way from the transport to its ear."""
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            value = float(message["rtt_ms"]) / 2 + float(message["playout_ms"])
            if 0 <= value < 10_000:
                self._transport_ms = value

    def _pong(self, ping: Mapping[str, Any], at: int) -> None:
        """Answer a ping, so that a client can relate its clock to the call's."""
        sent = ping.get("sent")
        if isinstance(sent, int | float) and not isinstance(sent, bool):
            with suppress(OverflowError):  # a whole number beyond all floats
                if math.isfinite(sent):
                    self.tell("pong", at, sent=sent)

    def hello(self, stack: Stack, detectors: Detectors, call_id: str) -> None:
        """Introduce the call."""
        limits = stack.rules.limits
        self.tell(
            "hello",
            0,
            call=call_id,
            mode=stack.rules.mode,
            detector={"name": detectors.main.name, **detectors.main.policy.as_dict()},
            shadows=[shadow.name for shadow in detectors.shadows],
            stages=stack.describe(),
            limits={"duration_s": limits.duration_s, "idle_s": limits.idle_s},
        )

    def events(self, detector: str, events: Sequence[TurnEvent]) -> None:
        """Show what a detector said."""
        for event in events:
            self.tell(
                "event",
                event.at,
                since=to_seconds(event.since, CLOCK_RATE),
                detector=detector,
                kind=event.kind.value,
                score=event.score,
                reason=None if event.reason is None else event.reason.value,
            )

    def timeline(self, trace: Trace, now: int) -> None:
        """Show levels, scores and counts since the last time."""
        self.meter.traced(trace)
        self.tell_counts(now)
        fields = self.meter.take(now)
        if fields is not None:
            self._transport.send({"type": "frames", **fields})

    def summary(self, call_id: str, reason: str, seconds: float) -> CallSummary:
        """Sum the call up."""
        turns = tuple(self._turns.values())
        return CallSummary(call_id, reason, seconds, turns, dict(self._counts))
