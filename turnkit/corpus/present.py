"""A corpus description as text, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from turnkit.corpus.describe import (
    END_EDGES_S,
    HOLD_EDGES_S,
    TURN_EDGES_S,
    Description,
    histogram,
)
from turnkit.corpus.schema import MAX_HOLD_S, MIN_HOLD_S
from turnkit.errors import ConfigError, MissingDependencyError
from turnkit.files import atomic_path, check_output

PICTURES = (".png", ".svg", ".pdf")
"""How the names of pictures end."""

_BAR = 40
"""Width in characters of the longest bar."""

_TICKS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Marks of a logarithmic time axis."""

_EXAMPLES = 4
"""Row ids shown with a finding."""


def as_text(description: Description) -> str:
    """Describe a corpus in lines of text, each ending with a newline."""
    d = description
    fewest, most = d.rows_per_speaker
    each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    speakers = f"{d.speakers} speakers ({each} turns each)"
    rates = ", ".join(f"{rate} Hz ({rows})" for rate, rows in d.sample_rates.items())
    languages = ", ".join(f"{name} ({rows})" for name, rows in d.languages.items())
    no_end = ", ".join(f"{tag} ({rows})" for tag, rows in d.without_end.items())
    lines = [
        f"{d.name}{'  [synthetic]' if d.synthetic else ''}",
        f"  turns        {d.rows}, of {speakers if d.speakers else 'speakers not named'}",
        f"  audio        {d.hours:.2f} h; {rates}; language {languages}",
        f"  holds        {len(d.hold_s)}, of which {d.counted_holds} count "
        f"({MIN_HOLD_S:g} to {MAX_HOLD_S:g} s)",
        f"  ends         {len(d.end_s)}{f'; rows without one: {no_end}' if no_end else ''}",
        f"  fingerprint  {d.fingerprint}",
        *_bars("holds, seconds", d.hold_s, HOLD_EDGES_S),
        *_bars("silence after the end of the turn, seconds", d.end_s, END_EDGES_S),
        *_bars("whole rows, seconds", d.turn_s, TURN_EDGES_S),
        "",
        *_findings(d),
    ]
    return "\n".join(lines) + "\n"


def _bars(title: str, values: Sequence[float], edges: Sequence[float]) -> list[str]:
    counts = histogram(values, edges)
    longest = max(counts, default=0) or 1
    lines = ["", f"  {title}"]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        label = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
        bar = "#" * math.ceil(_BAR * count / longest)
        lines.append(f"  {label:>12}  {bar:<{_BAR}} {count:>6}")
    return lines


def _findings(description: Description) -> list[str]:
    if not description.findings:
        return ["  nothing looks wrong"]
    lines = ["  looks wrong:"]
    for finding in description.findings:
        if len(finding.rows) <= 1:
            lines.append(f"  - {finding.kind}: {finding.message}")
            continue
        shown = ", ".join(finding.rows[:_EXAMPLES])
        more = ", ..." if len(finding.rows) > _EXAMPLES else ""
        lines.append(f"  - {finding.kind}: {len(finding.rows)} {finding.message} ({shown}{more})")
    return lines


def check_picture(path: Path) -> None:
    """See that a picture can be drawn into a file, before the work that it is to show.

    Raises
    ------
    ConfigError
        If its name does not end as one of `PICTURES`, or something else is in the way.
    """
    if path.suffix.lower() not in PICTURES:
        raise ConfigError(f"{path}: expected a name that ends with {', '.join(PICTURES)}")
    check_output(path, folder=False)


def plot_description(descriptions: Mapping[str, Description], path: Path) -> None:
    """Draw the three duration histograms of each split into a PNG, SVG or PDF file.

    Parameters
    ----------
    descriptions : mapping of str to Description
        By split.
    path : Path
        Where to; the suffix says which format.

    Raises
    ------
    ConfigError
        As `check_picture`.
    MissingDependencyError
        If matplotlib is not installed.
    """
    check_picture(path)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "eval", "plotting a corpus") from error
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    panels: tuple[tuple[str, tuple[float, ...]], ...] = (
        ("hold_s", HOLD_EDGES_S),
        ("end_s", END_EDGES_S),
        ("turn_s", TURN_EDGES_S),
    )
    titles = ("holds", "silence after the end of the turn", "whole rows")
    all_axes: Sequence[Any] = figure.subplots(1, len(panels))
    for axes, (field, edges), title in zip(all_axes, panels, titles, strict=True):
        _draw(axes, {split: getattr(d, field) for split, d in descriptions.items()}, edges)
        axes.set(title=title, xlabel="seconds", ylabel="share")
    all_axes[0].axvspan(MIN_HOLD_S, MAX_HOLD_S, alpha=0.1, color="C2", lw=0, label="counts")
    all_axes[0].legend(frameon=False)
    names = ", ".join(
        d.name + (" [synthetic]" if d.synthetic else "") for d in descriptions.values()
    )
    figure.suptitle(names)
    with atomic_path(path) as aside:
        figure.savefig(aside, dpi=150)


def _draw(axes: Any, values: Mapping[str, Sequence[float]], edges: Sequence[float]) -> None:
    limit = 1.5 * edges[-2]
    for split, durations in values.items():
        clipped = [min(max(value, edges[0]), limit) for value in durations]
        weights = [1.0 / len(clipped) for _ in clipped]  # of a corpus without holds, none
        axes.hist(clipped, bins=[*edges[:-1], limit], weights=weights, histtype="step", label=split)
    if edges[0] > 0:
        axes.set_xscale("log")
        axes.set_xticks([edge for edge in edges if edge in _TICKS_S])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
