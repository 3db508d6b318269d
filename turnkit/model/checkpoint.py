"""The trained model of a run: weights as safetensors, everything else as JSON.

A run folder holds ``model.json`` (what the model is and heard), ``weights.safetensors``
and, once policies were fitted, ``policies.json``. Nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from turnkit.errors import RunError
from turnkit.files import atomic_path
from turnkit.model.acoustic import EncoderHead, HeadConfig, StreamingConfig, StreamingNetwork

MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
POLICIES_FILE = "policies.json"
ENCODER_FILE = "encoder.onnx"
"""Files of a run folder; a head keeps the encoder that it was trained on beside it."""

STREAMING = "streaming"
ENCODER_HEAD = "encoder-head"
KINDS = (STREAMING, ENCODER_HEAD)
"""Kinds of model."""


@dataclass(frozen=True, slots=True)
class RunModel:
    """A trained model.

    Attributes
    ----------
    description : dict
        Content of ``model.json``: ``kind``, ``name``, ``model`` (its shape), ``inputs``
        (columns), ``gate`` and, for a streaming network, ``features`` and ``block``; for
        a head, ``encoder`` (``sha256``) and ``times_s``. Beside these whatever training recorded.
    module : nn.Module
        In evaluation mode.
    policies : dict of str to dict
        Arguments of a policy by operating point; empty before policies were fitted.
    """

    description: dict[str, Any]
    module: nn.Module
    policies: dict[str, dict[str, float]]


def _build(description: Mapping[str, Any]) -> nn.Module:
    kind, shape, inputs = description["kind"], description["model"], int(description["inputs"])
    if kind == STREAMING:
        return StreamingNetwork(StreamingConfig(**shape), inputs)
    if kind == ENCODER_HEAD:
        return EncoderHead(HeadConfig(**shape), inputs)
    raise RunError(f"{MODEL_FILE}: kind {kind!r}: expected one of {', '.join(KINDS)}")


def save_run_model(folder: Path, description: Mapping[str, Any], module: nn.Module) -> None:
    """Write a trained model into a run folder, whole or not at all.

    Raises
    ------
    RunError
        If it cannot be written; what was there before stays.
    """
    from safetensors.torch import save_file

    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()
    }
    try:
        with atomic_path(folder / WEIGHTS_FILE) as path:
            save_file(tensors, path)
        with atomic_path(folder / MODEL_FILE) as path:
            path.write_text(json.dumps(dict(description), indent=2) + "\n")
    except Exception as error:  # safetensors wraps a full disk in its own exception
        raise RunError(f"{folder}: the model could not be written ({error})") from error


def save_policies(folder: Path, policies: Mapping[str, Mapping[str, float]]) -> None:
    """Write the arguments of a run's frozen policies, by operating point.

    Raises
    ------
    RunError
        If they cannot be written.
    """
    try:
        with atomic_path(folder / POLICIES_FILE) as path:
            path.write_text(json.dumps(policies, indent=2) + "\n")
    except OSError as error:
        raise RunError(f"{folder}: the policies could not be written ({error})") from error


def load_run_model(folder: Path) -> RunModel:
    """Read the trained model of a run.

    Raises
    ------
    RunError
        If the folder is no finished run, or a file in it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        description = json.loads((folder / MODEL_FILE).read_text())
        module = _build(description)
        module.load_state_dict(load_file(folder / WEIGHTS_FILE))
        policies = folder / POLICIES_FILE
        fitted = json.loads(policies.read_text()) if policies.is_file() else {}
    except FileNotFoundError as error:
        name = Path(error.filename or "").name
        raise RunError(
            f"{folder}: no {name}: expected a finished training run; "
            "`turnkit train --resume` finishes one"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise RunError(f"{folder}: cannot be read as a training run ({error})") from error
    return RunModel(description, module.eval(), fitted)
