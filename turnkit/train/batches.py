"""Batches: rows of like length together, in an order that can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Batch = list[int]

_SHUFFLE = 0.15
"""Standard deviation by which lengths are blurred before rows are sorted by them."""


class LengthBatches:
    """Batch sampler: rows of like length together, shuffled anew each epoch.

    The order is decided by seed and epoch alone. Ranks take turns; they get the same
    number of batches, so that none waits for another.

    Parameters
    ----------
    lengths : sequence of int
        Of each row.
    batch_size : int
    seed : int
    rank, world : int
        This process, and how many there are.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        self._lengths = np.asarray(lengths, dtype=np.float64)
        self._size = batch_size
        self._seed = seed
        self._rank, self._world = rank, world
        self.epoch = 0

    @property
    def sampler(self) -> LengthBatches:
        """Itself: Lightning tells the epoch to a batch sampler's sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Order of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        batches = -(-len(self._lengths) // self._size)
        return -(-batches // self._world)

    def batches(self, epoch: int) -> list[Batch]:
        """Batches of this rank in an epoch."""
        rng = np.random.default_rng([self._seed, epoch])
        blurred = self._lengths * np.exp(_SHUFFLE * rng.standard_normal(len(self._lengths)))
        order = np.argsort(blurred, kind="stable")
        starts = np.arange(0, len(order), self._size)
        rng.shuffle(starts)
        # The first ones go round again where they cannot be dealt evenly.
        wanted = len(self) * self._world
        dealt = np.resize(starts, wanted)[self._rank :: self._world]
        return [order[start : start + self._size].tolist() for start in dealt.tolist()]

    def __iter__(self) -> Iterator[Batch]:
        return _Walk(self)


class _Walk(Iterator[Batch]):
    """One epoch's batches, with a position that a checkpoint keeps."""

    def __init__(self, sampler: LengthBatches) -> None:
        self._sampler = sampler
        self._epoch = sampler.epoch
        self._position = 0
        self._batches: list[Batch] | None = None

    def __next__(self) -> Batch:
        if self._batches is None:
            self._batches = self._sampler.batches(self._epoch)
        if self._position >= len(self._batches):
            raise StopIteration
        self._position += 1
        return self._batches[self._position - 1]

    def state_dict(self) -> dict[str, Any]:
        """Where it is."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go there; from the end of an epoch, to the start of the next."""
        self._epoch, self._position = int(state["epoch"]), int(state["position"])
        if self._position >= len(self._sampler):
            self._epoch, self._position = self._epoch + 1, 0
        self._batches = None


def pad(parts: Sequence[NDArray[Any]], fill: float | None = None) -> NDArray[np.float32]:
    """Stack arrays of shape (t, ...) to (n, longest t, ...).

    Parameters
    ----------
    parts : sequence of ndarray
    fill : float, optional
        What follows the shorter ones; their own last entry by default.
    """
    longest = max(len(part) for part in parts)
    shape = (len(parts), longest, *parts[0].shape[1:])
    out = np.full(shape, 0.0 if fill is None else fill, dtype=np.float32)
    for place, part in zip(out, parts, strict=True):
        place[: len(part)] = part
        if fill is None and len(part):
            place[len(part) :] = part[-1]
    return out
