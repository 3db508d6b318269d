"""Rows whose audio is a copy of another row's, byte for byte or not.

Frames of equal fingerprints propose pairs of rows and the shift between them; a pair is a
copy where their frames agree over most of the shorter row's speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.checking.fingerprint import BITS, HOP_S, Fingerprint

MOST_ERRORS = 0.3
"""Share of bits that may differ; of different speech, about half do."""

LEAST_OVERLAP_S = 1.0
"""Seconds of speech that must agree: a "yes" of the same voice is no copy of a row."""

LEAST_SHARE = 0.6
"""... and so much of the speech of the shorter row."""

_STEP = 2
"""Every so many frames are looked up."""

_COMMON = 64
"""Frames of a bit pattern above which it says nothing: held vowels, hum."""

_HITS = 2
"""Equal frames at one shift that make a pair worth comparing."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Copy:
    """Two rows that hold the same speech.

    Attributes
    ----------
    first, second : int
        Their numbers, the lower first.
    shift_s : float
        Seconds by which the speech comes later in the second.
    errors : float
        Share of bits that differ, in 0 .. `MOST_ERRORS`.
    """

    first: int
    second: int
    shift_s: float
    errors: float


def find_copies(prints: Sequence[Fingerprint]) -> list[Copy]:
    """Find pairs of rows with the same speech.

    Parameters
    ----------
    prints : sequence of Fingerprint
        Of all rows.

    Returns
    -------
    list of Copy
        In the order of the rows; the best shift of each pair.
    """
    best: dict[tuple[int, int], Copy] = {}
    for first, second, shift in _proposals(prints):
        found = _compare(prints[first], prints[second], shift)
        if found is None:
            continue
        errors, at = found
        known = best.get((first, second))
        if known is None or errors < known.errors:
            best[first, second] = Copy(first, second, at * HOP_S, errors)
    return [best[pair] for pair in sorted(best)]


def _proposals(prints: Sequence[Fingerprint]) -> list[tuple[int, int, int]]:
    """Pairs of rows and shifts in frames at which several frames are equal."""
    rows, frames, keys = _frames(prints)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    asked = frames % _STEP == 0
    weak = np.concatenate([p.weak[p.sounding] for p in prints] or [np.zeros((0, 3), np.uint32)])
    sums: list[Indices] = []
    for pattern in range(1 << weak.shape[1]):
        flips = np.zeros(len(keys), dtype=np.uint32)
        for k in range(weak.shape[1]):
            if pattern >> k & 1:
                flips ^= weak[:, k]
        query = np.flatnonzero(asked)
        wanted = keys[query] ^ flips[query]
        left = np.searchsorted(ordered, wanted, side="left")
        count = np.searchsorted(ordered, wanted, side="right") - left
        query, left, count = (a[count <= _COMMON] for a in (query, left, count))
        here = np.repeat(query, count)
        offset = np.arange(len(here)) - np.repeat(np.cumsum(count) - count, count)
        there = order[np.repeat(left, count) + offset]
        sums.append(_votes(rows, frames, here, there))
    return _elected(np.concatenate(sums), len(prints))


def _frames(prints: Sequence[Fingerprint]) -> tuple[Indices, Indices, NDArray[np.uint32]]:
    """Row, place and bits of every sounding frame."""
    places = [np.flatnonzero(each.sounding) for each in prints]
    rows = np.repeat(np.arange(len(prints)), [len(place) for place in places])
    frames = np.concatenate([*places, np.zeros(0, dtype=np.int64)])
    bits = [each.bits[place] for each, place in zip(prints, places, strict=True)]
    return rows, frames, np.concatenate([*bits, np.zeros(0, dtype=np.uint32)])


_SHIFTS = 1 << 20
"""More than frames of a row of four hours."""


def _votes(rows: Indices, frames: Indices, here: Indices, there: Indices) -> Indices:
    """One number for each pair of rows and shift that two equal frames speak for."""
    other = rows[here] != rows[there]
    here, there = here[other], there[other]
    swap = rows[here] > rows[there]
    first, second = np.where(swap, there, here), np.where(swap, here, there)
    # Neighbouring shifts count as one: half of a frame is lost to the grid.
    shift = (frames[second] - frames[first]) // 2 + _SHIFTS // 2
    count = int(rows[-1]) + 1 if len(rows) else 1
    return np.asarray((rows[first] * count + rows[second]) * _SHIFTS + shift, dtype=np.int64)


def _elected(votes: Indices, rows: int) -> list[tuple[int, int, int]]:
    codes, counts = np.unique(votes, return_counts=True)
    codes = codes[counts >= _HITS]
    pairs, shifts = codes // _SHIFTS, (codes % _SHIFTS - _SHIFTS // 2) * 2
    found = zip((pairs // rows).tolist(), (pairs % rows).tolist(), shifts.tolist(), strict=True)
    return list(found)


def _compare(a: Fingerprint, b: Fingerprint, shift: int) -> tuple[float, int] | None:
    """Errors and shift in frames of the best alignment near `shift`; None for no copy."""
    shorter = min(int(a.sounding.sum()), int(b.sounding.sum()))
    needed = max(LEAST_OVERLAP_S / HOP_S, LEAST_SHARE * shorter)
    best: tuple[float, int] | None = None
    for at in range(shift - 1, shift + 3):
        begin, end = max(0, -at), min(len(a.bits), len(b.bits) - at)
        if end - begin < needed:
            continue
        both = a.sounding[begin:end] & b.sounding[begin + at : end + at]
        if both.sum() < needed:
            continue
        differ = a.bits[begin:end][both] ^ b.bits[begin + at : end + at][both]
        errors = float(np.bitwise_count(differ).mean()) / BITS
        if errors <= MOST_ERRORS and (best is None or errors < best[0]):
            best = errors, at
    return best
