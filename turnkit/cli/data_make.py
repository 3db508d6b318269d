"""``turnkit data make``: a corpus of synthetic turns."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers


def add_make_parser(actions: Subparsers) -> None:
    """Declare ``turnkit data make``."""
    parser = actions.add_parser(
        "make",
        help="a corpus of synthetic turns, from a spec",
        description="Make a corpus of synthetic turns from a spec (data/synthetic/NAME.yaml). "
        "What is made depends on the spec alone; the same command goes on with work that was "
        "stopped.",
    )
    parser.add_argument("spec", metavar="SPEC.yaml", type=Path, help="what to make")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder of the corpus to be")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes (default: one a processor)"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="processes of this machine, or tasks of Ray: of the cluster that RAY_ADDRESS "
        "names, or of this machine (default: local)",
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a dotted key of the spec, such as splits.train.turns=100; may be repeated",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the corpus and say what it holds and how long it took."""
    from turnkit.corpus.synthesis.making import make_corpus
    from turnkit.corpus.synthesis.settings import read_spec

    spec = read_spec(args.spec, args.overrides)
    made = make_corpus(spec, args.out, workers=args.workers, engine=args.engine)
    print("\n".join(_lines(args.out, made.record, made.fresh)))
    return 0


def _lines(out: Path, record: Mapping[str, Any], fresh: int) -> list[str]:
    lines = [f"{out}: {record['name']}, synthetic"]
    lines += [
        f"  {split}: {size['turns']:,} turns of {size['speakers']:,} speakers, "
        f"{size['holds']:,} pauses, {size['audio_s'] / 3600:.2f} h"
        for split, size in record["splits"].items()
    ]
    run = record["run"]
    if fresh:
        lines.append(
            f"  made now: {run['turns']:,} turns, {run['audio_s']:,.0f} s of audio in "
            f"{run['wall_s']:,.0f} s on {run['workers']} workers: "
            f"{run['times_real_time']:.1f} x real time"
        )
    else:
        lines.append("  all of it was there already")
    lines.append(f"  sha256 {record['sha256']}")
    return lines
