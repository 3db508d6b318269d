"""The latencies of a run, each with where it comes from; infinite is what never came."""

from __future__ import annotations

import math

from turnkit.lab.measuring.measured import MeasuredTurn
from turnkit.lab.measuring.overlaps import Trial
from turnkit.lab.measuring.resampling import Origin
from turnkit.lab.measuring.run import MeasuredRun
from turnkit.lab.measuring.spans import RESIDUAL_PARTS, SPANS

Pairs = list[tuple[float, Origin]]

SPAN_NAMES = {"eot": "eot_span"} | {name: name for name in (*SPANS[1:], *RESIDUAL_PARTS)}
"""What figures call spans and parts of the residual; ``eot`` is the EOT delay."""


def columns(pairs: Pairs) -> tuple[list[float], list[Origin]]:
    """Values, and origins."""
    return [value for value, _ in pairs], [origin for _, origin in pairs]


def turns_of(run: MeasuredRun) -> list[tuple[Origin, MeasuredTurn]]:
    """List turns in order, with their origins."""
    return [
        (Origin(place, turn.heard.name), turn)
        for place, call in enumerate(run.calls)
        for turn in call.turns
    ]


def trials_of(run: MeasuredRun) -> list[tuple[Origin, Trial]]:
    """List what was said over the agent, with its origins."""
    return [
        (Origin(place, trial.name), trial)
        for place, call in enumerate(run.calls)
        for trial in call.trials
    ]


def turn_times(run: MeasuredRun) -> dict[str, Pairs]:
    """Collect latencies of turns, each with where it comes from."""
    found: dict[str, Pairs] = {name: [] for name in ("v2v", "eot", "post_commit")}
    found |= {name: [] for name in SPAN_NAMES.values()}
    for origin, turn in turns_of(run):
        known = {
            "v2v": math.inf if turn.heard.missed else turn.heard.v2v_ms,
            "eot": turn.eot_ms,
            "post_commit": turn.post_commit_ms,
        }
        for name, value in known.items():
            if value is not None:
                found[name].append((value, origin))
        told = turn.told
        if told is not None and told.spans is not None and told.residual_parts is not None:
            for name, value in {**told.spans, **told.residual_parts}.items():
                found[SPAN_NAMES[name]].append((value, origin))
    return found


def trial_times(run: MeasuredRun) -> dict[str, Pairs]:
    """Collect times of what was said over the agent, each with where it comes from."""
    found: dict[str, Pairs] = {}
    for origin, trial in trials_of(run):
        known: dict[str, float | None] = {"resume_gap": trial.gap_ms}
        if trial.kind == "interruption":
            never = trial.silent is None
            known["stop_from_onset"] = math.inf if never else trial.from_onset_ms
            told = trial.decided is not None
            known["stop_from_decision"] = math.inf if never and told else trial.from_decision_ms
        for name, value in known.items():
            if value is not None:
                found.setdefault(name, []).append((value, origin))
    return found


def cancel_times(run: MeasuredRun) -> dict[str, Pairs]:
    """Collect how long cancelled work went on; what belongs to a call is drawn together."""
    found: dict[str, Pairs] = {}
    for place, call in enumerate(run.calls):
        for what, ms in call.cancels:
            found.setdefault(f"cancel_{what}", []).append((ms, Origin(place, f"call {place}")))
    return found
