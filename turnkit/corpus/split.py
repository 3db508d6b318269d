"""Splits that share no speaker, and the check that two corpora share none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from turnkit.corpus.reader import Corpus
from turnkit.errors import ConfigError, CorpusError

_NAMED = 5
"""Offenders that a message names before it counts the rest."""


def split_by_speaker(
    corpus: Corpus, fractions: Mapping[str, float], seed: int = 0
) -> dict[str, Corpus]:
    """Cut a corpus into parts that share no speaker.

    Speakers come in random order; each goes to the part that is furthest below its share
    of the rows, which the parts therefore meet to within one speaker's rows.

    Parameters
    ----------
    corpus : Corpus
    fractions : mapping of str to float
        Share of the rows of each part, in 0 .. 1, summing to 1.
    seed : int
        Fixes the order of the speakers.

    Returns
    -------
    dict of str to Corpus
        The parts, rows in the order of the corpus.

    Raises
    ------
    ConfigError
        If the fractions are not positive or do not sum to 1.
    CorpusError
        If there are fewer speakers than parts.
    """
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise ConfigError(f"fractions {dict(fractions)}: expected shares above 0 that sum to 1")
    rows_of = Counter(corpus.speakers)
    if len(rows_of) < len(fractions):
        raise CorpusError(
            f"corpus {corpus.name}: {len(rows_of)} speakers cannot be split into "
            f"{len(fractions)} parts that share none"
        )
    order = np.random.default_rng(seed).permutation(sorted(rows_of))
    given: Counter[str] = Counter()
    part_of: dict[str, str] = {}
    for position, speaker in enumerate(map(str, order)):
        empty = [part for part in fractions if not given[part]]
        # The last speakers are kept for parts that have none yet.
        choice = empty if len(rows_of) - position <= len(empty) else list(fractions)
        part = max(choice, key=lambda name: fractions[name] - given[name] / len(corpus))
        part_of[speaker] = part
        given[part] += rows_of[speaker]
    return {
        part: corpus.subset(i for i, s in enumerate(corpus.speakers) if part_of[s] == part)
        for part in fractions
    }


def shared_speakers(a: Corpus, b: Corpus) -> list[str]:
    """Speakers that both corpora name."""
    return sorted(label for label in {*a.labels} & {*b.labels} if label is not None)


def shared_audio(a: Corpus, b: Corpus) -> list[str]:
    """Ids of the rows of `a` whose audio is, byte for byte, in `b` too."""
    known = set(b.digests)
    ids = a.column("id")
    return [str(row) for row, digest in zip(ids, a.digests, strict=True) if digest in known]


def check_leakage(a: Corpus, b: Corpus) -> None:
    """Make sure that nothing of one corpus is in the other.

    Rows whose corpus names no speakers can be told apart by their audio only.

    Raises
    ------
    CorpusError
        If a speaker or a recording is in both; the message names them.
    """
    for kind, found in (("speakers", shared_speakers(a, b)), ("recordings", shared_audio(a, b))):
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise CorpusError(
                f"{a.name} and {b.name} share {len(found)} {kind}: "
                f"{', '.join(found[:_NAMED])}{more}"
            )
