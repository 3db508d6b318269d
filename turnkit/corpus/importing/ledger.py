"""What an import left out, and why."""

from __future__ import annotations

from collections import Counter

_EXAMPLES = 3
"""Offenders that are named for each reason."""


class Ledger:
    """Counts what was left out, by reason, and what else is worth a line.

    Attributes
    ----------
    dropped : Counter of str
        How often each reason occurred.
    noted : Counter of str
        Things that were set apart or changed without being left out.
    """

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def drop(self, reason: str, what: str) -> None:
        """Put down that `what` was left out."""
        self.dropped[reason] += 1
        examples = self._examples.setdefault(reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(what)

    def note(self, fact: str, count: int = 1) -> None:
        """Put down something that happened `count` times."""
        if count:
            self.noted[fact] += count

    def examples(self, reason: str) -> tuple[str, ...]:
        """Name the first few that were left out for a reason."""
        return tuple(self._examples.get(reason, ()))

    def lines(self) -> list[str]:
        """One line a reason, the commonest first, then the notes."""
        found = []
        for reason, count in self.dropped.most_common():
            named = ", ".join(self.examples(reason))
            more = ", ..." if count > _EXAMPLES else ""
            found.append(f"left out {count}: {reason} ({named}{more})")
        return found + [f"{fact}: {count}" for fact, count in self.noted.most_common()]
