"""A training run from recipe to frozen policies."""

from __future__ import annotations

import difflib
import inspect
import logging
import shutil
import signal
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.fabric.utilities.warnings import PossibleUserWarning
from torchdata.stateful_dataloader import StatefulDataLoader

from turnkit import __version__
from turnkit.errors import ConfigError, MissingDependencyError, RunError
from turnkit.evaluate.fitting import FittedPolicy, fit_policies
from turnkit.files import atomic_path
from turnkit.model.checkpoint import (
    ENCODER_FILE,
    STREAMING,
    load_run_model,
    save_policies,
    save_run_model,
)
from turnkit.train.batches import LengthBatches
from turnkit.train.callbacks import AtomicCheckpoints, KeepState, ReplayValidation, StepRandomness
from turnkit.train.datasets import (
    FrameDataset,
    Item,
    VectorDataset,
    collate_frames,
    collate_vectors,
)
from turnkit.train.modules import TrainedModule
from turnkit.train.preparation import Prepared, prepare
from turnkit.train.recipe import Recipe
from turnkit.train.run_folder import (
    BEST,
    CHECKPOINT,
    LOGS,
    METRICS_FILE,
    check_same_data,
    clear_run,
    start_run,
    write_json,
)
from turnkit.train.speakers import TrainingCorpus, hashed, open_corpora

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


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What came of a run.

    Attributes
    ----------
    folder : Path
    metrics : dict
        Content of ``metrics.json``.
    policies : dict of str to FittedPolicy
        By operating point.
    """

    folder: Path
    metrics: dict[str, Any]
    policies: dict[str, FittedPolicy]


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


def train(
    recipe: Recipe, folder: Path, *, resume: bool = False, overwrite: bool = False
) -> Trained | None:
    """Train, or go on training.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Of the run.
    resume : bool
        Whether the folder holds a run that is to be taken up where it was left.
    overwrite : bool
        Whether a run that the folder holds is replaced.

    Returns
    -------
    Trained or None
        None in processes other than the first.

    Raises
    ------
    ConfigError, CorpusError, OfflineError, MissingAssetError
        If something is missing or does not fit.
    RunError
        If the run cannot be written, or is not what it was.
    KeyboardInterrupt
        If it was interrupted; it can be resumed.
    """
    options = trainer_options(recipe)
    corpora = open_corpora(recipe)
    first = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    torch.manual_seed(recipe.seed)
    prepared = prepare(recipe, corpora)
    facts = _facts(corpora, prepared)
    if resume:
        check_same_data(folder, facts)
    elif first:
        if overwrite:
            clear_run(folder)
        start_run(folder, recipe, facts)
    description = _description(recipe, corpora, prepared)
    keep = KeepState(folder / CHECKPOINT, recipe.checkpoint.every_n_steps)

    def save_best(module: TrainedModule) -> None:
        save_run_model(folder / BEST, description, module.product)

    validation = ReplayValidation(
        prepared.replayer,
        recipe.validation.every_n_epochs,
        recipe.validation.patience,
        save_best,
    )
    with _quiet(), _threads(recipe.threads):
        trainer = lightning.Trainer(
            **options,
            callbacks=[StepRandomness(recipe.seed), validation, keep],
            logger=_logger(recipe, folder),
            plugins=[AtomicCheckpoints()],
            default_root_dir=folder,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
        )
        _fit(trainer, prepared, recipe, folder / CHECKPOINT if resume else None)
    if not trainer.is_global_zero:
        return None
    figures = {
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "best_epoch": validation.best_epoch,
        "validation": validation.best,
        "caching_s": round(prepared.seconds, 1),
        "training_s": round(keep.seconds, 1),
    }
    return finish(folder, recipe, prepared, description, figures)


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


def _fit(
    trainer: lightning.Trainer, prepared: Prepared, recipe: Recipe, checkpoint: Path | None
) -> None:
    data = TrainingData(prepared.dataset, recipe)
    prepared.module.steps = _all_steps(trainer, len(data.batches(trainer)))
    found = checkpoint if checkpoint is not None and checkpoint.is_file() else None
    with _own_interrupts(trainer):
        trainer.fit(prepared.module, datamodule=data, ckpt_path=found, weights_only=True)


def _all_steps(trainer: lightning.Trainer, batches: int) -> int:
    """Count the optimiser's steps over the whole of training."""
    limit = trainer.limit_train_batches
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    steps = -(-batches // trainer.accumulate_grad_batches) * max(trainer.max_epochs or 0, 0)
    bounds = [bound for bound in (steps, trainer.max_steps) if bound > 0]
    return min(bounds, default=1)


@contextmanager
def _quiet() -> Iterator[None]:
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
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _own_interrupts(trainer: lightning.Trainer) -> Iterator[None]:
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


def _logger(recipe: Recipe, folder: Path) -> Any:
    if recipe.logger == "tensorboard":
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name=LOGS, version="")
    if recipe.logger == "wandb":
        try:
            import wandb  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError("wandb", "wandb", "logger: wandb") from error
        from lightning.pytorch.loggers import WandbLogger

        return WandbLogger(name=recipe.name, project="turnkit", save_dir=folder)
    return False


