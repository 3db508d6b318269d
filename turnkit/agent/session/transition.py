"""A step under way: the state so far and the commands given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from turnkit.agent.session.commands import Command, Count, Tell
from turnkit.agent.session.settings import CLOCK_RATE
from turnkit.agent.session.state import Overlap, Reply, State, UserTurn
from turnkit.timing import to_seconds


class Transition:
    """Collects what one event changes; states themselves are never modified."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.commands: list[Command] = []

    def set(self, **changes: Any) -> None:
        """Change fields of the state."""
        self.state = replace(self.state, **changes)

    def set_turn(self, **changes: Any) -> UserTurn:
        """Change fields of the caller's turn."""
        turn = replace(self.turn, **changes)
        self.set(turn=turn)
        return turn

    def set_reply(self, **changes: Any) -> Reply:
        """Change fields of the reply."""
        reply = replace(self.reply, **changes)
        self.set(reply=reply)
        return reply

    def set_overlap(self, **changes: Any) -> Overlap:
        """Change fields of the overlap."""
        overlap = replace(self.overlap, **changes)
        self.set(overlap=overlap)
        return overlap

    @property
    def turn(self) -> UserTurn:
        """The turn, where the phase says that there is one."""
        assert self.state.turn is not None
        return self.state.turn

    @property
    def reply(self) -> Reply:
        """The reply, where the phase says that there is one."""
        assert self.state.reply is not None
        return self.state.reply

    @property
    def overlap(self) -> Overlap:
        """The overlap, where the phase says that there is one."""
        assert self.state.overlap is not None
        return self.state.overlap

    def do(self, *commands: Command) -> None:
        """Give commands."""
        self.commands.extend(commands)

    def count(self, *names: str, n: int = 1) -> None:
        """Count something that happened `n` times."""
        if n:
            self.do(*(Count(name, n) for name in names))

    def tell(self, type_: str, **fields: Any) -> None:
        """Tell the client."""
        self.do(Tell(type_, {"at": to_seconds(self.state.at, CLOCK_RATE), **fields}))

    def tell_reply(self, reply: Reply, state: str) -> None:
        """Tell the client what became of a reply."""
        turn = self.state.turn.number if self.state.turn and not reply.fixed else None
        self.tell("reply", turn=turn, reply=reply.number, state=state)
