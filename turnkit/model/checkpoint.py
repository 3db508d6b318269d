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

_NEEDED = {
    STREAMING: ("model", "inputs", "gate", "features", "block"),
    ENCODER_HEAD: ("model", "inputs", "gate", "encoder", "times_s"),
}
"""What ``model.json`` must hold beside the kind."""


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
    kind = description["kind"]
    if kind not in KINDS:
        raise ValueError(f"{MODEL_FILE}: kind {kind!r}: expected one of {', '.join(KINDS)}")
    for key in _NEEDED[kind]:
        if key not in description:
            raise ValueError(f"{MODEL_FILE}: {key!r} is missing")
    shape, inputs = description["model"], int(description["inputs"])
    if kind == STREAMING:
        return StreamingNetwork(StreamingConfig(**shape), inputs)
    return EncoderHead(HeadConfig(**shape), inputs)


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
        # Both lie on the disk before either gets its name.
        with (
            atomic_path(folder / WEIGHTS_FILE) as weights,
            atomic_path(folder / MODEL_FILE) as model,
        ):
            save_file(tensors, weights)
            model.write_text(json.dumps(dict(description), indent=2) + "\n")
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

    unreadable = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError)
    try:
        description = json.loads((folder / MODEL_FILE).read_text())
        module = _build(description)
        module.load_state_dict(load_file(folder / WEIGHTS_FILE))
        policies = folder / POLICIES_FILE
        content = json.loads(policies.read_text()) if policies.is_file() else {}
        fitted = {name: dict(values) for name, values in content.items()}
    except FileNotFoundError as error:
        missing = WEIGHTS_FILE if (folder / MODEL_FILE).exists() else MODEL_FILE
        raise RunError(
            f"{folder}: no {missing}: expected a finished training run; "
            "`turnkit train --resume` finishes one"
        ) from error
    except (*unreadable, SafetensorError) as error:
        raise RunError(f"{folder}: cannot be read as a training run ({error})") from error
    return RunModel(description, module.eval(), fitted)
