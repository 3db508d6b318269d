"""``turnkit data import``: recordings and public sets into the row schema."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers
    from turnkit.corpus.importing.floor import FloorRules


def add_import_parser(actions: Subparsers) -> None:
    """Declare ``turnkit data import KIND SOURCE OUT.parquet``."""
    parser = actions.add_parser(
        "import",
        help="turn recordings or a public set into a corpus",
        description="Write a parquet file of turns, and a card beside it that says what was "
        "left out and why.",
    )
    kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True)
    _add_stereo(kinds)
    _add_folder(kinds)
    _add_smart_turn(kinds)
    _add_eot_bench(kinds)
    _add_ami(kinds)


def _add_kind(
    kinds: Subparsers, name: str, source: str, source_help: str, summary: str, description: str
) -> argparse.ArgumentParser:
    parser = kinds.add_parser(name, help=summary, description=description)
    parser.add_argument("source", metavar=source, help=source_help)
    parser.add_argument("out", metavar="OUT.parquet", type=_parquet, help="the corpus to be")
    return parser


def _add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="KEY=SECONDS",
        help="limit of turns and backchannels, such as bridge_s=0.8 or longest_hold_s=8",
    )


def _rules(args: argparse.Namespace) -> FloorRules:
    from turnkit.corpus.importing.floor import FloorRules
    from turnkit.settings_file import apply_override, build

    content: dict[str, Any] = {}
    for override in args.rule:
        apply_override(content, override)
    return build(FloorRules, content, "rule")


def _parquet(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".parquet":
        raise argparse.ArgumentTypeError(f"{text}: expected a name that ends with .parquet")
    return path


def _add_stereo(kinds: Subparsers) -> None:
    parser = _add_kind(
        kinds,
        "stereo",
        "CALLS",
        "a recording, or a folder",
        "two-channel calls, a speaker on each channel; no transcript needed",
        "Cut two-channel recordings into turns by voice activity on both channels. Short "
        "stretches inside the other's talk are backchannels, no turns. Recordings with a channel "
        "on which nobody is heard, or with one signal on both, are left out and named.",
    )
    parser.add_argument("--language", default="en", help="of the rows (default: en)")
    parser.add_argument(
        "--roles",
        default="0,1",
        metavar="A,B",
        help="what the speakers of the two channels are called in ids (default: 0,1)",
    )
    parser.add_argument("--only", metavar="ROLE", help="turns of this role (default: both)")
    parser.add_argument(
        "--words",
        nargs="?",
        const="default",
        metavar="MODEL",
        help="write down the words, and what was said before as messages; MODEL is a folder "
        "or hub id of a CTranslate2 Whisper (default: the embedded one, English)",
    )
    parser.add_argument(
        "--backchannels",
        type=_parquet,
        metavar="FILE.parquet",
        help="write backchannels there; they are counted and left out otherwise",
    )
    _add_rules(parser)
    parser.set_defaults(run=run_stereo)


def run_stereo(args: argparse.Namespace) -> int:
    """Cut two-channel recordings into turns."""
    from turnkit.corpus.importing.stereo import StereoSettings, import_stereo

    roles = cast("tuple[str, str]", tuple(role.strip() for role in args.roles.split(",")))
    settings = StereoSettings(args.language, roles, args.only, args.words, _rules(args))
    count = import_stereo(
        Path(args.source), args.out, settings, print, backchannels=args.backchannels
    )
    return _done(args.out, count)


def _add_folder(kinds: Subparsers) -> None:
    parser = _add_kind(
        kinds,
        "folder",
        "DIR",
        "a folder of recordings, each with an annotation of the same name, or a recording",
        "recordings with TextGrid, RTTM, CTM, Audacity labels or JSON words",
        "Cut annotated recordings into turns. A recording a.wav is annotated by a.TextGrid, "
        "a.rttm, a.ctm, a.txt (label track of Audacity) or a.json (words).",
    )
    parser.add_argument("--language", default="en", help="of the rows (default: en)")
    parser.add_argument(
        "--tiers",
        default="",
        metavar="NAME,...",
        help="tiers of TextGrids to read (default: all with words or speech)",
    )
    parser.add_argument(
        "--names", action="store_true", help="the texts of Audacity's labels name speakers"
    )
    parser.add_argument(
        "--same-speakers",
        action="store_true",
        help="a name is the same person in every recording (default: in its own only)",
    )
    parser.add_argument(
        "--vad",
        action="store_true",
        help="look for pauses inside labels by voice activity: for labels of whole sentences",
    )
    _add_rules(parser)
    parser.set_defaults(run=run_folder)


def run_folder(args: argparse.Namespace) -> int:
    """Cut annotated recordings into turns."""
    from turnkit.corpus.importing.folder import FolderSettings, import_folder

    tiers = tuple(name.strip() for name in args.tiers.split(",") if name.strip())
    settings = FolderSettings(
        args.language, tiers, args.names, args.same_speakers, args.vad, _rules(args)
    )
    return _done(args.out, import_folder(Path(args.source), args.out, settings, print))


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", help="of the source, where it has several")
    parser.add_argument("--language", help="rows of this language only, such as en")
    parser.add_argument("--limit", type=int, metavar="N", help="read so many rows at most")


def _add_smart_turn(kinds: Subparsers) -> None:
    parser = _add_kind(
        kinds,
        "smart-turn",
        "SOURCE",
        "a hub id such as pipecat-ai/smart-turn-data-v3.1-test, or a local copy",
        "clips labelled complete or incomplete (endpoint_bool)",
        "Write complete clips as turns of one span, the silence after the last speech. "
        "Incomplete clips end in a hold; they are left out, or written apart.",
    )
    _add_table_options(parser)
    parser.add_argument(
        "--pauses", action="store_true", help="mark pauses inside clips as holds, by VAD"
    )
    parser.add_argument(
        "--incomplete",
        type=_parquet,
        metavar="FILE.parquet",
        help="write incomplete clips there, tagged so: their last span is a hold, no end",
    )
    parser.set_defaults(run=run_smart_turn)


def run_smart_turn(args: argparse.Namespace) -> int:
    """Write labelled clips as turns."""
    from turnkit.corpus.importing.smart_turn import ClipSettings, import_smart_turn

    settings = ClipSettings(args.split, args.language, args.limit, args.pauses)
    count = import_smart_turn(args.source, args.out, settings, print, incomplete=args.incomplete)
    return _done(args.out, count)


def _add_eot_bench(kinds: Subparsers) -> None:
    parser = _add_kind(
        kinds,
        "eot-bench",
        "SOURCE",
        "a hub id such as livekit/eot-bench-data/en, or a local copy",
        "rows that have the schema already: checked, and bad ones left out",
        "Check rows of the eot-bench layout and write those that fit the schema, their "
        "audio unchanged.",
    )
    _add_table_options(parser)
    parser.set_defaults(run=run_eot_bench)


def run_eot_bench(args: argparse.Namespace) -> int:
    """Check and write rows that have the schema already."""
    from turnkit.corpus.importing.eot_bench import import_eot_bench
    from turnkit.corpus.importing.table import TableSettings

    settings = TableSettings(args.split, args.language, args.limit)
    return _done(args.out, import_eot_bench(args.source, args.out, settings, print))


def _add_ami(kinds: Subparsers) -> None:
    parser = _add_kind(
        kinds,
        "ami",
        "DIR",
        "a folder with the manual annotations and the recordings, as downloaded",
        "the AMI Meeting Corpus: words by hand, a headset a speaker",
        "Cut the meetings of the AMI corpus into turns: words/ES2002a.A.words.xml and so on, "
        "and ES2002a.Headset-0.wav (or ES2002a.Mix-Headset.wav), wherever they are in DIR.",
    )
    parser.add_argument(
        "--split", help="train, dev or test of the full-corpus-ASR partition (default: all)"
    )
    parser.add_argument(
        "--meetings", default="", metavar="NAME,...", help="such as ES2002a (default: all)"
    )
    _add_rules(parser)
    parser.set_defaults(run=run_ami)


def run_ami(args: argparse.Namespace) -> int:
    """Cut meetings into turns."""
    from turnkit.corpus.importing.ami import AmiSettings, import_ami

    meetings = tuple(name.strip() for name in args.meetings.split(",") if name.strip())
    settings = AmiSettings(args.split, meetings, _rules(args))
    return _done(args.out, import_ami(args.source, args.out, settings, print))


def _done(out: Path, count: int) -> int:
    from turnkit.corpus.importing.writing import card_path

    print(f"{out}: {count} turns; {card_path(out)} says what was left out")
    return 0
