"""Figures of a run in words: what each is called, in which unit, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Unit = Literal["ms", "%", "s", "", "cores", "MB"]

NEVER = "never"
"""A latency in words that falls on a turn that was not answered, or what was not obeyed."""


class Name(NamedTuple):
    """What a figure is called in tables."""

    label: str
    unit: Unit = "ms"
    better: Literal["less", "more", ""] = "less"


LATENCY: Mapping[str, Name] = {
    "v2v_p50": Name("Voice to voice, P50"),
    "v2v_p90": Name("Voice to voice, P90"),
    "v2v_p99": Name("Voice to voice, P99"),
    "v2v_max": Name("Voice to voice, longest answered"),
    "v2v_mean": Name("Voice to voice, mean of answered"),
    "eot_p50": Name("EOT delay, P50"),
    "eot_p90": Name("EOT delay, P90"),
    "post_commit_p50": Name("Post-commit delay, P50"),
    "post_commit_p90": Name("Post-commit delay, P90"),
    "post_commit_p99": Name("Post-commit delay, P99"),
    "post_commit_max": Name("Post-commit delay, longest"),
}

SPANS: Mapping[str, Name] = {
    f"{span}_{q}": Name(f"{label}, {q.upper()}")
    for span, label in (
        ("eot_span", "EOT, in audio time"),
        ("uplink", "Uplink"),
        ("stt", "STT, final words"),
        ("llm", "LLM, first token"),
        ("tts", "TTS, first audio"),
        ("downlink", "Downlink"),
        ("residual", "Residual"),
        ("detector", "of it: decision known"),
        ("pacing", "of it: pacing"),
        ("lead_in", "of it: silent begin"),
        ("playout", "of it: playout"),
    )
    for q in ("p50", "p90")
}

MANNERS: Mapping[str, Name] = {
    "turns": Name("Turns", "", ""),
    "rows": Name("Different rows among them", "", ""),
    "answered": Name("Answered", "", "more"),
    "calls": Name("Calls", "", ""),
    "failed_calls": Name("Failed calls", ""),
    "false_interruptions": Name("False interruptions", ""),
    "false_interruption_rate": Name("False interruption rate", "%"),
    "interrupted_unanswered": Name("Interrupted, then not answered", ""),
    "early_commits": Name("Early decisions, unheard", ""),
    "early_commit_rate": Name("Early decision rate, unheard", "%"),
    "dead_air": Name("Dead air (> 3 s)", ""),
    "misses": Name("Never answered", ""),
    "take_backs": Name("Turns taken back", ""),
    "duplicate_replies": Name("Duplicate replies", ""),
}

OVERLAPS: Mapping[str, Name] = {
    "barge_ins": Name("Interruptions by the caller", "", ""),
    "barge_in_success": Name("Stopped within 600 ms", "%", "more"),
    "barge_ins_moot": Name("of these the reply was over by itself (log)", "", ""),
    "stop_from_onset_p50": Name("Onset to silence, P50"),
    "stop_from_onset_p90": Name("Onset to silence, P90"),
    "stop_from_decision_p50": Name("Decision to silence, P50"),
    "stop_from_decision_p90": Name("Decision to silence, P90"),
    "false_barge_ins": Name("False barge-ins", ""),
    "false_barge_in_rate": Name("False barge-in rate", "%"),
    "resumes": Name("Resumed", "", ""),
    "resume_rate": Name("Resumed of false barge-ins", "%", "more"),
    "resume_gap_p50": Name("Gap until resumed, P50"),
    "resume_gap_p90": Name("Gap until resumed, P90"),
    "cancel_llm_p50": Name("Cancelling the LLM, P50"),
    "cancel_llm_p90": Name("Cancelling the LLM, P90"),
    "cancel_tts_p50": Name("Cancelling the TTS, P50"),
    "cancel_tts_p90": Name("Cancelling the TTS, P90"),
    "cancel_stt_p50": Name("Restarting the STT, P50"),
    "cancel_stt_p90": Name("Restarting the STT, P90"),
}

COST: Mapping[str, Name] = {
    "speculations": Name("Replies drafted early", "", ""),
    "adopted": Name("Drafts used", "", ""),
    "speculation_hit_rate": Name("Speculation hit rate", "%", "more"),
    "tokens": Name("Pieces written by the LLM", "", ""),
    "wasted_tokens": Name("of these wasted", ""),
    "hedges": Name("Hedged requests", "", ""),
    "hedge_wins": Name("Hedges that won", "", ""),
    "hedge_rescues": Name("Replies saved by a hedge", "", ""),
    "hedge_tokens": Name("Pieces of losers", ""),
    "hedge_cost_microunits": Name("Cost of losers, millionths", ""),
    "cpu_per_call": Name("CPU per call", "cores"),
    "cpu_peak": Name("CPU, peak", "cores"),
    "memory_mb": Name("Memory", "MB"),
    "late_frames": Name("Frames too late to play", ""),
    "late_frame_rate": Name("of all frames heard", "%"),
    "skipped_frames": Name("Frames the caller skipped", ""),
    "skipped_frame_rate": Name("of all frames sent", "%"),
}

GROUPS: Mapping[str, Mapping[str, Name]] = {
    "Latency": LATENCY,
    "Stage spans": SPANS,
    "Turn-taking": MANNERS,
    "Speech over the agent": OVERLAPS,
    "Work and cost": COST,
}

NAMES: Mapping[str, Name] = {k: v for group in GROUPS.values() for k, v in group.items()}


def number_text(value: float | None, unit: str) -> str:
    """Write a value of a unit; shares in 0 .. 1 become percents."""
    if value is None:
        return "-"
    if unit == "%":
        return f"{100 * value:.1f} %"
    if unit == "cores":
        return f"{value:.2f}"
    text = f"{value:.0f}" if unit in ("ms", "MB") or value == round(value) else f"{value:.2f}"
    return f"{text} {unit}" if unit in ("ms", "MB", "s") else text


def figure_text(entry: Mapping[str, Any], unit: str) -> str:
    """Write the value of a figure; one that falls on what never happened is ``never``."""
    return NEVER if entry.get("censored") else number_text(entry.get("value"), unit)


def interval_text(entry: Mapping[str, Any], unit: str) -> str:
    """Write the 95 % interval of a figure; empty where it has none.

    One without an upper bound reaches to what never happened.
    """
    low, high = entry.get("low"), entry.get("high")
    if low is None:
        return ""
    bounds = [number_text(bound, unit).removesuffix(unit).strip() for bound in (low, high)]
    return f"[{bounds[0]} .. {NEVER if high is None else bounds[1]}]"


def name_of(figure: str) -> Name:
    """Name of a figure; one that is not known here keeps its own."""
    return NAMES.get(figure, Name(figure, "", ""))
