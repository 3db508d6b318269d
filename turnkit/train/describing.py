"""What a run says of itself: which data it was started with, and what its model is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch

from turnkit import __version__
from turnkit.model.checkpoint import STREAMING
from turnkit.train.preparation import Prepared
from turnkit.train.recipe import Recipe
from turnkit.train.speakers import TrainingCorpus, hashed
from turnkit.train.starting import Start


def run_facts(
    corpora: Sequence[TrainingCorpus], prepared: Prepared, start: Start | None
) -> dict[str, Any]:
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
        "start": start.sha256 if start else None,
        "turnkit": __version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def model_description(
    recipe: Recipe, corpora: Sequence[TrainingCorpus], prepared: Prepared, start: Start | None
) -> dict[str, Any]:
    """Content of ``model.json``; what a run started from was trained on counts as its own."""
    product = prepared.module.product
    before = start.run.description.get("data", []) if start else []
    known = start.training_speakers if start else []
    common = {
        "kind": recipe.kind,
        "name": recipe.name,
        "model": recipe.model_config().as_dict(),
        "inputs": product.features,
        "gate": recipe.gate.as_dict(),
        "training_speakers": sorted({*known, *hashed([each.training for each in corpora])}),
        "policy_speakers": hashed([each.validation for each in corpora if each.validation]),
        "data": [*before, *(_data_facts(each) for each in corpora)],
        **({"started_from": start.facts()} if start else {}),
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
