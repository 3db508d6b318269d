"""Grammars of turns: YAML files of sentences with slots and places to pause or end.

A file of ``grammars/`` has these keys::

    slots:   name -> list of values; values may hold slots and marks themselves
    groups:  list of {ask: [what an agent asked before], open: [first sentences], more: [...]}
    more:    sentences that may follow, after any group
    tags:    list of tags of each turn
    alone:   whether sentences of common.yaml follow only when there are no others left

In a sentence

- ``/`` is a place where the turn could end, pause or run on;
- ``+`` is such a place between groups of digits, letters or items of a list;
- ``|`` is a place where nobody stops but somebody may hesitate;
- ``{slot}`` is filled from a list, ``{slot!}`` may be put right afterwards ("on Monday, no,
  Tuesday");
- ``{digits:3,3,4}`` are digits in groups, ``{number:2-90}`` a number, ``{house:1-999}`` a house
  number, ``{spell:slot}`` a value of a slot, spelled;
- ``<one;other;>`` is one of these, here perhaps nothing;
- the last character, ``.`` or ``?``, says what is told and what is asked.

``common.yaml`` holds slots for all, and the sentences that may follow whatever was said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from turnkit.corpus.synthesis.text.spelling import say_groups, say_house, say_number, spell
from turnkit.errors import ConfigError

PLACES = frozenset({"/", "+", "|", "!", ".", "?"})
"""Tokens that are no words; ``!`` stands where a correction begins."""

_NODE = re.compile(r"\{([^}]*)\}|<([^>]*)>")
_CUES = (
    "no, sorry,", "no, wait,", "sorry,", "I mean", "no,", "wait, no,", "or, no,", "actually",
    "sorry, I mean", "no, actually,", "oh, sorry,",
)  # fmt: skip

Node = tuple[str, str | tuple["Nodes", ...]]
Nodes = tuple[Node, ...]


@dataclass(frozen=True)
class Group:
    """Sentences that open a turn, and what may have been asked before."""

    ask: tuple[str, ...]
    open: tuple[str, ...]
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grammar:
    """One kind of turn."""

    name: str
    groups: tuple[Group, ...]
    more: tuple[str, ...]
    general: tuple[str, ...]
    alone: bool
    slots: Mapping[str, tuple[str, ...]]
    tags: frozenset[str]


@dataclass
class Memory:
    """What was said in this turn already, so that it is not said again."""

    corrections: float = 0.0
    used: set[str] = field(default_factory=set)
    corrected: bool = False


def kinds() -> tuple[str, ...]:
    """Names of all grammars, in order."""
    return tuple(
        sorted(
            each.name.removesuffix(".yaml")
            for each in _folder().iterdir()
            if each.name.endswith(".yaml") and each.name != "common.yaml"
        )
    )


@lru_cache(maxsize=64)
def load_grammar(name: str) -> Grammar:
    """Read a shipped grammar.

    Raises
    ------
    ConfigError
        If there is none of that name, or a sentence of it has an unknown slot.
    """
    if name not in kinds():
        raise ConfigError(f"kinds {name!r}: expected one of {', '.join(kinds())}")
    common, own = _read("common"), _read(name)
    slots = {
        slot: tuple(str(value) for value in values)
        for slot, values in {**common["slots"], **own.get("slots", {})}.items()
    }
    groups = tuple(
        Group(_texts(each, "ask"), _texts(each, "open"), _texts(each, "more"))
        for each in own["groups"]
    )
    grammar = Grammar(
        name=name,
        groups=groups,
        more=_texts(own, "more"),
        general=_texts(common, "more"),
        alone=bool(own.get("alone")),
        slots=slots,
        tags=frozenset(own.get("tags", ())),
    )
    for sentence in sentences(grammar):
        _check(sentence, slots, name)
    return grammar


def sentences(grammar: Grammar) -> tuple[str, ...]:
    """All sentences of a grammar, the values of its slots not among them."""
    own = [text for group in grammar.groups for text in (*group.open, *group.more)]
    return (*own, *grammar.more, *grammar.general)


def opening_words(grammar: Grammar) -> frozenset[str]:
    """Words that sentences open with and that are lower case elsewhere."""
    found: set[str] = set()
    for text in sentences(grammar):
        opened = re.match(r"(?:<([^>]*)>|([A-Z][a-z']*))", text)
        if opened is not None:
            found.update(re.findall(r"\b[A-Z][a-z']+", opened.group(0)))
    return frozenset(found - {"I'm", "I'd", "I'll", "I've", "Doctor"})


def expand(
    text: str, slots: Mapping[str, Sequence[str]], memory: Memory, rng: np.random.Generator
) -> str:
    """Fill the slots of a sentence.

    Parameters
    ----------
    text : str
    slots : mapping of str to sequence of str
    memory : Memory
        What was drawn is remembered there and not drawn again.
    rng : numpy.random.Generator

    Returns
    -------
    str
        Words and marks, blanks between them.
    """
    return _expand(_compile(text), slots, memory, rng)


def _expand(
    nodes: Nodes, slots: Mapping[str, Sequence[str]], memory: Memory, rng: np.random.Generator
) -> str:
    parts: list[str] = []
    for kind, content in nodes:
        if isinstance(content, tuple):
            chosen = content[int(rng.random() * len(content))]
            parts.append(_expand(chosen, slots, memory, rng))
        elif kind == "text":
            parts.append(content)
        else:
            parts.append(_fill(content, slots, memory, rng))
    return "".join(parts)


def _fill(
    name: str, slots: Mapping[str, Sequence[str]], memory: Memory, rng: np.random.Generator
) -> str:
    correctable = name.endswith("!")
    name = name.removesuffix("!")
    value = _value(name, slots, memory, rng)
    if correctable and not memory.corrected and rng.random() < memory.corrections:
        memory.corrected = True
        cue = _CUES[int(rng.random() * len(_CUES))]
        return f"{value} ! {cue} {_value(name, slots, memory, rng)}"
    return value


def _value(
    name: str, slots: Mapping[str, Sequence[str]], memory: Memory, rng: np.random.Generator
) -> str:
    kind, colon, argument = name.partition(":")
    if not colon:
        value = ""
        for _ in range(4):
            values = slots[name]
            value = _expand(_compile(values[int(rng.random() * len(values))]), slots, memory, rng)
            if value not in memory.used:
                break
        memory.used.add(value)
        return value
    if kind == "digits":
        return say_groups(argument, rng)
    if kind == "spell":
        values = slots[argument]
        return spell(values[int(rng.random() * len(values))], rng)
    low, _, high = argument.partition("-")
    number = int(low) + int(rng.random() * (int(high) - int(low) + 1))
    return say_house(number) if kind == "house" else say_number(number)


@lru_cache(maxsize=20_000)
def _compile(text: str) -> Nodes:
    nodes: list[Node] = []
    at = 0
    for match in _NODE.finditer(text):
        if match.start() > at:
            nodes.append(("text", text[at : match.start()]))
        slot, choice = match.groups()
        if slot is not None:
            nodes.append(("slot", slot))
        else:
            nodes.append(("choice", tuple(_compile(each) for each in choice.split(";"))))
        at = match.end()
    if at < len(text):
        nodes.append(("text", text[at:]))
    return tuple(nodes)


def _check(sentence: str, slots: Mapping[str, Any], where: str) -> None:
    if sentence[-1] not in ".?":
        raise ConfigError(f"grammar {where}: {sentence!r}: expected . or ? at its end")
    pending, seen = [sentence], set[str]()
    while pending:
        for name in re.findall(r"\{([^}!]*)!?\}", pending.pop()):
            kind, colon, argument = name.partition(":")
            if colon and kind in ("digits", "number", "house"):
                continue
            slot = argument if colon else name
            if slot not in slots or (colon and kind != "spell"):
                raise ConfigError(f"grammar {where}: {sentence!r}: unknown slot {name!r}")
            if slot not in seen:
                seen.add(slot)
                pending += slots[slot]


def _texts(content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(str(text) for text in content.get(key, ()))


def _folder() -> Any:
    return files("turnkit.corpus.synthesis.text").joinpath("grammars")


@lru_cache(maxsize=64)
def _read(name: str) -> dict[str, Any]:
    content = yaml.safe_load(_folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
    return dict(content)
