"""``turnkit data``: look at a corpus."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers
    from turnkit.corpus.reader import Corpus


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit data describe``."""
    parser = subparsers.add_parser("data", help="look at a corpus")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    describe = actions.add_parser(
        "describe",
        help="rows, speakers, hours, holds, ends, durations, and what looks wrong",
        description="Say what a corpus holds and what looks wrong in it. Exit status 1 if a "
        "row cannot be used or splits share speakers or recordings.",
    )
    describe.add_argument(
        "corpus",
        metavar="CORPUS",
        help="a parquet file, a folder, a hub id (owner/name, owner/name/config@revision) or "
        "'embedded', each with :SPLIT behind it if it has several",
    )
    describe.add_argument("--split", help="only this split (default: all)")
    describe.add_argument("--json", action="store_true", help="print JSON")
    describe.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the durations")
    describe.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the description; 1 if the corpus cannot be used as it is."""
    from turnkit.corpus.describe import describe
    from turnkit.corpus.present import as_text, plot_description
    from turnkit.corpus.reader import load_splits

    splits = load_splits(args.corpus, args.split)
    found = {split: describe(corpus) for split, corpus in splits.items()}
    leaks = find_leaks(splits)
    if args.json:
        document = {
            "corpus": args.corpus,
            "splits": {split: description.as_dict() for split, description in found.items()},
            "leaks": leaks,
        }
        print(json.dumps(document, indent=2))
    else:
        print("\n".join(as_text(description) for description in found.values()), end="")
        for leak in leaks:
            print(f"  - leak: {leak['message']}")
    if args.plot:
        plot_description(found, args.plot)
    return 0 if all(d.usable for d in found.values()) and not leaks else 1


def find_leaks(splits: Mapping[str, Corpus]) -> list[dict[str, Any]]:
    """Pairs of splits that share speakers or recordings."""
    from turnkit.corpus.split import check_leakage
    from turnkit.errors import CorpusError

    leaks: list[dict[str, Any]] = []
    for a, b in itertools.combinations(splits, 2):
        try:
            check_leakage(splits[a], splits[b])
        except CorpusError as error:
            leaks.append({"splits": [a, b], "message": str(error)})
    return leaks
