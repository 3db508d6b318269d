"""Running figures of a call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from turnkit.agent.records import TurnRecord

COUNTS = (
    "interruptions", "false_interruptions", "barge_ins", "false_barge_ins", "take_backs",
    "resumes", "overlaps", "stops", "speculations", "adopted", "discarded",
    "stage_failures", "apologies", "empty_turns", "cached_clauses", "tokens", "wasted_tokens",
    "hedges", "hedge_wins", "hedge_rescues", "hedge_tokens", "hedge_cost_microunits",
)  # fmt: skip
"""Everything that is counted in a call.

``tokens`` are the pieces of all replies as the language model gave them, and
``wasted_tokens`` those of replies of which nothing was heard. The last five are told by
the language model's conversation; see `turnkit.stages.llm.hedged`.
"""


def percentiles(values: Iterable[float | None]) -> dict[str, float | None]:
    """P50 and P90 of what is known."""
    known = [value for value in values if value is not None]
    if not known:
        return {"p50": None, "p90": None}
    return {f"p{q}": round(float(np.percentile(known, q)), 1) for q in (50, 90)}


def describe(turns: Iterable[TurnRecord], counts: Counter[str]) -> dict[str, Any]:
    """Fields of a ``stats`` message."""
    # A reply that was taken back answered nobody, however fast it came.
    heard = [turn for turn in turns if turn.sent_at is not None]
    answered = [turn for turn in heard if turn.outcome != "taken back"]
    return {
        "turns": len(answered),
        "v2v_ms": percentiles(turn.v2v_ms for turn in answered),
        "post_commit_ms": percentiles(turn.post_commit_ms for turn in answered),
        "eot_ms": percentiles(turn.spans["eot"] for turn in answered),
        "counts": {name: counts[name] for name in COUNTS},
    }
