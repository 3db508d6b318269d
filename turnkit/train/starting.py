"""Weights to start from: a run goes on from what an earlier one learned elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnkit.errors import ConfigError, CorpusError
from turnkit.files import sha256_file
from turnkit.model.checkpoint import WEIGHTS_FILE, RunModel, load_run_model
from turnkit.train.modules import TrainedModule
from turnkit.train.recipe import Recipe
from turnkit.train.speakers import TrainingCorpus, hashed


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A finished run whose weights, and scales of features, another begins with.

    Attributes
    ----------
    run : RunModel
    sha256 : str
        Of its weights.
    """

    run: RunModel
    sha256: str

    @property
    def training_speakers(self) -> list[str]:
        """Hashes of the speakers that trained it."""
        return list(self.run.description.get("training_speakers", ()))

    def facts(self) -> dict[str, Any]:
        """Say what it was."""
        return {"name": self.run.description.get("name"), "sha256": self.sha256}

    def give(self, module: TrainedModule) -> None:
        """Give a module its weights."""
        weights = self.run.module.state_dict()
        module.trained.load_state_dict(weights)
        module.averaged.load_state_dict(weights)


def open_start(recipe: Recipe, corpora: Sequence[TrainingCorpus]) -> Start | None:
    """Read the run that a recipe starts from.

    Raises
    ------
    RunError
        If it is no finished run.
    ConfigError
        If it is not what the recipe trains.
    CorpusError
        If it was trained by speakers that are to judge this one.
    """
    if recipe.start is None:
        return None
    folder = Path(recipe.start)
    run = load_run_model(folder)
    wanted: dict[str, Any] = {
        "kind": recipe.kind,
        "model": recipe.model_config().as_dict(),
        "features": recipe.features.as_dict(),
        "block": recipe.block,
    }
    for key, value in wanted.items():
        has, needs = json.dumps(run.description.get(key)), json.dumps(value)
        if has != needs:
            raise ConfigError(f"start {folder}: {key} {has}: this recipe has {needs}")
    start = Start(run, sha256_file(folder / WEIGHTS_FILE))
    judges = hashed([each.validation for each in corpora if each.validation])
    if shared := {*start.training_speakers} & {*judges}:
        raise CorpusError(
            f"start {folder}: {len(shared)} of the speakers that trained it would judge this "
            "run: start from a run that held them out, as one with the same seed and share does"
        )
    return start
