"""Letter to sound: how to say a word that no dictionary has.

A trie learned from the dictionary's own alignments: each letter is looked up with as
much of its surroundings as was ever seen, nearest letters first, and the most specific
match gives its phones. This is IGTree, lossless compression of the dictionary that
generalises to new words: Daelemans & van den Bosch, "Language-independent data-oriented
grapheme-to-phoneme conversion", in *Progress in Speech Synthesis*, Springer 1997.

Learning takes a few seconds; the trie is kept in the cache folder afterwards.
"""

# ruff: noqa: RUF001 -- IPA looks like Latin

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from zlib import crc32

from turnkit.files import atomic_path, cache_dir, sha256_file
from turnkit.stages.tts.lexicon import Lexicon, Phones

VERSION = 1
"""Raise it whenever the learned trie would come out otherwise."""

PRIMARY, SECONDARY = "ˈ", "ˌ"
"""IPA stress marks, as they stand in front of a vowel."""

VOWELS = frozenset("aeiouæɑɐɔəɚɛɜɪʊʌ")
"""First letters of the dictionary's vowels (without stress mark)."""

_SHORT = {"a": "æ", "e": "ɛ", "i": "ɪ", "o": "ɑ", "u": "ʌ", "y": "ɪ"}
"""Short values of the vowel letters: how a word is said that got no vowel otherwise."""

_EDGE = "#"
_REACH = (0, 1, -1, 2, -2, 3, -3, 4, -4)
"""Places looked at, most telling first: the letter, its right neighbour, its left ..."""


class LetterToSound:
    """Phones of a spelling.

    Parameters
    ----------
    table : dict of str to str
        Phones (space-separated, empty for a silent letter) by window: a letter followed
        by its neighbours in the order right, left, second right, second left, ...
        Windows that say the same as their shorter forms may be left out.
    """

    def __init__(self, table: dict[str, str]) -> None:
        self._table = table

    @classmethod
    def learn(cls, words: Iterable[tuple[str, Phones]]) -> LetterToSound:
        """Learn from aligned words, as `Lexicon.alignments` gives them."""
        cases: Counter[tuple[str, str]] = Counter()
        for word, spread in words:
            cases.update(zip(_windows(word), spread, strict=True))
        table: dict[str, str] = {}
        for depth in range(1, len(_REACH) + 1):
            cases = _grow(table, cases, depth)
        return cls(table)

    @classmethod
    def of(cls, lexicon: Lexicon) -> LetterToSound:
        """Letter-to-sound of a dictionary, learned at its first use and then cached."""
        key = f"{sha256_file(lexicon.path)[:16]}-{VERSION}"
        kept = cache_dir() / "letter_to_sound" / f"{key}.json"
        if kept.is_file():
            return cls(json.loads(kept.read_text(encoding="utf-8")))
        learned = cls.learn(lexicon.alignments())
        with atomic_path(kept) as aside:
            text = json.dumps(learned._table, ensure_ascii=False, sort_keys=True)
            aside.write_text(text, encoding="utf-8")
        return learned

    def phones(self, word: str) -> Phones:
        """Phones of a lower-case word with exactly one primary stress.

        Never empty for a word that has a letter a-z; letters with accents count as
        their base letter, other characters are passed over.
        """
        letters = _plain(word)
        spoken = [phone for window in _windows(letters) for phone in self._look_up(window)]
        if letters and not any(_is_vowel(phone) for phone in spoken):
            spoken = self._with_syllable(letters)
        return _stressed_once(spoken)

    def _with_syllable(self, letters: str) -> list[str]:
        """Say a word that came out without a vowel so that it has one to be heard by."""
        spoken: list[str] = []
        for window in _windows(letters):
            short = _SHORT.get(window[0])
            spoken += [short] if short else self._look_up(window)
        return spoken if any(_is_vowel(phone) for phone in spoken) else [*spoken, "ə"]

    def _look_up(self, window: str) -> list[str]:
        return (_longest_match(self._table, window) or "").split()


