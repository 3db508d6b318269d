"""Evaluation: corpus -> replay -> metrics -> tables, with intervals.

`evaluate` measures detectors on the same rows; `replay_turn` and `trace_turn` do one turn,
for notebooks. What the numbers mean is said in `turnkit.metrics`.
"""

from __future__ import annotations

from turnkit.evaluate.cells import Table
from turnkit.evaluate.claims import BEST, CLAIMED, FROZEN, check_claims, compare
from turnkit.evaluate.crew import Bench, Crew, Job, Measured, Opener
from turnkit.evaluate.fitting import FittedPolicy, fit_policies, simulate_turn
from turnkit.evaluate.leakage import (
    check_policy_speakers,
    check_training_speakers,
    speaker_hash,
)
from turnkit.evaluate.machine import Machine
from turnkit.evaluate.plain import as_dict
from turnkit.evaluate.replaying import CHUNK_S, replay_turn
from turnkit.evaluate.results import (
    BestPoint,
    Claim,
    Comparison,
    CorpusFacts,
    DetectorResult,
    Diagnostics,
    Evaluation,
    FrozenPoint,
    Slice,
    SliceFacts,
    Slices,
)
from turnkit.evaluate.run import Progress, evaluate
from turnkit.evaluate.scoring import best_points, diagnose, frozen_point
from turnkit.evaluate.slicing import read_tags, slice_results
from turnkit.evaluate.table import tables, to_markdown, to_text
from turnkit.evaluate.tracing import TurnTrace, span_scores, trace_turn
from turnkit.evaluate.turns import (
    TRANSCRIPT_LAG_S,
    SpanMarks,
    audio_until_miss,
    words_as_inputs,
)
from turnkit.evaluate.worst import WorstCutoff, WorstCutoffs, worst_cutoffs

__all__ = [
    "BEST",
    "CHUNK_S",
    "CLAIMED",
    "FROZEN",
    "TRANSCRIPT_LAG_S",
    "Bench",
    "BestPoint",
    "Claim",
    "Comparison",
    "CorpusFacts",
    "Crew",
    "DetectorResult",
    "Diagnostics",
    "Evaluation",
    "FittedPolicy",
    "FrozenPoint",
    "Job",
    "Machine",
    "Measured",
    "Opener",
    "Progress",
    "Slice",
    "SliceFacts",
    "Slices",
    "SpanMarks",
    "Table",
    "TurnTrace",
    "WorstCutoff",
    "WorstCutoffs",
    "as_dict",
    "audio_until_miss",
    "best_points",
    "check_claims",
    "check_policy_speakers",
    "check_training_speakers",
    "compare",
    "diagnose",
    "evaluate",
    "fit_policies",
    "frozen_point",
    "read_tags",
    "replay_turn",
    "simulate_turn",
    "slice_results",
    "span_scores",
    "speaker_hash",
    "tables",
    "to_markdown",
    "to_text",
    "trace_turn",
    "words_as_inputs",
    "worst_cutoffs",
]
