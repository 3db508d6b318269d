"""``turnkit budget``: what a run would have been with other stages, or from further away."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers
    from turnkit.lab.budget import Budget

_DELAY = "ms, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA"


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit budget``."""
    parser = subparsers.add_parser(
        "budget",
        help="what if: a run's turns with other stages or another distance (simulated)",
        description="Take the measured turns of a run apart and put them together again with "
        "other durations. What depended on what stays: a draft made in the caller's pause costs "
        "only what sticks out after the decision. All that comes out is simulated.",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run of calls")
    for stage, about in (
        ("stt", "final words after they are asked for"),
        ("llm", "first token after it is asked"),
        ("tts", "first audio after the first token"),
    ):
        parser.add_argument(f"--{stage}", metavar="DELAY", help=f"{about}: {_DELAY}")
    parser.add_argument(
        "--region",
        type=float,
        default=0.0,
        metavar="MS",
        help="round trip added between caller and agent",
    )
    parser.add_argument(
        "--mode",
        choices=("streaming", "speculative"),
        help="streaming: no draft is used; speculative: every reply is drafted and fits",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate and print."""
    import json

    from turnkit.errors import ConfigError
    from turnkit.lab.budget import Change, what_if
    from turnkit.lab.budget_times import read_times
    from turnkit.lab.folder import RunFolder
    from turnkit.lab.report.plan_text import simulated_spans

    if args.seed < 0:
        raise ConfigError(f"--seed {args.seed}: expected 0 or more")
    change = Change(args.stt, args.llm, args.tts, args.region, args.mode)
    folder = RunFolder.existing(args.folder)
    turns = read_times(folder, change)
    budget = what_if(turns, change, args.seed)
    fakes = simulated_spans(folder.read_plan())
    print(json.dumps(as_dict(budget, fakes), indent=1) if args.json else to_text(budget, fakes))
    return 0


def as_dict(budget: Budget, fakes: Sequence[str] = ()) -> dict[str, Any]:
    """Plain values, for JSON: percentiles in ms; `fakes` are spans that the run simulated."""
    return {
        "simulated": True,
        "change": budget.change.text,
        "turns": len(budget.measured["v2v"]),
        "seed": budget.seed,
        "draws": budget.draws,
        "self_check_ms": budget.error_ms,
        "measured_on_simulated": list(fakes),
        "measured_ms": {name: _percentiles(values) for name, values in budget.measured.items()},
        "simulated_ms": {name: _percentiles(values) for name, values in budget.simulated.items()},
    }


def _percentiles(values: Any) -> dict[str, float]:
    import numpy as np

    # A P99 of few turns says nothing; draws do not make more turns of them.
    wanted = (50, 90, 99) if len(values) >= 1_000 else (50, 90)
    # Of many draws, what each gives on its own turns, on average: like with like.
    return {f"p{q}": round(float(np.percentile(values, q, axis=0).mean()), 1) for q in wanted}


def to_text(budget: Budget, fakes: Sequence[str] = ()) -> str:
    """Write measured and simulated percentiles side by side."""
    found = as_dict(budget, fakes)
    names = list(found["measured_ms"])
    quantiles = list(found["measured_ms"]["v2v"])
    head = "".join(f"{q.upper():>8}" for q in quantiles)
    width = len(head)
    lines = [
        f"what if: {found['change']} ({found['turns']} measured turns; {budget.draws} draws for "
        f"each, seed {budget.seed})",
        *([f"measured with SIMULATED {', '.join(fakes)}"] if fakes else []),
        "",
        f"{'':<12}  {'SIMULATED, as' if fakes else '':^{width}}    {'SIMULATED':^{width}}",
        f"{'ms':<12}  {'measured':^{width}}    {'what if':^{width}}",
        f"{'':<12}  {head}    {head}",
    ]
    for name in names:
        cells = (
            "".join(f"{found[side][name][q]:>8.0f}" for q in quantiles)
            for side in ("measured_ms", "simulated_ms")
        )
        lines.append(f"{name.replace('_', '-'):<12}  {'    '.join(cells)}")
    lines += [
        "",
        "self-check: taken apart and put together again with nothing changed, turns have the "
        f"measured voice to voice to within {found['self_check_ms']:.3f} ms; how well another",
        "stage is foreseen, this does not show",
    ]
    return "\n".join(lines)
