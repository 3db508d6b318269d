"""The experiments: each asks one question about what a user feels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from turnkit.lab.compare import Difference, PairedRun
from turnkit.lab.experiments import distance, load, services
from turnkit.lab.experiments.experiment import (
    BUDGET,
    Added,
    Condition,
    Experiment,
    Options,
    Results,
    in_words,
    paired,
    request,
    saved,
)
from turnkit.lab.scenario.stimuli import GREETING
from turnkit.lab.transfer import transfer, transfer_text

_LATENCY = ("turns", "v2v_p50", "v2v_p90", "v2v_p99", "v2v_max", "eot_p50", "eot_p90")
_AFTER = ("post_commit_p50", "post_commit_p90")
_HARM = ("false_interruptions", "early_commits", "dead_air")

CLAIMED_MS = (300.0, 600.0)
"""What the article says that streaming saves."""

DETECTORS = {
    "VAD 600 ms": ("bundle=vad:600",),
    "VAD 400 ms": ("bundle=vad:400",),
    "VAD 300 ms": ("bundle=vad:300",),
    "Smart Turn": ("bundle=smart-turn",),
    "default FC@600": ("bundle=default",),
    "default FC@300": ("bundle=default", "policy=FC@300"),
}
"""Detectors that are put into the same agent."""


def _modes(options: Options, _services: Mapping[str, str]) -> list[Condition]:
    # The same turns again and again: no mode may profit from clauses voiced for another.
    voiced = ("tts.cache.max_bytes=0",) if options.agent == "embedded" else ()
    return [
        Condition(mode, request(options, f"mode={mode}", *voiced))
        for mode in ("batch", "streaming", "speculative")
    ]


def _say_modes(results: Results) -> list[str]:
    lines = []
    for mode in ("streaming", "speculative"):
        less = saved(results, "batch", mode, "v2v_ms")
        if less is not None:
            lines.append(
                f"{mode} saves {in_words(less)}, of V2V over batch: {_claimed(less)} the claimed "
                "300 to 600 ms"
            )
    less = saved(results, "streaming", "speculative", "post_commit_ms")
    if less is not None:
        lines.append(f"speculative saves {in_words(less)}, of post-commit delay over streaming")
        if results["speculative"].run.plan["request"]["agent"] == BUDGET:
            lines.append(
                "the scripted recogniser gives the same words at every pause, so that each draft "
                "fits: what speculation saves is an upper bound"
            )
    return lines


def _claimed(less: Difference) -> str:
    """Hold an interval against the claim: all of it inside, all outside, or neither."""
    low, high = CLAIMED_MS
    if less.low is None or less.high is None:
        return "too few turns to tell from"
    if low <= less.low and less.high <= high:
        return "within"
    return "outside" if less.high < low or less.low > high else "cannot be told from"


def _detectors(options: Options, _services: Mapping[str, str]) -> list[Condition]:
    return [Condition(name, request(options, *sets)) for name, sets in DETECTORS.items()]


def _say_detectors(results: Results) -> list[str]:
    lines = []
    for reference in ("VAD 600 ms", "VAD 300 ms"):
        for name in results:
            found = None if name.startswith("VAD") else paired(results, reference, name)
            if found is not None:
                lines.append(_cut_less(name, reference, found))
    return lines


def _cut_less(name: str, reference: str, found: PairedRun) -> str:
    """Compare false interruptions of the same turns, and what they cost in V2V."""
    cuts = found.interruptions
    ours, theirs = cuts.both + cuts.other, cuts.both + cuts.reference
    share = f" ({1 - ours / theirs:+.0%} fewer)" if theirs else ""
    slower = found.differences.get("v2v_ms")
    wait = "" if slower is None else f"; V2V {slower.median:+.0f} ms, n {slower.n}"
    return (
        f"{name} against {reference}: {ours} false interruptions against {theirs} of "
        f"{found.pairs} turns{share}, exact McNemar p {cuts.p:.2g}{wait}"
    )


def _transfers(results: Results) -> Added:
    """Hold every detector's commits in calls against those of a replay of the rows."""
    found = [
        replace(transfer(conclusion.folder, run=conclusion.run), detector=name)
        for name, conclusion in results.items()
    ]
    plain = {"transfer": {each.detector: each.as_dict() for each in found}}
    # One string: the table keeps together.
    return ["from offline to live:\n" + transfer_text(found)], plain


def _barge_in(options: Options, _services: Mapping[str, str]) -> list[Condition]:
    # Scripted words would make an interruption of a cough; the embedded stack takes a core.
    changes = {"agent": options.agent or "embedded", "callers": options.callers or 1}
    greeting = f"conversation.greeting={GREETING}"
    return [
        Condition(f"{kind}s", request(options, greeting, source=f"over:{kind}", **changes))
        for kind in ("interruption", "backchannel", "noise")
    ]


def _jitter(options: Options, _services: Mapping[str, str]) -> list[Condition]:
    found = []
    for wait_ms in (20, 60, 120):
        for playout_ms in (20, 60, 120):
            wanted = request(
                options,
                f"server.webrtc.jitter.max_wait_s={wait_ms / 1000:g}",
                network="mobile",
                playout_delay_s=playout_ms / 1000,
            )
            found.append(Condition(f"agent {wait_ms}, caller {playout_ms} ms", wanted))
    return found


MODES = Experiment(
    "modes",
    "Does it pay to let the stages overlap, and to draft replies in pauses?",
    _modes,
    (*_LATENCY, *_AFTER, "post_commit_p99", "residual_p50", *_HARM, "take_backs",
     "speculation_hit_rate", "wasted_tokens"),
    say=_say_modes,
)  # fmt: skip
WHO_DECIDES = Experiment(
    "detectors",
    "Who decides better, inside the same agent and on the same calls?",
    _detectors,
    (*_LATENCY[:5], "eot_p50", "eot_p90", *_HARM, "take_backs"),
    drawn=("eot_p50", "eot_p90", "v2v_p50"),
    say=_say_detectors,
    add=_transfers,
)
JITTER = Experiment(
    "jitter",
    "How long should jitter buffers wait on a mobile network?",
    _jitter,
    (*_LATENCY[:5], "eot_p50", *_HARM, "late_frames"),
    notes=("the network is simulated: real packets through a relay, profile mobile",),
)
BARGE_IN = Experiment(
    "barge-in",
    "How fast does the agent stop for an interruption, and for what should not stop it?",
    _barge_in,
    ("barge_ins", "barge_in_success", "barge_ins_moot", "stop_from_onset_p50",
     "stop_from_onset_p90", "stop_from_decision_p50", "stop_from_decision_p90",
     "false_barge_ins", "false_barge_in_rate", "resumes", "resume_gap_p50", "cancel_llm_p50",
     "cancel_tts_p50", "cancel_stt_p50"),
    drawn=("stop_from_onset_p50", "stop_from_onset_p90", "stop_from_decision_p50"),
    notes=("backchannels and noises are synthetic; each trial is a call of its own",),
)  # fmt: skip
EXPERIMENTS = {
    each.name: each
    for each in (
        MODES, WHO_DECIDES, BARGE_IN, services.HEDGING, services.CONNECTIONS, JITTER, distance.LINE,
        distance.REGION, load.LOAD,
    )
}  # fmt: skip
"""All of them by name."""
