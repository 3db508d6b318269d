"""``turnkit train``: train a detector by a recipe."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers

RUNS = Path("runs")
"""Where runs go if nothing else is said."""


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit train``."""
    parser = subparsers.add_parser(
        "train",
        help="train a detector by a recipe",
        description="Train a detector by a recipe (training/NAME.yaml), or go on with a run "
        "that was stopped.",
    )
    parser.add_argument("recipe", nargs="?", metavar="RECIPE.yaml")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="dotted keys of the recipe (loss.hidden=0, trainer.max_epochs=3); "
        "corpus=PATH is short for data.corpora.0.source=PATH, out=DIR for --out DIR",
    )
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"folder of the run (default: {RUNS}/NAME)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a run that is in the folder already"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train and print what came of it."""
    from turnkit.errors import ConfigError

    recipe_path, overrides, out = _words(args)
    if args.resume is None and recipe_path is None:
        raise ConfigError("train: expected a recipe (training/NAME.yaml) or --resume RUN")
    if args.resume is not None and (out is not None or args.overwrite):
        raise ConfigError("train: --resume goes on in its own folder: leave --out away")
    from turnkit.train.recipe_file import read_recipe
    from turnkit.train.run_folder import holds_run, read_run
    from turnkit.train.training import train

    if args.resume is not None:
        recipe, folder = read_run(args.resume, recipe_path, overrides), args.resume
    else:
        assert recipe_path is not None
        recipe = read_recipe(recipe_path, overrides)
        folder = out or RUNS / recipe.name
    try:
        trained = train(recipe, folder, resume=args.resume is not None, overwrite=args.overwrite)
    except KeyboardInterrupt:
        how = f"turnkit train --resume {folder}" if holds_run(folder) else "the same command"
        print(f"\ninterrupted; go on with: {how}", file=sys.stderr)
        return 130
    if trained is not None:
        print("\n".join(_lines(trained.folder, trained.metrics)))
    return 0


def _words(args: argparse.Namespace) -> tuple[str | None, list[str], Path | None]:
    """Tell the recipe, the overrides and ``out=DIR`` apart."""
    words = [word for word in (args.recipe, *args.overrides) if word is not None]
    out = args.out
    recipe = words.pop(0) if words and "=" not in words[0] else None
    overrides = []
    for word in words:
        key, _, value = word.partition("=")
        if key == "out":
            out = Path(value)
        else:
            overrides.append(word)
    return recipe, overrides, out


def _lines(folder: Path, metrics: dict[str, Any]) -> list[str]:
    lines = [
        f"{folder}: {metrics['parameters']:,} parameters, best after epoch "
        f"{metrics['best_epoch']} of {metrics['epochs']}; {metrics['caching_s']:.0f} s caching, "
        f"{metrics['training_s']:.0f} s training",
        "frozen policies, fitted on the validation speakers:",
    ]
    for name, fitted in metrics["policies"].items():
        policy = fitted["policy"]
        lines.append(
            f"  {name:7} threshold {policy['threshold']:.2f}, action delay "
            f"{policy['action_delay_s']:.1f} s, timeout {policy['timeout_s']:.1f} s: cuts "
            f"{100 * fitted['rate']:.1f} % of holds, mean latency "
            f"{1000 * fitted['mean_latency_s']:.0f} ms"
            + ("" if fitted["reached"] else " (out of reach: the closest)")
        )
    return [
        *lines,
        "next:",
        f"  turnkit eval --corpus CORPUS --detector {folder} --detector vad:silero",
        f"  turnkit export {folder} {folder / folder.name}.turnkit",
    ]
