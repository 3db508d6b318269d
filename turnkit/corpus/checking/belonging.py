"""Whether corrections are of the corpus that they are about to be applied to.

Ids repeat from corpus to corpus; the hash of the audio that a correction was made of does
not, and is the same in each copy of a corpus, whatever its name and its spans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from turnkit.corpus.checking.corrections import CORRECTIONS, Correction, read_corrections
from turnkit.corpus.reader import Corpus
from turnkit.errors import CorpusError

_NAMED = 5


def check_rows(corrections: Sequence[Correction], corpus: Corpus) -> None:
    """Make sure that corrections of one split are of rows of this corpus.

    Parameters
    ----------
    corrections : sequence of Correction
    corpus : Corpus

    Raises
    ------
    CorpusError
        If a row is not there, or has other audio than that which was corrected; the
        message names both corpora.
    """
    places = _places(corpus)
    if missing := [c for c in corrections if c.id not in places]:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        named = ", ".join(c.id for c in missing[:_NAMED])
        raise CorpusError(
            f"corpus {corpus.name}: no row {named}{more}, which is to be corrected{_of(missing)}"
        )
    for c in corrections:
        if c.audio is not None and c.audio not in corpus.subset(places[c.id]).digests:
            raise CorpusError(
                f"corpus {corpus.name}: row {c.id} has other audio than the row that was "
                f"corrected{_of([c])}: expected corrections of this corpus"
            )


def check_unique(corrections: Sequence[Correction], corpus: Corpus) -> None:
    """Make sure that each correction is of one row only.

    Raises
    ------
    CorpusError
        If two rows have its id.
    """
    places = _places(corpus)
    for c in corrections:
        if len(places[c.id]) > 1:
            raise CorpusError(
                f"corpus {corpus.name}: {len(places[c.id])} rows have the id {c.id}, which is to "
                "be corrected: expected an id that no two rows share"
            )


def check_saved(folder: Path, splits: Mapping[str, Corpus]) -> None:
    """Make sure that the corrections in a page's folder are of the corpus of the page.

    Parameters
    ----------
    folder : Path
        It may hold none, or not be there.
    splits : mapping of str to Corpus

    Raises
    ------
    CorpusError
        If they cannot be read or are of another corpus; the file stays as it is.
    """
    path = folder / CORRECTIONS
    if not path.exists():
        return
    saved = read_corrections(path)
    roots = {corpus.name.removesuffix(f":{split}") for split, corpus in splits.items()}
    try:
        for split, corpus in splits.items():
            check_rows([c for c in saved if c.split == split], corpus)
        for c in saved:
            elsewhere = c.split is not None and c.split not in splits
            if elsewhere and c.corpus and c.corpus.removesuffix(f":{c.split}") not in roots:
                raise CorpusError(
                    f"corpus {', '.join(sorted(roots))}: no split {c.split}{_of([c])}"
                )
    except CorpusError as error:
        raise CorpusError(
            f"{path}: holds corrections of another corpus ({error}); they stay as they are: "
            "expected another folder for this page (--page DIR)"
        ) from error


def _of(corrections: Sequence[Correction]) -> str:
    """Name the corpus that corrections were made of, where they say so."""
    return next((f" in {c.corpus}" for c in corrections if c.corpus), "")


def _places(corpus: Corpus) -> dict[str, list[int]]:
    """Numbers of the rows of each id."""
    found: dict[str, list[int]] = {}
    for index, row in enumerate(corpus.column("id")):
        found.setdefault(str(row), []).append(index)
    return found
