"""LocalAgreement-2: a word is certain once two hypotheses in a row agree on it.

Machacek, Dabre & Bojar, "Turning Whisper into real-time transcription system",
IJCNLP-AACL 2023, section 2 (after Liu, Spanakis & Niehues, Interspeech 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

Words = tuple[str, ...]

_MARKS = ".,;:!?\"'()[]-…\N{RIGHT SINGLE QUOTATION MARK}"


def word_key(word: str) -> str:
    """Word without case and outer punctuation: what two hypotheses are compared by."""
    return word.lower().strip(_MARKS)


class LocalAgreement:
    """Words of one utterance, of which a growing prefix is certain.

    Parameters
    ----------
    held_back : int
        Words at the end of a hypothesis that are never committed: what a recogniser
        without a look ahead makes of the newest sounds may agree twice and be wrong.

    Attributes
    ----------
    committed, tail : tuple of str
        Words that no later hypothesis changes, and those after them.
    """

    def __init__(self, held_back: int = 0) -> None:
        self._held_back = held_back
        self.committed: Words = ()
        self.tail: Words = ()

    def update(self, words: Sequence[str]) -> tuple[Words, Words]:
        """Take the next hypothesis of the utterance from its beginning.

        Its words are committed as far as they agree, case and punctuation apart, with
        the hypothesis before. A last word with a mark behind it is not: the mark says
        that the recogniser took the utterance to be over there, and if it is not, the
        word is often another one.

        Parameters
        ----------
        words : sequence of str
            May differ from what was committed: the part that is nearest to the committed
            words stands for them.

        Returns
        -------
        committed, tail : tuple of str
        """
        new = tuple(words[_length_of(self.committed, words) :])
        both = zip(self.tail, new, strict=False)
        agreed = sum(1 for _ in takewhile(lambda pair: _same(*pair), both))
        if agreed and agreed == len(new) and new[-1][-1:] in _MARKS:
            agreed -= 1
        agreed = min(agreed, max(0, len(new) - self._held_back))
        self.committed += new[:agreed]
        self.tail = new[agreed:]
        return self.committed, self.tail

    def forget(self, count: int) -> Words:
        """Drop the first `count` committed words, whose audio is not decoded any more."""
        dropped, self.committed = self.committed[:count], self.committed[count:]
        return dropped


def _same(first: str, second: str) -> bool:
    return word_key(first) == word_key(second)


def _length_of(committed: Words, words: Sequence[str]) -> int:
    """Length of the prefix of `words` with the least edit distance to `committed`."""
    keys = [word_key(word) for word in words]
    row = list(range(len(keys) + 1))
    for i, word in enumerate(map(word_key, committed), start=1):
        above, row = row, [i]
        for j, key in enumerate(keys):
            row.append(min(above[j] + (key != word), above[j + 1] + 1, row[j] + 1))
    expected = len(committed)
    last = word_key(committed[-1]) if committed else None

    def badness(j: int) -> tuple[int, bool, int]:
        return row[j], j == 0 or keys[j - 1] != last, abs(j - expected)

    return min(range(len(row)), key=badness)
