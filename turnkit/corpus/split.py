"""Splits that share no speaker and no recording, and the check that two corpora share none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np

from turnkit.corpus.reader import Corpus
from turnkit.errors import ConfigError, CorpusError

_NAMED = 5
"""Offenders that a message names before it counts the rest."""


def split_by_speaker(
    corpus: Corpus, fractions: Mapping[str, float], seed: int = 0
) -> dict[str, Corpus]:
    """Cut a corpus into parts that share no speaker, and no recording that rows name.

    Speakers who share a recording, such as the two sides of a call, stay together, and so
    do those who are linked by several. Such groups, most of one speaker, come in random
    order; each goes to the part that is furthest below its share of the rows, which the
    parts therefore meet to within one group's rows.

    Parameters
    ----------
    corpus : Corpus
    fractions : mapping of str to float
        Share of the rows of each part, in 0 .. 1, summing to 1.
    seed : int
        Fixes the order of the groups.

    Returns
    -------
    dict of str to Corpus
        The parts, rows in the order of the corpus.

    Raises
    ------
    ConfigError
        If the fractions are not positive or do not sum to 1.
    CorpusError
        If there are fewer speakers than parts, or too few that share no recording.
    """
    if not are_shares(fractions.values()):
        raise ConfigError(f"fractions {dict(fractions)}: expected shares above 0 that sum to 1")
    group_of = _groups(corpus)
    rows_of = Counter(group_of[speaker] for speaker in corpus.speakers)
    _check_enough(corpus, len(group_of), len(rows_of), len(fractions))
    order = np.random.default_rng(seed).permutation(sorted(rows_of))
    given: Counter[str] = Counter()
    part_of: dict[str, str] = {}
    for position, group in enumerate(map(str, order)):
        empty = [part for part in fractions if not given[part]]
        # The last groups are kept for parts that have none yet.
        choice = empty if len(rows_of) - position <= len(empty) else list(fractions)
        part = max(choice, key=lambda name: fractions[name] - given[name] / len(corpus))
        part_of[group] = part
        given[part] += rows_of[group]
    parts = [part_of[group_of[speaker]] for speaker in corpus.speakers]
    return {
        part: corpus.subset(i for i, each in enumerate(parts) if each == part) for part in fractions
    }


def are_shares(values: Collection[float]) -> bool:
    """Whether numbers are shares of a whole: some, each above 0, that sum to 1."""
    # said in what holds, for which NaN is never good enough
    return bool(values) and all(value > 0 for value in values) and abs(sum(values) - 1) <= 1e-6


def _groups(corpus: Corpus) -> dict[str, str]:
    """Group of each speaker: the first by name of all who are linked by recordings."""
    leader = {speaker: speaker for speaker in corpus.speakers}

    def find(speaker: str) -> str:
        while leader[speaker] != speaker:
            leader[speaker] = leader[leader[speaker]]  # keeps the way short
            speaker = leader[speaker]
        return speaker

    first_in: dict[str, str] = {}
    for speaker, recording in zip(corpus.speakers, corpus.recordings, strict=True):
        if recording is not None:
            low, high = sorted((find(first_in.setdefault(recording, speaker)), find(speaker)))
            leader[high] = low
    return {speaker: find(speaker) for speaker in leader}


def _check_enough(corpus: Corpus, speakers: int, groups: int, parts: int) -> None:
    if speakers < parts:
        raise CorpusError(
            f"corpus {corpus.name}: {speakers} speakers cannot be split into {parts} parts that "
            "share none"
        )
    if groups < parts:
        raise CorpusError(
            f"corpus {corpus.name}: recordings link its {speakers} speakers into {groups} "
            f"group{'s' * (groups > 1)}, which cannot be split into {parts} parts that share no "
            "recording"
        )


def shared_speakers(a: Corpus, b: Corpus) -> list[str]:
    """Speakers that both corpora name."""
    return sorted(label for label in {*a.labels} & {*b.labels} if label is not None)


def shared_recordings(a: Corpus, b: Corpus) -> list[str]:
    """Name the recordings from which both corpora have rows."""
    return sorted(name for name in {*a.recordings} & {*b.recordings} if name is not None)


def shared_audio(a: Corpus, b: Corpus) -> list[str]:
    """Ids of the rows of `a` whose audio is, byte for byte, in `b` too."""
    known = set(b.digests)
    ids = a.column("id")
    return [str(row) for row, digest in zip(ids, a.digests, strict=True) if digest in known]


def check_leakage(a: Corpus, b: Corpus) -> None:
    """Make sure that nothing of one corpus is in the other.

    Rows whose corpus names neither speakers nor recordings can be told apart by their
    audio only.

    Raises
    ------
    CorpusError
        If a speaker, a recording or the audio of a row is in both; the message names them.
    """
    kinds = {
        "speakers": shared_speakers,
        "recordings by name": shared_recordings,
        "recordings": shared_audio,
    }
    for kind, shared in kinds.items():
        if found := shared(a, b):
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise CorpusError(
                f"{a.name} and {b.name} share {len(found)} {kind}: "
                f"{', '.join(found[:_NAMED])}{more}"
            )
