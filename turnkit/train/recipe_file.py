"""Reading and writing recipes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from turnkit.files import atomic_path
from turnkit.settings_file import apply_override, build, load_yaml, plain
from turnkit.train.recipe import Recipe

CORPUS = "corpus"
"""Short for the source of the first corpus on the command line."""


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and change it.

    Parameters
    ----------
    path : path-like
        A YAML file.
    overrides : sequence of str
        ``key=value`` with dotted keys (``loss.hidden=0``, ``data.corpora.1.weight=2``);
        values are YAML. ``corpus=PATH`` is short for ``data.corpora.0.source=PATH``.

    Returns
    -------
    Recipe

    Raises
    ------
    ConfigError
        If the file cannot be read, or a key or value does not fit; the message names it
        and what would.
    """
    content = load_yaml(Path(path), "recipe")
    for override in overrides:
        key, equals, value = override.partition("=")
        named = f"data.corpora.0.source={value}" if key == CORPUS and equals else override
        apply_override(content, named)
    return build(Recipe, content, "")


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe with every default spelt out."""
    with atomic_path(path) as aside:
        aside.write_text(yaml.safe_dump(plain(recipe.as_dict()), sort_keys=False))
