"""The report of a run: one page that needs nothing but itself, and JSON for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from turnkit.errors import MissingDependencyError
from turnkit.files import atomic_path
from turnkit.lab.folder import RunFolder
from turnkit.lab.report.drawings import cases, figures_of, safe
from turnkit.lab.report.plan_text import cautions_of, head_of, marks_of, simulated_spans, title_of
from turnkit.lab.report.rows import rows_of, trials_of
from turnkit.lab.report.tables import groups, network_table, overlaps, tiles
from turnkit.lab.report.turn_list import legend, turn_list

if TYPE_CHECKING:
    from turnkit.lab.measuring.checks import Verdict
    from turnkit.lab.measuring.run import MeasuredRun

PAGE, NUMBERS = "report.html", "report.json"


def write_report(
    folder: RunFolder,
    run: MeasuredRun,
    found: Mapping[str, Any],
    checks: Sequence[Verdict] = (),
    links: Sequence[tuple[str, str]] = (),
) -> None:
    """Write ``report.json`` and ``report.html`` of a run, each whole or not at all.

    Parameters
    ----------
    folder : RunFolder
    run : MeasuredRun
    found : mapping
        What `describe` gives for it.
    checks : sequence of Verdict
        On what was expected.
    links : sequence of (str, str)
        Names and relative addresses that the page links to.

    Raises
    ------
    MissingDependencyError
        If matplotlib or jinja2 is not installed.
    RunError
        If a recording cannot be read.
    """
    plan = folder.read_plan()
    turns, trials = rows_of(run), trials_of(run)
    folder.write_json(
        NUMBERS,
        {
            "plan": plan,
            "checks": [{"text": check.text, "holds": check.holds} for check in checks],
            **found,
        },
    )
    figures = found.get("figures") or {}
    lines, zero, note = turn_list(turns)
    html = render(
        "run.html",
        title=title_of(plan),
        marks=marks_of(plan),
        head=head_of(plan, found),
        tiles=tiles(figures, plan),
        warnings=cautions_of(plan, figures),
        checks=[(verdict_word(check.holds), check.text) for check in checks],
        figures=figures_of(turns, plan),
        groups=groups(figures, plan),
        turns=lines,
        zero=f"{zero - 1:.0f}",
        turns_note=note,
        legend=legend(turns, simulated_spans(plan)),
        overlaps=overlaps(trials),
        network=network_table(call.record.network for call in run.calls),
        network_simulated=bool(plan.get("network")),
        cases=cases(folder, turns, plan),
        links=links,
    )
    with atomic_path(folder.path / PAGE) as path:
        path.write_text(html, encoding="utf-8")


def verdict_word(holds: bool | None) -> str:
    """Say in a word what became of a check; also the class of its badge."""
    return {True: "holds", False: "fails", None: "unknown"}[holds]


def render(name: str, **values: Any) -> str:
    """Fill a template of this package, in the look of all reports on calls.

    Raises
    ------
    MissingDependencyError
        If jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingDependencyError(str(error.name), "eval", "the HTML report") from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    texts = resources.files("turnkit.lab.report")
    look, script = (texts.joinpath(file).read_text("utf-8") for file in ("look.css", "page.js"))
    template = environment.from_string(texts.joinpath(name).read_text("utf-8"))
    return template.render(look=safe(look), script=safe(script), **values)
