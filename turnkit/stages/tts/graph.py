"""Small surgery on ONNX files, so that a voice can be run in two parts.

ONNX files are protocol buffers: messages of numbered fields. The few that matter here are
read and written directly, which saves the dependency on the ``onnx`` package. Numbers are
those of ``onnx.proto3``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_GRAPH = 7  # of a model
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13  # of a graph
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME = 1, 2, 3
_TENSOR_NAME, _VALUE_NAME, _VALUE_TYPE = 8, 1, 2
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_FLOAT_TENSOR = b"\x0a\x02\x08\x01"


def with_output(model: bytes, name: str) -> bytes:
    """Add a tensor inside a model's graph, of floats, to its outputs.

    Protocol buffers define that messages written one after the other are merged, so
    that the bytes of a model with nothing but this output do it.
    """
    return model + _field(_GRAPH, _field(_OUTPUT, _float_value(name)))


@dataclass(frozen=True)
class _Node:
    raw: bytes
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def split_at(model: bytes, node: str, also: Iterable[str] = ()) -> tuple[bytes, bytes, str] | None:
    """Part a model in front of a node.

    Parameters
    ----------
    model : bytes
        An ONNX model without subgraphs that reach out of themselves.
    node : str
        Name of the node whose first input is where the model is cut.
    also : iterable of str
        More tensors that the first part gives.

    Returns
    -------
    first, second : bytes
        Models. The first takes the model's inputs and gives the tensor at the cut, then
        those of `also`; the second takes the tensor at the cut, and whatever inputs of
        the model it needs, and gives the model's outputs.
    cut : str
        Name of the tensor at the cut.
    None
        If the model has no such node, or no way around it through the cut alone.
    """
    view = memoryview(model)
    graph = b"".join(payload for number, payload, _ in _fields(view) if number == _GRAPH)
    rest = b"".join(raw for number, _, raw in _fields(view) if number != _GRAPH)
    parts = list(_fields(memoryview(graph)))
    nodes = [_node(payload) for number, payload, _ in parts if number == _NODE]
    cut = next((each.inputs[0] for each in nodes if each.name == node and each.inputs), None)
    if cut is None:
        return None
    outputs = [_name(p, _VALUE_NAME) for number, p, _ in parts if number == _OUTPUT]
    wanted = [cut, *also]
    given = [_field(_OUTPUT, _float_value(name)) for name in wanted]
    first = _part(parts, _needed(nodes, wanted), given)
    taken = [_field(_INPUT, _float_value(cut))]
    kept = [raw for number, _, raw in parts if number == _OUTPUT]
    second = _part(parts, _needed(nodes, outputs, {cut}), [*taken, *kept])
    return rest + _field(_GRAPH, first), rest + _field(_GRAPH, second), cut


def _part(
    parts: list[tuple[int, bytes, bytes]], nodes: list[_Node], more: Iterable[bytes]
) -> bytes:
    """Make a graph of some of the nodes, what they need of the old one, and `more`."""
    used = {name for node in nodes for name in node.inputs}
    kept = [_field(_NODE, node.raw) for node in nodes]
    for number, payload, raw in parts:
        if number == _INITIALIZER:
            if _name(payload, _TENSOR_NAME) in used:
                kept.append(raw)
        elif number == _INPUT:
            if _name(payload, _VALUE_NAME) in used:
                kept.append(raw)
        elif number not in (_NODE, _OUTPUT, _VALUE_INFO):
            kept.append(raw)
    return b"".join([*kept, *more])


def _needed(nodes: list[_Node], wanted: Iterable[str], known: Iterable[str] = ()) -> list[_Node]:
    """Nodes, in order, that lead to the tensors `wanted` where those `known` are there."""
    reached = set(wanted)
    stops = set(known)
    needed = []
    for node in reversed(nodes):  # ONNX keeps them in topological order
        if reached & (set(node.outputs) - stops):
            needed.append(node)
            reached |= set(node.inputs)
    return needed[::-1]


def _node(payload: bytes) -> _Node:
    texts: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_NAME: []}
    for number, text, _ in _fields(memoryview(payload)):
        if number in texts:
            texts[number].append(text.decode())
    name = "".join(texts[_NODE_NAME])
    return _Node(payload, name, tuple(texts[_NODE_INPUT]), tuple(texts[_NODE_OUTPUT]))


def _name(payload: bytes, field: int) -> str:
    return next(p.decode() for number, p, _ in _fields(memoryview(payload)) if number == field)


def _fields(message: memoryview) -> Iterator[tuple[int, bytes, bytes]]:
    """Find the number, content (b"" of a bare number) and all bytes of each field."""
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        begin = at
        if kind == _VARINT:
            _, at = _varint(message, at)
            begin = at
        elif kind == _LENGTH:
            length, begin = _varint(message, at)
            at = begin + length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
            begin = at
        else:
            raise ValueError(f"no protocol buffer: wire type {kind} at byte {start}")
        yield number, bytes(message[begin:at]), bytes(message[start:at])


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _float_value(name: str) -> bytes:
    return _field(_VALUE_NAME, name.encode()) + _field(_VALUE_TYPE, _FLOAT_TENSOR)


def _field(number: int, payload: bytes) -> bytes:
    length, size = bytearray(), len(payload)
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((number << 3 | _LENGTH, *length, size)) + payload
