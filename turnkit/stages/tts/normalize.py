"""Written English to spoken words: what each part of a text is meant as.

Figures are worded by `turnkit.stages.tts.figures`.
"""

# ruff: noqa: RUF001 -- typographic signs are what is normalised

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate

from turnkit.stages.tts import figures

PAUSES = "?!.;:,"
"""Punctuation that is spoken, as a contour or a pause; the strongest first."""

_SIGNS = {
    "&": "and", "@": "at", "%": "percent", "+": "plus", "=": "equals", "/": "slash",
    "#": "number", "°": "degrees", "\\": "backslash", "_": "underscore",
    "~": "about", "¢": "cents", "<": "less than", ">": "greater than", "^": "caret", "⁄": "over",
}  # fmt: skip
_SHORT_FORMS = {
    "dr": "doctor", "ave": "avenue", "rd": "road", "dept": "department",
    "appt": "appointment", "approx": "approximately", "jr": "junior", "jan": "january",
    "feb": "february", "apr": "april", "jun": "june", "jul": "july", "aug": "august",
    "sept": "september", "oct": "october", "nov": "november", "dec": "december",
}  # fmt: skip
_IN_ADDRESS = {".": "dot", "-": "dash", "?": "question mark", ":": "colon"}
_SAME_AS = str.maketrans({"’": "'", "‘": "'", "`": "'", "…": ".", "—": ",", "–": "-", "−": "-"})

_TOKEN = re.compile(
    r"(?P<address>(?:\bhttps?://|\bwww\.)[^\s<>()]*[\w/]|[\w.+-]+@\w[\w-]*(?:\.\w[\w-]*)+"
    r"|\b[a-z][\w-]*(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|io|ai|dev|app|info)\b(?:/[\w/-]*)?)"
    r"|(?P<money>[$€£]\s?\d+(?:,\d{3})*(?:\.\d+)?(?:\s?(?:[mb]illion|trillion|thousand|[kmb])\b)?)"
    r"|(?P<date>\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}/\d{1,2}/\d{4}\b)"
    r"|(?P<digits>(?:(?:\b1|(?<=\+)\d{1,3})[-. ])?(?:\b\d{3}[-. ]|\(\d{3}\)[- ]?)\d{3}[-. ]\d{4}\b"
    r"|\b\d{3}-\d{4}\b|\b0\d+\b|\b\d{10,}\b|\b911\b|(?<=[a-z])\d{3,})"
    r"|(?P<hour>\b\d{1,2}:00(?=\s?[ap]\.?m\b))"
    r"|(?P<clock>\b\d{1,2}:\d{2}(?!\d))"
    r"|(?P<ordinal>\b\d{1,9}(?:st|nd|rd|th)\b)"
    r"|(?P<decade>\b(?:1[1-9]|20)\d0'?s\b)"
    r"|(?P<year>\b(?:1[1-9]|20)\d{2}\b(?![.,]\d))"
    r"|(?P<always>\b24/7\b)"
    r"|(?P<fraction>\b1/[234]\b(?!/)|\b2/3\b(?!/)|\b3/4\b(?!/))"
    r"|(?P<number>\d+(?:,\d{3})*(?:\.\d+)?|(?<!\w)\.\d+)"
    r"|(?P<times>(?<=\d)\s?[*×]\s?(?=\d))"
    r"|(?P<to>(?<=\d)-(?=[\d$€£]))"
    r"|(?P<per>(?<=\w)/(?=(?:h|hr|hour|min|sec|day|night|week|month|year|person|each)\b))"
    r"|(?P<degrees>°\s?[CF]\b)"
    r"|(?P<nth>\bno\.\s?(?=\d)|\#(?=\d))"
    r"|(?P<minus>(?<!\w)-(?=[\d$€£]))"
    r"|(?P<initials>\b(?:[A-Za-z]\.){2,})"
    r"|(?P<word>[^\W\d_]+(?:['\u0300-\u036f]+[^\W\d_]*)*)"
    r"|(?P<pause>[.,;:?!]+)"
    r"|(?P<markup>\#+(?=\s)|(?<!\w)_+(?=\w)|(?<=[^\W_])_+(?!\w))"
    r"|(?P<sign>\S)",
    re.IGNORECASE,
)
_ABBREVIATED = frozenset(_SHORT_FORMS) | {"mr", "mrs", "ms", "st", "vs"}
"""Words whose full stop ends no sentence."""

