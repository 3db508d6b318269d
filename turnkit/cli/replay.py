"""``turnkit replay``: when would it have fired, and why."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnkit.audio import Samples
    from turnkit.cli.main import Subparsers
    from turnkit.detector.base import StreamingDetector
    from turnkit.detector.policy import Policy
    from turnkit.detector.protocol import TurnEvent

_PICTURES = (".pdf", ".png", ".svg")
"""What a picture's name may end with."""


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit replay``."""
    parser = subparsers.add_parser(
        "replay",
        help="run a detector over a recording: when would it have fired, and why",
        description="Push a recording through a detector and print what it decided, when, and "
        "on what grounds.",
    )
    parser.add_argument("detector", metavar="BUNDLE", help="bundle, run, or name of a detector")
    parser.add_argument("audio", metavar="AUDIO", type=Path, help="sound file, any rate")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw it")
    parser.add_argument("--json", action="store_true", help="print events as JSON lines")
    parser.add_argument(
        "--policy", metavar="POINT", help="one of the bundle's frozen policies, such as L@5%%"
    )
    parser.set_defaults(run=run)


def _why(event: TurnEvent, policy: Policy, rate: int) -> str:
    silence = (event.at - event.since) / rate
    if event.reason is None:
        return f"score {event.score:.2f}" if event.score is not None else ""
    if event.reason == "timeout":
        shown = "no score" if event.score is None else f"score {event.score:.2f}"
        return f"{silence:.2f} s of silence reached the timeout of {policy.timeout_s:g} s ({shown})"
    shown = "" if event.score is None else f"score {event.score:.2f}, "
    return (
        f"{shown}above the threshold {policy.threshold:.2f} in this pause, "
        f"after {silence:.2f} s of silence"
    )


def _as_dict(event: TurnEvent, rate: int) -> dict[str, Any]:
    return {
        "kind": event.kind.value,
        "at": event.at,
        "at_s": round(event.at / rate, 4),
        "since": event.since,
        "score": event.score,
        "reason": event.reason,
    }


def run(args: argparse.Namespace) -> int:
    """Replay, print, and draw if asked."""
    from turnkit.audio import decode_audio
    from turnkit.detector.opening import open_detector
    from turnkit.detector.protocol import EventKind, Trace
    from turnkit.detector.replay import replay
    from turnkit.errors import ConfigError

    if args.plot is not None and args.plot.suffix.lower() not in _PICTURES:
        raise ConfigError(
            f"--plot {args.plot}: expected a name that ends with {' or '.join(_PICTURES)}"
        )
    samples, rate = decode_audio(args.audio)
    detector = open_detector(args.detector, rate)
    if args.policy is not None:
        fitted = getattr(detector, "frozen_policies", {})
        if args.policy not in fitted:
            known = ", ".join(fitted) or "none: this detector carries no frozen policies"
            raise ConfigError(f"--policy {args.policy!r}: expected one of {known}")
        detector.policy = fitted[args.policy]
    detector.trace = Trace()
    events = replay(detector, samples)
    if args.json:
        for event in events:
            print(json.dumps(_as_dict(event, rate)))
    else:
        policy = detector.policy
        print(f"{detector.name}: {args.audio.name}, {len(samples) / rate:.2f} s at {rate} Hz")
        print(
            f"policy: threshold {policy.threshold:g}, action delay {policy.action_delay_s:g} s, "
            f"timeout {policy.timeout_s:g} s"
        )
        for event in events:
            why = _why(event, policy, rate)
            print(f"{event.at / rate:9.3f} s  {event.kind.value:<15}  {why}".rstrip())
        ended = sum(event.kind is EventKind.TURN_ENDED for event in events)
        print(f"{ended} turn{'' if ended == 1 else 's'} ended")
    if args.plot is not None:
        _draw(args, samples, detector, events)
    return 0


def _draw(
    args: argparse.Namespace,
    samples: Samples,
    detector: StreamingDetector,
    events: Sequence[TurnEvent],
) -> None:
    """Waveform, running score and decisions, into a picture."""
    from turnkit.corpus.schema import Turn
    from turnkit.files import atomic_path
    from turnkit.plot import plot_turn

    # A recording has no annotated spans: everything drawn is the detector's own view.
    turn = Turn(args.audio.stem, "", None, samples, detector.sample_rate, ())
    title = f"{detector.name}: {args.audio.name}"
    figure = plot_turn(turn, detector.trace, events, detector.policy, title)
    with atomic_path(args.plot) as path:
        figure.savefig(path, dpi=150)
    print(args.plot, file=sys.stderr if args.json else sys.stdout)
