"""Small models for tests: made on the spot, with what they hear fitted to synthetic speech."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.speech import talk
from turnkit.features import FeatureConfig, FeatureState, extract
from turnkit.model.acoustic import EncoderHead, HeadConfig, StreamingConfig, StreamingNetwork
from turnkit.model.checkpoint import ENCODER_FILE, save_policies, save_run_model
from turnkit.model.encoder import SpeechEncoder
from turnkit.vad import Gate

FEATURES = FeatureConfig(8_000, n_mels=16)
TIMES_S = (0.2, 0.4, 0.7)
POLICIES = {
    "FC@300": {"threshold": 0.6, "action_delay_s": 0.2, "timeout_s": 1.0},
    "L@5%": {"threshold": 0.9, "action_delay_s": 0.5, "timeout_s": 1.5},
}


@lru_cache(maxsize=4)
def tiny_network(kernel: int = 3, layers: int = 1) -> StreamingNetwork:
    """Random, but for its last layer: that hears speech, and says anything on ends of turn."""
    torch.manual_seed(0)
    config = StreamingConfig(width=16, hidden=16, layers=layers, kernel=kernel, dropout=0.0)
    network = StreamingNetwork(config, FEATURES.width).eval()
    audio = talk(-0.5, 1.5, -1.0, 1.0, -1.5, rate=FEATURES.sample_rate)
    frames, _ = extract(audio, FeatureState(), FEATURES)
    network.get_buffer("mean").copy_(torch.from_numpy(frames.mean(axis=0)))
    network.get_buffer("scale").copy_(torch.from_numpy(1 / (frames.std(axis=0) + 0.1)))
    with torch.inference_mode():
        output, _ = network(torch.from_numpy(frames)[None], network.initial_state())
    hidden = np.c_[output.hidden[0].numpy(), np.ones(len(frames))]
    # Energy is log10 power / 4: speech lies above -35 dB, the floor at -60 dB.
    speech = np.where(frames[:, 2 * FEATURES.n_mels] > -35 / 40, 4.0, -4.0)
    wanted = np.random.default_rng(0).normal(0.0, 3.0, len(frames))
    columns = [
        np.linalg.lstsq(hidden, target, rcond=None)[0] for target in (wanted, speech, wanted)
    ]
    weights = torch.from_numpy(np.array(columns, dtype=np.float32))
    with torch.no_grad():
        network.read.weight.copy_(weights[:, :-1])
        network.read.bias.copy_(weights[:, -1])
    return network


@lru_cache(maxsize=2)
def tiny_encoder(seconds: int = 2, width: int = 6) -> bytes:
    """An ONNX encoder from ``input_features`` to ``frames``: every other mel frame, mixed."""
    rng = np.random.default_rng(0)
    mix = numpy_helper.from_array(rng.normal(0, 0.2, (80, width)).astype(np.float32), "mix")
    nodes = [
        helper.make_node(
            "AveragePool", ["input_features"], ["pooled"], kernel_shape=[2], strides=[2]
        ),
        helper.make_node("Transpose", ["pooled"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["turned", "mix"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["frames"]),
    ]
    shape = [1, 80, 100 * seconds]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, 50 * seconds, width])],
        [mix],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@lru_cache(maxsize=2)
def tiny_head(hidden: int = 0) -> EncoderHead:
    """Random."""
    torch.manual_seed(1)
    return EncoderHead(HeadConfig(hidden=hidden, dropout=0.0), 6 * 6 + 2).eval()


def facts(kind: str) -> dict[str, Any]:
    """What training writes into ``model.json``."""
    common = {
        "kind": kind,
        "name": f"tiny {kind}",
        "gate": Gate().as_dict(),
        "training_speakers": ["aa", "bb"],
        "policy_speakers": ["cc"],
        "training": {"recipe": "none"},
    }
    if kind == "streaming":
        network = tiny_network()
        return common | {
            "model": network.config.as_dict(),
            "inputs": network.features,
            "features": FEATURES.as_dict(),
            "block": 2,
        }
    head = tiny_head()
    return common | {
        "model": head.config.as_dict(),
        "inputs": head.features,
        "encoder": {"sha256": SpeechEncoder(tiny_encoder()).sha256},
        "times_s": list(TIMES_S),
    }


def write_run(folder: Path, kind: str) -> Path:
    """Write the folder of a finished training run."""
    module = tiny_network() if kind == "streaming" else tiny_head()
    save_run_model(folder, facts(kind), module)
    save_policies(folder, POLICIES)
    if kind == "encoder-head":
        (folder / ENCODER_FILE).write_bytes(tiny_encoder())
    return folder
