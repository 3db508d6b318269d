"""``turnkit call``: calls to an agent, measured in what the caller heard."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers
    from turnkit.lab.concluding import Conclusion
    from turnkit.lab.folder import RunFolder
    from turnkit.lab.request import Prepared, RunRequest

MODES = ("batch", "streaming", "speculative")


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit call``."""
    parser = subparsers.add_parser(
        "call",
        help="call an agent and measure what a user feels",
        description="Place real calls over WebRTC, say a corpus's turns or play a scenario, keep "
        "both sides as the caller had them, and read latencies and interruptions from the audio. "
        "A run that was stopped goes on when the same command is given again.",
    )
    parser.add_argument(
        "source", metavar="SCENARIO_OR_CORPUS", help="serve/scenarios/NAME.yaml, or a corpus"
    )
    parser.add_argument(
        "--agent",
        metavar="URL_OR_PRESET",
        default="embedded",
        help="address of a running agent, or a preset to serve meanwhile (default: embedded)",
    )
    parser.add_argument("--turns", type=int, metavar="N", help="turns, or calls of a scenario")
    parser.add_argument(
        "--callers", type=int, default=1, metavar="K", help="at a time (default: 1)"
    )
    parser.add_argument(
        "--longest", type=float, metavar="S", help="leave out turns of a corpus that last longer"
    )
    parser.add_argument("--network", metavar="NAME", help="good, mobile, far, phone, or a file")
    parser.add_argument("--mode", choices=MODES, help="how a preset's stages work together")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="key=value")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", metavar="DIR", help="default: runs/calls-SOURCE")
    parser.add_argument(
        "--link",
        action="append",
        default=[],
        metavar="NAME=FILE_OR_URL",
        help="something else that the report is to lead to; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Call, measure and print; 1 if what a scenario expects did not happen."""
    import json
    import sys

    from turnkit.cli.extras import needing
    from turnkit.files import check_output

    with needing("agent", "turnkit call"):
        from turnkit.lab.concluding import conclude
        from turnkit.lab.folder import RunFolder
        from turnkit.lab.request import prepare
    folder = RunFolder(args.out or Path("runs") / f"calls-{_short(args.source)}")
    check_output(folder.path, folder=True)
    links = [_link(text, folder.path) for text in args.link]
    prepared = prepare(_request(args))
    place(prepared, folder, quiet=args.json)
    conclusion = conclude(folder, links)
    if args.json:
        print(json.dumps(conclusion.found, indent=1))
    else:
        print(_text(conclusion, folder, args.seed))
    for verdict in conclusion.verdicts:
        print(verdict.text, file=sys.stderr if args.json else sys.stdout)
    return 0 if conclusion.holds else 1


def place(prepared: Prepared, folder: RunFolder, *, quiet: bool = False) -> None:
    """Place the calls of a run, with a progress bar."""
    import asyncio
    import sys

    from tqdm import tqdm

    from turnkit.lab.run import run as run_calls

    total = sum(script.turns for script in prepared.scripts)
    done = set(folder.came_about())
    before = sum(script.turns for script in prepared.scripts if script.number in done)
    with tqdm(total=total, initial=before, unit="turn", disable=quiet, desc="calls") as bar:
        asyncio.run(
            run_calls(
                prepared,
                folder,
                told=lambda _record, turns: bar.update(turns),
                report=lambda line: print(line, file=sys.stderr),
            )
        )


def _request(args: argparse.Namespace) -> RunRequest:
    from turnkit.lab.request import RunRequest

    mode = [f"mode={args.mode}"] if args.mode else []
    return RunRequest(
        source=args.source,
        agent=args.agent,
        overrides=(*mode, *args.overrides),
        turns=args.turns,
        longest_s=args.longest,
        callers=args.callers,
        network=args.network,
        seed=args.seed,
    )


def _link(text: str, folder: Path) -> tuple[str, str]:
    """Name and address of a link, the address as seen from the report."""
    import os
    from urllib.parse import quote

    from turnkit.errors import ConfigError

    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise ConfigError(f"--link {text!r}: expected NAME=FILE")
    if file.startswith(("http://", "https://")):
        return name, file
    if not Path(file).exists():
        raise ConfigError(f"--link {text!r}: there is no {file}; expected NAME=FILE")
    return name, quote(Path(os.path.relpath(file, folder)).as_posix())


def _short(source: str) -> str:
    """Name of a folder for a source: what is left of it without folders and endings."""
    import re

    path = Path(source)
    name = path.stem if path.suffix in {".yaml", ".yml", ".parquet"} else source
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"


def _text(conclusion: Conclusion, folder: RunFolder, seed: int) -> str:
    from turnkit.lab.measuring.tables import overlaps_table, spans_table, turns_table

    found = {conclusion.run.name: conclusion.found}
    parts = [turns_table(found), spans_table(found)]
    if conclusion.run.trials:
        parts.append(overlaps_table(found))
    lines = [f"seed: {seed}", f"report: {folder.path / 'report.html'}"]
    if conclusion.run.simulated:
        lines.insert(0, f"SIMULATED: {', '.join(conclusion.run.simulated)}")
    return "\n\n".join([*parts, "\n".join(lines)])
