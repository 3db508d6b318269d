"""What the page shows, and its template."""

from __future__ import annotations

import base64
import io
import re
import wave
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from turnkit.audio import Samples
from turnkit.detector.protocol import EventKind, TurnEvent
from turnkit.errors import MissingDependencyError
from turnkit.evaluate import (
    DetectorResult,
    Evaluation,
    WorstCutoff,
    WorstCutoffs,
    tables,
    worst_cutoffs,
)
from turnkit.evaluate.claims import CLAIM_TITLE
from turnkit.evaluate.text import claim_reasons, facts_text, head_lines, milliseconds, policy_text
from turnkit.metrics import frontier
from turnkit.plot import Curve, PolicyPoint, plot_frontier, plot_reliability, plot_turn
from turnkit.report.svg import to_svg
from turnkit.timing import to_samples

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

_DIAGNOSED = "0.2 s"
"""Moment whose reliability is drawn where most pauses have a score by then."""

_FLAGS = re.compile(r"(MISSED|OUT OF REACH|out of reach)")
_QUALIFIED = re.compile(r"([^\[@]+?) ((?:\[.*?\])?(?: ?@ [\d.]+ \S+)?)((?: [A-Z ]+)?)")
"""A figure, its interval and the other quantity, and flags."""


def frontier_curves(evaluation: Evaluation) -> list[Curve]:
    """Frontiers of an evaluation's detectors and of pure delay, with frozen policies on them."""
    found = []
    for result in evaluation.detectors:
        points = tuple(
            PolicyPoint(
                frozen.point.name if frozen.point else "own policy",
                frozen.summary.mean_latency_s,
                frozen.summary.rate,
                frozen.rate_interval,
            )
            for frozen in result.replayed
            if np.isfinite(frozen.summary.rate)
        )
        # Without scores a sweep is pure delay, which is drawn once.
        line = frontier(result.sums) if result.spans.has_scores else (np.zeros(0), np.zeros(0))
        found.append(Curve(result.spec, *line, points))
    return [*found, Curve("pure delay", *frontier(evaluation.baseline_sums))]


def to_html(evaluation: Evaluation, cutoffs: int = 10) -> str:
    """Lay an evaluation out as a page.

    Parameters
    ----------
    evaluation : Evaluation
    cutoffs : int
        False cutoffs of the first detector to show and let hear.

    Returns
    -------
    str
        A complete HTML document.

    Raises
    ------
    MissingDependencyError
        If matplotlib or jinja2 is not installed.
    """
    try:
        import jinja2
        import matplotlib  # noqa: F401 (its absence is to be told before the work)
    except ImportError as error:
        package = str(error.name)
        raise MissingDependencyError(package, "eval", "the HTML report") from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = _cell
    source = resources.files("turnkit.report").joinpath("template.html").read_text("utf-8")
    first = evaluation.detectors[0]
    worst = worst_cutoffs(first, cutoffs)
    return environment.from_string(source).render(
        corpus=facts_text(evaluation.facts),
        synthetic=evaluation.facts.synthetic,
        head=head_lines(evaluation),
        first=first.spec,
        claim_title=CLAIM_TITLE,
        claims=[
            (one.verdict, f"{one.basis}, {one.reading}", claim_reasons(one))
            for one in evaluation.claims
        ],
        tables=tables(evaluation),
        figures=_figures(evaluation),
        worst=worst,
        worst_policy=policy_text(worst.policy, scored=first.spans.has_scores) if worst else "",
        cases=_cases(evaluation, first, worst) if worst else [],
    )


def _figures(evaluation: Evaluation) -> list[dict[str, Any]]:
    found = [
        _drawn(
            plot_frontier(frontier_curves(evaluation)),
            "frontier",
            "Latency against false cutoffs",
            "Lines: best-on-test frontiers from score traces on annotated spans. Filled markers: "
            "frozen policies where replays really put them, with 95 % intervals of the rate.",
        )
    ]
    curves = {
        result.spec: result.diagnostics[_moment(result)].reliability
        for result in evaluation.detectors
        if result.diagnostics
    }
    if curves:
        read = ", ".join(
            f"{result.spec} at {_moment(result)}"
            for result in evaluation.detectors
            if result.diagnostics
        )
        found.append(
            _drawn(
                plot_reliability(curves),
                "reliability",
                "Calibration",
                f"Share of pauses that were ends of turn, by score, and how many pauses scored "
                f"so. Scores read: {read}.",
            )
        )
    return found


def _moment(result: DetectorResult) -> str:
    at = result.diagnostics[_DIAGNOSED]
    return _DIAGNOSED if 2 * at.scored > at.spans else "first score"


def _drawn(figure: Figure, name: str, title: str, caption: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "caption": caption,
        "svg": _safe(to_svg(figure, name, title)),
    }


def _cases(
    evaluation: Evaluation, result: DetectorResult, worst: WorstCutoffs
) -> list[dict[str, Any]]:
    found = []
    for number, cut in enumerate(worst.cutoffs, start=1):
        turn = evaluation.corpus[cut.row]
        at = to_samples(cut.at_s, turn.sample_rate)
        since = max(0, at - to_samples(cut.waited_s, turn.sample_rate))
        event = TurnEvent(EventKind.TURN_ENDED, at, since, cut.score)
        figure = plot_turn(turn, result.traces[cut.row], [event], worst.policy, title="")
        label = f"{turn.id}: waveform, score and the false cutoff at {cut.at_s:.2f} s"
        svg = to_svg(figure, f"cut{number}", label)
        left, right = _panel(figure)
        found.append(
            {
                "number": number,
                "turn": turn.id,
                "speaker": turn.speaker or "",
                "transcript": turn.transcript or "",
                "what": _what(cut),
                "svg": _safe(svg),
                "sound": _data_uri(turn.samples, turn.sample_rate),
                "left": left,
                "right": right,
                "seconds": float(figure.axes[0].get_xlim()[1]),
                "start": max(0.0, cut.at_s - 2.0),
            }
        )
    return found


def _what(cut: WorstCutoff) -> str:
    where = "during speech" if cut.span is None else "in a hold"
    score = "" if cut.score is None else f", score {cut.score:.2f}"
    return f"{where} at {cut.at_s:.2f} s, after {milliseconds(cut.waited_s)} of silence{score}"


def _panel(figure: Figure) -> tuple[float, float]:
    """Left and right edge of the panels, as shares of the figure's width."""
    box = figure.axes[0].get_position()
    return float(box.x0), float(box.x1)


def _data_uri(samples: Samples, rate: int) -> str:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _safe(html: str) -> Markup:
    from markupsafe import Markup

    return Markup(html)


def _cell(text: str) -> Markup:
    """Lay a table cell out: its figure, what qualifies it beneath, flags set apart."""
    from markupsafe import escape

    match = _QUALIFIED.fullmatch(text)
    if match is None:
        return _safe(_FLAGS.sub(r'<span class="flag">\1</span>', str(escape(text))))
    figure, rest, flags = (str(escape(part or "")) for part in match.groups())
    marks = "".join(f' <span class="flag">{flag}</span>' for flag in _FLAGS.findall(flags))
    return _safe(f'{figure}{marks}<span class="rest">{rest}</span>')
