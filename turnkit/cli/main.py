"""The command line: its parser, and the one place where errors become messages."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol, TypeAlias, cast

from turnkit import __version__
from turnkit.cli import bench
from turnkit.errors import ConfigError, TurnkitError

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

COMMANDS = (
    "data", "train", "eval", "export", "replay", "serve", "call", "compare", "budget",
    "experiment", "bench", "peers", "doctor",
)  # fmt: skip
"""Modules of `turnkit.cli`, in the order of the help. Their tops import light things only."""

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as shells have it."""

PIPE_CLOSED = 141
"""Exit status when the reader of our output went away: 128 + SIGPIPE."""

_DISK_TROUBLE = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM,
        errno.ENAMETOOLONG, errno.ENOENT,
    }
)  # fmt: skip
"""What a full, read-only or foreign disk answers, one whose names are shorter, and a folder
such as ``/proc`` that takes no files: not a bug, so no traceback."""


class Command(Protocol):
    """A module of `turnkit.cli`."""

    def add_parser(self, subparsers: Subparsers) -> None:
        """Declare the subcommand; ``set_defaults(run=...)`` names what it does."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it and return the exit status."""
        ...


def build_parser() -> argparse.ArgumentParser:
    """Parser of every subcommand."""
    parser = argparse.ArgumentParser(
        prog="turnkit",
        description="Train, measure and stream end-of-turn detectors: "
        "has the speaker finished, or only paused?",
    )
    parser.add_argument("--version", action="version", version=f"turnkit {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = cast(Command, importlib.import_module(f"turnkit.cli.{name}"))
        module.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if None.

    Returns
    -------
    int
        Exit status: 0 done, 1 could not be done, 2 asked for in a way that does not
        fit, 130 interrupted. Anything unexpected is a bug and keeps its traceback.
    """
    given = sys.argv[1:] if argv is None else argv
    args = build_parser().parse_args(bench.spell_out(given))
    try:
        status = int(args.run(args))
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not be written again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except ConfigError as error:
        return _complain(str(error), 2)
    except TurnkitError as error:
        return _complain(str(error), 1)
    except OSError as error:
        if error.errno not in _DISK_TROUBLE:
            raise
        return _complain(f"{error.filename or 'writing'}: {error.strerror}", 1)
    return status


def _complain(message: str, status: int) -> int:
    print(f"turnkit: error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
