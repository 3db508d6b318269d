"""Add outputs to a serialised ONNX graph without the onnx package.

Protocol buffers merge when their bytes are concatenated: repeated fields are appended
and embedded messages are merged ("Last One Wins" in the protobuf encoding guide). So
bytes that hold nothing but further graph outputs, put behind a model, add them to it.
"""

from __future__ import annotations

from collections.abc import Sequence

_MODEL_GRAPH = 7
_GRAPH_OUTPUT = 12
_VALUE_NAME = 1
"""Field numbers of onnx.proto: ModelProto.graph, GraphProto.output, ValueInfoProto.name."""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _message(field: int, payload: bytes) -> bytes:
    length_delimited = 2
    return _varint(field << 3 | length_delimited) + _varint(len(payload)) + payload


def with_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """Give the model the named inner tensors as further outputs.

    Parameters
    ----------
    model : bytes
        A serialised ONNX ModelProto.
    names : sequence of str
        Tensors that some node of the graph produces.

    Returns
    -------
    bytes
    """
    added = b"".join(
        _message(_MODEL_GRAPH, _message(_GRAPH_OUTPUT, _message(_VALUE_NAME, name.encode())))
        for name in names
    )
    return model + added
