"""Which turns of a run are most worth hearing."""

from __future__ import annotations

from collections.abc import Sequence

from turnkit.lab.report.rows import TurnRow

SHOWN = 10
_INTERRUPTIONS, _SILENCES = 3, 2
"""Places kept for false interruptions and for dead air, if there are so many."""


def worst_turns(turns: Sequence[TurnRow], count: int = SHOWN) -> list[TurnRow]:
    """Choose turns to be shown and heard.

    Parameters
    ----------
    turns : sequence of TurnRow
    count : int
        At most.

    Returns
    -------
    list of TurnRow
        The longest waits first, then false interruptions (the earliest before the end of
        speech first), then turns that were never answered. Waits give some of their
        places to the others, and get those that the others do not need.
    """
    unheard = [turn for turn in turns if turn.missed]
    cut = sorted((turn for turn in turns if turn.false_interruption), key=lambda turn: _early(turn))
    waits = sorted(
        (turn for turn in turns if turn.v2v_ms is not None and not turn.false_interruption),
        key=lambda turn: -(turn.v2v_ms or 0.0),
    )
    cuts, silences = cut[:_INTERRUPTIONS], unheard[:_SILENCES]
    first = waits[: max(0, count - len(cuts) - len(silences))]
    chosen = [*first, *cuts, *silences]
    rest = [*cut[_INTERRUPTIONS:], *unheard[_SILENCES:]]
    return (chosen + rest)[:count]


def _early(turn: TurnRow) -> float:
    """Seconds from the end of speech to the agent's false start: negative."""
    return 0.0 if turn.false_start is None else turn.false_start - turn.ended


def why(turn: TurnRow) -> str:
    """Say in words what happened in a turn."""
    parts = []
    if turn.false_interruption:
        early = f" {-1000 * _early(turn):.0f} ms before the caller was done" if _early(turn) else ""
        parts.append(f"false interruption: the agent spoke{early}")
    if turn.missed:
        parts.append("never answered")
    elif turn.v2v_ms is not None:
        parts.append(f"answered after {turn.v2v_ms:.0f} ms")
    if turn.eot_ms is not None and turn.post_commit_ms is not None:
        parts.append(f"{turn.eot_ms:.0f} ms to the decision, {turn.post_commit_ms:.0f} ms after it")
    elif turn.early and not turn.false_interruption:
        parts.append("decided before the caller was done")
    if turn.adopted:
        parts.append("by a draft")
    return "; ".join(parts)
