"""``turnkit bench stages``: what the agent's recogniser, language model and voice take."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers

STAGES: tuple[Literal["stt", "llm", "tts"], ...] = ("stt", "llm", "tts")


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit bench stages``."""
    parser = subparsers.add_parser(
        "stages",
        help="word errors, first-token and first-audio times of the agent's stages",
        description="Measure each stage of an agent by itself, loaded anew and warm, beside a "
        "published budget: how soon a recogniser has the last words and how many are wrong, "
        "how soon a language model has its first token, how soon a voice has its first "
        "audio. What is simulated is marked.",
    )
    parser.add_argument(
        "--preset",
        metavar="FILE",
        help="YAML file or name of a preset (default: embedded, with PocketSphinx beside its "
        "recogniser)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="key=value",
        help="dotted keys of the preset (stt.workers=1); may be repeated",
    )
    parser.add_argument(
        "--stage",
        action="append",
        choices=STAGES,
        help="measure this stage; may be repeated (default: all)",
    )
    parser.add_argument(
        "--stt",
        action="append",
        metavar="KIND",
        help="recogniser to measure beside the preset's; may be repeated",
    )
    parser.add_argument(
        "--corpus",
        default="embedded:test",
        help="whose turns recognisers hear beside sentences in the embedded voice, or 'none' "
        "(default: embedded:test)",
    )
    parser.add_argument(
        "--sentences",
        type=int,
        default=20,
        metavar="N",
        help="sentences, and most turns of the corpus, for word errors (default: 20)",
    )
    parser.add_argument(
        "--paced",
        type=int,
        default=3,
        metavar="N",
        help="of each in a round, said in real time to take the times (default: 3)",
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="loads of each engine (default: 3)"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; what is being done goes to stderr."""
    import asyncio

    from turnkit.cli.extras import needing

    with needing("agent", "turnkit bench stages"):
        from turnkit.agent.measuring.stages import StageBenchSettings, measure_stages
        from turnkit.agent.measuring.stages_table import stages_table
        from turnkit.agent.preset import read_preset
    preset = read_preset(args.preset, args.overrides)
    beside = ["sphinx"] if args.preset is None and args.stt is None else args.stt or []
    settings = StageBenchSettings(
        stages=tuple(stage for stage in STAGES if stage in (args.stage or STAGES)),
        recognisers=tuple(beside),
        corpus=None if args.corpus == "none" else args.corpus,
        sentences=args.sentences,
        paced=args.paced,
        rounds=args.rounds,
        seed=args.seed,
    )
    report = asyncio.run(
        measure_stages(preset, settings, lambda line: print(line, file=sys.stderr, flush=True))
    )
    print(json.dumps(report.as_dict(), allow_nan=False) if args.json else stages_table(report))
    return 0