def _facts(corpora: Sequence[TrainingCorpus], prepared: Prepared) -> dict[str, Any]:
    """Collect what has to be the same when a run is resumed, and what it was started with."""
    return {
        "corpora": [
            {
                "training": each.training.fingerprint,
                "validation": each.validation.fingerprint if each.validation else None,
            }
            for each in corpora
        ],
        "encoder": prepared.encoder.sha256 if prepared.encoder else None,
        "turnkit": __version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _description(
    recipe: Recipe, corpora: Sequence[TrainingCorpus], prepared: Prepared
) -> dict[str, Any]:
    """Content of ``model.json``."""
    product = prepared.module.product
    common = {
        "kind": recipe.kind,
        "name": recipe.name,
        "model": recipe.model_config().as_dict(),
        "inputs": product.features,
        "gate": recipe.gate.as_dict(),
        "training_speakers": hashed([each.training for each in corpora]),
        "policy_speakers": hashed([each.validation for each in corpora if each.validation]),
        "data": [_data_facts(each) for each in corpora],
        "parameters": sum(p.numel() for p in product.parameters()),
        "seed": recipe.seed,
        "turnkit": __version__,
    }
    if recipe.kind == STREAMING:
        teacher = {"taught_by": _encoder_facts(recipe, prepared)} if prepared.encoder else {}
        return {**common, "features": recipe.features.as_dict(), "block": recipe.block, **teacher}
    return {
        **common,
        "encoder": _encoder_facts(recipe, prepared),
        "times_s": list(recipe.encoder.times_s),
    }


def _encoder_facts(recipe: Recipe, prepared: Prepared) -> dict[str, Any]:
    assert prepared.encoder is not None
    source = recipe.encoder.source
    shown = Path(source).name if Path(source).exists() else source
    return {
        "sha256": prepared.encoder.sha256,
        "source": shown,
        "window_s": prepared.encoder.window_s,
    }


def _data_facts(corpus: TrainingCorpus) -> dict[str, Any]:
    validation = corpus.validation
    return {
        "name": Path(corpus.training.name).name,
        "synthetic": corpus.training.synthetic,
        "labels": corpus.labels,
        "weight": corpus.weight,
        "training_turns": len(corpus.training),
        "training_speakers": len(set(corpus.training.speakers)),
        "validation_turns": len(validation) if validation else 0,
        "validation_speakers": len(set(validation.speakers)) if validation else 0,
    }


def finish(
    folder: Path,
    recipe: Recipe,
    prepared: Prepared,
    description: Mapping[str, Any],
    figures: Mapping[str, Any],
) -> Trained:
    """Turn the best weights into a detector with frozen policies.

    Raises
    ------
    RunError
        If no weights were saved, or the run cannot be written.
    """
    started = time.monotonic()
    best = load_run_model(folder / BEST).module
    product = prepared.module.product
    product.load_state_dict(best.state_dict())
    product.eval()
    replayer = prepared.replayer
    fitted = fit_policies([replayer.trace(index) for index in range(len(replayer))])
    if prepared.encoder is not None and recipe.kind != STREAMING:
        try:
            with atomic_path(folder / ENCODER_FILE) as aside:
                shutil.copyfile(prepared.encoder.path, aside)
        except OSError as error:
            raise RunError(f"{folder}: the encoder could not be written ({error})") from error
    save_run_model(folder, description, best)
    save_policies(folder, {name: each.policy.as_dict() for name, each in fitted.items()})
    metrics = {
        **figures,
        "fitting_s": round(time.monotonic() - started, 1),
        "parameters": description["parameters"],
        "policies": {name: asdict(each) for name, each in fitted.items()},
    }
    write_json(folder / METRICS_FILE, metrics)
    return Trained(folder, metrics, fitted)
