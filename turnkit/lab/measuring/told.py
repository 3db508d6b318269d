"""What the agent's log tells of a call: decisions, records of turns, replies, counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from turnkit.lab.records import AgentLog

STOPS = ("stopped", "interrupted")
"""States of a reply that the agent's decision to fall silent brings about."""


@dataclass(frozen=True, slots=True)
class ToldReply:
    """A change of a reply; `at` in seconds of the agent's clock."""

    at: float
    state: str
    reply: int
    turn: int | None


class Told:
    """A log, by what it is asked for.

    Parameters
    ----------
    log : AgentLog
    """

    def __init__(self, log: AgentLog) -> None:
        self._messages = [message for _, message in log.messages]
        self.replies = [
            ToldReply(float(each["at"]), each["state"], int(each["reply"]), each.get("turn"))
            for each in self._of("reply")
        ]

    def _of(self, type_: str) -> Iterator[Mapping[str, Any]]:
        return (each for each in self._messages if each.get("type") == type_)

    @property
    def hello(self) -> Mapping[str, Any]:
        """How the agent introduced itself; empty if it did not."""
        return next(self._of("hello"), {})

    @property
    def counts(self) -> dict[str, int]:
        """What it counted, by its last ``stats``."""
        counts: dict[str, int] = {}
        for each in self._of("stats"):
            counts = dict(each["counts"])
        return counts

    @property
    def decisions(self) -> list[float]:
        """Ends of turns by the detector that decides, in seconds of the agent's audio."""
        name = self.hello.get("detector", {}).get("name")
        ended = (each for each in self._of("event") if each.get("kind") == "turn ended")
        return [float(each["at"]) for each in ended if each.get("detector") == name]

    @property
    def commits(self) -> list[float]:
        """When the session took turns for over, in seconds of the agent's clock."""
        phases = (each for each in self._of("phase") if each.get("phase") == "committed")
        return [float(each["at"]) for each in phases]

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """Last record of each reply that was sent; one that was taken back answers nothing."""
        found: dict[tuple[int, float], Mapping[str, Any]] = {}
        for each in self._of("turn"):
            if each.get("sent_at") is not None and each.get("decided_at") is not None:
                found[int(each["turn"]), float(each["sent_at"])] = each
        return [each for each in found.values() if each.get("outcome") != "taken back"]

    @property
    def duplicate_replies(self) -> int:
        """Replies beyond the first that were spoken to the same turn and not taken back."""
        spoken = defaultdict[int, set[int]](set)
        for each in self.replies:
            if each.turn is None:
                continue
            if each.state == "speaking":
                spoken[each.turn].add(each.reply)
            elif each.state == "taken back":
                spoken[each.turn].discard(each.reply)
        return sum(max(0, len(replies) - 1) for replies in spoken.values())
