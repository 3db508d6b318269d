"""``turnkit data``: look at a corpus, listen to it, make one of recordings."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnkit.cli.data_check import add_check_parsers
from turnkit.cli.data_import import add_import_parser
from turnkit.cli.data_make import add_make_parser
from turnkit.cli.data_mix import add_mix_parser
from turnkit.cli.data_pauses import add_parser as add_pauses_parser

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers
    from turnkit.corpus.reader import Corpus

_CORPUS = (
    "a parquet file, a folder, a hub id (owner/name, owner/name/config@revision) or "
    "'embedded', each with :SPLIT behind it if it has several"
)


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit data describe`` and ``turnkit data audio``."""
    parser = subparsers.add_parser("data", help="look at a corpus, listen to it, make one")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    describe = actions.add_parser(
        "describe",
        help="rows, speakers, hours, holds, ends, durations, and what looks wrong",
        description="Say what a corpus holds and what looks wrong in it. Exit status 1 if a "
        "row cannot be used or splits share speakers or recordings.",
    )
    describe.add_argument("corpus", metavar="CORPUS", help=_CORPUS)
    describe.add_argument("--split", help="only this split (default: all)")
    describe.add_argument("--json", action="store_true", help="print JSON")
    describe.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the durations")
    describe.set_defaults(run=run)
    audio = actions.add_parser(
        "audio",
        help="write a turn as a sound file",
        description="Write a turn of a corpus as a sound file and print its spans.",
    )
    audio.add_argument("corpus", metavar="CORPUS", help=_CORPUS)
    audio.add_argument("row", metavar="ROW", help="id of the turn, or its number from 0")
    audio.add_argument("file", metavar="FILE.wav", type=Path, help="where to; .flac works too")
    audio.set_defaults(run=run_audio)
    add_check_parsers(actions)
    add_import_parser(actions)
    add_mix_parser(actions)
    add_make_parser(actions)
    add_pauses_parser(actions)


def run(args: argparse.Namespace) -> int:
    """Print the description; 1 if the corpus cannot be used as it is."""
    from turnkit.corpus.describe import describe
    from turnkit.corpus.present import as_text, check_picture, plot_description
    from turnkit.corpus.reader import load_splits

    if args.plot:
        check_picture(args.plot)
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


def run_audio(args: argparse.Namespace) -> int:
    """Write one turn as a sound file."""
    import soundfile

    from turnkit.corpus.reader import load_corpus
    from turnkit.errors import ConfigError
    from turnkit.files import atomic_path

    corpus = load_corpus(args.corpus, default_split="test")
    index = _find_row(corpus, args.row)
    kind = args.file.suffix[1:].upper()
    if kind not in soundfile.available_formats():
        raise ConfigError(f"{args.file}: expected a name that ends .wav or .flac")
    turn = corpus[index]
    with atomic_path(args.file) as aside:
        soundfile.write(aside, turn.samples, turn.sample_rate)
    print(f"{args.file}: {turn.id}, {turn.duration:.2f} s at {turn.sample_rate} Hz")
    if turn.transcript:
        print(f"  {turn.transcript}")
    for span in turn.spans:
        kind = "end of turn" if span is turn.end else "hold"
        print(f"  {span.start:8.3f} .. {span.end:8.3f} s  {kind}")
    return 0


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


def _find_row(corpus: Corpus, row: str) -> int:
    from turnkit.errors import CorpusError

    ids = [str(value) for value in corpus.column("id")]
    if row in ids:
        return ids.index(row)
    if row.isdecimal() and int(row) < len(corpus):
        return int(row)
    raise CorpusError(
        f"corpus {corpus.name}: no turn {row!r}; expected an id, such as {ids[0]}, or a "
        f"number from 0 to {len(corpus) - 1}"
    )
