"""A corpus of hums, an encoder of a few weights, and recipes for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

Row = dict[str, Any]


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(own_cache: Path) -> Any:
    # A module at a time: other tests of the same process use the real cache.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TURNKIT_CACHE", str(own_cache))
        yield


@pytest.fixture(scope="session")
def tiny_rows(make_row: Callable[..., Row]) -> Callable[[int, str], list[Row]]:
    """Rows of four speakers, each with one hold and the end."""

    def make(count: int, prefix: str) -> list[Row]:
        rng = np.random.default_rng(len(prefix) + count)
        rows = []
        for number in range(count):
            hold = round(float(rng.uniform(0.5, 0.8)), 2)
            again = round(hold + float(rng.uniform(0.3, 0.6)), 2)
            end = round(again + float(rng.uniform(0.4, 0.7)), 2)
            rows.append(
                make_row(
                    f"{prefix}{number}",
                    spans=((hold, again), (end, end + 1.0)),
                    seconds=end + 1.0,
                    rate=8_000,
                    speaker=f"{prefix}{number % 4}",
                )
            )
        return rows

    return make


@pytest.fixture(scope="session")
def tiny_corpus(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_rows: Callable[[int, str], list[Row]],
    write_parquet: Callable[[Path, Sequence[Row]], Path],
) -> Path:
    """Twelve turns."""
    return write_parquet(tmp_path_factory.mktemp("corpus") / "tiny.parquet", tiny_rows(12, "s"))


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One convolution that passes for a speech encoder of two seconds."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    width, mels = 8, 80
    weights = rng.normal(0.0, 0.1, (width, mels, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["input_features", "w"], ["c"], pads=[1, 1], strides=[2]),
        helper.make_node("Tanh", ["c"], ["t"]),
        helper.make_node("Transpose", ["t"], ["frames"], perm=[0, 2, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, [1, mels, 200])],
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, 100, width])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path_factory.mktemp("encoder") / "tiny.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture
def tiny_recipe(tmp_path: Path, tiny_corpus: Path) -> Callable[..., Path]:
    """Write a recipe that trains in a second: a streaming network on labels alone."""

    def write(name: str = "tiny", **changes: Any) -> Path:
        content: dict[str, Any] = {
            "kind": "streaming",
            "name": name,
            "data": {"corpora": [{"source": str(tiny_corpus)}], "workers": 1},
            "model": {"width": 16, "hidden": 16, "layers": 1},
            "encoder": {"source": "none"},
            "loss": {"distill": 0, "hidden": 0},
            "augment": {"copies": 2},
            "optimiser": {"batch_size": 4},
            "trainer": {"max_epochs": 2, "accelerator": "cpu", "enable_progress_bar": False},
            "checkpoint": {"every_n_steps": 1},
            "logger": "none",
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content | changes))
        return path

    return write
