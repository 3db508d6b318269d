"""fp32 or int8: measured for speed, size and score drift, then chosen with a reason."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import BundleError
from turnkit.features import Frames
from turnkit.model.acoustic import StreamingNetwork
from turnkit.model.onnx_models import OnnxFrameModel
from turnkit.model.torch_models import TorchFrameModel

MAX_DRIFT = 0.01
"""Largest change of a score that int8 may cost: one step of the threshold grid."""

MIN_GAIN = 0.9
"""int8 must take at most this share of fp32's time, or it is not worth its drift."""

TOLERANCE = 1e-4
"""Largest difference between the scores of torch and of the exported graph."""

_PROBE_FRAMES = 1_500
"""Thirty seconds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One precision of one graph.

    Attributes
    ----------
    bytes : int
    microseconds : float
        Median time of a block on one thread.
    drift : float
        Largest difference from torch's scores over the probe.
    """

    bytes: int
    microseconds: float
    drift: float


def probe_frames(network: StreamingNetwork, seed: int = 0) -> Frames:
    """Frames like those in training: its mean and spread, correlated in time as speech is.

    Returns
    -------
    ndarray of float32, shape (1500, features)
    """
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((_PROBE_FRAMES, network.features))
    for index in range(1, len(noise)):
        noise[index] = 0.9 * noise[index - 1] + 0.436 * noise[index]
    mean, scale = (network.get_buffer(name).cpu().numpy() for name in ("mean", "scale"))
    return np.asarray(mean + noise / scale, dtype=np.float32)


def _scores(
    model: OnnxFrameModel | TorchFrameModel, frames: Frames, block: int
) -> tuple[NDArray[np.float32], float]:
    state, scores, times = model.initial_state(), [], []
    for start in range(0, len(frames) - block + 1, block):
        begun = time.perf_counter()
        ended, speech, state = model.step(frames[start : start + block], state)
        times.append(time.perf_counter() - begun)
        scores.append(np.stack([ended, speech]))
    return np.concatenate(scores, axis=1), float(np.median(times)) * 1e6


def quantise(model: bytes) -> bytes:
    """Make 8-bit weights where ONNX Runtime can (matrix products, not GRU)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(prefix="turnkit-int8-") as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(model)
        quantize_dynamic(source, target, weight_type=QuantType.QInt8)
        return target.read_bytes()


def choose_precision(
    network: StreamingNetwork, model: bytes, block: int
) -> tuple[bytes, dict[str, Any]]:
    """Measure fp32 and int8 and pick one.

    Parameters
    ----------
    network : StreamingNetwork
        The reference.
    model : bytes
        Its fp32 graph.
    block : int
        Frames at a time.

    Returns
    -------
    model : bytes
        The chosen graph.
    report : dict
        ``chosen``, ``reason``, and the measurements of both.

    Raises
    ------
    BundleError
        If the fp32 graph does not give torch's scores within `TOLERANCE`.
    """
    frames = probe_frames(network)
    reference, _ = _scores(TorchFrameModel(network), frames, block)
    graphs = {"fp32": model, "int8": quantise(model)}
    report: dict[str, Measured] = {}
    for name, graph in graphs.items():
        scores, microseconds = _scores(OnnxFrameModel(graph), frames, block)
        drift = float(np.abs(scores - reference).max())
        report[name] = Measured(len(graph), round(microseconds, 1), drift)
    fp32, int8 = report["fp32"], report["int8"]
    if fp32.drift > TOLERANCE:
        raise BundleError(
            f"the exported graph differs from torch by {fp32.drift:.2g}; "
            f"at most {TOLERANCE:g} is accepted"
        )
    gain = int8.microseconds / fp32.microseconds
    chosen = "int8" if gain <= MIN_GAIN and int8.drift <= MAX_DRIFT else "fp32"
    reason = (
        f"int8 takes {gain:.2f} of fp32's time and moves scores by up to {int8.drift:.4f}; "
        f"it is chosen at {MIN_GAIN:g} and {MAX_DRIFT:g} or below"
    )
    measured = {name: asdict(value) for name, value in report.items()}
    return graphs[chosen], {"chosen": chosen, "reason": reason, **measured}
