"""Exporting a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turnkit.detector.policy import Policy
from turnkit.errors import BundleError, ConfigError, RunError
from turnkit.export.card import write_card
from turnkit.export.graphs import head_graph, streaming_graph
from turnkit.export.precision import TOLERANCE, choose_precision
from turnkit.model.acoustic import EncoderHead, StreamingNetwork
from turnkit.model.bundle import CARD, ENCODER, MODEL, VAD, write_bundle
from turnkit.model.checkpoint import ENCODER_FILE, POLICIES_FILE, RunModel, load_run_model
from turnkit.model.onnx_models import OnnxHead
from turnkit.model.torch_models import TorchHead
from turnkit.vad import silero_path

DEFAULT_POINT = "FC@300"
"""Operating point whose policy a bundle starts with unless another is asked for."""

_FACTS = ("kind", "gate", "training_speakers", "policy_speakers", "training")
_STREAMING_FACTS = ("features", "block", "model")
_HEAD_FACTS = ("encoder", "times_s", "model")
"""What a manifest takes over from ``model.json``."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    path : Path
    bytes : int
    precision : dict or None
        The measurements behind the choice, for a streaming network.
    """

    path: Path
    bytes: int
    precision: dict[str, Any] | None


def _fitted(folder: Path, run: RunModel) -> dict[str, Policy]:
    try:
        return {name: Policy(**values) for name, values in run.policies.items()}
    except (TypeError, ConfigError) as error:
        raise RunError(f"{folder / POLICIES_FILE}: {error}") from error


def _policy(fitted: Mapping[str, Policy], point: str | None) -> Policy:
    if point is None and not fitted:
        return Policy()
    point = point or DEFAULT_POINT
    if point not in fitted:
        known = ", ".join(fitted) or "none: no policies were fitted for this run"
        raise ConfigError(f"policy {point!r}: expected one of {known}")
    return fitted[point]


def _encoder(folder: Path, facts: Mapping[str, Any]) -> bytes:
    try:
        encoder = (folder / ENCODER_FILE).read_bytes()
    except OSError as error:
        raise RunError(f"{folder / ENCODER_FILE}: {error.strerror}: a head needs it") from error
    if hashlib.sha256(encoder).hexdigest() != facts["encoder"]["sha256"]:
        raise RunError(f"{folder / ENCODER_FILE}: not the encoder that the head was trained on")
    return encoder


def _checked_head(head: EncoderHead) -> bytes:
    """Export the head, once its graph gives torch's probabilities."""
    graph = head_graph(head)
    exported, reference = OnnxHead(graph), TorchHead(head)
    for vector in np.random.default_rng(0).standard_normal((50, head.features)).astype(np.float32):
        drift = abs(exported.probability(vector) - reference.probability(vector))
        if drift > TOLERANCE:
            raise BundleError(f"the exported head differs from torch by {drift:.2g}")
    return graph


def export_run(
    folder: Path,
    out: Path,
    *,
    name: str | None = None,
    point: str | None = None,
    thin: bool = False,
    results: Sequence[Mapping[str, Any]] = (),
    notes: str = "",
) -> Exported:
    """Write the bundle of a run.

    Parameters
    ----------
    folder : Path
        Of the run.
    out : Path
        The bundle to be.
    name : str, optional
        As tables print it; that of the run by default.
    point : str, optional
        Operating point whose fitted policy becomes the bundle's own; by default
        `DEFAULT_POINT`, or the default policy where none was fitted.
    thin : bool
        Leave an encoder out; it is then looked for on the machine that runs the bundle.
    results : sequence of mapping
        Measurements for the card, each as ``turnkit eval --json`` prints them.
    notes : str
        Data, licences and limits for the card, in Markdown.

    Returns
    -------
    Exported

    Raises
    ------
    RunError
        If the run cannot be read.
    ConfigError
        If no policy was fitted for that point.
    BundleError
        If the graph differs from torch, or the bundle cannot be written.
    """
    run = load_run_model(folder)
    facts, module = run.description, run.module
    name = name or str(facts.get("name", facts["kind"]))
    fitted = _fitted(folder, run)
    policy = _policy(fitted, point)
    files: dict[str, bytes] = {}
    precision = None
    if isinstance(module, StreamingNetwork):
        graph = streaming_graph(module, facts["block"])
        files[MODEL], precision = choose_precision(module, graph, facts["block"])
        taken = _FACTS + _STREAMING_FACTS
    elif isinstance(module, EncoderHead):
        if not thin:
            files[ENCODER] = _encoder(folder, facts)
        files[MODEL], files[VAD] = _checked_head(module), silero_path().read_bytes()
        taken = _FACTS + _HEAD_FACTS
    else:
        raise RunError(f"{folder}: a {type(module).__name__} cannot be exported")
    files[CARD] = write_card(name, facts, precision, results, notes).encode()
    manifest = {
        "name": name,
        **{key: facts[key] for key in taken if key in facts},
        "policy": policy.as_dict(),
        "policies": {key: value.as_dict() for key, value in fitted.items()},
        "precision": precision,
    }
    write_bundle(out, manifest, files)
    return Exported(out, out.stat().st_size, precision)
