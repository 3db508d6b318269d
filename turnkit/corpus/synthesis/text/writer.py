"""Scripts of turns, written so that only how they are said tells whether they are over.

A turn is a walk along sentences. At every place where it could end, chance decides: the
turn ends, or the speaker pauses and goes on, or runs on without a pause. How likely it is
that *something* happens depends on the place; how likely an end is **against a hold** is
the same everywhere. So whatever happened before (the last word, the time and the number
of words and holds so far) has the same distribution before holds and before ends. Holds
in mid-phrase, which nothing balances, are kept rare, but for those after fillers; as many
more of the ends come after fillers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from turnkit.corpus.schema import Message
from turnkit.corpus.synthesis.script import Boundary, Chunk, Script
from turnkit.corpus.synthesis.text.disfluency import (
    CONJUNCTIONS,
    FILLERS,
    HESITANT,
    LATE_TRAILERS,
    MID_TRAILERS,
    OPENERS,
    Choice,
    broken,
    repeats,
)
from turnkit.corpus.synthesis.text.grammar import (
    PLACES,
    Grammar,
    Group,
    Memory,
    expand,
    load_grammar,
)
from turnkit.corpus.synthesis.text.pauses import MAX_PAUSE_S, MIN_PAUSE_S, load_model
from turnkit.corpus.synthesis.text.plain import write_plain
from turnkit.corpus.synthesis.text.settings import TextSettings
from turnkit.corpus.synthesis.text.tagging import tags_of_script
from turnkit.errors import ConfigError

ANSWER_WORDS = 4
"""Answers of at most so many words may come in several splits: there are few of them."""

_MAX_WORDS = 90
"""The turn ends at the first place after so many words."""

_EVENT = {"/": 0.30, "+": 0.32, "~": 0.12, ".": 0.72, "?": 0.8}
"""How likely an end or a hold is at a place: between phrases, between groups, after a
conjunction, after a sentence, after a question."""

_FIRST_EVENT = 0.9
"""The same after a first sentence of at most two words."""

_MID_PAUSE, _MID_FILLER = 0.018, 0.05
"""Holds in mid-phrase, without and with a filler, at each place marked for hesitation."""

_BROKEN_PAUSE = 0.25
"""Share of repetitions, broken words and corrections with a hold."""

_MORE_OWN = 0.85
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
        self._model = load_model(settings.pauses)
        self._kinds = Choice(settings.kinds)
        self._grammars = {name: load_grammar(name) for name in settings.kinds}

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
        walk = _Walk(self, rng)
        walk.go(_follow(grammar, group, memory, rng))
        messages: tuple[Message, ...] = ()
        if group.ask and rng.random() < self.settings.messages:
            asked = group.ask[int(rng.random() * len(group.ask))]
            messages = (Message("assistant", asked),)
        chunks = tuple(walk.chunks)
        tags = tags_of_script(chunks, grammar.tags, memory.corrected, walk.trails)
        return Script(grammar.name, chunks, tags, messages)

    def pause(self, place: str, rng: np.random.Generator) -> float:
        """Draw a pause, in seconds, scaled as set."""
        while True:
            length = self._model.lengths[place].draw(rng) * self.settings.pause_scale
            if MIN_PAUSE_S <= length <= MAX_PAUSE_S:
                return round(length, 3)

    @property
    def rates(self) -> dict[str, float]:
        """Measured rates, see `turnkit.corpus.synthesis.text.fitting.fit`."""
        return dict(self._model.rates)


def split_of(words: str, count: int) -> int:
    """Number of the split, of `count`, that a transcript belongs to, by its hash."""
    return int.from_bytes(sha256(words.encode()).digest()[:6], "big") * count >> 48


def _follow(
    grammar: Grammar, group: Group, memory: Memory, rng: np.random.Generator
) -> Iterator[list[str]]:
    """Sentences of a turn as tokens, without end; none is said twice while there are others."""
    text = group.open[int(rng.random() * len(group.open))]
    said = {text}
    while True:
        yield _tokens(expand(text, grammar.slots, memory, rng))
        own = group.more + grammar.more
        general = not own or (rng.random() >= _MORE_OWN and bool(grammar.general))
        pool = grammar.general if general else own
        for _ in range(8):
            text = pool[int(rng.random() * len(pool))]
            if text not in said:
                break
        said.add(text)


def _tokens(text: str) -> list[str]:
    return [*text[:-1].split(), text[-1]]


@dataclass
class _Walk:
    """One turn on its way."""

    writer: ScriptWriter
    rng: np.random.Generator
    chunks: list[Chunk] = field(default_factory=list)
    trails: bool = False
    _words: list[str] = field(default_factory=list)
    _count: int = 0

    def go(self, sentences: Iterator[list[str]]) -> None:
        """Walk until the turn is over."""
        self._open(0.06 * self.writer.settings.fillers)
        for tokens in sentences:
            opening = True
            for token in tokens:
                if token not in PLACES:
                    self._say(token, opening)
                    # "and", "but": a place of its own
                    opening_word = opening and token.lower() in CONJUNCTIONS
                    opening = False
                    if opening_word and self._place("~"):
                        return
                elif self._place(token):
                    return
                else:
                    opening = token == "/"

    def _say(self, word: str, opening: bool) -> None:
        settings, rng = self.writer.settings, self.rng
        if not self._words and not self.chunks and word[0].islower():
            word = word[0].upper() + word[1:]
        chance = rng.random()
        rates = self.writer.rates
        if repeats(word) and chance < 0.05 * settings.repetitions * rates["repetitions"]:
            self._words.append(word)
            if rng.random() < _BROKEN_PAUSE:
                self._hold(Boundary.BROKEN, "repair")
            word = word if word[0] == "I" else word.lower()
        elif chance < 0.02 * settings.fragments * rates["fragments"] and (cut := broken(word)):
            self._words.append(cut)
            if rng.random() < _BROKEN_PAUSE:
                self._hold(Boundary.BROKEN, "repair")
        self._words.append(word)
        self._count += 1

    def _place(self, mark: str) -> bool:
        """Decide what happens at a place; whether the turn is over."""
        rng = self.rng
        if mark in "|!":
            self._hesitate(mark)
            return False
        first = mark in ".?" and not self.chunks and self._count <= 2
        if rng.random() < (_FIRST_EVENT if first else _EVENT[mark]) or self._count > _MAX_WORDS:
            ends = rng.random() * (1.0 + self.writer.settings.holds_per_turn) < 1.0
            if ends or self._count > _MAX_WORDS:
                self._end(mark)
                return True
            self._pause(mark)
        elif mark in "+.?":
            self._words[-1] += "," if mark == "+" else mark
        elif mark == "/" and rng.random() < 0.015 * self.writer.settings.fillers:
            self._words[-1] += ","
            self._words.append(f"{FILLERS.draw(rng)},")
        return False

    def _trailer(self, mark: str) -> str:
        """What trails, if anything does; not after conjunctions and groups."""
        if mark == "/" and self.rng.random() < self.writer.settings.trailing:
            return MID_TRAILERS.draw(self.rng)
        if mark == "." and self.rng.random() < self.writer.settings.trailing:
            return LATE_TRAILERS.draw(self.rng)
        return ""

    def _end(self, mark: str) -> None:
        trailer = self._trailer(mark)
        if not trailer and mark in "/." and self.rng.random() < 0.03:
            trailer = "um" if self.rng.random() < 0.55 else "uh"  # see the module's head
        self.trails = bool(trailer) or mark == "~"
        self._trail(trailer)
        asks = mark == "?" and not trailer
        self._close(Boundary.QUESTION if asks else Boundary.STATEMENT, 0.0)

    def _pause(self, mark: str) -> None:
        trailer = self._trailer(mark)
        self._trail(trailer)
        if trailer:
            self._hold(Boundary.FILLER, "filler")
        elif mark == "+":
            self._hold(Boundary.GROUP, "phrase")
        elif mark == "~":
            self._hold(Boundary.FILLER, "phrase")
        else:
            self._hold(Boundary.CLAUSE, "phrase" if mark == "/" else "clause")
        self._open(0.11 * self.writer.settings.fillers)

    def _hesitate(self, mark: str) -> None:
        settings, rng = self.writer.settings, self.rng
        chance = rng.random()
        if mark == "!":
            if chance < _BROKEN_PAUSE:
                self._hold(Boundary.BROKEN, "repair")
            else:
                self._words[-1] += ","
        elif chance < _MID_FILLER * settings.fillers:
            self._trail(FILLERS.draw(rng))
            if rng.random() < self.writer.rates["pause_after_filler"]:
                self._hold(Boundary.FILLER, "filler")
            else:
                self._words[-1] += ","
        elif chance > 1.0 - _MID_PAUSE:
            self._hold(Boundary.PHRASE, "phrase")

    def _open(self, chance: float) -> None:
        if self.rng.random() < chance:
            self._words.append(f"{OPENERS.draw(self.rng)},")

    def _trail(self, words: str) -> None:
        if words:
            self._words[-1] = self._words[-1].rstrip(",.?") + ","
            self._words += words.split()

    def _hold(self, boundary: Boundary, place: str) -> None:
        self._close(boundary, self.writer.pause(place, self.rng))

    def _close(self, boundary: Boundary, hold_s: float) -> None:
        text = " ".join(self._words).rstrip(",.?")
        if boundary is Boundary.CLAUSE and text.split()[-1].lower() in HESITANT:
            boundary = Boundary.FILLER
        self.chunks.append(Chunk(text, boundary, hold_s))
        self._words = []
