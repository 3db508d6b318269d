"""Which parts of synthesis earn their keep: one group at a time made plain.

Makes five corpora of the shipped specification (everything; and text, voices, prosody,
channel made plain, one at a time), trains `ablation.yaml` on each with three seeds, and
measures all of them on corpora of people. Prints, for each of these, the mean over seeds,
its range, and the difference to everything.

    python training/ablation.py OUT --corpus PATH.parquet [--corpus OTHER] [--turns 1500]
        [--set KEY=VALUE] [--limit 1000] [--seeds 3] [--jobs 2]

Stopped, it goes on where it was; another recipe or specification wants another OUT.
`turnkit` has to be on the PATH.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SPEC = HERE.parent / "data" / "synthetic" / "calls.yaml"
RECIPE = HERE / "ablation.yaml"
GROUPS = ("everything", "text", "voices", "prosody", "channel")
POINTS = {"FC@300": "%", "FC@600": "%", "L@5%": "ms", "L@10%": "ms"}
AUC = "AUC at 0.2 s"


def run(*command: str | Path) -> None:
    """Run a command to its end, or exit as it does; what it prints goes to stderr."""
    parts = [str(each) for each in command]
    try:
        done = subprocess.run(parts, check=False, stdout=sys.stderr)
    except FileNotFoundError as error:
        raise SystemExit(f"ablation: {parts[0]} is not on the PATH") from error
    if done.returncode:
        raise SystemExit(f"ablation: status {done.returncode} of: {' '.join(parts)}")


def make(out: Path, group: str, turns: int, changes: list[str]) -> Path:
    """Make the corpus of a group, as far as it is not there yet."""
    folder = out / "corpora" / group
    speakers = max(20, turns // 15)
    keys = [*changes, f"splits.train.turns={turns}", f"splits.train.speakers={speakers}"]
    keys += ["splits.test.turns=50", "splits.test.speakers=10"]
    keys += [] if group == "everything" else [f"{group}.plain=true"]
    run("turnkit", "data", "make", SPEC, folder, *(part for key in keys for part in ("--set", key)))
    return folder


def train(out: Path, group: str, seed: int) -> Path:
    """Train on the corpus of a group, unless that is done."""
    folder = out / "runs" / f"{group}-{seed}"
    if (folder / "policies.json").exists():
        return folder
    corpus = f"corpus={out / 'corpora' / group}:train"
    plainly = ("trainer.enable_progress_bar=false", "logger=none", "data.workers=1")
    os.environ["OMP_NUM_THREADS"] = "1"
    run(
        "turnkit", "train", RECIPE, corpus, f"seed={seed}", *plainly,
        "--out", folder, "--overwrite",
    )  # fmt: skip
    return folder


def measure(run_folder: Path, limit: int, report: Path, corpus: str) -> dict[str, Any]:
    """Ask `turnkit eval` what a run does on a corpus, once."""
    if not (report / "results.json").exists():
        run(
            "turnkit", "eval", "--corpus", corpus, "--detector", run_folder,
            "--limit", str(limit), "--workers", "1", "--out", report,
        )  # fmt: skip
    (found,) = json.loads((report / "results.json").read_text())["detectors"].values()
    return dict(found)


def try_seed(args: argparse.Namespace, group: str, seed: int) -> list[dict[str, Any]]:
    """Train on the corpus of a group, and measure on every corpus of people."""
    folder = train(args.out, group, seed)
    reports = [
        args.out / "reports" / f"{group}-{seed}-{address(each, args.limit)}" for each in args.corpus
    ]
    pairs = zip(reports, args.corpus, strict=True)
    return [measure(folder, args.limit, *each) for each in pairs]


def address(corpus: str, limit: int) -> str:
    """Eight hexadecimal digits that stand for the rows measured on."""
    return hashlib.sha256(json.dumps([corpus, limit]).encode()).hexdigest()[:8]


def values(measured: dict[str, Any]) -> dict[str, float | None]:
    """Read what the table shows of one measurement; None is out of reach or not measured."""
    best = measured["best_on_test"]
    shown: dict[str, float | None] = {}
    for point, unit in POINTS.items():
        found = best[point]
        value = 100 * found["rate"] if unit == "%" else found["mean_latency_ms"]
        shown[point] = value if found["reached"] else None
    return shown | {AUC: measured["diagnostics"]["0.2 s"]["auc"]}


def table(found: dict[str, list[dict[str, float | None]]]) -> str:
    """Mean, range over seeds, and difference to everything, of each group."""
    columns = [*POINTS, AUC]
    lines = [f"| plain | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for group, seeds in found.items():
        full = None if group == GROUPS[0] else found[GROUPS[0]]
        cells = [cell(column, seeds, full) for column in columns]
        lines.append(f"| {'-' if full is None else group} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(
    column: str, seeds: list[dict[str, float | None]], full: list[dict[str, float | None]] | None
) -> str:
    """Tell one column of a group, and its difference to everything where there is one."""
    each = [value for seed in seeds if (value := seed[column]) is not None]
    if len(each) < len(seeds):
        return f"not reached by {len(seeds) - len(each)} of {len(seeds)}"
    mean = statistics.mean(each)
    digits, unit = (3, "") if column == AUC else (1, f" {POINTS[column]}")
    text = f"{mean:.{digits}f}{unit} [{min(each):.{digits}f}, {max(each):.{digits}f}]"
    whole = [value for seed in full or [] if (value := seed[column]) is not None]
    if full is None or len(whole) < len(full):
        return text
    return f"{text}, {mean - statistics.mean(whole):+.{digits}f}"


def count(text: str) -> int:
    """Read a number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: expected 1 or more")
    return number


def main() -> None:
    """Make, train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument(
        "--corpus", required=True, action="append", help="of people, to measure on; again for more"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the specification"
    )
    parser.add_argument("--limit", type=count, default=1000, help="measure on N rows of each")
    parser.add_argument("--turns", type=count, default=1500)
    parser.add_argument("--seeds", type=count, default=3)
    parser.add_argument("--jobs", type=count, default=2, help="trainings side by side")
    args = parser.parse_args()
    for group in GROUPS:
        make(args.out, group, args.turns, args.set)
    wanted = [(group, seed) for seed in range(args.seeds) for group in GROUPS]
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda each: try_seed(args, *each), wanted))
    for index, corpus in enumerate(args.corpus):
        found: dict[str, list[dict[str, float | None]]] = {group: [] for group in GROUPS}
        for (group, _), measured in zip(wanted, results, strict=True):
            found[group].append(values(measured[index]))
        sizes = f"{args.turns} turns, {args.seeds} seeds, best policy on {args.limit} rows at most"
        print(f"\n{corpus}: {sizes}\n")
        print(table(found))


if __name__ == "__main__":
    main()
