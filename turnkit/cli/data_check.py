"""``turnkit data check`` and ``turnkit data relabel``: find what is wrong in a corpus, mend it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.corpus.checking.inspection import Report
    from turnkit.corpus.reader import Corpus

_CORPUS = "a corpus, as 'turnkit data describe' takes it"


def add_check_parsers(actions: Any) -> None:
    """Declare both among the actions of ``turnkit data``."""
    _add_check(actions)
    _add_relabel(actions)


def _add_check(actions: Any) -> None:
    check = actions.add_parser(
        "check",
        help="leakage, duplicates, wrong labels, broken audio, shortcuts; a page to mend them",
        description="Look for what would spoil training or evaluation on a corpus: speakers, "
        "recordings, ids or copies in two splits, spans that contain speech, ends cut before "
        "the word is over, clipping, upsampled rows, dead channels, transcripts that do not "
        "fit, and shortcuts by which a model could tell holds from ends without the speech. "
        "Exit status 1 if a row cannot be used or something is in two splits.",
    )
    check.add_argument("corpus", metavar="CORPUS", help=_CORPUS)
    check.add_argument("--split", help="only this split (default: all)")
    check.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="CORPUS2",
        help="another corpus that must share nothing with this one; may be given again",
    )
    check.add_argument("--limit", type=int, metavar="N", help="look at N rows of each split")
    check.add_argument(
        "--stt",
        action="store_true",
        help="compare transcripts with what the embedded recogniser hears (slow)",
    )
    check.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")
    check.add_argument("--json", action="store_true", help="print JSON")
    _add_page_options(check)
    check.set_defaults(run=run_check)


def _add_page_options(check: argparse.ArgumentParser) -> None:
    check.add_argument(
        "--page",
        type=Path,
        metavar="DIR",
        help="write a page that plays each doubtful row and takes corrections",
    )
    check.add_argument(
        "--rows",
        type=int,
        default=200,
        metavar="N",
        help="rows on the page, at most (default: %(default)s)",
    )
    check.add_argument(
        "--serve",
        action="store_true",
        help="serve the page on this machine only and save corrections into its folder "
        "(default folder: corrections); refused if it holds corrections of another corpus",
    )
    check.add_argument("--port", type=int, default=8090, help="of --serve (default: %(default)s)")


def _add_relabel(actions: Any) -> None:
    relabel = actions.add_parser(
        "relabel",
        help="apply the corrections made on the page of 'data check'",
        description="Write a corpus anew with the corrections that were saved from the page "
        "of 'turnkit data check': spans moved, turns marked as not over, rows dropped. "
        "Corrections of another corpus, or of an id that two rows have, are refused.",
    )
    relabel.add_argument("corpus", metavar="CORPUS", help=_CORPUS)
    relabel.add_argument("corrections", metavar="CORRECTIONS.jsonl", type=Path)
    relabel.add_argument("out", metavar="OUT.parquet", type=Path, help="the corpus to be")
    relabel.add_argument("--split", help="the split to correct, if there are several")
    relabel.set_defaults(run=run_relabel)


def run_check(args: argparse.Namespace) -> int:
    """Print what was found; 1 if the corpus cannot be used as it is."""
    from turnkit.corpus.checking.belonging import check_saved
    from turnkit.corpus.checking.inspection import inspect
    from turnkit.corpus.checking.present import as_text
    from turnkit.corpus.reader import load_splits
    from turnkit.errors import ConfigError
    from turnkit.files import check_output

    if args.rows < 1:
        raise ConfigError(f"--rows {args.rows}: expected 1 or more")
    if args.page or args.serve:
        check_output(_folder(args), folder=True)
    _warn_of_unfinished([args.corpus, *args.against])
    splits = load_splits(args.corpus, args.split)
    if args.page or args.serve:
        check_saved(_folder(args), splits)  # looking at all rows may take an hour
    against = {
        f"{name}:{split}": corpus
        for name in args.against
        for split, corpus in load_splits(name).items()
    }
    report = inspect(
        splits,
        against,
        limit=args.limit,
        stt=args.stt,
        workers=args.workers,
        progress=_progress if sys.stderr.isatty() else lambda *_: None,
    )
    if args.json:
        print(json.dumps({"corpus": args.corpus, **report.as_dict()}, indent=2))
    else:
        print(as_text(report), end="")
    if args.page or args.serve:
        _show(args, splits, report)
    return 0 if report.usable else 1


def run_relabel(args: argparse.Namespace) -> int:
    """Apply corrections."""
    from turnkit.corpus.checking.corrections import read_corrections
    from turnkit.corpus.checking.relabelling import relabel
    from turnkit.corpus.reader import load_splits
    from turnkit.errors import ConfigError

    if args.out.suffix != ".parquet":
        raise ConfigError(f"{args.out}: expected a name that ends with .parquet")
    splits = load_splits(args.corpus, args.split)
    if len(splits) > 1:
        raise ConfigError(f"corpus {args.corpus}: say which --split: {', '.join(splits)}")
    ((split, corpus),) = splits.items()
    done = relabel(corpus, read_corrections(args.corrections), args.out, split)
    print(f"{args.out}: {done.as_text()}")
    return 0


def _folder(args: argparse.Namespace) -> Path:
    return args.page or Path("corrections")


def _warn_of_unfinished(names: Sequence[str]) -> None:
    from turnkit.corpus.unfinished import unfinished

    for told in filter(None, map(unfinished, names)):
        print(f"WARNING {told}", file=sys.stderr, flush=True)


def _show(args: argparse.Namespace, splits: dict[str, Corpus], report: Report) -> None:
    from turnkit.corpus.checking.page import write_page
    from turnkit.corpus.checking.serving import serve

    folder = _folder(args)
    shown = write_page(folder, splits, report, args.rows, args.corpus)
    # With --json, the document has standard output for itself.
    out = sys.stderr if args.json else sys.stdout
    print(f"{folder / 'index.html'}: {shown} rows to listen to", file=out)
    if args.serve:
        serve(folder, args.port, lambda line: print(line, file=out, flush=True))


def _progress(name: str, done: int, rows: int) -> None:
    if done % 10 == 0 or done == rows:
        end = "\n" if done == rows else ""
        print(f"\r{name}: {done} of {rows} rows", end=end, file=sys.stderr, flush=True)
