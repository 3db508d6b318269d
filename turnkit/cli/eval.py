"""``turnkit eval``: measure detectors on the same rows."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers
    from turnkit.corpus.reader import Corpus
    from turnkit.evaluate import Evaluation, Progress

DETECTORS = ("default", "vad:silero")
"""Detectors that are measured if none is named: ours against the VAD."""

_TELL_EVERY_S = 10.0
"""Seconds between lines of progress where they cannot overwrite each other."""


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit eval``."""
    parser = subparsers.add_parser(
        "eval",
        help="measure detectors: false cutoffs, latency, cost, with intervals",
        description="Measure end-of-turn detectors on the same rows: frozen policies by replay "
        "(the headline), the best-on-test sweep for comparison with public tables, "
        "95 % intervals by bootstrap over speakers, and paired differences of the first "
        "detector to the others.",
    )
    corpus_help = (
        "a parquet file, a folder, a hub id (owner/name, owner/name/config@revision) or "
        "'embedded', each with :SPLIT behind it if it has several"
    )
    parser.add_argument("--corpus", required=True, help=f"test rows: {corpus_help}")
    parser.add_argument("--split", help="split of --corpus (default: test, if it has several)")
    parser.add_argument(
        "--detector",
        action="append",
        metavar="SPEC",
        help="default, encoder, vad:silero, vad:webrtc, vad:600 (ms), smart-turn, "
        "smart-turn:repeat, or the path of a bundle or run; again for more, the first is "
        f"compared with the rest (default: {' and '.join(DETECTORS)})",
    )
    parser.add_argument(
        "--fit-on",
        metavar="CORPUS",
        help="rows of other speakers on which each detector's policies are chosen; speakers "
        "that trained the weights of any of them are left out (default split: train)",
    )
    parser.add_argument(
        "--by",
        choices=("slice",),
        help="tell the frozen points of each tag's rows as well, such as short, digits, "
        "filler-hold, telephone, snr:10, and of those that the corpus itself has",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write table.txt, table.md, results.json and report.html there",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only the first N rows of each corpus"
    )
    parser.add_argument(
        "--transcript-lag",
        type=float,
        metavar="SECONDS",
        help="after their end at which words of the corpus reach a detector (default: 0.5)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print, and write what was asked for."""
    from turnkit.evaluate import TRANSCRIPT_LAG_S, as_dict, evaluate, to_text
    from turnkit.evaluate.machine import available_cores

    _check(args)
    lag = TRANSCRIPT_LAG_S if args.transcript_lag is None else args.transcript_lag
    evaluation = evaluate(
        _open(args.corpus, args.split, "test", args.limit),
        args.detector or DETECTORS,
        None if args.fit_on is None else _open(args.fit_on, None, "train", args.limit),
        workers=available_cores() if args.workers is None else args.workers,
        seed=args.seed,
        transcript_lag_s=lag,
        by_slice=args.by == "slice",
        progress=_progress(),
    )
    if args.out is not None:
        write(evaluation, args.out)
    if args.json:
        print(json.dumps(as_dict(evaluation), indent=2, allow_nan=False))
    else:
        print(to_text(evaluation), end="")
        if args.out is not None:
            print(f"\nwritten to {args.out}")
    return 0


def _check(args: argparse.Namespace) -> None:
    from turnkit.errors import ConfigError

    if args.limit is not None and args.limit < 1:
        raise ConfigError(f"--limit {args.limit}: expected 1 or more")
    if args.seed < 0:
        raise ConfigError(f"--seed {args.seed}: expected 0 or more")
    if args.transcript_lag is not None and not 0 <= args.transcript_lag <= 60:
        raise ConfigError(f"--transcript-lag {args.transcript_lag}: expected 0 .. 60 seconds")
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise ConfigError(f"--out {args.out}: expected a folder, this is a file")


def _open(name: str, split: str | None, default_split: str, limit: int | None) -> Corpus:
    from turnkit.corpus.reader import load_corpus

    corpus = load_corpus(name, split, default_split)
    return corpus if limit is None else corpus.subset(range(min(limit, len(corpus))))


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write the four files of an evaluation, each whole or not at all.

    Parameters
    ----------
    evaluation : Evaluation
    folder : Path
        Made if missing.
    """
    from turnkit.evaluate import as_dict, to_markdown, to_text
    from turnkit.files import atomic_path
    from turnkit.report import to_html

    contents = {
        "table.txt": to_text(evaluation),
        "table.md": to_markdown(evaluation),
        "results.json": json.dumps(as_dict(evaluation), indent=2, allow_nan=False) + "\n",
        "report.html": to_html(evaluation),
    }
    for name, content in contents.items():
        with atomic_path(folder / name) as path:
            path.write_text(content, encoding="utf-8")


def _progress() -> Progress:
    """Tell progress on stderr: one line that changes on a terminal, else now and then one."""
    terminal, last = sys.stderr.isatty(), time.monotonic()

    def tell(label: str, done: int, total: int) -> None:
        nonlocal last
        if terminal:
            end = "\n" if done == total else ""
            print(f"\r{label}: {done} of {total} turns", end=end, file=sys.stderr, flush=True)
        elif done == total or time.monotonic() - last > _TELL_EVERY_S:
            last = time.monotonic()
            print(f"{label}: {done} of {total} turns", file=sys.stderr, flush=True)

    return tell
