"""Pauses of a corpus beside measured ones: quantiles and distances."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.synthesis.script import Boundary, Script
from turnkit.corpus.synthesis.text.fitting import place_of
from turnkit.corpus.synthesis.text.pauses import MAX_PAUSE_S, MIN_PAUSE_S
from turnkit.errors import CorpusError

if TYPE_CHECKING:
    from turnkit.corpus.reader import Corpus

QUANTILES = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)

GROUPS: Mapping[str, tuple[str, ...]] = {
    "after a filler": ("filler",),
    "at a repair": ("repair",),
    "between phrases": ("clause", "phrase"),
    "all": ("filler", "repair", "clause", "phrase", ""),
}
"""Rows of the comparison, and the places that each is made of; those of a corpus without
timed words count in the last only."""

_SLACK_S = 0.2
"""A word belongs to a silence that begins this long before the word's end, at most."""

Pauses = Mapping[str, Sequence[float] | NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Pauses of one kind of place, measured and in a corpus.

    Attributes
    ----------
    group : str
        See `GROUPS`.
    counts : tuple of int
        How many were measured, and how many the corpus has.
    measured, found : tuple of float
        `QUANTILES` in seconds; empty where there are none.
    ks : float or None
        Largest distance of the distribution functions (Kolmogorov-Smirnov), 0 .. 1.
    wasserstein : float or None
        Mean shift that makes one the other, in seconds.
    """

    group: str
    counts: tuple[int, int]
    measured: tuple[float, ...]
    found: tuple[float, ...]
    ks: float | None
    wasserstein: float | None


def compare(measured: Pauses, found: Pauses) -> tuple[Comparison, ...]:
    """Set pauses side by side, a `Comparison` for each of `GROUPS`.

    Parameters
    ----------
    measured, found : mapping of str to sequence of float
        Seconds, by place.
    """
    rows: list[Comparison] = []
    for group, places in GROUPS.items():
        a, b = _join(measured, places), _join(found, places)
        both = len(a) > 0 and len(b) > 0
        rows.append(
            Comparison(
                group=group,
                counts=(len(a), len(b)),
                measured=_quantiles(a),
                found=_quantiles(b),
                ks=distance_ks(a, b) if both else None,
                wasserstein=distance_wasserstein(a, b) if both else None,
            )
        )
    return tuple(rows)


def distance_ks(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Largest distance between two empirical distribution functions, 0 .. 1."""
    points = np.concatenate([a, b])
    return float(np.abs(_share_up_to(a, points) - _share_up_to(b, points)).max())


def distance_wasserstein(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Area between two empirical distribution functions, in their unit."""
    points = np.sort(np.concatenate([a, b]))
    apart = np.abs(_share_up_to(a, points[:-1]) - _share_up_to(b, points[:-1]))
    return float(np.sum(apart * np.diff(points)))


def pauses_of_scripts(scripts: Iterable[Script]) -> dict[str, list[float]]:
    """List the holds of scripts, by place, in seconds."""
    found: dict[str, list[float]] = {}
    for script in scripts:
        words = [_plain(chunk.text).split() for chunk in script.chunks]
        for i, chunk in enumerate(script.chunks[:-1]):
            both = words[i] + words[i + 1]
            place = place_of(both, len(words[i]) - 1, chunk.boundary is Boundary.CLAUSE)
            if chunk.boundary is Boundary.BROKEN:
                place = "repair"
            found.setdefault(place, []).append(chunk.hold_s)
    return found


def pauses_of_corpus(corpus: Corpus) -> dict[str, list[float]]:
    """List the holds of a corpus, by place, in seconds; audio is not touched.

    Parameters
    ----------
    corpus : Corpus
        Where rows have timed words, places are told by them; other holds are under
        ``""``.

    Raises
    ------
    CorpusError
        If spans cannot be read.
    """
    found: dict[str, list[float]] = {}
    spans = corpus.column("silence_spans")
    words = corpus.column("words")
    for i, row in enumerate(spans):
        try:
            holds = [(float(each["start"]), float(each["end"])) for each in list(row)[:-1]]
        except (TypeError, KeyError, ValueError) as error:
            raise CorpusError(f"corpus {corpus.name}: row {i}: spans: {error!r}") from error
        said = list(words[i] or ())
        for start, end in holds:
            if MIN_PAUSE_S <= end - start <= MAX_PAUSE_S:
                found.setdefault(_place_in(said, start), []).append(end - start)
    return found


def _place_in(words: Sequence[Mapping[str, Any]], start: float) -> str:
    """Kind of place of a silence among timed words; empty if there are none before it."""
    before = sum(float(word["end"]) <= start + _SLACK_S for word in words)
    if not before:
        return ""
    texts = [_plain(str(word["word"])) for word in words]
    return place_of(texts, before - 1, opens=False)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9' -]", "", text.lower())


def _join(pauses: Pauses, places: tuple[str, ...]) -> NDArray[np.float64]:
    parts = [np.asarray(pauses[place], dtype=np.float64) for place in places if place in pauses]
    return np.concatenate(parts) if parts else np.empty(0)


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(map(float, np.quantile(values, QUANTILES))) if len(values) else ()


def _share_up_to(values: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.searchsorted(np.sort(values), points, side="right") / len(values)
