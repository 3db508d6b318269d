"""An experiment as a page: the figure, the table, and the way to each run's report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from turnkit.files import atomic_path
from turnkit.lab.experiments.experiment import Experiment, Results
from turnkit.lab.experiments.running import Findings, cell, draw, folder_name
from turnkit.lab.report.names import name_of

PAGE, PLAIN, FIGURE = "index.html", "experiment.json", "figure.svg"


def save(experiment: Experiment, results: Results, shown: Findings, out: Path) -> Path:
    """Write the page, the figure and plain values.

    Parameters
    ----------
    experiment : Experiment
    results : mapping
    shown : Findings
    out : Path
        Folder of the experiment.

    Returns
    -------
    Path
        Of the page.
    """
    figure = draw(experiment, results)
    with atomic_path(out / PLAIN) as aside:
        aside.write_text(json.dumps(shown.plain, indent=1) + "\n")
    with atomic_path(out / FIGURE) as aside:
        figure.savefig(aside, format="svg")
    with atomic_path(out / PAGE) as aside:
        aside.write_text(_html(experiment, results, shown, figure), encoding="utf-8")
    return out / PAGE


def _html(experiment: Experiment, results: Results, shown: Findings, figure: Any) -> str:
    import jinja2
    from markupsafe import Markup

    from turnkit.report.svg import to_svg

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("turnkit.lab.experiments").joinpath("page.html").read_text("utf-8")
    rows = [
        {
            "name": name,
            "link": f"{folder_name(name)}/report.html",
            "cells": [cell(each, conclusion.figures.get(each)) for each in shown.columns],
        }
        for name, conclusion in results.items()
    ]
    return environment.from_string(source).render(
        name=experiment.name,
        question=experiment.question,
        facts=_facts(next(iter(results.values())).run.plan),
        lines=shown.lines,
        svg=Markup(to_svg(figure, "figure", experiment.question)),
        columns=[name_of(each).label for each in shown.columns],
        rows=rows,
    )


def _facts(plan: Mapping[str, Any]) -> str:
    """Say in a line what all conditions have in common."""
    asked, machine = plan["request"], plan["machine"]
    stages = plan.get("stages", {})
    simulated = [name for name, each in stages.items() if each and each.get("simulated")]
    parts = [
        f"{asked['source']}, agent {asked['agent']}, seed {asked['seed']}",
        f"{machine['cpu']}, {machine['cores']} cores",
    ]
    if simulated:
        parts.append(f"simulated: {', '.join(simulated)}")
    return "; ".join(parts)
