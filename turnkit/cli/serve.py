"""``turnkit serve``: the reference agent, to talk to in a browser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers

MODES = ("batch", "streaming", "speculative")


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit serve``."""
    parser = subparsers.add_parser(
        "serve",
        help="talk to the agent in a browser",
        description="Serve the reference agent: speech to text, a language model and speech "
        "around a detector, with a page that shows why it answered when it did. Without a "
        "preset everything runs on this machine.",
    )
    parser.add_argument(
        "preset",
        nargs="?",
        metavar="PRESET",
        help="YAML file such as serve/remote.yaml (default: the embedded preset)",
    )
    parser.add_argument("--bundle", metavar="B", help="detector: bundle, run, or name")
    parser.add_argument("--policy", metavar="NAME", help="one of the bundle's frozen policies")
    parser.add_argument(
        "--shadow",
        action="append",
        metavar="D",
        help="detector that hears the same and decides nothing; may be repeated",
    )
    parser.add_argument("--mode", choices=MODES, help="how the stages work together")
    parser.add_argument("--host", metavar="H", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, metavar="P", help="default: 8080; 0 takes a free one")
    parser.add_argument(
        "--insecure",
        action="store_true",
        default=None,
        help="serve other machines even without a token or TLS, and say what that gives up",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="key=value",
        help="dotted keys of the preset (turn.take_back_s=0.5); may be repeated",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Once calls are answered, the address is printed on a line of its own, without anything
    around it, and flushed: programs that start a server on port 0 wait for that line.
    """
    import asyncio

    from turnkit.cli.extras import needing

    with needing("agent", "turnkit serve"):
        from turnkit.agent.preset import read_preset
        from turnkit.agent.server.running import run_service
    preset = read_preset(args.preset, args.overrides, _values(args))
    asyncio.run(run_service(preset, lambda line: print(line, flush=True)))
    return 0


def _values(args: argparse.Namespace) -> dict[str, Any]:
    """Dotted keys of the options that were given."""
    values = {
        "bundle": args.bundle,
        "policy": args.policy,
        "shadow": args.shadow,
        "mode": args.mode,
        "server.host": args.host,
        "server.port": args.port,
        "server.insecure": args.insecure,
    }
    return {key: value for key, value in values.items() if value is not None}
