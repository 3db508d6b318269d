"""Scripts of turns: which sentences, and what goes with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np

from turnkit.corpus.schema import Message
from turnkit.corpus.synthesis.script import Script
from turnkit.corpus.synthesis.text.disfluency import Choice
from turnkit.corpus.synthesis.text.grammar import (
    Grammar,
    Group,
    Memory,
    expand,
    load_grammar,
    opening_words,
)
from turnkit.corpus.synthesis.text.pauses import load_model
from turnkit.corpus.synthesis.text.plain import write_plain
from turnkit.corpus.synthesis.text.settings import TextSettings
from turnkit.corpus.synthesis.text.tagging import tags_of_script
from turnkit.corpus.synthesis.text.walk import Manner, Walk
from turnkit.errors import ConfigError

ANSWER_WORDS = 4
"""Answers of at most so many words may come in several splits: there are few of them."""

_MORE_OWN = 0.92
"""Share of following sentences that belong to the topic."""


class ScriptWriter:
    """Writes the scripts of a synthetic corpus.

    Parameters
    ----------
    settings : TextSettings
    splits : sequence of str
        Names of all splits; turns of more than `ANSWER_WORDS` words that one split can
        draw, no other one can.
    seed : int

    Raises
    ------
    ConfigError
        If splits are missing or named twice.
    """

    def __init__(self, settings: TextSettings, splits: Sequence[str], seed: int) -> None:
        if not splits or len(set(splits)) != len(splits):
            raise ConfigError(f"splits {list(splits)}: expected one or more different names")
        self.settings = settings
        self.splits = tuple(splits)
        self.seed = seed
        self._kinds = Choice(settings.kinds)
        self._grammars = {name: load_grammar(name) for name in settings.kinds}
        openings = frozenset[str]().union(*map(opening_words, self._grammars.values()))
        self._manner = Manner(settings, load_model(settings.pauses), openings)

    def write(self, split: str, index: int) -> Script:
        """Script of one turn, the same whenever it is asked for.

        Parameters
        ----------
        split : str
        index : int
            0 or more.

        Raises
        ------
        ConfigError
            If there is no such split.
        """
        if split not in self.splits:
            raise ConfigError(f"split {split!r}: expected one of {', '.join(self.splits)}")
        number = self.splits.index(split)
        rng = np.random.default_rng([self.seed, number, index, 0x7E87])
        while True:
            script = self._draw(rng)
            # Answers, which every split may use, are thinned by as much as the others, or
            # splits would be full of them.
            if len(script.words.split()) <= ANSWER_WORDS:
                if rng.random() * len(self.splits) < 1.0:
                    return script
            elif split_of(script.words, len(self.splits)) == number:
                return script

    def _draw(self, rng: np.random.Generator) -> Script:
        if self.settings.plain:
            return write_plain(rng)
        grammar = self._grammars[self._kinds.draw(rng)]
        group = grammar.groups[int(rng.random() * len(grammar.groups))]
        memory = Memory(corrections=0.1 * self.settings.corrections)
        walk = Walk(self._manner, rng)
        walk.go(_follow(grammar, group, memory, rng))
        messages: tuple[Message, ...] = ()
        if group.ask and rng.random() < self.settings.messages:
            asked = group.ask[int(rng.random() * len(group.ask))]
            messages = (Message("assistant", asked),)
        chunks = tuple(walk.chunks)
        tags = tags_of_script(chunks, grammar.tags, walk.corrects, walk.trails)
        return Script(grammar.name, chunks, tags, messages)


def split_of(words: str, count: int) -> int:
    """Find the split, of `count`, that a transcript belongs to, by its hash."""
    return int.from_bytes(sha256(words.encode()).digest()[:6], "big") * count >> 48


def _follow(
    grammar: Grammar, group: Group, memory: Memory, rng: np.random.Generator
) -> Iterator[list[str]]:
    """Sentences of a turn as tokens, without end; none is said twice while there are others."""
    text = group.open[int(rng.random() * len(group.open))]
    said = {text}
    while True:
        yield _tokens(expand(text, grammar.slots, memory, rng))
        own = [each for each in group.more + grammar.more if each not in said]
        general = [each for each in grammar.general if each not in said]
        topical = bool(own) and (grammar.alone or rng.random() < _MORE_OWN)
        pool = (own if topical else general) or list(grammar.general)
        text = pool[int(rng.random() * len(pool))]
        said.add(text)


def _tokens(text: str) -> list[str]:
    return [*text[:-1].split(), text[-1]]
