"""``turnkit bench``: what detectors and the agent's stages cost and take."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from turnkit.cli.main import Command, Subparsers

DEFAULT = "detectors"
"""What is measured where the first word does not say."""

KINDS = (DEFAULT, "stages")
"""What can be measured; each is a module ``turnkit.cli.bench_KIND``."""


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit bench`` and what it can measure."""
    parser = subparsers.add_parser(
        "bench",
        help="what detectors and the agent's stages cost and take, measured here",
        description="Measure on this machine. `turnkit bench BUNDLE` is short for "
        f"`turnkit bench {DEFAULT} BUNDLE`.",
    )
    kinds = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    for kind in KINDS:
        module = cast("Command", importlib.import_module(f"turnkit.cli.bench_{kind}"))
        module.add_parser(kinds)


def spell_out(args: Sequence[str]) -> list[str]:
    """Complete ``bench BUNDLE`` to ``bench detectors BUNDLE``.

    Parameters
    ----------
    args : sequence of str
        Arguments of the command line.

    Returns
    -------
    list of str
        The same arguments, for any other command.
    """
    command, *rest = args or ("",)
    if command == "bench" and rest and rest[0] not in (*KINDS, "-h", "--help"):
        return [command, DEFAULT, *rest]
    return list(args)
