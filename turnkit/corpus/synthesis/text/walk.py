"""Where a turn pauses and where it ends, so that it is the voice that tells which.

A turn is a walk along sentences. At every place where it could end, chance decides: the
turn ends, or the speaker pauses and goes on, or runs on without a pause. How likely an end
is **against a hold** depends little on the place: whole sentences end turns somewhat more
often than parts of them. Were it the same everywhere, whatever happened before (the last
word, the time and the number of words and holds so far) would have the same distribution
before holds and before ends; as sentences end later than their parts, holds become
likelier as a turn goes on, so that time still tells next to nothing. Holds in mid-phrase,
which nothing balances, are kept rare, but for those after fillers; as many more of the ends
come after fillers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from turnkit.corpus.synthesis.script import Boundary, Chunk
from turnkit.corpus.synthesis.text.disfluency import (
    CONJUNCTIONS,
    FILLERS,
    HESITANT,
    LATE_TRAILERS,
    MID_TRAILERS,
    OPENERS,
    broken,
    repeats,
)
from turnkit.corpus.synthesis.text.grammar import PLACES
from turnkit.corpus.synthesis.text.pauses import MAX_PAUSE_S, MIN_PAUSE_S, PauseModel
from turnkit.corpus.synthesis.text.settings import TextSettings

_MAX_WORDS = 90
"""The turn ends at the first place after so many words."""

_EVENT = {"/": 0.27, "+": 0.3, "~": 0.1, ".": 0.70, "?": 0.8}
"""How likely an end or a hold is at a place: between phrases, between groups, after a
conjunction, after a sentence, after a question."""

_FIRST_EVENT = 0.9
"""The same after a first sentence of at most two words."""

_EVEN_WORDS, _LATER = 8.0, 0.3
"""The odds of a hold grow with the words so far, to this power, from fewer to more at so
many words."""

_MID_PAUSE, _MID_FILLER = 0.03, 0.10
"""Holds in mid-phrase, without and with a filler, at each place marked for hesitation."""

_BROKEN_PAUSE = 0.2
"""Share of repetitions, broken words and corrections with a hold."""


@dataclass(frozen=True)
class Manner:
    """How turns of a corpus are spoken.

    Attributes
    ----------
    settings : TextSettings
    model : PauseModel
    openings : frozenset of str
        Words with a capital letter only at the start of sentences.
    """

    settings: TextSettings
    model: PauseModel
    openings: frozenset[str]

    def pause(self, place: str, rng: np.random.Generator) -> float:
        """Draw a pause, in seconds, scaled as set."""
        while True:
            length = self.model.lengths[place].draw(rng) * self.settings.pause_scale
            if MIN_PAUSE_S <= length <= MAX_PAUSE_S:
                return round(length, 3)


@dataclass
class Walk:
    """One turn on its way.

    Attributes
    ----------
    manner : Manner
    rng : numpy.random.Generator
    chunks : list of Chunk
        What was said; once the turn is over, the last one's boundary is an end.
    trails : bool
        Whether the turn ended in a word such as "so".
    corrects : bool
        Whether the speaker put something right.
    """

    manner: Manner
    rng: np.random.Generator
    chunks: list[Chunk] = field(default_factory=list)
    trails: bool = False
    corrects: bool = False
    _words: list[str] = field(default_factory=list)
    _count: int = 0
    _since: int = 0

    def go(self, sentences: Iterator[list[str]]) -> None:
        """Walk until the turn is over."""
        self._open(0.06 * self.manner.settings.fillers)
        for tokens in sentences:
            if self._sentence(tokens):
                return

    def _sentence(self, tokens: list[str]) -> bool:
        """Walk along one sentence; whether the turn is over."""
        opening = True
        # Nobody stumbles over letters as over words.
        spelled = sum(map(_is_letter, tokens)) > 2
        for i, token in enumerate(tokens):
            if token in PLACES:
                # A place right after a conjunction is the conjunction's own.
                conjunction = i > 0 and tokens[i - 1].lower() in CONJUNCTIONS
                if not (conjunction and token == "/") and self._place(token):
                    return True
                opening = token == "/"
                continue
            self._say(token, first=i == 0, fluent=spelled and _is_letter(token))
            if opening and token.lower() in CONJUNCTIONS and self._place("~"):
                return True
            opening = False
        return False

    def _say(self, word: str, *, first: bool, fluent: bool) -> None:
        settings, rng = self.manner.settings, self.rng
        if first:
            word = self._cased(word)
        chance = rng.random()
        rates = self.manner.model.rates
        again = ""
        if fluent:
            again = ""
        elif repeats(word) and chance < 0.05 * settings.repetitions * rates["repetitions"]:
            again = word
        elif chance < 0.02 * settings.fragments * rates["fragments"]:
            again = broken(word)
        if again:
            self._words.append(again)
            if rng.random() < _BROKEN_PAUSE:
                self._hold(Boundary.BROKEN, "repair")
            capital = again != word or word.split("'")[0] == "I"
            word = word if capital else word.lower()
        self._words.append(word)
        self._count += 1

    def _cased(self, word: str) -> str:
        """Sentences begin with a capital letter, but for those after a filler."""
        if self._words and self._words[-1].endswith(","):
            return word.lower() if word.rstrip(",") in self.manner.openings else word
        return word[0].upper() + word[1:]

    def _place(self, mark: str) -> bool:
        """Decide what happens at a place; whether the turn is over."""
        rng = self.rng
        if self._count == self._since:
            return False  # nothing was said since the last one
        if mark in "|!":
            self._hesitate(mark)
            return False
        first = mark in ".?" and not self.chunks and self._count <= 2
        if rng.random() < (_FIRST_EVENT if first else _EVENT[mark]) or self._count > _MAX_WORDS:
            ends = rng.random() * (1.0 + self._odds_of_hold(mark)) < 1.0
            if ends or self._count > _MAX_WORDS:
                self._end(mark)
                return True
            self._pause(mark)
        elif mark in "+.?":
            self._words[-1] += "," if mark == "+" else mark
        elif mark == "/" and rng.random() < 0.015 * self.manner.settings.fillers:
            self._words[-1] += ","
            self._words.append(f"{FILLERS.draw(rng)},")
        return False

    def _odds_of_hold(self, mark: str) -> float:
        """How many holds there are for each end, at such a place and so late."""
        settings = self.manner.settings
        complete = settings.completeness if mark in ".?" else 1.0 / settings.completeness
        later = float((self._count / _EVEN_WORDS) ** _LATER)  # as mypy has it, a power is Any
        return settings.holds_per_turn * later / complete

    def _trailer(self, mark: str) -> str:
        """Draw what trails, if anything does; not after conjunctions and groups."""
        if mark == "/" and self.rng.random() < self.manner.settings.trailing:
            return MID_TRAILERS.draw(self.rng)
        if mark == "." and self.rng.random() < self.manner.settings.trailing:
            return LATE_TRAILERS.draw(self.rng)
        return ""

    def _end(self, mark: str) -> None:
        trailer = self._trailer(mark)
        if not trailer and mark in "/." and self.rng.random() < 0.05:
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
        self._open(0.11 * self.manner.settings.fillers)

    def _hesitate(self, mark: str) -> None:
        settings, rng = self.manner.settings, self.rng
        chance = rng.random()
        if mark == "!":
            self.corrects = True
            if chance < _BROKEN_PAUSE:
                self._hold(Boundary.BROKEN, "repair")
            else:
                self._words[-1] += ","
        elif chance < _MID_FILLER * settings.fillers:
            self._trail(FILLERS.draw(rng))
            if rng.random() < self.manner.model.rates["pause_after_filler"]:
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
        self._close(boundary, self.manner.pause(place, self.rng))

    def _close(self, boundary: Boundary, hold_s: float) -> None:
        text = " ".join(self._words).rstrip(",.?")
        if not self.chunks:
            text = text[0].upper() + text[1:]
        if boundary is Boundary.CLAUSE and text.split()[-1].lower() in HESITANT:
            boundary = Boundary.FILLER
        self.chunks.append(Chunk(text, boundary, hold_s))
        self._words = []
        self._since = self._count


def _is_letter(token: str) -> bool:
    return len(token) == 1 and token.isupper()
