"""Everything that has to be there before the first step: caches, scales, teachers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from turnkit.errors import ConfigError, CorpusError
from turnkit.files import sha256_file
from turnkit.model.acoustic import EncoderHead, StreamingNetwork
from turnkit.model.checkpoint import STREAMING
from turnkit.model.encoder import read_encoder
from turnkit.train.datasets import FrameDataset, FrameRows, VectorDataset, VectorRows
from turnkit.train.encoders import encoder_file
from turnkit.train.filling import fill
from turnkit.train.material import FrameJob, HiddenJob, Job, QueryJob, VectorJob
from turnkit.train.modules import TrainedModule, module_for
from turnkit.train.recipe import Recipe
from turnkit.train.settings import NO_ENCODER
from turnkit.train.shards import CachedRows
from turnkit.train.speakers import TrainingCorpus
from turnkit.train.statistics import Scale, Whitening, fit_scale, fit_whitening
from turnkit.train.targets import TeacherScores
from turnkit.train.teacher import (
    TaughtCorpus,
    VectorTable,
    cross_fitted_logits,
    scores_by_span,
)
from turnkit.train.validation import HeadReplayer, Replayer, StreamingReplayer

_SAMPLED = 4096
"""Rows on which scales and axes are fitted at most."""


@dataclass(frozen=True, slots=True)
class EncoderFile:
    """The encoder of a recipe.

    Attributes
    ----------
    path : Path
    sha256 : str
    window_s : float
    """

    path: Path
    sha256: str
    window_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What training needs.

    Attributes
    ----------
    dataset : FrameDataset or VectorDataset
    module : TrainedModule
    replayer : Replayer
        Of the validation turns, on the module's own weights.
    encoder : EncoderFile or None
    seconds : float
        It took, most of it to fill caches.
    """

    dataset: FrameDataset | VectorDataset
    module: TrainedModule
    replayer: Replayer
    encoder: EncoderFile | None
    seconds: float


def prepare(recipe: Recipe, corpora: Sequence[TrainingCorpus]) -> Prepared:
    """Fill caches and make ready what a recipe asks for.

    Raises
    ------
    ConfigError, CorpusError, MissingAssetError, OfflineError, RunError
        If something is missing or does not fit.
    """
    started = time.monotonic()
    dataset: FrameDataset | VectorDataset
    encoder = _open_encoder(recipe)
    if recipe.kind == STREAMING:
        dataset, module = _streaming(recipe, corpora, encoder)
    else:
        assert encoder is not None
        dataset, module = _head(recipe, corpora, encoder)
    replayer = _replayer(recipe, corpora, encoder, module)
    return Prepared(dataset, module, replayer, encoder, time.monotonic() - started)


def _open_encoder(recipe: Recipe) -> EncoderFile | None:
    wanted = recipe.kind != STREAMING or recipe.loss.needs_encoder
    if recipe.encoder.source == NO_ENCODER or not wanted:
        return None
    path = encoder_file(recipe.encoder)
    window_s = read_encoder(path).window_s
    if window_s != recipe.encoder.window_s:
        raise ConfigError(
            f"encoder.window_s {recipe.encoder.window_s:g}: {path.name} hears {window_s:g} s"
        )
    return EncoderFile(path, sha256_file(path), window_s)


def _tables(
    recipe: Recipe, corpora: Sequence[TrainingCorpus], encoder: EncoderFile
) -> list[VectorTable]:
    job = VectorJob(encoder.path, encoder.sha256, recipe.encoder.times_s)
    return [VectorTable.read(_cached(job, each, recipe)) for each in corpora]


def _cached(job: Job, corpus: TrainingCorpus, recipe: Recipe) -> CachedRows:
    """Arrays of the rows of a corpus that train weights."""
    rows = corpus.rows
    return fill(job, corpus.whole, recipe.data.workers, rows).open(rows)


