"""Figures as inline SVG that takes its colours from the page."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING

from turnkit.plot.style import CUT, END, GRID, HOLD, INK, MUTED, SERIES, WAVE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    WAVE: "--wave",
    HOLD: "--hold",
    END: "--end",
    CUT: "--cut",
    **{colour: f"--s{k + 1}" for k, colour in enumerate(SERIES)},
}
"""CSS variable of each colour that figures use."""

_FONT = re.compile(r"font: ((?:bold )?)([\d.]+)px [^;\"]*")
_ID = re.compile(r'(\bid="|url\(#|xlink:href="#)')


def to_svg(figure: Figure, name: str, label: str) -> str:
    """Turn a figure into SVG for the inside of a page.

    Parameters
    ----------
    figure : Figure
    name : str
        Unique on the page: a prefix for the ids inside, letters and digits.
    label : str
        What a screen reader says instead.

    Returns
    -------
    str
        One ``<svg>`` element, as wide as its surroundings; the same figure gives the
        same text.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    head, _, body = svg.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    body = _ID.sub(rf"\g<1>{name}-", body)
    body = _FONT.sub(_own_font, body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    links = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    view = box.group(0) if box else ""
    return f'<svg {links} {view} role="img" aria-label="{escape(label)}">{body.strip()}'


def _own_font(match: re.Match[str]) -> str:
    weight = "font-weight: bold; " if match.group(1) else ""
    return f"{weight}font-size: {match.group(2)}px; font-family: inherit"
