"""``turnkit data mix``: make one corpus of several."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers

_TELL_EVERY_S = 10.0
"""Seconds between lines of progress where they cannot overwrite each other."""


def add_mix_parser(actions: Subparsers) -> None:
    """Declare ``turnkit data mix MIX.yaml OUT``."""
    parser = actions.add_parser(
        "mix",
        help="make one corpus of several: how much of each, and who is in which split",
        description="Make one corpus of several. Splits share no speaker and no recording; "
        "rows of a source, a speaker or a domain can be limited. The folder can be given "
        "wherever a corpus is; what went in and what was left out is in its mix.json.",
    )
    parser.add_argument("mix", metavar="MIX.yaml", type=Path, help="sources, limits and seed")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to be")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, such as sources.0.turns=100; again for more",
    )
    parser.add_argument("--json", action="store_true", help="print mix.json")
    parser.set_defaults(run=run_mix)


def run_mix(args: argparse.Namespace) -> int:
    """Make the corpus and say what it holds."""
    from turnkit.corpus.mixing import mix, read_mix

    record = mix(read_mix(args.mix, args.set), args.out, _progress())
    if args.json:
        print(json.dumps(record, indent=2))
    else:
        print("\n".join([*_lines(record), f"written to {args.out}"]))
    return 0


def _lines(record: Mapping[str, Any]) -> list[str]:
    rows = [("split", "domain", "turns", "speakers", "holds", "hours")]
    for split, counts in record["splits"].items():
        rows += [
            (split, domain, *_figures(one)) for domain, one in sorted(counts["domains"].items())
        ]
        if len(counts["domains"]) > 1:
            rows.append((split, "all", *_figures(counts)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if number < 2 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    left_out = [
        f"  {one['rows']} of {one['source']} in {one['split']}: {one['reason']}"
        for one in record["left_out"]
    ]
    unnamed = [
        f"{count} turns in {split} name no speaker: each counts as one of its own, and splits "
        "may share some"
        for split, counts in record["splits"].items()
        if (count := counts["rows_without_speaker"])
    ]
    return [*lines, "left out:", *(left_out or ["  nothing"]), *unnamed]


def _figures(counts: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return (
        str(counts["rows"]),
        str(counts["speakers"]),
        str(counts["holds"]),
        f"{counts['hours']:.2f}",
    )


def _progress() -> Callable[[int, int], None]:
    """Tell progress on stderr: one line that changes on a terminal, else now and then one."""
    terminal, last = sys.stderr.isatty(), time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if terminal:
            end = "\n" if done == total else ""
            print(f"\r{done} of {total} turns", end=end, file=sys.stderr, flush=True)
        elif done == total or time.monotonic() - last > _TELL_EVERY_S:
            last = time.monotonic()
            print(f"{done} of {total} turns", file=sys.stderr, flush=True)

    return tell
