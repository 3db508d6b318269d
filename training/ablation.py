"""Which parts of synthesis earn their keep: one group at a time made plain.

Makes five corpora of the shipped specification (everything; and text, voices, prosody,
channel made plain, one at a time), trains `ablation.yaml` on each with three seeds, and
measures all of them on corpora of people. Prints, for each of these, the mean over seeds,
its range, and the difference to everything.

    python training/ablation.py OUT --corpus PATH.parquet [--corpus OTHER] [--turns 1500]
        [--set KEY=VALUE] [--limit 1000] [--seeds 3] [--jobs 2]

Stopped, it goes on where it was; `turnkit` has to be on the PATH.
"""

from __future__ import annotations

import argparse
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
    keys = [f"splits.train.turns={turns}", f"splits.train.speakers={speakers}"]
    keys += ["splits.test.turns=50", "splits.test.speakers=10", *changes]
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
    reports = [args.out / "reports" / f"{group}-{seed}-{i}" for i in range(len(args.corpus))]
    pairs = zip(reports, args.corpus, strict=True)
    return [measure(folder, args.limit, *each) for each in pairs]


def values(measured: dict[str, Any]) -> dict[str, float]:
    """Read what the table shows of one measurement."""
    best = measured["best_on_test"]
    shown = {
        point: 100 * best[point]["rate"] if unit == "%" else best[point]["mean_latency_ms"]
        for point, unit in POINTS.items()
    }
    return shown | {AUC: measured["diagnostics"]["0.2 s"]["auc"]}


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Mean, range over seeds, and difference to everything, of each group."""
    columns = [*POINTS, AUC]
    lines = [f"| plain | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for group, seeds in found.items():
        cells = []
        for column in columns:
            each = [seed[column] for seed in seeds]
            mean = statistics.mean(each)
            full = statistics.mean(seed[column] for seed in found[GROUPS[0]])
            digits, unit = (3, "") if column == AUC else (1, f" {POINTS[column]}")
            spread = f"[{min(each):.{digits}f}, {max(each):.{digits}f}]"
            change = "" if group == GROUPS[0] else f", {mean - full:+.{digits}f}"
            cells.append(f"{mean:.{digits}f}{unit} {spread}{change}")
        lines.append(f"| {'-' if group == GROUPS[0] else group} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
    parser.add_argument("--limit", type=int, default=1000, help="measure on N rows of each")
    parser.add_argument("--turns", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side")
    args = parser.parse_args()
    for group in GROUPS:
        make(args.out, group, args.turns, args.set)
    wanted = [(group, seed) for seed in range(args.seeds) for group in GROUPS]
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda each: try_seed(args, *each), wanted))
    for index, corpus in enumerate(args.corpus):
        found: dict[str, list[dict[str, float]]] = {group: [] for group in GROUPS}
        for (group, _), measured in zip(wanted, results, strict=True):
            found[group].append(values(measured[index]))
        sizes = f"{args.turns} turns, {args.seeds} seeds, best policy on {args.limit} rows"
        print(f"\n{corpus}: {sizes}\n")
        print(table(found))


if __name__ == "__main__":
    main()
