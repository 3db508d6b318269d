"""Settings of what is said in synthetic turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from turnkit.errors import ConfigError


def _kinds() -> dict[str, float]:
    return {
        "short": 0.20, "opinion": 0.12, "booking": 0.08, "request": 0.08, "complaint": 0.07,
        "digits": 0.09, "spelling": 0.05, "address": 0.05, "directions": 0.04, "order": 0.05,
        "message": 0.03, "command": 0.04, "correction": 0.04, "health": 0.05, "work": 0.05,
    }  # fmt: skip


@dataclass(frozen=True)
class TextSettings:
    """What is said, how fluently, and how long the pauses are.

    Attributes
    ----------
    kinds : dict of str to float
        Weights of the grammars that turns come from; those not named are not used.
    holds_per_turn : float
        Holds for each end, at places where the turn could have ended; more come in
        mid-phrase.
    completeness : float
        How many times the odds of an end against a hold are raised after whole sentences,
        and lowered inside them, 1 .. 10: people end turns where something is complete, but
        the more they do, the more the last word tells (`turnkit data check`).
    fillers, repetitions, fragments, corrections : float
        1 is as measured in meetings (corrections: a tenth of the places marked in the
        grammars); 0 is none.
    trailing : float
        Share of ends, and of holds, that come after a word such as "um", 0 .. 0.5.
    pause_scale : float
        Factor on all pauses; what is longer than 5 s then is drawn again.
    pauses : str
        Parameters of another fit (``turnkit data pauses --out``); empty for the shipped.
    messages : float
        Share of turns that come with the agent's question, where the grammar has one.
    plain : bool
        Whole, fluent sentences of two kinds, with pauses of 0.2 .. 1.5 s, all equally
        likely, at random words: what an ablation compares with.
    """

    kinds: dict[str, float] = field(default_factory=_kinds)
    holds_per_turn: float = 1.2
    completeness: float = 1.6
    fillers: float = 1.0
    repetitions: float = 0.5
    fragments: float = 0.6
    corrections: float = 1.0
    trailing: float = 0.14
    pause_scale: float = 1.0
    pauses: str = ""
    messages: float = 0.8
    plain: bool = False

    def __post_init__(self) -> None:
        _check_kinds(self.kinds)
        for name in ("fillers", "repetitions", "fragments", "corrections"):
            _within(name, getattr(self, name), 0.0, 5.0)
        _within("holds_per_turn", self.holds_per_turn, 0.0, 4.0)
        _within("completeness", self.completeness, 1.0, 10.0)
        _within("trailing", self.trailing, 0.0, 0.5)
        _within("pause_scale", self.pause_scale, 0.3, 3.0)
        _within("messages", self.messages, 0.0, 1.0)


def _check_kinds(weights: Mapping[str, float]) -> None:
    from turnkit.corpus.synthesis.text.grammar import kinds

    for name, weight in weights.items():
        if name not in kinds():
            raise ConfigError(f"kinds {name!r}: expected one of {', '.join(kinds())}")
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0.0 <= weight < 1e9:
            raise ConfigError(f"kinds.{name} {weight!r}: expected a weight of 0 or more")
    if not sum(weights.values()) > 0.0:
        raise ConfigError("kinds: expected a weight above 0")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} {value}: expected {low:g} .. {high:g}")
