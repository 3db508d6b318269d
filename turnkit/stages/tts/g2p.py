"""English text to the IPA symbols that Piper's English voices were trained on.

The voices have learned the phonemes of another program, and its habits are part of the
voice: long vowels are marked, /t/ between vowels is a tap, grammatical words carry no
stress, the stress mark stands right before the vowel. This module gives the dictionary's
phones the same form.
"""

# ruff: noqa: RUF001 -- IPA looks like Latin

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from turnkit.stages.tts.letter_to_sound import PRIMARY, SECONDARY, VOWELS, LetterToSound
from turnkit.stages.tts.lexicon import Lexicon, Phones
from turnkit.stages.tts.normalize import Token, spoken_tokens

_STRESSED = {"i": "iː", "ə": "ʌ", "ɚ": "ɜː"}
_PLAIN = {"ɑ": "ɑː", "ɔ": "ɔː", "u": "uː", "t͡ʃ": "tʃ", "d͡ʒ": "dʒ"}
_TAP = "ɾ"

_WEAK = frozenset(
    re.findall(
        r"[a-z']+",
        """a an the to for of and or but nor at in on by with from as if than that is are was
        were am be been have has had do does did can could would should will shall may might
        must i you he she it we they me him her us them my your his its our their i'm i'll
        i'd i've you're it's that's there's there we're they're some so""",
    )
)
"""Grammatical words, unstressed unless they end a clause."""

_OWN: dict[str, Phones] = {
    "um": ("ˈʌ", "m"),
    "uh": ("ˈʌ",),
    "er": ("ˈɚ",),
    "mm": ("ˈə", "m"),
    "hmm": ("h", "ˈə", "m"),
    "mhm": ("ə", "m", "h", "ˈʌ", "m"),
    "huh": ("h", "ˈʌ"),
    "shh": ("ʃ", "ˈə"),
    "yeah": ("j", "ˈɛ", "ə"),
    "our": ("ˈaʊ", "ɚ"),
}
"""Words that the dictionary lacks or gives otherwise than they are said in talk."""


@dataclass(frozen=True)
class SpokenWord:
    """One word ready to be voiced.

    Attributes
    ----------
    text : str
        The word, lower case.
    symbols : tuple of str
        IPA, one sound each, with stress marks; never empty.
    pause : str
        Punctuation after it, or "".
    written : tuple of int
        First and last word of the text that it speaks for; see `normalize.Token`.
    """

    text: str
    symbols: Phones
    pause: str = ""
    written: tuple[int, int] = (0, 0)


class EnglishG2P:
    """Graphemes to phonemes: dictionary first, letter-to-sound for the rest.

    Parameters
    ----------
    lexicon : Lexicon, optional
        The dictionary; the installed one by default.
    letter_to_sound : LetterToSound, optional
        For words outside the dictionary; learned from it, when first needed, by default.

    Raises
    ------
    MissingDependencyError
        If no lexicon is given and the dictionary's package is not installed.
    """

    def __init__(
        self, lexicon: Lexicon | None = None, letter_to_sound: LetterToSound | None = None
    ) -> None:
        self.lexicon = Lexicon() if lexicon is None else lexicon
        self._given = letter_to_sound

    def __call__(self, text: str) -> tuple[SpokenWord, ...]:
        """Words of `text` with their sounds; empty if it has nothing to say.

        Raises
        ------
        MissingDependencyError
            If the text has a number and ``num2words`` is not installed.
        """
        tokens = spoken_tokens(text, self._knows)
        last = len(tokens) - 1
        return tuple(
            SpokenWord(
                token.word, self._symbols(token, final=i == last), token.pause, token.written
            )
            for i, token in enumerate(tokens)
        )

    def _knows(self, word: str) -> bool:
        return word in _OWN or word in self.lexicon

    def _symbols(self, token: Token, *, final: bool) -> Phones:
        phones = self._phones(token.word, strong=final or bool(token.pause))
        if token.word in _WEAK and not final and not token.pause:
            phones = tuple(phone.lstrip(PRIMARY + SECONDARY) for phone in phones)
        return _as_trained(phones)

    def _phones(self, word: str, *, strong: bool) -> Phones:
        if word in _OWN:
            return _OWN[word]
        found = self.lexicon.pronunciations(word) or self.lexicon.pronunciations(_bare(word))
        if not found:
            return self._letter_to_sound.phones(word)
        if strong:  # "what is it for": a word with a weak form has the full one at the end
            full = (p for p in found if any(phone.startswith(PRIMARY) for phone in p))
            return next(full, found[0])
        return found[0]

    @cached_property
    def _letter_to_sound(self) -> LetterToSound:
        return self._given or LetterToSound.of(self.lexicon)


def _bare(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _as_trained(phones: Phones) -> Phones:
    return tuple(_symbol(phones, i) for i in range(len(phones)))


def _symbol(phones: Phones, i: int) -> str:
    bare = phones[i].lstrip(PRIMARY + SECONDARY)
    mark = phones[i][: len(phones[i]) - len(bare)]
    if bare == "t" and _is_tapped(phones, i):
        return _TAP
    if mark == PRIMARY and bare in _STRESSED:
        return mark + _STRESSED[bare]
    return mark + _PLAIN.get(bare, bare)


def _is_tapped(phones: Phones, i: int) -> bool:
    """Whether the /t/ at `i` stands between a vowel or /ɹ/ and an unstressed vowel."""
    if not 0 < i < len(phones) - 1:
        return False
    before = phones[i - 1].lstrip(PRIMARY + SECONDARY)
    return (before[0] in VOWELS or before == "ɹ") and phones[i + 1][0] in VOWELS