AlignedWords = Sequence[tuple[str, Phones]]
"""Words with the phones of each letter, as `Lexicon.alignments` gives them."""


def hold_out(words: AlignedWords, every: int = 50) -> tuple[AlignedWords, AlignedWords]:
    """Part words into those to learn from and those to test on.

    Parameters
    ----------
    words : sequence of (str, tuple of str)
        Aligned words.
    every : int
        One word in so many is kept for the test, chosen by a hash of its spelling.

    Returns
    -------
    learned, tested : list of (str, tuple of str)
    """
    chosen = [crc32(word.encode()) % every == 0 for word, _ in words]
    learned = [pair for pair, out in zip(words, chosen, strict=True) if not out]
    return learned, [pair for pair, out in zip(words, chosen, strict=True) if out]


def phone_error_rate(model: LetterToSound, words: AlignedWords, *, stress: bool = False) -> float:
    """Edit distance between predicted and listed phones / number of listed phones.

    Parameters
    ----------
    model : LetterToSound
    words : sequence of (str, tuple of str)
        Aligned words that the model has not learned from, at least one.
    stress : bool
        Whether a wrong stress mark makes a phone wrong.
    """
    wrong = total = 0
    for word, spread in words:
        listed = [phone for phones in spread for phone in phones.split()]
        predicted: Sequence[str] = model.phones(word)
        if not stress:
            listed, predicted = _without_stress(listed), _without_stress(predicted)
        wrong += edit_distance(listed, predicted)
        total += len(listed)
    return wrong / total


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Fewest insertions, deletions and substitutions that turn `a` into `b`."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            best = min(diagonal + (left != right), row[j] + 1, row[j - 1] + 1)
            diagonal, row[j] = row[j], best
    return row[-1]


def _grow(
    table: dict[str, str], cases: Counter[tuple[str, str]], depth: int
) -> Counter[tuple[str, str]]:
    """Add the windows of one depth; return the cases that a longer window may part."""
    counts: dict[str, Counter[str]] = {}
    for (window, phones), times in cases.items():
        counts.setdefault(window[:depth], Counter())[phones] += times
    for window, seen in counts.items():
        # ties go to the string that sorts first, so that learning is reproducible
        best = min(seen, key=lambda phones: (-seen[phones], phones))
        if best != _longest_match(table, window):
            table[window] = best
    parted = {case: times for case, times in cases.items() if len(counts[case[0][:depth]]) > 1}
    return Counter(parted)


def _longest_match(table: dict[str, str], window: str) -> str | None:
    for depth in range(len(window), 0, -1):
        if window[:depth] in table:
            return table[window[:depth]]
    return None


def _windows(word: str) -> list[str]:
    edge = _EDGE * max(_REACH)
    padded = edge + word + edge
    return ["".join(padded[i + len(edge) + k] for k in _REACH) for i in range(len(word))]


def _plain(word: str) -> str:
    bare = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in bare if "a" <= letter <= "z" or letter == "'")


def _is_vowel(phone: str) -> bool:
    return phone.lstrip(PRIMARY + SECONDARY)[0] in VOWELS


def _without_stress(phones: Sequence[str]) -> list[str]:
    return [phone.lstrip(PRIMARY + SECONDARY) for phone in phones]


def _stressed_once(phones: list[str]) -> Phones:
    """Keep the first primary stress; give one to the first full vowel if there is none."""
    primary = [i for i, phone in enumerate(phones) if phone.startswith(PRIMARY)]
    if not primary:
        vowels = [i for i, phone in enumerate(phones) if _is_vowel(phone)]
        full = [i for i in vowels if phones[i].lstrip(SECONDARY) not in ("ə", "ɚ")]
        primary = (full or vowels)[:1]
    return tuple(
        PRIMARY + phone.lstrip(PRIMARY + SECONDARY)
        if i in primary[:1]
        else phone.replace(PRIMARY, SECONDARY)
        for i, phone in enumerate(phones)
    )