def _head(
    recipe: Recipe, corpora: Sequence[TrainingCorpus], encoder: EncoderFile
) -> tuple[VectorDataset, TrainedModule]:
    tables = _tables(recipe, corpora, encoder)
    dataset = VectorDataset(
        [
            VectorRows(table, len(each.training), each.weight)
            for each, table in zip(corpora, tables, strict=True)
        ]
    )
    if len(dataset) == 0:
        raise CorpusError(
            f"corpus {corpora[0].training.name}: no silence lasts until encoder.times_s begin"
        )
    width = tables[0].vectors.shape[1]
    scale = fit_scale([table.vectors for table in tables], width)
    return dataset, module_for(recipe, scale, 0)


def _streaming(
    recipe: Recipe, corpora: Sequence[TrainingCorpus], encoder: EncoderFile | None
) -> tuple[FrameDataset, TrainedModule]:
    loss = recipe.loss
    teacher: list[list[dict[int, TeacherScores]]] = [[] for _ in corpora]
    hidden: list[CachedRows | None] = [None for _ in corpora]
    whitening: Whitening | None = None
    if encoder is not None and loss.distill > 0:
        teacher = _teach(recipe, corpora, encoder)
    if encoder is not None and loss.hidden > 0:
        hidden_job = HiddenJob(encoder.path, encoder.sha256)
        rows = [_cached(hidden_job, each, recipe) for each in corpora]
        whitening = _whiten(rows)
        hidden = list(rows)
    frames = [_cached(_frame_job(recipe, each), each, recipe) for each in corpora]
    dataset = FrameDataset(
        [
            FrameRows(frames[i], each.labels, each.weight, teacher[i], hidden[i])
            for i, each in enumerate(corpora)
        ],
        whitening,
    )
    scale = _frame_scale(dataset, recipe.features.width)
    axes = 0 if whitening is None else whitening.axes.shape[1]
    return dataset, module_for(recipe, scale, axes)


def _frame_job(recipe: Recipe, corpus: TrainingCorpus) -> FrameJob:
    copies = corpus.entry.copies or recipe.augment.copies
    return FrameJob(recipe.features, recipe.augment.audio, copies, recipe.seed)


def _teach(
    recipe: Recipe, corpora: Sequence[TrainingCorpus], encoder: EncoderFile
) -> list[list[dict[int, TeacherScores]]]:
    tables = _tables(recipe, corpora, encoder)
    taught = [
        TaughtCorpus(each.training, table, each.labels, each.weight)
        for each, table in zip(corpora, tables, strict=True)
    ]
    logits = cross_fitted_logits(taught, recipe.loss.l2, recipe.seed)
    return [
        scores_by_span(each.table, scores, len(each.corpus))
        for each, scores in zip(taught, logits, strict=True)
    ]


def _whiten(rows: Sequence[CachedRows]) -> Whitening:
    parts = [each.get(row, "hidden") for each in rows for row in range(len(each))]
    return fit_whitening(parts[:: len(parts) // _SAMPLED + 1], parts[0].shape[1])


def _frame_scale(dataset: FrameDataset, width: int) -> Scale:
    frames = dataset.frames()
    return fit_scale(frames[:: len(frames) // _SAMPLED + 1], width)


def _replayer(
    recipe: Recipe,
    corpora: Sequence[TrainingCorpus],
    encoder: EncoderFile | None,
    module: TrainedModule,
) -> Replayer:
    held_out = [each.validation for each in corpora if each.validation is not None]
    product = module.product
    if isinstance(product, StreamingNetwork):
        return StreamingReplayer(product, recipe.features, recipe.gate, recipe.block, held_out)
    assert isinstance(product, EncoderHead)
    assert encoder is not None
    times_s, gate = recipe.encoder.times_s, recipe.gate
    job = QueryJob(encoder.path, encoder.sha256, times_s, gate)
    queries = [fill(job, each, recipe.data.workers).open() for each in held_out]
    return HeadReplayer(product, times_s, gate, encoder.window_s, held_out, queries)
