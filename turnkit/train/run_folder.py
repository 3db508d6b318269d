"""The folder of a training run.

::

    recipe.yaml              the recipe with every default spelt out
    run.json                 corpora, versions: what has to be the same to go on
    checkpoints/last.ckpt    state of training; `--resume` goes on from here
    checkpoints/best/        the best weights so far
    logs/                    TensorBoard
    model.json, weights.safetensors, policies.json, metrics.json
                             the finished run; for a head its encoder.onnx, too
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from turnkit.errors import ConfigError, RunError
from turnkit.files import atomic_path
from turnkit.settings_file import plain
from turnkit.train.recipe import Recipe
from turnkit.train.recipe_file import read_recipe, write_recipe

RECIPE_FILE = "recipe.yaml"
RUN_FILE = "run.json"
METRICS_FILE = "metrics.json"
CHECKPOINT = Path("checkpoints") / "last.ckpt"
BEST = Path("checkpoints") / "best"
LOGS = "logs"

_FREE = ("trainer.", "logger", "checkpoint.", "validation.patience", "data.workers")
"""Beginnings of keys that may change when a run is taken up again."""

_BOUND = (
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.accumulate_grad_batches",
    "trainer.gradient_clip_val",
)
"""Keys among those that may not: they decide what the weights become."""


def holds_run(folder: Path) -> bool:
    """Whether a run was begun in a folder."""
    return (folder / RECIPE_FILE).is_file()


def check_free(folder: Path) -> None:
    """Make sure that a folder holds no run.

    Raises
    ------
    RunError
        If it does.
    """
    if holds_run(folder):
        raise RunError(
            f"{folder}: holds a run already: go on with it (--resume {folder}), replace it "
            "(--overwrite), or choose another folder (--out)"
        )


def start_run(folder: Path, recipe: Recipe, facts: Mapping[str, Any]) -> None:
    """Write what a new run begins with.

    Raises
    ------
    RunError
        If it cannot be written.
    """
    try:
        write_recipe(folder / RECIPE_FILE, recipe)
        write_json(folder / RUN_FILE, facts)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error})") from error


def clear_run(folder: Path) -> None:
    """Remove what an earlier run left in a folder; other files stay.

    Raises
    ------
    RunError
        If it cannot be removed.
    """
    import shutil

    names = ("model.json", "weights.safetensors", "policies.json", "encoder.onnx")
    try:
        for name in (METRICS_FILE, *names, RUN_FILE, RECIPE_FILE):
            (folder / name).unlink(missing_ok=True)
        for name in ("checkpoints", LOGS):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
    except OSError as error:
        raise RunError(f"{folder}: cannot be cleared ({error})") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all.

    Raises
    ------
    RunError
        If it cannot be written.
    """
    try:
        with atomic_path(path) as aside:
            aside.write_text(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error})") from error


def read_run(folder: Path, recipe: str | None, overrides: Sequence[str]) -> Recipe:
    """Recipe of a run that is taken up again.

    Parameters
    ----------
    folder : Path
    recipe : str or None
        Path of the recipe that was given again, if it was.
    overrides : sequence of str
        ``key=value``; they may change how the run goes on, not what it is.

    Raises
    ------
    RunError
        If the folder holds no run.
    ConfigError
        If something is changed that decides what the weights become.
    """
    path = folder / RECIPE_FILE
    if not holds_run(folder):
        raise RunError(f"{folder}: holds no run to resume (no {RECIPE_FILE})")
    before = read_recipe(path)
    now = read_recipe(recipe, overrides) if recipe else read_recipe(path, overrides)
    was, wanted = _flat(plain(before.as_dict())), _flat(plain(now.as_dict()))
    for key in sorted({*was, *wanted}):
        if was.get(key) != wanted.get(key) and not _may_change(key):
            raise ConfigError(
                f"{key}: {folder} was started with {was.get(key)!r}, not {wanted.get(key)!r}; "
                "a run is resumed as it was started"
            )
    return now


def _may_change(key: str) -> bool:
    # Corpora may have moved; that they are the same is checked by their content.
    moved = key.startswith("data.corpora.") and key.endswith(".source")
    return moved or (key.startswith(_FREE) and key not in _BOUND)


def _flat(content: Any, where: str = "") -> dict[str, Any]:
    if isinstance(content, Mapping):
        parts = content.items()
    elif isinstance(content, list):
        parts = enumerate(content)  # type: ignore[assignment]
    else:
        return {where: content}
    found: dict[str, Any] = {}
    for key, value in parts:
        found |= _flat(value, f"{where}.{key}" if where else str(key))
    return found


def check_same_data(folder: Path, facts: Mapping[str, Any]) -> None:
    """Make sure that a run goes on with the data it was started with.

    Raises
    ------
    RunError
        If a corpus, the encoder or the run it started from has changed.
    """
    try:
        before = json.loads((folder / RUN_FILE).read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / RUN_FILE}: cannot be read ({error})") from error
    for key in ("corpora", "encoder", "start"):
        if before.get(key) != facts.get(key):
            raise RunError(
                f"{folder}: its {key} changed since it was started: "
                f"{before.get(key)} then, {facts.get(key)} now"
            )
