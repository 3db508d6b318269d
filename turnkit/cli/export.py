"""``turnkit export``: from a training run to a bundle."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit export``."""
    parser = subparsers.add_parser(
        "export",
        help="write the bundle of a training run",
        description="Write one file with ONNX graphs, configuration, frozen policies and model "
        "card. It runs with numpy and onnxruntime alone.",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="folder of a training run")
    parser.add_argument("out", metavar="OUT.turnkit", type=Path, help="the bundle to be")
    parser.add_argument("--name", help="as tables print it (default: the run's)")
    parser.add_argument(
        "--policy",
        metavar="POINT",
        help="operating point whose fitted policy it starts with (default: FC@300)",
    )
    parser.add_argument(
        "--thin",
        action="store_true",
        help="leave a speech encoder out; the machine that runs the bundle must have it",
    )
    parser.add_argument(
        "--results",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.json",
        help="what `turnkit eval --json` printed, for the model card; may be repeated",
    )
    parser.add_argument(
        "--notes", type=Path, metavar="FILE.md", help="data, licences and limits for the card"
    )
    parser.set_defaults(run=run)


def _read_results(path: Path) -> dict[str, Any]:
    from turnkit.errors import ConfigError

    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--results {path}: expected JSON of `turnkit eval` ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("detectors"), dict):
        raise ConfigError(f"--results {path}: expected JSON of `turnkit eval`, with `detectors`")
    return content


def run(args: argparse.Namespace) -> int:
    """Export, and say what was chosen."""
    from turnkit.errors import ConfigError
    from turnkit.model.bundle import SUFFIX

    if args.out.suffix != SUFFIX:
        raise ConfigError(f"{args.out}: expected a name that ends with {SUFFIX}")
    if args.notes is not None and not args.notes.is_file():
        raise ConfigError(f"--notes {args.notes}: no such file")
    results = [_read_results(path) for path in args.results]
    notes = args.notes.read_text() if args.notes else ""
    from turnkit.export import export_run

    exported = export_run(
        args.run_folder,
        args.out,
        name=args.name,
        point=args.policy,
        thin=args.thin,
        results=results,
        notes=notes,
    )
    print(f"{exported.path}  {exported.bytes / 1e6:.2f} MB")
    if exported.precision:
        print(f"precision: {exported.precision['chosen']} ({exported.precision['reason']})")
    print(f"next: turnkit replay {exported.path} AUDIO")
    return 0
