"""Further outputs for a serialised graph: what the onnx package itself computes there."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from tests.models import tiny_encoder
from turnkit.errors import BundleError
from turnkit.model.onnx_edit import with_outputs
from turnkit.runtime import OnnxModel

MEL = np.random.default_rng(0).standard_normal((1, 80, 200)).astype(np.float32)


def test_new_outputs_are_the_inner_tensors() -> None:
    model = tiny_encoder()
    edited = OnnxModel(with_outputs(model, ("mixed", "pooled")))
    assert edited.outputs == ["frames", "mixed", "pooled"]
    # By the onnx package: nodes up to the tensor, run by its reference implementation.
    whole = onnx.load_from_string(model)
    for name in ("mixed", "pooled", "frames"):
        part = onnx.ModelProto.FromString(model)
        del part.graph.output[:]
        part.graph.output.append(onnx.ValueInfoProto(name=name))
        part.graph.output[0].type.CopyFrom(whole.graph.output[0].type)
        reference: Any = ReferenceEvaluator(part)
        (expected,) = reference.run(None, {"input_features": MEL})
        (got,) = edited.get((name,), input_features=MEL)
        assert got.std() > 0.01
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_same_as_onnx_would_write() -> None:
    model = tiny_encoder()
    edited = onnx.load_from_string(with_outputs(model, ("mixed",)))
    expected = onnx.load_from_string(model)
    expected.graph.output.append(onnx.ValueInfoProto(name="mixed"))
    assert edited == expected


@given(st.text(min_size=1, max_size=400))
def test_any_name(name: str) -> None:
    """Names longer than 127 bytes take a length of two bytes."""
    edited = onnx.ModelProto.FromString(with_outputs(tiny_encoder(), (name,)))
    assert [output.name for output in edited.graph.output] == ["frames", name]


def test_nothing_added() -> None:
    assert with_outputs(tiny_encoder(), ()) == tiny_encoder()


def test_unknown_tensor() -> None:
    with pytest.raises(BundleError, match="no such tensor"):
        OnnxModel(with_outputs(tiny_encoder(), ("no such tensor",)))
