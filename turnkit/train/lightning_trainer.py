"""Lightning's trainer: which of its options are a recipe's, and what it may say and do."""

from __future__ import annotations

import difflib
import inspect
import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from torchdata.stateful_dataloader import StatefulDataLoader

from turnkit.errors import ConfigError, MissingDependencyError
from turnkit.train.batches import LengthBatches
from turnkit.train.datasets import (
    FrameDataset,
    Item,
    VectorDataset,
    collate_frames,
    collate_vectors,
)
from turnkit.train.recipe import Recipe
from turnkit.train.run_folder import LOGS

_OURS = (
    "callbacks",
    "logger",
    "plugins",
    "default_root_dir",
    "enable_checkpointing",
    "use_distributed_sampler",
    "num_sanity_val_steps",
    "model_registry",
)
"""Options of Lightning's trainer that turnkit sets itself."""

_DEFAULTS = {"max_epochs": 12, "gradient_clip_val": 1.0, "log_every_n_steps": 10}


class TrainingData(lightning.LightningDataModule):
    """Batches of training rows; its loader's position is part of every checkpoint.

    Parameters
    ----------
    dataset : FrameDataset or VectorDataset
    recipe : Recipe
    """

    def __init__(self, dataset: FrameDataset | VectorDataset, recipe: Recipe) -> None:
        super().__init__()
        self._dataset = dataset
        self._recipe = recipe

    def batches(self, trainer: lightning.Trainer) -> LengthBatches:
        """Batches of this rank's share."""
        return LengthBatches(
            self._dataset.lengths,
            self._recipe.optimiser.batch_size,
            self._recipe.seed,
            trainer.global_rank,
            trainer.world_size,
        )

    def train_dataloader(self) -> StatefulDataLoader[Item]:
        """Loader of this rank's share."""
        assert self.trainer is not None
        sampler = self.batches(self.trainer)
        # Lightning restores no loader that stood at the end of an epoch, and opens this
        # one before it says which epoch is next.
        sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        frames = isinstance(self._dataset, FrameDataset)
        return StatefulDataLoader(
            self._dataset,
            batch_sampler=sampler,
            collate_fn=collate_frames if frames else collate_vectors,
            num_workers=self._recipe.data.loader_workers,
        )


def trainer_options(recipe: Recipe) -> dict[str, Any]:
    """Options for Lightning's trainer.

    Raises
    ------
    ConfigError
        If the recipe names one that does not exist or that turnkit sets itself.
    """
    known = [name for name in inspect.signature(lightning.Trainer).parameters if name not in _OURS]
    for name in recipe.trainer:
        if name in _OURS:
            raise ConfigError(
                f"trainer.{name}: turnkit sets it; `logger` and `checkpoint` are keys"
            )
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see lightning.Trainer"
            raise ConfigError(f"trainer.{name}: unknown; {hint}")
    options = {**_DEFAULTS, "enable_model_summary": False, **recipe.trainer}
    if options.get("max_steps", -1) == -1 and (options["max_epochs"] or 0) < 1:
        raise ConfigError(f"trainer.max_epochs {options['max_epochs']!r}: expected 1 or more")
    return options


def all_steps(trainer: lightning.Trainer, batches: int) -> int:
    """Count the optimiser's steps over the whole of training."""
    limit = trainer.limit_train_batches
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    steps = -(-batches // trainer.accumulate_grad_batches) * max(trainer.max_epochs or 0, 0)
    bounds = [bound for bound in (steps, trainer.max_steps) if bound > 0]
    return min(bounds, default=1)


@contextmanager
def quiet() -> Iterator[None]:
    """Without advice on workers, products and what torchdata asks of torch."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            warnings.filterwarnings("ignore", message="'set_vital' is deprecated")
            warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.")
            yield
    finally:
        log.setLevel(level)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch use so many threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def own_interrupts(trainer: lightning.Trainer) -> Iterator[None]:
    """Have Ctrl-C be an exception again: Lightning ends the process and ignores the next."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as ended:
        if trainer.interrupted:
            raise KeyboardInterrupt from ended
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, before)


def check_logger(recipe: Recipe) -> None:
    """Make sure that a recipe's logger is installed.

    Raises
    ------
    MissingDependencyError
        If it is not.
    """
    if recipe.logger == "wandb":
        try:
            import wandb  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError("wandb", "wandb", "logger: wandb") from error


def open_logger(recipe: Recipe, folder: Path) -> Any:
    """Open the logger of a recipe; False for none."""
    if recipe.logger == "tensorboard":
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name=LOGS, version="")
    if recipe.logger == "wandb":
        from lightning.pytorch.loggers import WandbLogger

        return WandbLogger(name=recipe.name, project="turnkit", save_dir=folder)
    return False
