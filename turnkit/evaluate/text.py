"""Figures, policies, corpora and claims in few words."""

from __future__ import annotations

import math

from turnkit.detector.policy import Policy
from turnkit.evaluate.claims import CLAIMED
from turnkit.evaluate.results import Claim, CorpusFacts, Evaluation
from turnkit.metrics import Interval, PointKind

DASH = "-"
"""Where there is nothing to print."""


def percent(share: float) -> str:
    """Format a share, such as ``"26.8 %"``."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else DASH


def milliseconds(seconds: float) -> str:
    """Format a latency, such as ``"297 ms"``."""
    return f"{1000 * seconds:.0f} ms" if math.isfinite(seconds) else DASH


def range_text(interval: Interval | None, scale: float, digits: int) -> str:
    """Format an interval with a space before it, such as ``" [22.1, 31.0]"``; "" for none."""
    if interval is None:
        return ""
    low, high = (
        f"{bound * scale:.{digits}f}" if math.isfinite(bound) else "out of reach"
        for bound in interval
    )
    return f" [{low}, {high}]"


def point_text(kind: PointKind, rate: float, latency_s: float, interval: Interval | None) -> str:
    """Give the point's own quantity with its interval, and the other one where it was had."""
    if kind is PointKind.CUTOFFS:
        return f"{percent(rate)}{range_text(interval, 100, 1)} @ {milliseconds(latency_s)}"
    return f"{milliseconds(latency_s)}{range_text(interval, 1000, 0)} @ {percent(rate)}"


def policy_text(policy: Policy, *, scored: bool = True) -> str:
    """Format a policy in few words."""
    if not scored or policy.threshold >= 1:
        return f"timeout {policy.timeout_s:g} s"
    return (
        f"score > {policy.threshold:g}, delay {policy.action_delay_s:g} s, "
        f"timeout {policy.timeout_s:g} s"
    )


def facts_text(facts: CorpusFacts) -> str:
    """Describe a corpus in one line."""
    return (
        f"{facts.label}: {facts.rows} turns, {facts.holds} holds, {facts.speakers} "
        f"speaker{'' if facts.speakers == 1 else 's'}, fingerprint {facts.fingerprint}"
    )


def head_lines(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Say what was measured on what, as labels and texts."""
    machine, steal = evaluation.machine, evaluation.steal_share
    fit = evaluation.fit_facts
    lines = [
        ("corpus", facts_text(evaluation.facts)),
        ("policies", f"fitted on {facts_text(fit)}" if fit else "none fitted (no --fit-on)"),
        (
            "machine",
            f"{machine.cpu}, {machine.cores} cores, {machine.system}, Python {machine.python}, "
            f"turnkit {machine.turnkit}"
            + ("" if steal is None else f", {percent(steal)} of CPU time stolen by the host"),
        ),
        (
            "bootstrap",
            f"seed {evaluation.seed}, {evaluation.resamples} resamples over speakers, "
            "95 % intervals in brackets"
            + ("" if evaluation.facts.speakers > 1 else " (none: one speaker)"),
        ),
    ]
    if evaluation.transcript_lag_s is not None:
        lag = f"words reach detectors {milliseconds(evaluation.transcript_lag_s)} after their end"
        lines.append(("transcript", lag))
    return lines


def claim_text(claim: Claim) -> str:
    """Say how one reading of the claim came out."""
    return f"{claim.basis}, {claim.reading}: {claim.verdict} ({claim_reasons(claim)})"


def claim_reasons(claim: Claim) -> str:
    """Say what a verdict rests on."""
    if claim.holds is None:
        return claim.why
    body = (
        f"{percent(claim.ours)} against {percent(claim.vad)} of {claim.vad_name}, "
        f"reduction {percent(claim.reduction)}{range_text(claim.interval, 100, 1)}"
    )
    if claim.why:
        return f"{body}; {claim.why}"
    if claim.holds and claim.interval and claim.interval.low < CLAIMED:
        return f"{body}; the interval reaches below 45 %"
    if not claim.holds and claim.interval and claim.interval.high >= CLAIMED:
        return f"{body}; the interval reaches 45 %"
    return body
