"""``turnkit bench calls``: calls to the agent over loopback WebRTC, timed by ear."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.agent.stack import Stack
    from turnkit.cli.main import Subparsers
    from turnkit.corpus.schema import Turn

MODES = ("batch", "streaming", "speculative")


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit bench calls``."""
    parser = subparsers.add_parser(
        "calls",
        help="voice-to-voice latency and barge-in of the agent",
        description="Call the agent over WebRTC on this machine, say the turns of a corpus to it "
        "in each mode, speak over it, and time what the caller received.",
    )
    parser.add_argument("--preset", metavar="FILE", help="default: the embedded preset")
    parser.add_argument("--corpus", default="embedded:test", help="default: embedded:test")
    parser.add_argument("--turns", type=int, default=50, help="in each mode (default: 50)")
    parser.add_argument(
        "--mode", action="append", choices=MODES, help="may be repeated (default: all three)"
    )
    parser.add_argument(
        "--overlaps", type=int, default=20, help="interruptions, backchannels, noises each"
    )
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="key=value")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--verbose", action="store_true", help="print every turn, too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    import asyncio
    import json

    from turnkit.agent.preset import read_preset
    from turnkit.agent.stack import Stack
    from turnkit.corpus.reader import load_corpus
    from turnkit.errors import ConfigError

    if args.turns < 0 or args.overlaps < 0:
        raise ConfigError("--turns, --overlaps: expected 0 or more")
    # Modes say the same turns one after the other: none may profit from what an earlier
    # one had spoken. Fixed phrases stay.
    preset = read_preset(args.preset, ["tts.cache.max_bytes=0", *args.overrides])
    corpus = load_corpus(args.corpus)
    rows = [corpus[index % len(corpus)] for index in range(args.turns)]
    over = [corpus[index % len(corpus)] for index in range(args.overlaps)]
    found = asyncio.run(_measure(Stack.open(preset), args, rows, over))
    found["corpus"] = {"name": corpus.name, "synthetic": corpus.synthetic}
    print(json.dumps(found, indent=1) if args.json else _text(found))
    return 0


async def _measure(
    stack: Stack, args: argparse.Namespace, rows: list[Turn], over: list[Turn]
) -> dict[str, Any]:
    import sys
    from dataclasses import asdict, replace

    from tqdm import tqdm

    from turnkit.agent.measuring.calls import converse
    from turnkit.agent.measuring.figures import describe_turns
    from turnkit.agent.session.settings import Mode
    from turnkit.evaluate.machine import Machine, StealClock

    steal = StealClock()
    found: dict[str, Any] = {"machine": asdict(Machine.read()), "modes": {}}
    try:
        await stack.warm(lambda line: print(line, file=sys.stderr))
        found["stages"] = stack.describe()
        modes: list[Mode] = args.mode or list(MODES)
        for mode in modes:
            view = stack.with_rules(replace(stack.rules, mode=mode))
            with tqdm(total=len(rows), desc=mode, unit="turn", disable=args.json) as bar:
                turns, counts = await converse(view, rows, bar.update)
            found["modes"][mode] = describe_turns(turns, counts)
            if args.verbose:
                for turn in turns:
                    print(_line(turn), file=sys.stderr)
        found["overlaps"] = await _speak_over(stack, over, args)
    finally:
        await stack.aclose()
    found["steal"] = steal.share()
    return found


async def _speak_over(stack: Stack, over: list[Turn], args: argparse.Namespace) -> dict[str, Any]:
    import asyncio
    import sys

    from tqdm import tqdm

    from turnkit.agent.measuring.figures import describe_trials
    from turnkit.agent.measuring.overlaps import speak_over, with_greeting
    from turnkit.agent.measuring.stimuli import backchannels, interruptions, noises

    if not over:
        return {}
    kinds = {
        "interruptions": interruptions(over),
        "backchannels": await asyncio.to_thread(backchannels, len(over)),
        "noises": noises(len(over)),
    }
    found = {}
    for kind, sounds in kinds.items():
        with tqdm(total=len(sounds), desc=kind, unit="call", disable=args.json) as bar:
            trials = await speak_over(with_greeting(stack), sounds, bar.update)
        found[kind] = describe_trials(trials, wanted=kind == "interruptions")
        if args.verbose:
            for trial in trials:
                print(trial, trial.from_onset_ms, trial.from_decision_ms, file=sys.stderr)
    return found


def _line(turn: Any) -> str:
    values = (turn.v2v_ms, turn.eot_ms, turn.post_commit_ms)
    times = " ".join("     -" if value is None else f"{value:6.0f}" for value in values)
    note = "false interruption" if turn.interrupted else ""
    return f"{turn.mode:<12} {turn.row:<24} {times}  {turn.heard!r} -> {turn.said!r} {note}"


def _text(found: dict[str, Any]) -> str:
    from turnkit.agent.measuring.figures import modes_table, overlaps_table, spans_table

    machine, corpus, steal = found["machine"], found["corpus"], found["steal"]
    stolen = "unknown" if steal is None else f"{steal:.1%}"
    simulated = [stage for stage, each in found["stages"].items() if each["simulated"]]
    lines = [
        f"machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}; "
        f"CPU steal {stolen}",
        f"corpus: {corpus['name']}{' (synthetic)' if corpus['synthetic'] else ''}; "
        "stages: " + ", ".join(each["name"] for each in found["stages"].values()),
    ]
    if simulated:
        lines.append(f"simulated: {', '.join(simulated)}")
    if found["modes"]:
        lines += ["", modes_table(found["modes"]), "", spans_table(found["modes"])]
    if found["overlaps"]:
        lines += ["", overlaps_table(found["overlaps"])]
    return "\n".join(lines)