_COUNTED = frozenset(("clock", "hour", "number"))
_LATIN = {"e.g.": "for example", "i.e.": "that is"}
_PICTURES = range(0x1F000, 0x20000), range(0x2600, 0x27C0)
"""Emoji and their like: nobody reads them out."""
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
        Any text. Every letter, digit and symbol is said; brackets, quotes, dashes,
        asterisks, emoji and invisible characters are not.
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
        words = _read(kind, found, before, known)
        written = bisect_right(starts, match.start()) - 1, bisect_right(starts, match.end() - 1) - 1
        tokens += [Token(word, written=written) for word in words]
        before = "one" if found == "1" else found.lower() if kind == "word" else kind
    return tuple(tokens)


def _read(kind: str, found: str, before: str, known: Callable[[str], bool]) -> list[str]:
    """Words of one token; `before` is the kind of the one before, or itself if a word."""
    counted = before in _COUNTED or before == "one"
    if kind == "address":
        return _address(found, known)
    if kind != "word":
        return _READERS[kind](found)
    if counted and found.lower() == "am":  # "7 am" is a time, "I am" is not
        return list(found.lower())
    if (counted or before == "per") and found.lower() in figures.UNITS:
        return figures.unit(found, one=before in ("one", "per"))
    return _plain_word(found, known)


def _address(found: str, known: Callable[[str], bool]) -> list[str]:
    """Words of a web or mail address: names, digits one by one, and what stands between."""
    words: list[str] = []
    for part in re.findall(r"[^\W\d_]+|\d|\S", re.sub(r"^https?://", "", found, flags=re.I)):
        if part in _IN_ADDRESS:
            words.append(_IN_ADDRESS[part])
        elif part.isdecimal():
            words += figures.number(part)
        else:
            words += _plain_word(part, known) if part[0].isalpha() else _sign(part)
    return words


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


def _sign(character: str) -> list[str]:
    """Say a character that is neither word nor number: its usual or its Unicode name."""
    if character in _SIGNS:
        return _SIGNS[character].split()
    if unicodedata.category(character)[0] not in "LNS" or any(
        ord(character) in pictures for pictures in _PICTURES
    ):
        return []
    name = unicodedata.name(character, "symbol").lower()
    return re.findall(r"\b[a-z]+\b", name.rpartition(" letter ")[2]) or ["symbol"]


_READERS: dict[str, Callable[[str], list[str]]] = {
    "money": figures.money,
    "date": figures.date,
    "digits": figures.one_by_one,
    "hour": figures.full_hour,
    "clock": figures.clock,
    "ordinal": lambda found: figures.number(found[:-2], to="ordinal"),
    "decade": figures.decade,
    "year": lambda found: figures.number(found, to="year"),
    "always": lambda _: ["twenty", "four", "seven"],
    "fraction": figures.fraction,
    "number": figures.figure,
    "times": lambda _: ["times"],
    "to": lambda _: ["to"],
    "per": lambda _: ["per"],
    "degrees": lambda found: ["degrees", "celsius" if found[-1] in "cC" else "fahrenheit"],
    "nth": lambda _: ["number"],
    "minus": lambda _: ["minus"],
    "initials": lambda found: (
        _LATIN[found.lower()].split()
        if found.lower() in _LATIN
        else [letter for letter in found.lower() if letter.isalpha()]
    ),
    "markup": lambda _: [],
    "sign": _sign,
}
