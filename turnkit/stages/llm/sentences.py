"""Where a reply has said enough: counting sentences while tokens come."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?…]+[\"'\u201d\u2019)\]]*(?=\s)|\n")
"""A sentence is over only when white space follows: "3.5" and "example.org" go on."""

_ABBREVIATION = re.compile(
    r"\b(?:(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Mt|vs|approx)\.|[A-HJ-Za-z]\.|(?:[A-Za-z]\.){2,})$"
)
"""Ends with a point that ends no sentence: a title, an initial, "e.g."."""


class SentenceLimit:
    """Pass pieces of text on until a number of sentences is complete.

    Parameters
    ----------
    sentences : int
        0 for no limit.
    """

    def __init__(self, sentences: int) -> None:
        self._left = sentences
        self._limited = sentences > 0
        self._text = ""
        self._sentence = 0  # where the current sentence begins
        self._seen = 0  # where to look for its end

    @property
    def reached(self) -> bool:
        """Whether the last sentence is complete."""
        return self._limited and self._left == 0

    def pass_on(self, piece: str) -> str:
        """Take the next piece; return the part of it that belongs to the sentences.

        White space before the first word is dropped. Punctuation passes at once; that it
        ended the sentence shows with the next piece, of which nothing passes.
        """
        if not self._text:
            piece = piece.lstrip()
        if not self._limited or not piece:
            self._text = self._text or piece
            return piece
        before = len(self._text)
        self._text += piece
        while not self.reached and (found := _END.search(self._text, self._seen)):
            self._seen = found.end()
            if self._is_end(found.group()):
                self._left -= 1
                self._sentence = self._seen
        if not self.reached:
            return piece
        return self._text[before : max(before, self._sentence)].rstrip("\n")

    def _is_end(self, mark: str) -> bool:
        sentence = self._text[self._sentence : self._seen]
        # "1." before an item of a list holds no words yet, and "well ..." goes on.
        if not any(map(str.isalpha, sentence)) or mark.startswith(("..", "…")):
            return False
        return mark != "." or not _ABBREVIATION.search(sentence)
