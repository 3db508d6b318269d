"""``turnkit compare``: runs of calls beside each other."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers
    from turnkit.lab.compare import ComparedRun, Comparison
    from turnkit.lab.measuring.checks import Verdict


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit compare``."""
    parser = subparsers.add_parser(
        "compare",
        help="compare runs of calls, turn by turn where they are the same",
        description="Compare runs that `turnkit call` made; the first is the reference. Figures "
        "come with 95 % intervals, and where the same turns were said in both, their differences "
        "are paired. Exit status: 1 if a --fail-if condition holds of a run, 2 if it cannot be "
        "judged.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="DIR", help="folders of runs")
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help="such as 'v2v_p90 > 1.1x' (times the reference) or 'false_interruption_rate > 5%%'; "
        "again for more",
    )
    parser.add_argument("--out", type=Path, metavar="REPORT.html", help="write a page, too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, print, and judge the conditions."""
    import json

    from turnkit.lab.compare import compare
    from turnkit.lab.report.comparing import comparison_text, write_comparison

    _check(args)
    verdicts = _Conditions(args.fail_if, runs=len(args.runs))
    comparison = compare([read(path, name) for path, name in _named(args.runs)], args.seed)
    judged = verdicts.judge(comparison)
    if args.out is not None:
        write_comparison(args.out, comparison, judged)
    if args.json:
        print(json.dumps(as_dict(comparison, judged), indent=1))
    else:
        print(comparison_text(comparison))
        for name, verdict in judged:
            print(f"{'FAIL ' if verdict.holds else ''}{name}: {verdict.text}")
        if args.out is not None:
            print(f"\nwritten to {args.out}")
    return _status(judged)


def _status(judged: list[tuple[str, Verdict]]) -> int:
    """Return 1 if a condition holds, 2 if one cannot be judged: that must not pass for a pass."""
    import sys

    if any(verdict.holds for _, verdict in judged):
        return 1
    unknown = [f"{name}: {verdict.text}" for name, verdict in judged if verdict.holds is None]
    for line in unknown:
        print(f"turnkit: error: cannot be judged: {line}", file=sys.stderr)
    return 2 if unknown else 0


class _Conditions:
    """What must not hold; read before anything is measured, so that nonsense is told at once."""

    def __init__(self, texts: list[str], runs: int) -> None:
        from turnkit.errors import ConfigError
        from turnkit.lab.measuring.checks import parse_check

        self._checks = [parse_check(text) for text in texts]
        for check in self._checks:
            if check.relative and runs == 1:
                raise ConfigError(
                    f"--fail-if '{check}': there is nothing to compare a single run with"
                )

    def judge(self, comparison: Comparison) -> list[tuple[str, Verdict]]:
        """Judge every run but the reference; a run alone is judged itself."""
        reference, *others = comparison.runs
        return [
            (run.name, check.judge(run.figures, reference.figures))
            for run in others or [reference]
            for check in self._checks
        ]


def _check(args: argparse.Namespace) -> None:
    from turnkit.errors import ConfigError
    from turnkit.files import check_output

    if args.seed < 0:
        raise ConfigError(f"--seed {args.seed}: expected 0 or more")
    if args.out is not None:
        check_output(args.out, folder=False)
    for path in args.runs:
        if not path.is_dir():
            raise ConfigError(f"{path}: no folder; expected one that turnkit call wrote")


def _named(paths: list[Path]) -> list[tuple[Path, str]]:
    """Name runs by their folders, with as much of the path as tells them apart."""
    depth = 1
    names = [path.resolve().parts for path in paths]
    while len({parts[-depth:] for parts in names}) < len({*names}) and depth < 8:
        depth += 1
    short = ["/".join(parts[-depth:]) for parts in names]
    seen: dict[str, int] = {}
    found = []
    for path, name in zip(paths, short, strict=True):
        seen[name] = seen.get(name, 0) + 1
        found.append((path, name if seen[name] == 1 else f"{name} ({seen[name]})"))
    return found


def read(path: Path, name: str) -> ComparedRun:
    """Measure a run from its recordings.

    Raises
    ------
    RunError
        If it cannot be read.
    """
    from turnkit.lab.compare import ComparedRun
    from turnkit.lab.folder import RunFolder
    from turnkit.lab.measuring.figures import describe
    from turnkit.lab.measuring.run import measure_run
    from turnkit.lab.report.rows import rows_of

    measured = measure_run(RunFolder.existing(path))
    figures = describe(measured)["figures"]
    return ComparedRun(name, measured.plan, figures, tuple(rows_of(measured)))


def as_dict(comparison: Comparison, judged: list[tuple[str, Verdict]]) -> dict[str, Any]:
    """Plain values, for JSON."""
    from dataclasses import asdict

    return {
        "runs": [
            {"name": run.name, "plan": dict(run.plan), "figures": dict(run.figures)}
            for run in comparison.runs
        ],
        "paired": [asdict(paired) for paired in comparison.paired],
        "warnings": list(comparison.warnings),
        "conditions": [
            {"run": name, "holds": verdict.holds, "text": verdict.text} for name, verdict in judged
        ],
    }
