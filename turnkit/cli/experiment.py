"""``turnkit experiment``: questions that calls answer, a command and a figure each."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers
    from turnkit.lab.experiments.experiment import Experiment, Options

NAMES = (
    "modes", "detectors", "barge-in", "hedging", "connections", "jitter", "line", "region",
    "load", "ears",
)  # fmt: skip


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit experiment``."""
    parser = subparsers.add_parser(
        "experiment",
        help="compare agents that differ in one thing, by calling them",
        description="Call the same agent under conditions that differ in one thing, with the "
        "same turns, and print a table, a figure and what follows. `ears` measures the error of "
        "the measuring itself. An experiment that was stopped goes on.",
    )
    parser.add_argument("name", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--corpus", default="embedded:test", help="default: embedded:test")
    parser.add_argument(
        "--agent",
        metavar="PRESET",
        help="default: budget, scripted stages that keep to a published latency budget",
    )
    parser.add_argument("--turns", type=int, metavar="N", help="in each condition")
    parser.add_argument("--callers", type=int, metavar="K", help="calls at a time")
    parser.add_argument(
        "--longest", type=float, metavar="S", help="leave out turns that last longer"
    )
    parser.add_argument("--only", action="append", metavar="CONDITION", help="may be repeated")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="key=value")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", metavar="DIR", help="default: runs/experiment-NAME")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run it, print what it showed and save the figure."""
    from turnkit.cli.extras import needing

    with needing("agent", "turnkit experiment"):
        from turnkit.lab.experiments.questions import EXPERIMENTS
    options = _options(args)
    if args.name == "ears":
        return _ears(args)
    return _compare(args, EXPERIMENTS[args.name], options)


def _options(args: argparse.Namespace) -> Options:
    from turnkit.lab.experiments.experiment import Options

    return Options(
        corpus=args.corpus,
        agent=args.agent,
        overrides=tuple(args.overrides),
        turns=args.turns,
        callers=args.callers,
        longest_s=args.longest,
        seed=args.seed,
    )


def _compare(args: argparse.Namespace, experiment: Experiment, options: Options) -> int:
    import asyncio
    import sys
    from pathlib import Path

    from tqdm import tqdm

    from turnkit.files import check_output
    from turnkit.lab.experiments.page import save
    from turnkit.lab.experiments.running import findings, run_experiment
    from turnkit.lab.records import CallRecord

    out = Path(args.out or f"runs/experiment-{args.name}")
    check_output(out, folder=True)
    bars: list[Any] = []

    def begin(name: str, total: int, before: int) -> Callable[[CallRecord, int], object]:
        for bar in bars:
            bar.close()
        bars[:] = [tqdm(total=total, initial=before, unit="turn", desc=name)]
        return lambda _record, turns: bars[0].update(turns)

    try:
        results = asyncio.run(
            run_experiment(
                experiment,
                options,
                out,
                begin,
                lambda line: print(line, file=sys.stderr),
                args.only,
            )
        )
    finally:
        for bar in bars:
            bar.close()
    shown = findings(experiment, results)
    print(experiment.question, "", shown.table, "", *shown.lines, sep="\n")
    print(f"seed {options.seed}\n\nreport: {save(experiment, results, shown, out)}")
    return 0


def _ears(args: argparse.Namespace) -> int:
    import asyncio

    from tqdm import tqdm

    from turnkit.lab.ears import measure_ears

    n = args.turns or 100
    with tqdm(total=n, unit="burst", desc="ears") as bar:
        found = asyncio.run(measure_ears(n, args.seed, told=bar.update)).describe()
    print("error of the ears, ms      mean    P95 |.|    max |.|")
    for name in ("onset_ms", "end_ms", "cut_ms"):
        errors = found[name]
        values = (errors["mean"], errors["p95"], errors["max"])
        shown = " ".join("         -" if each is None else f"{each:10.1f}" for each in values)
        print(f"{name.removesuffix('_ms'):<20}{shown}")
    print(
        f"{found['n']} bursts, {found['missed']} missed, {found['extra']} heard where there was "
        f"none, {found['skipped_frames']} frames not sent in time, seed {args.seed}"
    )
    return 0
