"""Pictures of a run, and the sounds of the turns most worth hearing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from turnkit.lab.folder import RunFolder
from turnkit.lab.records import RATE
from turnkit.lab.report.clips import Clip, clip_of
from turnkit.lab.report.plan_text import simulated_spans
from turnkit.lab.report.rows import TurnRow
from turnkit.lab.report.turn_list import talk_of
from turnkit.lab.report.worst import why, worst_turns
from turnkit.plot.call_turns import plot_voices, plot_waterfall, plot_waterfalls
from turnkit.plot.calls import plot_distribution
from turnkit.report.svg import to_svg

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure


def figures_of(turns: Sequence[TurnRow], plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Draw the distribution of waits, and where they came from."""
    found = []
    simulated = simulated_spans(plan)
    note = f" Simulated: {', '.join(simulated)}." if simulated else ""
    waits = _latencies(turns)
    if waits:
        found.append(
            drawn(
                plot_distribution(
                    waits,
                    x="ms",
                    unanswered={"voice to voice": sum(turn.missed for turn in turns)},
                ),
                "distribution",
                "How long the caller waited",
                "Share of turns that were answered, or decided, within a time. Voice to voice: "
                "from the annotated end of speech to the agent's first audible sample; its two "
                "parts are drawn apart. Open marks: P50, filled ones: P90." + note,
            )
        )
    spans = [turn.spans for turn in turns if turn.spans]
    if spans:
        found.append(
            drawn(
                plot_waterfalls(spans, simulated=simulated),
                "waterfalls",
                "Where the time went",
                "Every turn is a line; its spans sum to what the caller waited. Work that was "
                "done while an earlier stage still waited costs nothing. The residual is what "
                "no stage explains: pacing, silence at the voice's beginning, buffers." + note,
            )
        )
    return found


def _latencies(turns: Sequence[TurnRow]) -> dict[str, list[float]]:
    named = {
        "voice to voice": [turn.v2v_ms for turn in turns],
        "EOT delay": [turn.eot_ms for turn in turns],
        "post-commit": [turn.post_commit_ms for turn in turns],
    }
    known = {label: [v for v in values if v is not None] for label, values in named.items()}
    return {label: values for label, values in known.items() if values}


def drawn(figure: Figure, name: str, title: str, caption: str) -> dict[str, Any]:
    """Turn a figure into what a template shows."""
    svg = safe(to_svg(figure, name, title))
    return {"name": name, "title": title, "caption": caption, "svg": svg}


def safe(html: str) -> Markup:
    """Mark text as HTML already."""
    from markupsafe import Markup

    return Markup(html)


def cases(
    folder: RunFolder, turns: Sequence[TurnRow], plan: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Show and let hear the turns that are most worth it."""
    found = []
    for number, turn in enumerate(worst_turns(turns), start=1):
        clip = clip_of(folder.read_call(turn.call), turn)
        voices = _voices(clip, turn)
        box = voices.axes[0].get_position()
        svg = to_svg(voices, f"voices{number}", f"{turn.name}: both voices; {why(turn)}")
        box = voices.axes[0].get_position()
        waterfall = None
        if turn.spans:
            figure = plot_waterfall(
                turn.spans, decided_ms=_since(turn, turn.decided), simulated=simulated_spans(plan)
            )
            label = f"{turn.name}: stage spans"
            waterfall = safe(to_svg(figure, f"spans{number}", label))
        found.append(
            {
                "number": number,
                "name": turn.name,
                "what": f"call {turn.call}, turn {turn.place + 1} · {why(turn)}",
                "talk": talk_of(turn),
                "voices": safe(svg),
                "waterfall": waterfall,
                "sound": clip.data_uri(),
                "left": float(box.x0),
                "right": float(box.x1),
                "seconds": clip.seconds,
                "start": max(0.0, _moment(turn) - clip.begin - 1.0),
            }
        )
    return found


def _moment(turn: TurnRow) -> float:
    """Find the second at which a turn went wrong, or ended."""
    return turn.ended if turn.false_start is None else min(turn.false_start, turn.ended)


def _since(turn: TurnRow, at: float | None) -> float | None:
    return None if at is None else (at - turn.ended) * 1000


def _voices(clip: Clip, turn: TurnRow) -> Figure:
    return plot_voices(
        clip.sent,
        clip.heard,
        RATE,
        (clip.begin - turn.ended) * 1000,
        decided_ms=_since(turn, turn.decided),
        audible_ms=_since(turn, turn.audible),
        false_ms=_since(turn, turn.false_start),
        early_ms=[(at - turn.ended) * 1000 for at in turn.early_decisions if at > clip.begin],
        holds_ms=[
            ((low - turn.ended) * 1000, (high - turn.ended) * 1000)
            for low, high in turn.holds
            if high > clip.begin
        ],
    )
