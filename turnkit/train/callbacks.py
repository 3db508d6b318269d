"""Callbacks: randomness by step, checkpoints that survive, validation by replay."""

from __future__ import annotations

import hashlib
import io
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch.callbacks import Callback, Checkpoint

from turnkit.errors import RunError
from turnkit.files import atomic_path
from turnkit.train.datasets import TensorBatch
from turnkit.train.modules import TrainedModule
from turnkit.train.validation import Replayer, replay_sums, validated


class StepRandomness(Callback):
    """Makes every random number of a step a function of seed, step and rank.

    Lightning restores no random state. Here none has to be restored: Python's, numpy's
    and torch's generators are seeded anew before each step, so a run that was taken up
    again draws what the uninterrupted one draws, on each rank its own.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002 (Lightning's names)
        batch: TensorBatch,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Seed the generators."""
        step = f"{self._seed}:{trainer.current_epoch}:{batch_idx}:{trainer.global_rank}"
        number = int.from_bytes(hashlib.sha256(step.encode()).digest()[:8], "little")
        random.seed(number)
        np.random.seed(number % 2**32)  # noqa: NPY002 (what else draws from it is not ours)
        torch.manual_seed(number % 2**63)


class AtomicCheckpoints(CheckpointIO):
    """Writes checkpoints whole or not at all, and reads them without unpickling objects."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any | None = None,  # noqa: ARG002 (Lightning's names)
    ) -> None:
        """Write a checkpoint.

        Raises
        ------
        RunError
            If it cannot be written; the one that was there before stays.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            with atomic_path(path) as aside:
                aside.write_bytes(content.getbuffer())
        except OSError as error:
            kept = "; the one before it is intact" if Path(path).is_file() else ""
            raise RunError(
                f"checkpoint {path}: cannot be written ({error.strerror}){kept}"
            ) from error

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any | None = None,
        weights_only: bool | None = True,  # noqa: ARG002 (never otherwise)
    ) -> dict[str, Any]:
        """Read a checkpoint: tensors and plain values, nothing else.

        Raises
        ------
        RunError
            If it is damaged or holds anything else.
        """
        try:
            return torch.load(path, map_location=map_location or "cpu", weights_only=True)  # type: ignore[no-any-return]
        except Exception as error:  # torch has no common base for a damaged file
            raise RunError(f"checkpoint {path}: cannot be read ({error})") from error

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


class KeepState(Checkpoint):
    """Saves the state of training every few steps and at the end of each epoch.

    Parameters
    ----------
    path : Path
        Always the same file: what can be resumed is the last state.
    every_n_steps : int
    """

    def __init__(self, path: Path, every_n_steps: int) -> None:
        self._path = path
        self._every = every_n_steps
        self._saved_at = 0
        self._before = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before an interruption included."""
        return self._before + time.monotonic() - self._started

    def on_train_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002
    ) -> None:
        """Start the clock."""
        self._started = time.monotonic()
        self._saved_at = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: TensorBatch,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Save right after an optimiser step: gradients that accumulate are not saved."""
        if trainer.global_step - self._saved_at >= self._every and not trainer.is_last_batch:
            self._save(trainer)

    def on_train_epoch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002
    ) -> None:
        """Save, validation included."""
        self._save(trainer)

    def _save(self, trainer: lightning.Trainer) -> None:
        self._saved_at = trainer.global_step
        trainer.save_checkpoint(self._path, weights_only=False)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._before = float(state_dict["seconds"])


class ReplayValidation(Callback):
    """Replays validation turns through the weights of now; keeps the best, stops early.

    Each rank replays its share of the turns; the sums are added, so that all ranks know
    the same figures and decide the same.

    Parameters
    ----------
    replayer : Replayer
    every_n_epochs, patience : int
    save_best : callable
        Writes the module's product; called on rank 0.
    """

    def __init__(
        self,
        replayer: Replayer,
        every_n_epochs: int,
        patience: int,
        save_best: Callable[[TrainedModule], None],
    ) -> None:
        self._replayer = replayer
        self._every = every_n_epochs
        self._patience = patience
        self._save_best = save_best
        self.best: dict[str, float] = {}
        self.best_epoch = -1
        self._best_rank: tuple[float, ...] = ()
        self._waited = 0

    def on_train_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002 (Lightning's names)
    ) -> None:
        """Stop again, if the run was stopped between the last validation and its end."""
        trainer.should_stop = trainer.should_stop or self._waited >= self._patience

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Validate, if it is time."""
        epoch = trainer.current_epoch + 1
        if epoch % self._every and epoch != trainer.max_epochs:
            return
        assert isinstance(pl_module, TrainedModule)
        found = validated(self._summed(trainer, pl_module))
        figures = found.logged()
        for name, value in figures.items():
            pl_module.log(name, value, prog_bar=name == "val/FC@300", rank_zero_only=True)
        trainer.print(f"epoch {epoch}: {found}")
        if self._best_rank and found.rank >= self._best_rank:
            self._waited += 1
            trainer.should_stop = trainer.should_stop or self._waited >= self._patience
            return
        self.best, self.best_epoch = figures, epoch
        self._best_rank, self._waited = found.rank, 0
        if trainer.is_global_zero:
            self._save_best(pl_module)

    def _summed(self, trainer: lightning.Trainer, module: TrainedModule) -> np.ndarray[Any, Any]:
        module.eval()
        share = range(trainer.global_rank, len(self._replayer), trainer.world_size)
        sums = replay_sums(self._replayer, share)
        module.train()
        if trainer.world_size == 1:
            return sums
        added = trainer.strategy.reduce(torch.from_numpy(sums).to(module.device), reduce_op="sum")
        assert isinstance(added, torch.Tensor)
        return added.cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_rank": list(self._best_rank),
            "waited": self._waited,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best, self.best_epoch = dict(state_dict["best"]), int(state_dict["best_epoch"])
        self._best_rank, self._waited = tuple(state_dict["best_rank"]), int(state_dict["waited"])
