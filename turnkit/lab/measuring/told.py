"""What the agent's log tells of a call: decisions, records of turns, replies, counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from turnkit.errors import RunError
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


CANCELLED = ("llm", "tts", "stt")
"""Work whose cancelling an agent tells of."""

TIMES = ("decided_at", "words_final_at", "first_token_at", "first_audio_at", "sent_at")
"""Fields of a turn's record that are seconds of the agent's clock, or None."""


class Told:
    """A log, by what it is asked for.

    Parameters
    ----------
    log : AgentLog

    Attributes
    ----------
    hello : mapping
        How the agent introduced itself; empty if it did not.
    counts : dict of str to int
        What it counted, by its last ``stats``.
    replies : list of ToldReply
    decisions : list of float
        Ends of turns by the detector that decides, in seconds of the agent's audio.
    commits : list of float
        When the session took turns for over, in seconds of the agent's clock.
    records : list of mapping
        Last record of each reply that was sent; one that was taken back answers nothing.
    cancels : list of (str, float)
        Of `CANCELLED`, and ms from the decision to cancel until the work had ended.

    Raises
    ------
    RunError
        If a message is not what an agent tells.
    """

    def __init__(self, log: AgentLog) -> None:
        self._messages = [message for _, message in log.messages]
        try:
            self.hello: Mapping[str, Any] = next(self._of("hello"), {})
            self.counts = self._read_counts()
            self.replies = [
                ToldReply(float(each["at"]), each["state"], int(each["reply"]), each.get("turn"))
                for each in self._of("reply")
            ]
            self.decisions = self._read_decisions()
            phases = (each for each in self._of("phase") if each.get("phase") == "committed")
            self.commits = [float(each["at"]) for each in phases]
            self.records = self._read_records()
            self.cancels = self._read_cancels()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"the agent's log: not what an agent tells ({error!r})") from error

    def _of(self, type_: str) -> Iterator[Mapping[str, Any]]:
        return (each for each in self._messages if each.get("type") == type_)

    def _read_counts(self) -> dict[str, int]:
        counts: Mapping[str, Any] = {}
        for each in self._of("stats"):
            counts = each["counts"]
        return {name: int(value) for name, value in counts.items()}

    def _read_decisions(self) -> list[float]:
        name = self.hello.get("detector", {}).get("name")
        ended = (each for each in self._of("event") if each.get("kind") == "turn ended")
        return [float(each["at"]) for each in ended if each.get("detector") == name]

    def _read_cancels(self) -> list[tuple[str, float]]:
        told = ((each["what"], float(each["ms"])) for each in self._of("cancelled"))
        return [(what, ms) for what, ms in told if what in CANCELLED]

    def _read_records(self) -> list[Mapping[str, Any]]:
        found: dict[tuple[int, float], Mapping[str, Any]] = {}
        for each in self._of("turn"):
            times = {name: each.get(name) for name in TIMES}
            record = {**each, **{k: None if v is None else float(v) for k, v in times.items()}}
            if record["sent_at"] is not None and record["decided_at"] is not None:
                found[int(each["turn"]), record["sent_at"]] = record
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
