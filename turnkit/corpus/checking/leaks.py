"""What two splits, or two corpora, have in common and should not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from turnkit.corpus.checking.duplicates import Copy
from turnkit.corpus.checking.fingerprint import Fingerprint
from turnkit.corpus.reader import Corpus
from turnkit.corpus.split import shared_audio, shared_recordings, shared_speakers

COPIES = "copies"


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that two splits, or two corpora, have in common.

    Attributes
    ----------
    kind : str
        ``ids``, ``speakers``, ``recordings by name``, ``recordings`` (the audio of a row,
        byte for byte) or ``copies``.
    between : (str, str)
    items : tuple of str
        Speakers; names; ids of the first's rows; ids of both rows and how far they differ.
    """

    kind: str
    between: tuple[str, str]
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedCopy:
    """Two rows with the same speech, by the names of their splits and their ids."""

    between: tuple[str, str]
    rows: tuple[str, str]
    copy: Copy

    def seen_from(self, split: str) -> Iterator[tuple[str, str]]:
        """Id of each row of a split, and what to call the other row."""
        for here, there in ((0, 1), (1, 0)):
            if self.between[here] == split:
                other = "" if self.between[there] == split else f" of {self.between[there]}"
                yield self.rows[here], f"{self.rows[there]}{other}"


def name_copies(
    copies: Sequence[Copy], prints: Sequence[tuple[str, str, Fingerprint]]
) -> list[NamedCopy]:
    """Name the rows of copies.

    Parameters
    ----------
    copies : sequence of Copy
    prints : sequence of (str, str, Fingerprint)
        Split and id of each row, in the order that `copies` counts them in.
    """
    found = []
    for copy in copies:
        (split_a, row_a, _), (split_b, row_b, _) = prints[copy.first], prints[copy.second]
        found.append(NamedCopy((split_a, split_b), (row_a, row_b), copy))
    return found


def find_leaks(
    own: Sequence[str], everything: Mapping[str, Corpus], copies: Sequence[NamedCopy]
) -> Iterator[Leak]:
    """Compare splits with one another and with other corpora.

    Parameters
    ----------
    own : sequence of str
        Names of the splits.
    everything : mapping of str to Corpus
        The splits, and after them the other corpora.
    copies : sequence of NamedCopy
    """
    names = list(everything)
    for place, a in enumerate(own):
        for b in names[place + 1 :]:
            first, second = everything[a], everything[b]
            same = tuple(shared_audio(first, second))
            alike = tuple(
                f"{copy.rows[0]} = {copy.rows[1]} ({copy.copy.errors:.1%} of bits differ)"
                for copy in copies
                if copy.between == (a, b) and copy.rows[0] not in same
            )
            kinds = (
                # Ids are unique in a corpus, not among corpora.
                ("ids", _shared_ids(first, second) if b in own else ()),
                ("speakers", tuple(shared_speakers(first, second))),
                ("recordings by name", tuple(shared_recordings(first, second))),
                ("recordings", same),
                (COPIES, alike),
            )
            yield from (Leak(kind, (a, b), items) for kind, items in kinds if items)


def _shared_ids(a: Corpus, b: Corpus) -> tuple[str, ...]:
    known = {str(row) for row in b.column("id")}
    return tuple(dict.fromkeys(row for row in map(str, a.column("id")) if row in known))
