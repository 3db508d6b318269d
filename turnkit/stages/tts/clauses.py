"""A language model's tokens into clauses, each as soon as it is sure where it ends.

Speech should start before the sentence is there, and it should not start in the middle of
a phrase: a clause is the shortest piece of text that a voice can give a melody of its own.
Pure: no clock, no voice. Each character is looked at once, in order, so that the pieces in
which a text arrives cannot change where it is cut.
"""

# ruff: noqa: RUF001 -- typographic signs are what is looked for

from __future__ import annotations

import re
from dataclasses import dataclass

from turnkit.errors import ConfigError

MAX_CHARACTERS = 400
"""A clause without a space is cut here: it is garbage, and must not wait for ever."""

_MARKS = ".!?;:,…"
_SURE = ",;!?"
"""Marks that, right behind a word of letters, need no look at what follows."""
_CLOSERS = "\"'”’)]}*_`»"
_DASH = "—"
_CONJUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """and or but nor so yet because since although though while when where which who that
    if unless until before after then as""",
    )
)
_ABBREVIATIONS = frozenset(
    re.findall(
        r"\w+",
        """mr mrs ms dr prof st ave blvd rd dept appt apt approx vs etc fig vol jr sr inc ltd co
    corp gen sen rep rev hon capt lt col sgt jan feb mar apr jun jul aug sep sept oct nov dec
    mon tue tues wed thu thur thurs fri sat sun est min max tel ext""",
    )
)
_NUMBERED = frozenset(("no", "nos", "p", "pp"))
"""Abbreviations only in front of a number: "No. 5", but "No. I do not.\""""
_LETTERS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SPACE = re.compile(r"\s")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_OPENERS = "\"'“‘([{*_`«"


@dataclass(frozen=True)
class ClauseSettings:
    """How long clauses are.

    Attributes
    ----------
    min_words : int
        Fewest words of a clause after the first; the last may have fewer, and the end of
        a line ends a clause of any length.
    max_words : int
        Most words of a clause after the first: one that goes on is cut in front of a
        conjunction in its later half, or at a space.
    first_max_words : int
        The same for the first clause, which may be as short as one word: it is what the
        listener waits for.

    Raises
    ------
    ConfigError
        If a number is below 1, or `max_words` below `min_words`.
    """

    min_words: int = 3
    max_words: int = 16
    first_max_words: int = 8

    def __post_init__(self) -> None:
        for name in ("min_words", "max_words", "first_max_words"):
            if getattr(self, name) < 1:
                raise ConfigError(f"clauses.{name} {getattr(self, name)}: expected at least 1")
        if self.max_words < self.min_words:
            raise ConfigError(
                f"clauses.max_words {self.max_words}: expected at least min_words, {self.min_words}"
            )


class ClauseChunker:
    """Cuts one reply into clauses.

    Put together, the clauses are the text, up to whitespace. None is empty, and none but
    the last is without a letter or digit, unless it is `MAX_CHARACTERS` of garbage.

    Parameters
    ----------
    settings : ClauseSettings, optional
    """

    def __init__(self, settings: ClauseSettings | None = None) -> None:
        self.settings = settings or ClauseSettings()
        self._text = ""
        self._mark = False  # the text may end here; the next character tells
        self._first = True

    def push(self, piece: str) -> list[str]:
        """Take the next piece, of any length; give the clauses that are sure by now."""
        clauses = []
        for character in piece:
            clause = self._take(character)
            if clause:
                clauses.append(clause)
        return clauses

    def finish(self) -> list[str]:
        """Give what is left; the chunker is ready for the next reply."""
        rest = self._text.strip()
        self._text, self._mark, self._first = "", False, True
        return [rest] if rest else []

    def _take(self, character: str) -> str | None:
        """Add a character; return the clause that it ends, if it does."""
        if character.isspace() and not self._text:
            return None
        ended = self._ended_before(character)
        self._text += character
        if ended:
            return self._cut(len(self._text) - 1)
        if self._ends_with(character):
            return self._cut(len(self._text))
        if len(self._text) >= MAX_CHARACTERS:
            return self._cut(len(self._text))
        return self._cut_long() if character.isspace() else None

    def _ended_before(self, character: str) -> bool:
        """Whether a mark seen earlier is, now that `character` follows, the end."""
        if not self._mark:
            return False
        if character.isspace():
            # after "No." only what comes behind the space tells
            self._mark = _last_word(self._text) in _NUMBERED and self._text.rstrip()[-1] == "."
            return not self._mark and self._may_cut()
        behind_space = self._text[-1].isspace()
        self._mark = not behind_space and character in _MARKS + _CLOSERS
        return behind_space and not character.isdecimal() and self._may_cut()

    def _ends_with(self, character: str) -> bool:
        """Whether `character`, just added, ends the clause, or may: then `_mark` is set."""
        if character == "\n":
            return _speakable(self._text)
        if character == _DASH:
            return self._may_cut()
        if character not in _MARKS:
            return False
        word = _SPACE.split(self._text[:-1])[-1].lstrip(_OPENERS)
        if self._first and character in _SURE and _LETTERS.fullmatch(word):
            return not any(quote in self._text for quote in '"“(')
        self._mark = character != "." or not _abbreviated(word)
        return False

    def _may_cut(self) -> bool:
        words = len(self._text.split())
        return _speakable(self._text) and (self._first or words >= self.settings.min_words)

    def _cut_long(self) -> str | None:
        words = self._text.split()
        most = self.settings.first_max_words if self._first else self.settings.max_words
        least = 1 if self._first else self.settings.min_words
        if len(words) < most or not _speakable(self._text):
            return None
        if self._mark or (words[-1].endswith(".") and _abbreviated(words[-1][:-1])):
            return None
        for i in range(len(words) - 1, max(least, most // 2) - 1, -1):
            if words[i].lower() in _CONJUNCTIONS and _speakable(" ".join(words[:i])):
                return self._cut(_start_of_word(self._text, i))
        return self._cut(len(self._text))

    def _cut(self, at: int) -> str:
        clause, self._text = self._text[:at].strip(), self._text[at:].lstrip()
        self._mark, self._first = False, False
        return clause


def clauses_of(text: str, settings: ClauseSettings | None = None) -> list[str]:
    """Clauses of a whole text, as a chunker would give them."""
    chunker = ClauseChunker(settings)
    return [*chunker.push(text), *chunker.finish()]


def _speakable(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _last_word(text: str) -> str:
    words = text.split()
    return words[-1].strip(_OPENERS + _CLOSERS + _MARKS).lower() if words else ""


def _abbreviated(word: str) -> bool:
    """Whether a full stop behind `word` belongs to it: "Dr", "e.g", "U.S", "J"."""
    bare = word.lstrip(_OPENERS).lower()
    return bare in _ABBREVIATIONS or (bare != "i" and bool(_INITIALS.fullmatch(bare)))


def _start_of_word(text: str, index: int) -> int:
    return [match.start() for match in re.finditer(r"\S+", text)][index]
