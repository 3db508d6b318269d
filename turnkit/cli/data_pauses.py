"""``turnkit data pauses``: fit pause lengths, and compare a corpus with them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnkit.corpus.synthesis.text.comparing import Comparison, Pauses
    from turnkit.corpus.synthesis.text.pauses import PauseModel


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare ``turnkit data pauses``."""
    parser = actions.add_parser(
        "pauses",
        help="fit how long people pause inside turns; compare a corpus with that",
        description="Measure the pauses inside the turns of transcribed meetings and how often "
        "people hesitate, fit the parameters that synthetic turns are made with, and set a "
        "corpus beside them.",
    )
    parser.add_argument(
        "files",
        metavar="FILE.jsonl.gz",
        nargs="+",
        type=Path,
        help="meetings, one a line: {segments: [{start, end, speaker, act, words}]}",
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the parameters")
    parser.add_argument(
        "--against", metavar="CORPUS", help="print this corpus's pauses beside the measured"
    )
    parser.add_argument(
        "--scripts",
        type=int,
        metavar="N",
        help="print the pauses of N scripts beside the measured, as synthetic turns have them",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fit, write and compare."""
    from turnkit.corpus.synthesis.text.comparing import pauses_of_corpus
    from turnkit.corpus.synthesis.text.fitting import fit, read_turns
    from turnkit.errors import ConfigError
    from turnkit.files import atomic_path, check_output

    if args.scripts is not None and args.scripts < 1:
        raise ConfigError(f"--scripts {args.scripts}: expected 1 or more")
    if args.out:
        check_output(args.out, folder=False)
    model, measured = fit(read_turns(args.files))
    _print_model(model)
    if args.out:
        with atomic_path(args.out) as aside:
            aside.write_text(json.dumps(model.as_dict(), indent=1) + "\n")
        print(f"{args.out}: parameters")
    if args.scripts:
        _print_beside(measured, _scripts(args.scripts), f"{args.scripts} scripts")
    if args.against:
        from turnkit.corpus.reader import load_splits

        for corpus in load_splits(args.against).values():
            _print_beside(measured, pauses_of_corpus(corpus), corpus.name)
    return 0


def _scripts(count: int) -> Pauses:
    from turnkit.corpus.synthesis.text import ScriptWriter, TextSettings
    from turnkit.corpus.synthesis.text.comparing import pauses_of_scripts

    writer = ScriptWriter(TextSettings(), ("all",), seed=0)
    return pauses_of_scripts(writer.write("all", i) for i in range(count))


def _print_model(model: PauseModel) -> None:
    for name, value in model.rates.items():
        print(f"  {name:22} {value:10.4g}")
    for place, mixture in model.lengths.items():
        parts = zip(mixture.weights, mixture.medians, mixture.spreads, strict=True)
        text = ", ".join(f"{w:.2f} x ({m:.2f} s, {s:.2f})" for w, m, s in parts)
        print(f"  pauses, {place:14} {text}")


def _print_beside(measured: Pauses, found: Pauses, name: str) -> None:
    from turnkit.corpus.synthesis.text.comparing import QUANTILES, compare

    print(f"\npauses of {name} beside the measured, quantiles in seconds")
    head = "".join(f"{q:>7.0%}" for q in QUANTILES)
    print(f"  {'':17}{'':10}{'n':>8}{head}")
    for row in compare(measured, found):
        _print_row(row)


def _print_row(row: Comparison) -> None:
    for label, count, values in (
        ("measured", row.counts[0], row.measured),
        ("found", row.counts[1], row.found),
    ):
        text = "".join(f"{value:7.2f}" for value in values)
        print(f"  {row.group if label == 'measured' else '':17}{label:10}{count:8}{text}")
    if row.ks is not None and row.wasserstein is not None:
        print(f"  {'':17}KS distance {row.ks:.3f}, Wasserstein {row.wasserstein:.3f} s")
