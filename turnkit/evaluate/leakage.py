"""Speakers that a detector was trained or fitted on have no place among those it is tested on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from turnkit.corpus.reader import Corpus
from turnkit.detector.protocol import TurnDetector
from turnkit.errors import CorpusError

_NAMED = 5
"""Speakers that a message names before it counts the rest."""


def speaker_hash(speaker: str) -> str:
    """Hash of a speaker's name: bundles carry these, never names.

    Returns
    -------
    str
        The first 16 hexadecimal digits of the SHA-256 of the name in UTF-8.
    """
    return hashlib.sha256(speaker.encode()).hexdigest()[:16]


def check_training_speakers(detector: TurnDetector, corpus: Corpus) -> None:
    """Make sure that the weights of a detector were not trained on a speaker of a corpus.

    Looks at the optional attribute ``training_speakers``: a set of `speaker_hash` values.

    Raises
    ------
    CorpusError
        If a speaker is in both; the message names them.
    """
    _check(detector, "training_speakers", "was trained on", corpus)


def check_policy_speakers(detector: TurnDetector, corpus: Corpus) -> None:
    """Make sure that the policies a detector comes with were not fitted on these speakers.

    Looks at the optional attribute ``policy_speakers``: a set of `speaker_hash` values.

    Raises
    ------
    CorpusError
        If a speaker is in both; the message names them.
    """
    _check(detector, "policy_speakers", "has policies fitted on", corpus)


def outside_training(corpus: Corpus, detectors: Iterable[TurnDetector]) -> Corpus:
    """Rows of a corpus whose speakers trained the weights of none of the detectors.

    So one corpus can hold training speakers and others: policies of all detectors are
    then chosen on the same rows, those of the others.

    Raises
    ------
    CorpusError
        If there are none.
    """
    known = {key for one in detectors for key in getattr(one, "training_speakers", ())}
    keep = [
        index
        for index, label in enumerate(corpus.labels)
        if label is None or speaker_hash(label) not in known
    ]
    if not keep:
        raise CorpusError(
            f"{corpus.name}: every speaker trained the weights of one of the detectors; "
            "expected rows of others to choose policies on"
        )
    return corpus if len(keep) == len(corpus) else corpus.subset(keep)


def _check(detector: TurnDetector, attribute: str, what: str, corpus: Corpus) -> None:
    known = getattr(detector, attribute, None)
    if not known:
        return
    named = {label for label in corpus.labels if label is not None}
    found = sorted(name for name in named if speaker_hash(name) in known)
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise CorpusError(
            f"detector {detector.name} {what} {len(found)} speakers of {corpus.name}: "
            f"{', '.join(found[:_NAMED])}{more}"
        )
