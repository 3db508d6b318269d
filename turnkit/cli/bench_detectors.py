"""``turnkit bench detectors``: what a detector costs, beside its peers, in one run."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnkit.bench import Cost
    from turnkit.cli.main import Subparsers

PEERS = ("vad:silero", "vad:webrtc", "smart-turn")
"""Measured beside the bundle unless others are asked for."""


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit bench detectors``."""
    parser = subparsers.add_parser(
        "detectors",
        help="CPU time, bytes and memory of a detector, beside the peers",
        description="Push the same audio through each detector, 20 ms at a time on one thread, "
        "and print CPU milliseconds per second of audio and per decision, features and VAD "
        "included.",
    )
    parser.add_argument("detector", metavar="BUNDLE", help="bundle, run, or name of a detector")
    parser.add_argument(
        "--against",
        action="append",
        metavar="DETECTOR",
        help=f"measure beside it; may be repeated (default: {', '.join(PEERS)})",
    )
    parser.add_argument(
        "--corpus", default="embedded:test", help="whose turns to push (default: embedded:test)"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of audio in a round (default: 60)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of each detector (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def _row(cost: Cost) -> str:
    size = "-" if cost.bytes is None else f"{cost.bytes / 1e6:.2f}"
    decision = [
        "-" if math.isnan(ms) else f"{ms:.2f}"
        for ms in (cost.decision_ms_p50, cost.decision_ms_p99)
    ]
    return (
        f"{cost.spec:<24} {cost.ms_per_second:8.2f} {cost.ms_per_second_p50:8.2f} "
        f"{cost.ms_per_second_p99:8.2f} {decision[0]:>9} {decision[1]:>9} "
        f"{cost.decisions:6d} {size:>7} {cost.peak_mb:8.0f}"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    import numpy as np

    from turnkit.bench import measure_costs
    from turnkit.corpus.reader import load_corpus
    from turnkit.errors import ConfigError, MissingAssetError
    from turnkit.evaluate.machine import Machine
    from turnkit.peers import smart_turn_path

    if args.seconds < 2 or args.rounds < 1:
        raise ConfigError("--seconds, --rounds: expected at least 2 and 1")
    against = list(PEERS if args.against is None else args.against)
    if args.against is None:
        try:
            smart_turn_path()
        except MissingAssetError as error:
            print(f"without smart-turn: {error}", file=sys.stderr)
            against.remove("smart-turn")
    corpus = load_corpus(args.corpus)
    parts, length, rate = [], 0.0, corpus[0].sample_rate
    for turn in corpus:
        if length >= args.seconds:
            break
        if turn.sample_rate == rate:
            parts.append(turn.samples)
            length += len(turn.samples) / rate
    audio = np.concatenate(parts)[: round(args.seconds * rate)]
    costs = measure_costs([args.detector, *against], audio, rate, args.rounds)
    machine = Machine.read()
    if args.json:
        rows = [cost.as_dict() for cost in costs]
        found = {"machine": asdict(machine), "corpus": corpus.name, "rate": rate, "costs": rows}
        print(json.dumps(found, allow_nan=False))
        return 0
    print(f"machine: {machine.cpu}, {machine.cores} cores, {machine.system}")
    print(
        f"corpus: {corpus.name}{' (synthetic)' if corpus.synthetic else ''}, {rate} Hz, "
        f"{len(audio) / rate:.0f} s x {args.rounds} rounds, one thread, pushes of 20 ms"
    )
    print(
        f"{'':<24} {'CPU ms per second of audio':^26} {'CPU ms a decision':^19}\n"
        f"{'detector':<24} {'mean':>8} {'p50':>8} {'p99':>8} {'p50':>9} {'p99':>9} "
        f"{'n':>6} {'MB':>7} {'peak MB':>8}"
    )
    for cost in costs:
        print(_row(cost))
    return 0
