"""Torch modules as ONNX graphs, with the streaming state as inputs and outputs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from turnkit.model.acoustic import EncoderHead, NetworkState, StreamingNetwork
from turnkit.model.onnx_models import FRAME_INPUTS, FRAME_OUTPUTS, HEAD_INPUT, HEAD_OUTPUT

if TYPE_CHECKING:
    from onnx import ModelProto


class _FrameGraph(nn.Module):
    """The streaming network from tensors to tensors, probabilities out."""

    def __init__(self, network: StreamingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, frames: Tensor, recent: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        output, state = self.network(frames, NetworkState(recent, hidden))
        ended, speech = torch.sigmoid(output.end_of_turn), torch.sigmoid(output.speech)
        return ended, speech, state.recent, state.hidden


class _HeadGraph(nn.Module):
    """The head, probability out."""

    def __init__(self, head: EncoderHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, vector: Tensor) -> Tensor:
        return torch.sigmoid(self.head(vector))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which warns of packages that these graphs have no use for."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _export(
    graph: nn.Module, inputs: tuple[Tensor, ...], names: tuple[tuple[str, ...], tuple[str, ...]]
) -> bytes:
    with _quiet():
        program = torch.onnx.export(
            graph.eval(),
            inputs,
            input_names=list(names[0]),
            output_names=list(names[1]),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # with dynamo=True it is a program
    return _without_notes(program.model_proto)


def _without_notes(model: ModelProto) -> bytes:
    """Serialise without the exporter's notes: source lines, and where they lie on its disk."""
    graph = model.graph
    parts = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for part in (model, graph, *(item for each in parts for item in each)):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return bytes(model.SerializeToString(deterministic=True))


def streaming_graph(network: StreamingNetwork, block: int) -> bytes:
    """Export the streaming network for blocks of `block` frames, as ONNX bytes."""
    state = network.initial_state()
    frames = torch.zeros(1, block, network.features)
    names = (FRAME_INPUTS, FRAME_OUTPUTS)
    return _export(_FrameGraph(network), (frames, state.recent, state.hidden), names)


def head_graph(head: EncoderHead) -> bytes:
    """Export the head for one vector, as ONNX bytes."""
    names = ((HEAD_INPUT,), (HEAD_OUTPUT,))
    return _export(_HeadGraph(head), (torch.zeros(1, head.features),), names)
