"""A training run from recipe to frozen policies."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only

from turnkit.errors import RunError
from turnkit.evaluate.fitting import FittedPolicy, fit_policies
from turnkit.files import atomic_path
from turnkit.model.checkpoint import (
    ENCODER_FILE,
    STREAMING,
    load_run_model,
    save_policies,
    save_run_model,
)
from turnkit.train.callbacks import AtomicCheckpoints, KeepState, ReplayValidation, StepRandomness
from turnkit.train.describing import model_description, run_facts
from turnkit.train.lightning_trainer import (
    TrainingData,
    all_steps,
    check_logger,
    open_logger,
    own_interrupts,
    quiet,
    threads,
    trainer_options,
)
from turnkit.train.modules import TrainedModule
from turnkit.train.preparation import Prepared, prepare
from turnkit.train.recipe import Recipe
from turnkit.train.run_folder import (
    BEST,
    CHECKPOINT,
    METRICS_FILE,
    check_free,
    check_same_data,
    clear_run,
    holds_run,
    start_run,
    write_json,
)
from turnkit.train.speakers import open_corpora
from turnkit.train.starting import open_start


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
    check_logger(recipe)
    first = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    if first and not resume and not overwrite:
        check_free(folder)
    corpora = open_corpora(recipe)
    start = open_start(recipe, corpora)
    torch.manual_seed(recipe.seed)
    prepared = prepare(recipe, corpora)
    if start is not None:
        start.give(prepared.module)
    facts = run_facts(corpora, prepared, start)
    if resume:
        check_same_data(folder, facts)
    elif first:
        if holds_run(folder):
            clear_run(folder)
        start_run(folder, recipe, facts)
    description = model_description(recipe, corpora, prepared, start)
    figures = _fit(recipe, prepared, options, description, folder, resume)
    return None if figures is None else finish(folder, recipe, prepared, description, figures)


def _fit(
    recipe: Recipe,
    prepared: Prepared,
    options: Mapping[str, Any],
    description: Mapping[str, Any],
    folder: Path,
    resume: bool,
) -> dict[str, Any] | None:
    """Run Lightning's trainer; figures of the run on the first rank, None on the others."""
    keep = KeepState(folder / CHECKPOINT, recipe.checkpoint.every_n_steps)

    def save_best(module: TrainedModule) -> None:
        save_run_model(folder / BEST, description, module.product)

    how = recipe.validation
    validation = ReplayValidation(prepared.replayer, how.every_n_epochs, how.patience, save_best)
    with quiet(), threads(recipe.threads):
        trainer = lightning.Trainer(
            **options,
            callbacks=[StepRandomness(recipe.seed), validation, keep],
            logger=open_logger(recipe, folder),
            plugins=[AtomicCheckpoints()],
            default_root_dir=folder,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
        )
        data = TrainingData(prepared.dataset, recipe)
        prepared.module.steps = all_steps(trainer, len(data.batches(trainer)))
        state = folder / CHECKPOINT
        found = state if resume and state.is_file() else None
        with own_interrupts(trainer):
            trainer.fit(prepared.module, datamodule=data, ckpt_path=found, weights_only=True)
    if not trainer.is_global_zero:
        return None
    return {
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "best_epoch": validation.best_epoch,
        "validation": validation.best,
        "caching_s": round(prepared.seconds, 1),
        "training_s": round(keep.seconds, 1),
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
