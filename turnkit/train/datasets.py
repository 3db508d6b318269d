"""Rows as training sees them: from caches to batches of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from turnkit.corpus.schema import Span
from turnkit.train.batches import pad
from turnkit.train.shards import CachedRows
from turnkit.train.statistics import Whitening
from turnkit.train.targets import TeacherScores, frame_targets
from turnkit.train.teacher import VectorTable

Item: TypeAlias = Mapping[str, NDArray[Any]]
TensorBatch: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class FrameRows:
    """One corpus for a streaming network.

    Attributes
    ----------
    frames : CachedRows
        Of a `FrameJob`.
    labels : bool
    weight : float
    teacher : list of dict
        `TeacherScores` by span, of each row; empty without a teacher.
    hidden : CachedRows or None
        Of a `HiddenJob`.
    """

    frames: CachedRows
    labels: bool
    weight: float
    teacher: list[dict[int, TeacherScores]]
    hidden: CachedRows | None


class FrameDataset(Dataset[Item]):
    """Every copy of every row of some corpora, with its targets.

    Parameters
    ----------
    corpora : sequence of FrameRows
    whitening : Whitening or None
        Of the encoder's frames.
    """

    def __init__(self, corpora: Sequence[FrameRows], whitening: Whitening | None) -> None:
        self._corpora = corpora
        self._whitening = whitening
        self._places: list[tuple[int, int, int, int]] = []
        self._speeds: list[float] = []
        self._leads: list[float] = []
        self.lengths: list[int] = []
        for number, corpus in enumerate(corpora):
            for row in range(len(corpus.frames)):
                lengths = corpus.frames.get(row, "lengths").tolist()
                self._speeds += corpus.frames.get(row, "speeds").tolist()
                self._leads += corpus.frames.get(row, "leads").tolist()
                begin = 0
                for length in lengths:
                    self._places.append((number, row, begin, begin + length))
                    self.lengths.append(length)
                    begin += length

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Item:
        number, row, begin, end = self._places[index]
        corpus = self._corpora[number]
        targets = frame_targets(
            end - begin,
            self._speeds[index],
            [Span(start, stop) for start, stop in corpus.frames.get(row, "spans").tolist()],
            corpus.teacher[row] if corpus.teacher else {},
            corpus.labels,
            self._leads[index],
            float(corpus.frames.get(row, "onset")[0]),
        )
        item = {
            "frames": corpus.frames.get(row, "frames")[begin:end],
            "label": targets.label,
            "weight": targets.weight * corpus.weight,
            "teacher": targets.teacher,
            "speech": targets.speech,
            "outlook": targets.outlook,
            "valid": np.full(end - begin, corpus.weight, dtype=np.float32),
        }
        if corpus.hidden is not None and self._whitening is not None:
            known = corpus.hidden.get(row, "hidden")
            inside = (targets.hidden >= 0) & (targets.hidden < len(known))
            wanted = self._whitening(known[np.clip(targets.hidden, 0, max(len(known) - 1, 0))])
            item["hidden"] = np.where(inside[:, None], wanted, np.float32(np.nan))
        return item

    def frames(self) -> list[NDArray[Any]]:
        """Frames of each item, memory-mapped."""
        return [
            self._corpora[number].frames.get(row, "frames")[begin:end]
            for number, row, begin, end in self._places
        ]


def collate_frames(items: Sequence[Item]) -> TensorBatch:
    """Pad rows to the longest: frames by their last, targets by nothing."""
    fills = {"frames": None, "weight": 0.0, "valid": 0.0}
    return {
        name: torch.from_numpy(pad([item[name] for item in items], fills.get(name, np.nan)))
        for name in items[0]
    }


@dataclass(frozen=True, slots=True, eq=False)
class VectorRows:
    """One corpus for a head.

    Attributes
    ----------
    table : VectorTable
    rows : int
    weight : float
    """

    table: VectorTable
    rows: int
    weight: float


class VectorDataset(Dataset[Item]):
    """Rows of some corpora, each with the vectors of all its silences.

    Rows without a silence that counts are left out.

    Parameters
    ----------
    corpora : sequence of VectorRows
    """

    def __init__(self, corpora: Sequence[VectorRows]) -> None:
        self._corpora = corpora
        self._weights = [each.table.span_weights() * each.weight for each in corpora]
        self._places: list[tuple[int, int, int]] = []
        for number, each in enumerate(corpora):
            edges = np.searchsorted(each.table.row, np.arange(each.rows + 1)).tolist()
            pairs = pairwise(edges)
            self._places += [(number, begin, end) for begin, end in pairs if end > begin]
        self.lengths = [end - begin for _, begin, end in self._places]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Item:
        number, begin, end = self._places[index]
        table = self._corpora[number].table
        return {
            "vectors": table.vectors[begin:end],
            "label": table.is_end[begin:end].astype(np.float32),
            "weight": self._weights[number][begin:end],
        }


def collate_vectors(items: Sequence[Item]) -> TensorBatch:
    """Put the vectors of rows behind one another."""
    return {
        name: torch.from_numpy(np.concatenate([item[name] for item in items])) for name in items[0]
    }
