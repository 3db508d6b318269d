"""Written English to spoken words: numbers, money, times, symbols, acronyms.

Numbers are worded by ``num2words`` (LGPL, used as a library); this module only decides
how a token is meant.
"""

# ruff: noqa: RUF001 -- typographic signs are what is normalised

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate

from turnkit.errors import MissingDependencyError

PAUSES = "?!.;:,"
"""Punctuation that is spoken, as a contour or a pause; the strongest first."""

_SIGNS = {
    "&": "and", "@": "at", "%": "percent", "+": "plus", "=": "equals", "/": "slash",
    "#": "number", "*": "star", "°": "degrees", "\\": "backslash", "_": "underscore",
    "~": "about", "<": "less than", ">": "greater than", "^": "caret", "⁄": "over",
}  # fmt: skip
_COINS = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
}
_SHORT_FORMS = {
    "dr": "doctor", "ave": "avenue", "rd": "road", "dept": "department",
    "appt": "appointment", "approx": "approximately",
}  # fmt: skip
_SAME_AS = str.maketrans({"’": "'", "‘": "'", "`": "'", "…": ".", "—": ",", "–": "-", "−": "-"})

_TOKEN = re.compile(
    r"(?P<money>[$€£]\s?\d[\d,]*(?:\.\d+)?)"
    r"|(?P<digits>\b\d{3}[-. ]\d{3}[-. ]\d{4}\b|\b\d{3}-\d{4}\b|\b0\d+\b|\b\d{10,}\b)"
    r"|(?P<clock>\b\d{1,2}:\d{2}\b)"
    r"|(?P<ordinal>\b\d{1,9}(?:st|nd|rd|th)\b)"
    r"|(?P<year>\b(?:1[1-9]|20)\d{2}\b(?![.,]\d))"
    r"|(?P<number>\d[\d,]*(?:\.\d+)?)"
    r"|(?P<minus>(?<!\w)-(?=[\d$€£]))"
    r"|(?P<initials>\b(?:[A-Za-z]\.){2,})"
    r"|(?P<word>[^\W\d_]+(?:['\u0300-\u036f]+[^\W\d_]*)*)"
    r"|(?P<pause>[.,;:?!]+)"
    r"|(?P<sign>\S)",
    re.IGNORECASE,
)
_ABBREVIATED = frozenset(_SHORT_FORMS) | {"mr", "mrs", "ms", "st", "vs"}
"""Words whose full stop ends no sentence."""

_COUNTED = frozenset(("clock", "number"))
_SPELLED_UP_TO = 5
"""Longest run of capitals, outside the dictionary, that is taken for an acronym."""


@dataclass(frozen=True)
class Token:
    """One spoken word.

    Attributes
    ----------
    word : str
        Lower-case word, never empty.
    pause : str
        Punctuation spoken after it: "", or one of ``PAUSES``.
    written : tuple of int
        First and last word of the text, as whitespace parts it and counted from 0, that
        it speaks for: "twelve dollars" both come from one, "$12".
    """

    word: str
    pause: str = ""
    written: tuple[int, int] = (0, 0)


def spoken_tokens(text: str, known: Callable[[str], bool]) -> tuple[Token, ...]:
    """Words that are said when `text` is read out.

    Parameters
    ----------
    text : str
        Any text. Every letter, digit and symbol is said; brackets, quotes, dashes and
        invisible characters are not.
    known : callable
        Whether a lower-case word is in the dictionary: short capitals and words without
        a vowel letter are spelled if they are not.

    Returns
    -------
    tuple of Token

    Raises
    ------
    MissingDependencyError
        If the text has a number and ``num2words`` is not installed.
    """
    tokens: list[Token] = []
    before = ""
    # word by word, so that a place in the normalised text leads back to the text's word
    parts = [unicodedata.normalize("NFKC", part.translate(_SAME_AS)) for part in text.split()]
    starts = list(accumulate((len(part) + 1 for part in parts), initial=0))
    for match in _TOKEN.finditer(" ".join(parts)):
        kind, found = str(match.lastgroup), match.group()
        if kind == "pause":
            if tokens and not (found == "." and before in _ABBREVIATED):
                marks = tokens[-1].pause + found
                strongest = next(mark for mark in PAUSES if mark in marks)
                tokens[-1] = replace(tokens[-1], pause=strongest)
            continue
        if kind == "word" and found.lower() == "am" and before in _COUNTED:
            kind = "initials"  # "7 am" is a time, "I am" is not
        words = _plain_word(found, known) if kind == "word" else _READERS[kind](found)
        written = bisect_right(starts, match.start()) - 1, bisect_right(starts, match.end() - 1) - 1
        tokens += [Token(word, written=written) for word in words]
        before = found.lower() if kind == "word" else kind
    return tuple(tokens)


def _plain_word(found: str, known: Callable[[str], bool]) -> list[str]:
    word = found.lower().strip("'")
    if word in _SHORT_FORMS:
        return [_SHORT_FORMS[word]]
    if known(word):
        return [word]
    bare = [c for c in unicodedata.normalize("NFKD", word) if "a" <= c <= "z"]
    if not bare:  # another script: say what the letters are called
        return [part for letter in word for part in _sign(letter)]
    acronym = found.isupper() and len(found) <= _SPELLED_UP_TO
    return bare if acronym or not set(bare) & set("aeiouy") else [word]


def _number(digits: str, to: str = "cardinal") -> list[str]:
    try:
        from num2words import num2words
    except ImportError as error:
        raise MissingDependencyError("num2words", "tts", "speaking numbers") from error
    return re.findall(r"[a-z]+", str(num2words(int(digits), to=to)).lower())


def _digits(found: str) -> list[str]:
    return [word for digit in found if digit.isdecimal() for word in _number(digit)]


def _figure(found: str) -> list[str]:
    whole, _, part = found.replace(",", "").partition(".")
    words = _digits(whole) if len(whole) > len("999999999") else _number(whole)
    return [*words, "point", *_digits(part)] if part else words


def _clock(found: str) -> list[str]:
    hours, minutes = found.split(":")
    if int(minutes) == 0:
        return [*_number(hours), "o'clock"]
    oh = ["oh"] if int(minutes) < len("0123456789") else []
    return [*_number(hours), *oh, *_number(minutes)]


def _money(found: str) -> list[str]:
    one, many, small, smalls = _COINS[found[0]]
    whole, _, part = found[1:].strip().replace(",", "").partition(".")
    words = [*_figure(whole), one if int(whole) == 1 else many]
    cents = int((part + "00")[:2])
    return (
        [*words, "and", *_number(str(cents)), small if cents == 1 else smalls] if cents else words
    )


def _sign(character: str) -> list[str]:
    """Say a character that is neither word nor number: its usual or its Unicode name."""
    if character in _SIGNS:
        return _SIGNS[character].split()
    if unicodedata.category(character)[0] not in "LNS":
        return []
    name = unicodedata.name(character, "symbol").lower()
    return re.findall(r"\b[a-z]+\b", name.rpartition(" letter ")[2]) or ["symbol"]


_READERS: dict[str, Callable[[str], list[str]]] = {
    "money": _money,
    "digits": _digits,
    "clock": _clock,
    "ordinal": lambda found: _number(found[:-2], to="ordinal"),
    "year": lambda found: _number(found, to="year"),
    "number": _figure,
    "minus": lambda _: ["minus"],
    "initials": lambda found: [letter for letter in found.lower() if letter.isalpha()],
    "sign": _sign,
}
