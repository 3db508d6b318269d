from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from turnkit.stages.tts.graph import split_at, with_output


def model() -> bytes:
    """``out = (x * 2 + bias) * w + y`` in three nodes, with a name of more than 127 bytes."""
    long = "sum_" + "x" * 200
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["double"], name="/double"),
        helper.make_node("Add", ["double", "bias"], [long], name="/enc/add"),
        helper.make_node("Mul", [long, "w"], ["scaled"], name="/dec/first"),
        helper.make_node("Add", ["scaled", "y"], ["out"], name="/dec/second"),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in ("x", "y", "out")
    ]
    constants = {"two": 2.0, "bias": 3.0, "w": 10.0}
    initial = [
        numpy_helper.from_array(np.array([value], dtype=np.float32), name)
        for name, value in constants.items()
    ]
    graph = helper.make_graph(nodes, "g", values[:2], values[2:], initial)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def run(graph: bytes, **inputs: float) -> list[float]:
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    feeds = {name: np.array([value], dtype=np.float32) for name, value in inputs.items()}
    return [float(np.asarray(output)[0]) for output in session.run(None, feeds)]


def test_two_parts_are_the_whole() -> None:
    parts = split_at(model(), "/dec/first", also=["double"])
    assert parts is not None
    first, second, cut = parts
    assert run(first, x=5.0) == [13.0, 10.0]
    assert run(second, **{cut: 13.0, "y": 1.0}) == run(model(), x=5.0, y=1.0) == [131.0]


def test_each_part_has_only_what_it_needs() -> None:
    first, second, cut = split_at(model(), "/dec/first") or pytest.fail("not split")
    graphs = [onnx.load_from_string(part).graph for part in (first, second)]
    assert [[i.name for i in g.initializer] for g in graphs] == [["two", "bias"], ["w"]]
    assert [sorted(i.name for i in g.input) for g in graphs] == [["x"], sorted([cut, "y"])]


def test_without_such_a_node_there_is_no_split() -> None:
    assert split_at(model(), "/dec/conv_pre/Conv") is None


def test_an_inner_tensor_becomes_an_output() -> None:
    assert run(with_output(model(), "double"), x=5.0, y=0.0) == [130.0, 10.0]


def test_bytes_that_are_no_protocol_buffer_are_refused() -> None:
    with pytest.raises(ValueError, match="no protocol buffer"):
        split_at(b"\x07\x07", "node")
